//! The real program, started as the worker starts it.

#[cfg(test)]
mod child;
#[cfg(test)]
mod converts;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod deep;
#[cfg(test)]
mod eyes;
#[cfg(test)]
mod films;
#[cfg(test)]
mod ladder;
mod ladder_codecs;
#[cfg(test)]
mod ladder_played;
#[cfg(test)]
mod ladder_sources;
#[cfg(test)]
mod levels;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod playlists;
#[cfg(test)]
mod previews;
#[cfg(test)]
mod projections;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod renders;
#[cfg(test)]
mod reprojections;
#[cfg(test)]
mod retouches;
#[cfg(test)]
mod social;
#[cfg(test)]
mod spins;
#[cfg(test)]
mod stitches;
#[cfg(test)]
mod tiles;
#[cfg(test)]
mod transcode;
#[cfg(test)]
mod video;
#[cfg(test)]
mod viewers;

#[cfg(test)]
#[path = "../../../../fixtures/footage.rs"]
mod footage;

#[cfg(test)]
#[path = "../../../../fixtures/scene.rs"]
#[expect(dead_code, reason = "whole spheres are painted by `looks`")]
mod scene;
