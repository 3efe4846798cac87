//! TIFF, 8 or 16 bits, deflated (TIFF 6.0; Adobe's "TIFF Technical Note: ZIP").
//!
//! In strips rather than tiles: every reader has them, those that go row by row too.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use panofleet_raster::Size;
use rayon::prelude::*;

use super::{Embedded, Samples};
use crate::error::MediaError;
use crate::ifd::{self, Directory, Value};

/// Bytes of a strip before it is deflated, about.
const STRIP_BYTES: usize = 256 * 1024;

/// The end of what offsets of 32 bits reach.
const FILE_BYTES_MAX: u64 = u32::MAX as u64;

pub(super) fn encode(
    samples: Samples<'_>,
    size: Size,
    embedded: &Embedded,
) -> Result<Vec<u8>, MediaError> {
    let row_samples = size.width_px() as usize * samples.channels();
    let rows =
        (STRIP_BYTES / (row_samples * samples.bits() / 8)).clamp(1, size.height_px() as usize);
    let channels = samples.channels();
    let strips: Result<Vec<Vec<u8>>, _> = match samples {
        Samples::Rgb8(samples) | Samples::Rgba8(samples) => samples
            .par_chunks(rows * row_samples)
            .map(|strip| {
                deflated(strip, row_samples, |row, bytes| {
                    differences(row, channels, bytes, |a, b| [a.wrapping_sub(b)])
                })
            })
            .collect(),
        Samples::Rgb16(samples) | Samples::Rgba16(samples) => samples
            .par_chunks(rows * row_samples)
            .map(|strip| {
                deflated(strip, row_samples, |row, bytes| {
                    differences(row, channels, bytes, |a, b| a.wrapping_sub(b).to_le_bytes())
                })
            })
            .collect(),
    };
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| MediaError::Encode {
        format: "TIFF",
        source,
    };
    let strips = strips.map_err(|error| failed(error.into()))?;
    let metadata_bytes =
        embedded.icc.as_ref().map_or(0, Vec::len) + embedded.xmp.as_ref().map_or(0, String::len);
    let bytes: usize =
        strips.iter().map(|strip| strip.len() + 1 + 16).sum::<usize>() + metadata_bytes + 64 * 1024;
    if bytes as u64 > FILE_BYTES_MAX {
        return Err(failed(format!("{bytes} bytes are more than a TIFF can have").into()));
    }
    let mut file = ifd::HEAD.to_vec();
    file.reserve_exact(bytes);
    let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
    for strip in strips {
        offsets.push(file.len() as u32);
        lengths.push(strip.len() as u32);
        file.extend(&strip);
        // Some readers want strips at even places.
        file.extend((strip.len() % 2 == 1).then_some(0));
    }
    let mut directory = description(samples, size, embedded);
    directory.set(278, Value::Longs(vec![rows as u32]));
    directory.set(273, Value::Longs(offsets));
    directory.set(279, Value::Longs(lengths));
    directory.write_first(&mut file);
    Ok(file)
}

/// The tags that say what the samples are, and the metadata.
fn description(samples: Samples<'_>, size: Size, embedded: &Embedded) -> Directory {
    const ADOBE_DEFLATE: u16 = 8;
    const RGB: u16 = 2;
    const INTERLEAVED: u16 = 1;
    const DIFFERENCES: u16 = 2;
    const STRAIGHT_ALPHA: u16 = 2;
    const INCH: u16 = 2;

    let mut directory = Directory::default();
    let mut short = |tag, value| directory.set(tag, Value::Shorts(vec![value]));
    short(259, ADOBE_DEFLATE);
    short(262, RGB);
    short(274, 1);
    short(277, samples.channels() as u16);
    short(284, INTERLEAVED);
    short(296, INCH);
    short(317, DIFFERENCES);
    if samples.channels() == 4 {
        short(338, STRAIGHT_ALPHA);
    }
    directory.set(256, Value::Longs(vec![size.width_px()]));
    directory.set(257, Value::Longs(vec![size.height_px()]));
    directory.set(258, Value::Shorts(vec![samples.bits() as u16; samples.channels()]));
    // Baseline readers want a resolution.
    directory.set(282, Value::Rationals(vec![(72, 1)]));
    directory.set(283, Value::Rationals(vec![(72, 1)]));
    if let Some(exif) = &embedded.exif {
        exif.add_to(&mut directory, embedded.icc.is_none());
    }
    if let Some(xmp) = &embedded.xmp {
        directory.set(700, Value::Bytes(xmp.clone().into_bytes()));
    }
    if let Some(icc) = &embedded.icc {
        directory.set(34675, Value::Undefined(icc.clone()));
    }
    directory
}

/// One strip, row by row through `predict`, deflated.
fn deflated<S>(
    strip: &[S],
    row_samples: usize,
    predict: impl Fn(&[S], &mut Vec<u8>),
) -> std::io::Result<Vec<u8>> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(4));
    let mut bytes = Vec::new();
    for row in strip.chunks(row_samples) {
        bytes.clear();
        predict(row, &mut bytes);
        packer.write_all(&bytes)?;
    }
    packer.finish()
}

/// The difference of each sample from the one before it of its channel (TIFF 6.0, section 14), as bytes.
fn differences<S: Copy + Default, const N: usize>(
    row: &[S],
    channels: usize,
    bytes: &mut Vec<u8>,
    minus: impl Fn(S, S) -> [u8; N],
) {
    let before = std::iter::repeat_n(S::default(), channels).chain(row.iter().copied());
    bytes.extend(row.iter().zip(before).flat_map(|(value, before)| minus(*value, before)));
}
