//! The real program, started as the worker starts it.

#[cfg(test)]
mod child;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tiles;

#[cfg(test)]
#[path = "../../../../fixtures/scene.rs"]
#[expect(dead_code, reason = "no equirectangular picture is looked at here")]
mod scene;
