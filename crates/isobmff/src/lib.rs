//! Boxes of ISO base media files (MP4, MOV, CMAF), and the metadata of spherical video in them.
//!
//! Everything works on bytes in memory that somebody else has read: there is no IO here, no `unsafe`, and
//! no recursion over what a file says. Readers take hostile bytes: every size is checked against what is
//! there, every count against a limit, and nothing is allocated because a file asks for it.
//!
//! | you look for | file |
//! |---|---|
//! | one box after the other | [`Boxes`], [`BoxHeader`] |
//! | what a `moov` says of its tracks | [`Movie`] |
//! | how many samples a `moof` adds | [`fragment_samples`] |
//! | Google's spherical video: XML in a `uuid` (V1), `st3d` and `sv3d` (V2) | [`v1`], [`v2`] |
//! | Apple's `vexu` and `hfov` | [`apple`] |
//! | ambisonics, `SA3D` | [`SpatialAudio`] |
//! | boxes made | [`write_box`], [`write_full_box`] |
//! | boxes put into a finished `moov` | [`MovieEdit`] |
//! | init segments and fragments of CMAF | [`cmaf`] |
//! | H.264, HEVC, AV1 and AAC as MP4 holds them, and what playlists call them | [`avc`], [`hevc`], [`av1`], [`aac`] |
//!
//! Numbers are big-endian, as everywhere in these files.
//!
//! Sources: ISO/IEC 14496-12 and, for what is written, those that its files name; Google's Spherical Video RFC V1 and V2 and Spatial Audio RFC (repository
//! `google/spatial-media`, `docs/`); Apple's "QuickTime and ISO Base Media File Formats and Spatial and
//! Immersive Media", as FFmpeg's `libavformat/mov.c` and `movenc.c` read and write it.
//!
//! # What this crate does not do
//!
//! It reads no sample tables beyond their counts, no codec configurations of files, and does not decode the
//! mesh of an `mshp`: that is kept as it is.

#![forbid(unsafe_code)]

pub mod aac;
pub mod apple;
pub mod av1;
pub mod avc;
mod bits;
mod boxes;
pub mod cmaf;
mod cursor;
mod edit;
mod error;
mod four_cc;
mod fragment;
pub mod hevc;
mod movie;
mod nal;
mod sample_entry;
mod spatial_audio;
pub mod v1;
pub mod v2;
mod write;

pub use boxes::{BOXES_MAX, BoxHeader, BoxRef, Boxes};
pub use edit::{MovieEdit, TrackEdit};
pub use error::BoxError;
pub use four_cc::FourCc;
pub use fragment::fragment_samples;
pub use movie::{Edit, Movie, TRACKS_MAX, Track};
pub use sample_entry::SampleEntry;
pub use spatial_audio::SpatialAudio;
pub use write::{write_box, write_full_box};
