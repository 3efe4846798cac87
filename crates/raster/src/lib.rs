//! Sampling, remapping and pyramids: pixels in memory.
//!
//! # Frame and layout
//!
//! A [`Picture`] is one to four [`Plane`]s of the same size: planar, row-major, `y` down, without
//! padding between rows. Positions are continuous, pixel centres lie at .5; rays and angles are
//! those of `panofleet-projection`. Samples are `u8`, `u16` (the whole range, 0 to 65,535) or
//! `f32` (any value; 1.0 is opaque where the plane is alpha). Alpha is straight, not
//! premultiplied; every filter here weighs colour by it, so that what is transparent does not
//! bleed.
//!
//! # From a panorama to tiles
//!
//! ```
//! use panofleet_projection::{Face, Pyramid, View};
//! use panofleet_raster::{Panorama, Picture, Rect, Sampling, reduce_by_two, remap};
//! # use panofleet_raster::{Channels, RasterError, Size};
//!
//! let pixels = vec![128_u8; 256 * 128 * 3];
//! let size = Size::new(256, 128).expect("not empty");
//! let panorama = Panorama::full(Picture::from_interleaved(Channels::Rgb, size, &pixels)?);
//!
//! let pyramid = Pyramid::new(256.try_into().expect("not zero"));
//! let view = View::cube_face(Face::Front, pyramid.face_px());
//! let face = remap(&panorama, &view, &Sampling::default())?;
//! let parent = reduce_by_two(&face);
//! let tile = Rect::whole(Size::square(pyramid.tile_px()));
//! let interleaved: Vec<u8> = face.to_interleaved(tile)?;
//! # assert_eq!(interleaved.len(), 96 * 96 * 3);
//! # assert_eq!(parent.size().width_px(), 48);
//! # Ok::<(), RasterError>(())
//! ```
//!
//! Work is split into bands of rows over the current rayon pool; results do not depend on the
//! number of threads.
//!
//! # How a remap works
//!
//! A *map* (`map`) says where each destination pixel lies in the source: biquadratics of 16 × 16
//! pixels that were checked against the exact function, kept for the next picture of the same
//! kind. *Regions* (`region`) continue the source beyond its borders and hold low-passed copies of
//! rows that are stretched towards a pole, so that kernels test no edge. *Kernels* (`engine`) do the
//! rest, a block at a time, in 8 bits with AVX2 or AVX-512 where the machine has them. By default
//! their width follows the *footprint* of a destination pixel: [`Kernel::Footprint`].
//!
//! [`FrameRemap`] does the same for frames of YCbCr, subsampled or not: chroma lies where its
//! [`Siting`] says, and [`Range`] and siting convert on the way.
//!
//! # What this crate does not do
//!
//! It reads and writes no file, decodes nothing, and converts no primaries. It filters the stored
//! (gamma-encoded) values; who wants linear light filters what [`to_light`] gives. There is no kernel for NEON: other machines than
//! x86-64 run the plain loops. It stitches two lenses that look away from each other ([`stitch()`]), not pictures of any kind.

mod band;
mod crop;
mod depth;
mod description;
mod engine;
mod error;
mod frame;
mod isa;
mod kernel;
mod light;
mod map;
mod matrix;
mod orient;
mod panorama;
mod picture;
mod plane;
mod prefilter;
mod quality;
mod rect;
mod reduce;
mod region;
mod remap;
mod resize;
mod sample;
mod source;
mod stereo;
mod stitch;
mod weights;

pub use crop::{crop, crop_view};
pub use depth::to_eight_bits;
pub use description::{Description, Matrix, Primaries, Range, Siting, Subsampling, Transfer};
pub use error::RasterError;
pub use frame::{Frame, FrameRemap};
pub use kernel::Kernel;
pub use light::{from_light, to_light};
pub use matrix::{rgb_to_ycbcr, ycbcr_to_rgb};
pub use orient::{ExifOrientation, orient};
pub use panofleet_projection::Size;
pub use panorama::Panorama;
pub use picture::{Channels, Picture};
pub use plane::{PLANE_PX_MAX, Plane, PlaneView, SIDE_PX_MAX};
pub use quality::{
    RoundTrip, SeamScore, SphereWeights, psnr_db, resolved_share, round_trip, seam_score,
    weighted_mse,
};
pub use rect::Rect;
pub use reduce::{reduce_by_two, reduce_cube, with_apron};
pub(crate) use remap::PlaneRemap;
pub use remap::{Sampling, remap, remap_window};
pub use resize::{Edges, resize};
pub use sample::Sample;
pub use source::{Geometry, Grid};
pub use stereo::{Eye, StereoLayout, join_stereo, split_stereo};
pub use stitch::{Alignment, LensPicture, Stitched, Stitching, one_lens, stitch};
