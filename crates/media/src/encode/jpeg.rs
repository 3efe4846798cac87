//! JPEG, 4:2:0, through libjpeg-turbo.

use panofleet_raster::Size;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::error::MediaError;

/// Bytes of a profile in one segment (ICC.1:2010, annex B.4): a segment's 65,533 without its head of 14.
const ICC_PART_BYTES: usize = 65_519;

pub(super) fn compressor(quality: u8) -> Result<Compressor, MediaError> {
    let mut compressor = Compressor::new().map_err(failed)?;
    compressor.set_quality(quality.into()).map_err(failed)?;
    compressor.set_subsamp(Subsamp::Sub2x2).map_err(failed)?;
    Ok(compressor)
}

pub(super) fn encode(
    compressor: &mut Compressor,
    rgb: &[u8],
    size: Size,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, MediaError> {
    let (width, height) = (size.width_px() as usize, size.height_px() as usize);
    let image = Image { pixels: rgb, width, pitch: 3 * width, height, format: PixelFormat::RGB };
    let jpeg = compressor.compress_to_vec(image).map_err(failed)?;
    Ok(match icc {
        Some(icc) => with_profile(&jpeg, icc),
        None => jpeg,
    })
}

/// Puts the profile behind the JFIF segment, where readers expect it.
fn with_profile(jpeg: &[u8], icc: &[u8]) -> Vec<u8> {
    // The encoder begins every file with SOI and an APP0 of 16 bytes.
    let (head, rest) = jpeg.split_at(2 + 2 + 16);
    let parts = icc.chunks(ICC_PART_BYTES);
    let count = parts.len() as u8;
    let mut tagged = head.to_vec();
    for (number, part) in (1..=count).zip(parts) {
        tagged.extend([0xff, 0xe2]);
        tagged.extend((part.len() as u16 + 16).to_be_bytes());
        tagged.extend(b"ICC_PROFILE\0");
        tagged.extend([number, count]);
        tagged.extend(part);
    }
    tagged.extend(rest);
    tagged
}

fn failed(error: turbojpeg::Error) -> MediaError {
    MediaError::Encode { format: "JPEG", source: error.into() }
}
