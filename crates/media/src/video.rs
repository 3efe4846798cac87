//! Frames of video: decoded, described, and made into pictures.
//!
//! | you look for | file |
//! |---|---|
//! | frames one after the other, seeking, what went wrong | [`VideoReader`] |
//! | the samples of a frame | `frame` |
//! | what they mean | `colour` |
//! | a frame as a picture in RGB | [`FramePictures`] |
//! | high dynamic range made standard | `tone` |
//! | one MP4 of a video | [`transcode()`], `encode` (x264), `convert` (other sizes and kinds of frames), `sound`, `aac`, `mp4` |
//! | the same in another projection | [`reproject()`] |
//! | a video in several sizes, in segments | [`ladder()`] |
//! | the frame that shows best what a video is | [`representative`] |
//!
//! FFmpeg goes on where a file is damaged, and calls an error of the disk an end of the file. So packets
//! are read one by one, every error is counted, and a [`DecodeReport`] says at the end what came out of what
//! went in.

mod aac;
mod colour;
mod convert;
mod encode;
mod film;
mod frame;
mod ladder;
mod mp4;
mod picture;
mod reader;
mod representative;
mod reproject;
mod sound;
mod sphere_boxes;
mod tone;
mod transcode;

pub use film::{Film, FilmSettings};
pub use frame::VideoFrame;
pub use ladder::{LadderMeans, Laddered, Piece, encoder_bytes, ladder, passes};
pub use picture::{FramePictures, look};
pub(crate) use reader::has_light_levels;
pub use reader::{DecodeReport, VideoReader};
pub use representative::representative;
pub use reproject::{FaceBorder, Reprojection, reproject};
pub use transcode::{Transcoded, transcode};
