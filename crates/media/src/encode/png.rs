//! PNG, 8 or 16 bits (W3C PNG, third edition).

use std::borrow::Cow;

use panofleet_raster::Size;
use png::chunk::iTXt;
use png::{BitDepth, ColorType, Compression, EncodingError, Info, SrgbRenderingIntent};

use super::{Embedded, Samples};
use crate::error::MediaError;
use crate::header::png::XMP_KEYWORD;

pub(super) fn encode(
    samples: Samples<'_>,
    size: Size,
    embedded: &Embedded,
) -> Result<Vec<u8>, MediaError> {
    let mut info = Info::with_size(size.width_px(), size.height_px());
    info.color_type = if samples.channels() == 3 { ColorType::Rgb } else { ColorType::Rgba };
    info.bit_depth = if samples.bits() == 8 { BitDepth::Eight } else { BitDepth::Sixteen };
    // One or the other says what the colours are (11.3.2.3).
    match &embedded.icc {
        Some(icc) => info.icc_profile = Some(Cow::Borrowed(icc)),
        None => info.srgb = Some(SrgbRenderingIntent::Perceptual),
    }
    if let Some(exif) = &embedded.exif {
        info.exif_metadata = Some(Cow::Owned(exif.block(size, embedded.icc.is_none())));
    }
    let bytes = match samples {
        Samples::Rgb8(samples) | Samples::Rgba8(samples) => Cow::Borrowed(samples),
        Samples::Rgb16(samples) | Samples::Rgba16(samples) => {
            Cow::Owned(samples.iter().flat_map(|value| value.to_be_bytes()).collect())
        }
    };
    let mut file = Vec::new();
    write(&mut file, info, &bytes, embedded.xmp.as_deref())
        .map_err(|error| MediaError::Encode { format: "PNG", source: error.into() })?;
    Ok(file)
}

fn write(
    file: &mut Vec<u8>,
    info: Info<'_>,
    bytes: &[u8],
    xmp: Option<&str>,
) -> Result<(), EncodingError> {
    let mut encoder = png::Encoder::with_info(file, info)?;
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    if let Some(xmp) = xmp {
        // Not compressed, without language and translation (11.3.3.4).
        let body = [XMP_KEYWORD, &[0, 0, 0, 0, 0], xmp.as_bytes()].concat();
        writer.write_chunk(iTXt, &body)?;
    }
    writer.write_image_data(bytes)?;
    writer.finish()
}
