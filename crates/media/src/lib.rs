//! What a file is and what its pixels are: image codecs, metadata, and FFmpeg for files with tracks.
//!
//! Everything here reads bytes that a stranger sent, with C libraries among the readers, so it runs only
//! in the sandboxed runner.
//!
//! | you look for | file |
//! |---|---|
//! | what kind of file it is, by its first bytes | [`sniff`] |
//! | what a probe reports | [`probe()`], `header/` (stills), `tracks` (video and audio) |
//! | metadata | `exif` over `ifd` (TIFF's directories), [`gpano`] over `xmp`, [`icc`] |
//! | frames of video | [`video`] |
//! | pixels | [`decode()`], [`decode_deep`], [`decode_stored`], [`pixels`], [`Encoder`] |
//!
//! # Pixels
//!
//! A decoded picture is upright (EXIF orientation applied), planar RGB or RGB with straight alpha, 8 or 16 bits
//! as the caller likes, in the colour space of the profile that comes with it or in sRGB. Limits are checked from the header,
//! before anything of the picture's size is allocated.
//!
//! # What this crate does not do
//!
//! It has no resampling of its own ([`pixels`] calls `panofleet-raster`), reads no floating-point samples, applies no gain
//! map, and protects nobody from a hostile file by itself: a decoder that can be broken is broken here, and the runner's
//! sandbox holds it.

mod cube;
mod decode;
mod depth;
mod encode;
mod error;
mod exif;
mod frame;
pub mod gpano;
mod header;
pub mod icc;
mod ifd;
mod insta360;
pub mod measure;
pub mod pixels;
mod planes;
mod probe;
pub mod sniff;
mod tracks;
pub mod video;
mod xmp;

pub use cube::{cut_faces, halve_cube, resized_cube};
pub use decode::{Decoded, decode, decode_bytes_max, decode_deep, decode_deep_bytes_max};
pub use encode::{Embedded, Encoder, Samples};
pub use error::MediaError;
pub use exif::Exif;
pub use frame::{StoredFrame, decode_stored, shrink, stored_bytes, stored_face};
pub use probe::{check_has_pixels, probe, probe_bytes};
