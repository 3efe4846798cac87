//! WebP: the chunks of its RIFF container (RFC 9649).

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;

use super::{Header, METADATA_BYTES_MAX, Metadata, XMP_PACKETS_MAX, block, bytes, distance, skip};
use crate::decode::still::image_error;
use crate::error::MediaError;
use crate::sniff::Container;

/// Reads the size from the picture's own header and the metadata from the chunks around it.
pub(crate) fn read(reader: &mut (impl BufRead + Seek)) -> Result<Header, MediaError> {
    let (metadata, frames, warnings) =
        chunks(reader).map_err(|error| MediaError::reading(Container::Webp, error))?;
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let decoder = WebPDecoder::new(reader).map_err(|error| image_error(Container::Webp, error))?;
    let (width_px, height_px) = decoder.dimensions();
    let alpha = decoder.color_type().has_alpha();
    Ok(Header { alpha, frames, metadata, warnings, ..Header::bare(width_px, height_px) })
}

fn chunks(reader: &mut (impl Read + Seek)) -> io::Result<(Metadata, u32, Vec<String>)> {
    let file_bytes = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(12))?;
    let mut packets = 0;
    let (mut metadata, mut frames, mut warnings) = (Metadata::default(), 0, Vec::new());
    while reader.stream_position()? + 8 <= file_bytes {
        let kind: [u8; 4] = bytes(reader)?;
        let length = u32::from_le_bytes(bytes(reader)?);
        let padded = u64::from(length) + u64::from(length % 2);
        if length as usize > METADATA_BYTES_MAX || reader.stream_position()? + padded > file_bytes {
            reader.seek(SeekFrom::Current(distance(padded)?))?;
            continue;
        }
        match &kind {
            b"ICCP" => metadata.icc = Some(block(reader, length as usize)?),
            b"EXIF" => metadata.take_exif(&block(reader, length as usize)?, &mut warnings),
            b"XMP " if packets < XMP_PACKETS_MAX => {
                packets += 1;
                metadata.take_xmp(&block(reader, length as usize)?, &mut warnings);
            }
            b"ANMF" => {
                frames += 1;
                skip(reader, length.into())?;
            }
            _ => skip(reader, length.into())?,
        }
        skip(reader, u64::from(length % 2))?;
    }
    Ok((metadata, frames.max(1), warnings))
}
