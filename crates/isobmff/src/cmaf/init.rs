//! What comes before all fragments of a track.

use super::VideoConfiguration;
use crate::aac::AacConfiguration;
use crate::{BoxError, write_box, write_full_box};

/// The only track of a file.
pub(super) const TRACK_ID: u32 = 1;

/// Upright, unmoved, as large as it is: in 16.16, and 2.30 in the last column.
const MATRIX: [u32; 9] = [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30];

/// `und` in three times five bits (ISO/IEC 14496-12, 8.4.2.3).
const LANGUAGE_UNKNOWN: u16 = 0x55c4;

/// The flags of a sample that needs no other (`sample_depends_on` 2), before others are known.
pub(super) const SYNC: u32 = 0x0200_0000;

/// What the samples of a track are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// Pictures.
    Video(VideoTrack),
    /// AAC.
    Audio(AudioTrack),
}

/// A track of pictures, in square pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTrack {
    /// Width of a frame.
    pub width_px: u16,
    /// Height of a frame.
    pub height_px: u16,
    /// What a decoder must know.
    pub configuration: VideoConfiguration,
    /// What the samples mean, if anybody knows.
    pub colour: Option<Colour>,
    /// Boxes for the sample entry, behind the codec's configuration: the sphere.
    pub entry_boxes: Vec<u8>,
    /// Boxes at the end of `trak`.
    pub track_boxes: Vec<u8>,
}

/// Numbers of ISO/IEC 23091-2 (H.273).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Colours of red, green and blue.
    pub primaries: u16,
    /// From light to signal.
    pub transfer: u16,
    /// From red, green and blue to luma and its differences.
    pub matrix: u16,
    /// Whether all levels are used.
    pub full_range: bool,
}

/// A track of AAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioTrack {
    /// How many there are.
    pub channels: u16,
    /// Samples a second.
    pub rate_hz: u32,
    /// What a decoder must know.
    pub configuration: AacConfiguration,
    /// Bits a second that the encoder was told.
    pub bits_per_second: u32,
}

/// The init segment of a track that counts `timescale` ticks a second.
///
/// # Errors
/// What is wrong with the codec's configuration.
pub fn init_segment(timescale: u32, media: &Media) -> Result<Vec<u8>, BoxError> {
    let mut entry = Vec::new();
    media.write_entry(&mut entry)?;
    let mut to = Vec::new();
    write_box(&mut to, b"ftyp", |to| {
        to.extend(b"cmfc\0\0\0\0");
        to.extend(b"cmfciso6cmf2");
        if let Media::Video(video) = media {
            to.extend(video.configuration.brand());
        }
    });
    write_box(&mut to, b"moov", |to| {
        write_full_box(to, b"mvhd", 0, 0, |to| {
            // Made and changed at no time; how long it is stands in no fragment.
            put(to, &[0, 0, timescale, 0]);
            // Rate 1, volume 1, and what is reserved.
            put(to, &[1 << 16, 1 << 24, 0, 0]);
            put(to, &MATRIX);
            put(to, &[0; 6]);
            put(to, &[TRACK_ID + 1]);
        });
        write_box(to, b"trak", |to| {
            media.write_head(to);
            write_box(to, b"mdia", |to| write_media(timescale, media, &entry, to));
            if let Media::Video(video) = media {
                to.extend(&video.track_boxes);
            }
        });
        write_box(to, b"mvex", |to| {
            write_full_box(to, b"trex", 0, 0, |to| put(to, &[TRACK_ID, 1, 0, 0, 0]));
        });
    });
    Ok(to)
}

fn put(to: &mut Vec<u8>, words: &[u32]) {
    to.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

/// What `mdia` holds.
fn write_media(timescale: u32, media: &Media, entry: &[u8], to: &mut Vec<u8>) {
    write_full_box(to, b"mdhd", 0, 0, |to| {
        put(to, &[0, 0, timescale, 0]);
        to.extend(LANGUAGE_UNKNOWN.to_be_bytes());
        to.extend([0; 2]);
    });
    write_full_box(to, b"hdlr", 0, 0, |to| {
        to.extend([0; 4]);
        to.extend(media.handler());
        to.extend([0; 13]);
    });
    write_box(to, b"minf", |to| {
        match media {
            Media::Video(_) => write_full_box(to, b"vmhd", 0, 1, |to| to.extend([0; 8])),
            Media::Audio(_) => write_full_box(to, b"smhd", 0, 0, |to| to.extend([0; 4])),
        }
        write_box(to, b"dinf", |to| {
            write_full_box(to, b"dref", 0, 0, |to| {
                put(to, &[1]);
                // The samples lie in the same file.
                write_full_box(to, b"url ", 0, 1, |_| {});
            });
        });
        write_box(to, b"stbl", |to| {
            write_full_box(to, b"stsd", 0, 0, |to| {
                put(to, &[1]);
                to.extend(entry);
            });
            // All samples lie in fragments.
            for (kind, words) in [(b"stts", 1), (b"stsc", 1), (b"stsz", 2), (b"stco", 1)] {
                write_full_box(to, kind, 0, 0, |to| put(to, &[0; 2][..words]));
            }
        });
    });
}

impl Media {
    const fn handler(&self) -> &'static [u8; 4] {
        match self {
            Self::Video(_) => b"vide",
            Self::Audio(_) => b"soun",
        }
    }

    /// `tkhd`: enabled, and part of the movie.
    fn write_head(&self, to: &mut Vec<u8>) {
        let (volume, width_px, height_px) = match self {
            Self::Video(video) => (0, video.width_px, video.height_px),
            Self::Audio(_) => (0x0100_u16, 0, 0),
        };
        write_full_box(to, b"tkhd", 0, 3, |to| {
            put(to, &[0, 0, TRACK_ID, 0, 0, 0, 0]);
            // Layer and group, then the volume.
            to.extend([0; 4]);
            to.extend(volume.to_be_bytes());
            to.extend([0; 2]);
            put(to, &MATRIX);
            put(to, &[u32::from(width_px) << 16, u32::from(height_px) << 16]);
        });
    }

    fn write_entry(&self, to: &mut Vec<u8>) -> Result<(), BoxError> {
        match self {
            Self::Video(video) => video.write_entry(to),
            Self::Audio(audio) => {
                audio.write_entry(to);
                Ok(())
            }
        }
    }
}

impl VideoTrack {
    fn write_entry(&self, to: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut written = Ok(());
        write_box(to, self.configuration.entry(), |to| {
            // Six bytes reserved, the first data reference; then sixteen that are zero.
            to.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            to.extend([0; 16]);
            to.extend(self.width_px.to_be_bytes());
            to.extend(self.height_px.to_be_bytes());
            // 72 dpi, and one frame a sample.
            put(to, &[72 << 16, 72 << 16, 0]);
            to.extend(1_u16.to_be_bytes());
            // No name, in 32 bytes; 24 bits; -1.
            to.extend([0; 32]);
            to.extend([0, 24, 0xff, 0xff]);
            written = self.configuration.write(to);
            to.extend(&self.entry_boxes);
            if let Some(colour) = self.colour {
                write_box(to, b"colr", |to| {
                    to.extend(b"nclx");
                    for number in [colour.primaries, colour.transfer, colour.matrix] {
                        to.extend(number.to_be_bytes());
                    }
                    to.push(u8::from(colour.full_range) << 7);
                });
            }
            write_box(to, b"pasp", |to| put(to, &[1, 1]));
        });
        written
    }
}

impl AudioTrack {
    fn write_entry(&self, to: &mut Vec<u8>) {
        write_box(to, b"mp4a", |to| {
            to.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            to.extend([0; 8]);
            to.extend(self.channels.to_be_bytes());
            to.extend(16_u16.to_be_bytes());
            to.extend([0; 4]);
            // In 16.16; a rate that has no room is written as none, and stands in the configuration.
            let rate = if self.rate_hz < 1 << 16 { self.rate_hz << 16 } else { 0 };
            put(to, &[rate]);
            self.configuration.write(self.bits_per_second, self.bits_per_second, to);
        });
    }
}
