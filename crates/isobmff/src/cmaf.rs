//! Files of CMAF: an init segment for each track, and fragments of one track.
//!
//! Times are whole ticks of the track's timescale. Decoding begins at the time at which the first sample is
//! shown (`trun` version 1, with offsets below zero where a sample is shown before its turn), so that no edit
//! list is needed: what brand `cmf2` asks for.
//!
//! Sources: ISO/IEC 23000-19, 7.3 and 7.5; ISO/IEC 14496-12, 8 (boxes) and 12 (sample entries).

mod fragment;
mod init;
mod video;

pub use fragment::{
    FRAGMENT_BYTES_MAX, Fragment, Sample, SyncSamples, Written, write_segment_type,
};
pub use init::{AudioTrack, Colour, Media, VideoTrack, init_segment};
pub use video::VideoConfiguration;
