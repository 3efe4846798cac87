//! One file for each operation: its parameters, their documentation, and its plan.

pub(crate) mod fleet_noop;
pub(crate) mod image_convert;
pub(crate) mod image_thumbnail;
pub(crate) mod media_probe;
pub(crate) mod pano_blur;
pub(crate) mod pano_convert;
pub(crate) mod pano_cubemap;
pub(crate) mod pano_level;
pub(crate) mod pano_little_planet;
pub(crate) mod pano_patch;
pub(crate) mod pano_social;
pub(crate) mod pano_spin;
pub(crate) mod pano_stitch;
pub(crate) mod pano_tiles;
pub(crate) mod pano_video_convert;
pub(crate) mod pano_view;
pub(crate) mod shared;
pub(crate) mod video_ladder;
pub(crate) mod video_poster;
pub(crate) mod video_sprites;
pub(crate) mod video_transcode;
