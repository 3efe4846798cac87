//! TIFF: the tags of the first directory, and how many directories there are (TIFF 6.0; `BigTIFF`).

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use image::{ExtendedColorType, ImageDecoder};
use panofleet_job_schema::media_info::ColorModel;

use super::{Header, METADATA_BYTES_MAX, Metadata};
use crate::decode::still::image_error;
use crate::error::MediaError;
use crate::exif::Exif;
use crate::ifd::read::Structure;
use crate::ifd::{Directory, Value};
use crate::sniff::Container;

/// Pages that are counted; a chain that goes on is cut off here, which also ends a circle.
const PAGES_MAX: u32 = 10_000;

const XMP: u16 = 700;
const ICC: u16 = 34675;

/// Reads the first picture's tags.
pub(crate) fn read(reader: &mut (impl BufRead + Seek)) -> Result<Header, MediaError> {
    let (metadata, frames, warnings) =
        directories(reader).map_err(|error| MediaError::reading(Container::Tiff, error))?;
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let fail = |error| image_error(Container::Tiff, error);
    let decoder = TiffDecoder::new(reader).map_err(fail)?;
    let (width_px, height_px) = decoder.dimensions();
    let original = decoder.original_color_type();
    let color = match original {
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => ColorModel::Cmyk,
        _ if decoder.color_type().has_color() => ColorModel::Rgb,
        _ => ColorModel::Gray,
    };
    let bits_per_sample = original.bits_per_pixel() / u16::from(original.channel_count()).max(1);
    Ok(Header {
        color,
        alpha: decoder.color_type().has_alpha(),
        bits_per_sample: u8::try_from(bits_per_sample).unwrap_or(u8::MAX),
        frames,
        metadata,
        warnings,
        ..Header::bare(width_px, height_px)
    })
}

/// The metadata of the first directory, the number of directories, and what is odd.
fn directories(reader: &mut (impl Read + Seek)) -> io::Result<(Metadata, u32, Vec<String>)> {
    let (mut structure, first) = Structure::open(reader, METADATA_BYTES_MAX)?;
    let wanted = |tag| matches!(tag, XMP | ICC) || Exif::is_main(tag);
    let found = structure.directory(first, wanted)?;
    let mut metadata = Metadata {
        exif: Some(Exif::collect(&mut structure, &found.tags)),
        icc: block(&found.tags, ICC),
        ..Metadata::default()
    };
    let mut warnings = Vec::new();
    if let Some(packet) = block(&found.tags, XMP) {
        metadata.take_xmp(&packet, &mut warnings);
    }
    let (mut count, mut next) = (1, found.next);
    while next != 0 && count < PAGES_MAX {
        let Ok(found) = structure.directory(next, |_| false) else { break };
        (count, next) = (count + 1, found.next);
    }
    Ok((metadata, count, warnings))
}

fn block(tags: &Directory, tag: u16) -> Option<Vec<u8>> {
    match tags.get(tag)? {
        Value::Bytes(bytes) | Value::Undefined(bytes) => Some(bytes.clone()),
        _ => None,
    }
}
