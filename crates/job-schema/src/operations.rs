//! One file for each operation: its parameters, their documentation, and its plan.

pub(crate) mod fleet_noop;
pub(crate) mod image_thumbnail;
pub(crate) mod media_probe;
pub(crate) mod pano_tiles;
pub(crate) mod shared;
