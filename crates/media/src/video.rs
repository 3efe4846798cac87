//! Frames of video: decoded, described, and made into pictures.
//!
//! | you look for | file |
//! |---|---|
//! | frames one after the other, seeking, what went wrong | [`VideoReader`] |
//! | the samples of a frame | `frame` |
//! | what they mean | `colour` |
//! | a frame as a picture in RGB | [`FramePictures`] |
//! | high dynamic range made standard | `tone` |
//! | the frame that shows best what a video is | [`representative`] |
//!
//! FFmpeg goes on where a file is damaged, and calls an error of the disk an end of the file. So packets
//! are read one by one, every error is counted, and a [`DecodeReport`] says at the end what came out of what
//! went in.

mod colour;
mod frame;
mod picture;
mod reader;
mod representative;
mod tone;

pub use frame::VideoFrame;
pub use picture::FramePictures;
pub(crate) use reader::has_light_levels;
pub use reader::{DecodeReport, VideoReader};
pub use representative::representative;
