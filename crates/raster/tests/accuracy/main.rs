//! Positions and values against closed-form truth.
//!
//! The scene is the direction itself: its three channels are the `x`, `y` and `z` of the ray that
//! a pixel looks along. What a remapped pixel holds is therefore where it was taken from, and the
//! distance to where it should have been taken from is its position error. The formulas in
//! [`scene`] are written from the definitions and share nothing with the engine.

#[cfg(test)]
mod crops;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod faces;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod minification;
#[cfg(test)]
mod noise;
#[cfg(test)]
mod resizing;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod views;
