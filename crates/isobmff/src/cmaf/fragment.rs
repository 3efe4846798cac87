//! A `moof` and its `mdat`.

use std::ops::Range;

use super::init::{SYNC, TRACK_ID};
use crate::{BoxError, FourCc, write_box, write_full_box};

/// Bytes of the samples of one fragment.
pub const FRAGMENT_BYTES_MAX: usize = 1 << 30;

/// The flags of a sample that needs others: `sample_depends_on` 1, and no sync sample.
const DEPENDS: u32 = 0x0101_0000;

/// Flags of `tfhd`: offsets count from the `moof`; the duration and the flags of samples are given.
const HEAD_FLAGS: u32 = 0x02_0000 | 0x08 | 0x20;

/// Flags of `trun`: the place of the data and the sizes of samples are given.
const RUN_FLAGS: u32 = 0x01 | 0x200;

/// Flags of `trun`: the first sample's flags are given.
const RUN_FIRST: u32 = 0x04;

/// Flags of `trun`: composition offsets are given.
const RUN_OFFSETS: u32 = 0x800;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its length.
    pub bytes: u32,
    /// By how many ticks it is shown after its time of decoding; below zero, before.
    pub shown_after: i32,
}

/// Which samples can be decoded without others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncSamples {
    /// The first one.
    First,
    /// Each.
    All,
}

/// Samples of one track that follow each other; each takes as long as the others.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Which of the track's fragments it is, from 1.
    pub number: u32,
    /// When the first sample is decoded, in ticks.
    pub decoded_at: u64,
    /// Ticks that each sample takes.
    pub sample_ticks: u32,
    /// The samples in the order of decoding.
    pub samples: &'a [Sample],
    /// Which of them need no others.
    pub sync: SyncSamples,
    /// Their bytes, one after the other.
    pub data: &'a [u8],
}

/// Where a fragment came to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// From the first byte of its `moof` to the last of its first sample: what shows that sample alone.
    pub first_sample: Range<usize>,
}

impl Fragment<'_> {
    /// Appends `moof` and `mdat`.
    ///
    /// # Errors
    /// [`BoxError::TooMany`] for more than [`FRAGMENT_BYTES_MAX`] bytes; [`BoxError::Value`] if the samples'
    /// lengths do not add up to the data's.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<Written, BoxError> {
        if self.data.len() > FRAGMENT_BYTES_MAX {
            return Err(BoxError::TooMany { kind: FourCc(*b"mdat"), max: FRAGMENT_BYTES_MAX });
        }
        let bytes: u64 = self.samples.iter().map(|sample| u64::from(sample.bytes)).sum();
        if bytes != self.data.len() as u64 {
            let said = "its samples are not as long as its data";
            return Err(BoxError::Value { kind: FourCc(*b"trun"), said });
        }
        let start = to.len();
        let mut place = 0;
        write_box(to, b"moof", |to| {
            write_full_box(to, b"mfhd", 0, 0, |to| to.extend(self.number.to_be_bytes()));
            write_box(to, b"traf", |to| {
                self.write_head(to);
                place = self.write_run(to);
            });
        });
        let head = to.len() - start + 8;
        // The data's place counts from the `moof`, and is known when that is written.
        to[place..place + 4].copy_from_slice(&(head as u32).to_be_bytes());
        write_box(to, b"mdat", |to| to.extend(self.data));
        let first = self.samples.first().map_or(0, |sample| sample.bytes as usize);
        Ok(Written { first_sample: start..start + head + first })
    }

    fn write_head(&self, to: &mut Vec<u8>) {
        let flags = match self.sync {
            SyncSamples::First => DEPENDS,
            SyncSamples::All => SYNC,
        };
        write_full_box(to, b"tfhd", 0, HEAD_FLAGS, |to| {
            let words = [TRACK_ID, self.sample_ticks, flags];
            to.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        });
        write_full_box(to, b"tfdt", 1, 0, |to| to.extend(self.decoded_at.to_be_bytes()));
    }

    /// Writes the `trun`; gives where the place of the data has to be put.
    fn write_run(&self, to: &mut Vec<u8>) -> usize {
        let offsets = self.samples.iter().any(|sample| sample.shown_after != 0);
        let first = self.sync == SyncSamples::First;
        let flags =
            RUN_FLAGS | if first { RUN_FIRST } else { 0 } | if offsets { RUN_OFFSETS } else { 0 };
        let mut place = 0;
        write_full_box(to, b"trun", 1, flags, |to| {
            to.extend((self.samples.len() as u32).to_be_bytes());
            place = to.len();
            to.extend([0; 4]);
            if first {
                to.extend(SYNC.to_be_bytes());
            }
            for sample in self.samples {
                to.extend(sample.bytes.to_be_bytes());
                if offsets {
                    to.extend(sample.shown_after.to_be_bytes());
                }
            }
        });
        place
    }
}

/// Appends the `styp` that a segment begins with: a CMAF segment, and one of DASH.
pub fn write_segment_type(to: &mut Vec<u8>) {
    write_box(to, b"styp", |to| to.extend(b"cmfs\0\0\0\0cmfscmffmsdh"));
}
