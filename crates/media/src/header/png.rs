//! PNG: the chunks around the picture (W3C PNG, third edition).

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::codecs::png::PngDecoder;
use image::{ImageDecoder, Limits};
use panofleet_job_schema::media_info::ColorModel;

use super::{Header, METADATA_BYTES_MAX, Metadata, XMP_PACKETS_MAX, block, bytes, skip};
use crate::decode::still::image_error;
use crate::error::MediaError;
use crate::sniff::Container;

const CHECKSUM_BYTES: u64 = 4;

/// The keyword of a text chunk with an XMP packet (XMP specification part 3, 1.1.5).
pub(crate) const XMP_KEYWORD: &[u8] = b"XML:com.adobe.xmp";

/// Reads `IHDR` and the metadata, before and after the picture.
pub(crate) fn read(reader: &mut (impl BufRead + Seek)) -> Result<Header, MediaError> {
    let mut header = chunks(reader).map_err(|error| MediaError::reading(Container::Png, error))?;
    // The decoder checks the header, and inflates the profile within bounds.
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(METADATA_BYTES_MAX as u64);
    let decoder = PngDecoder::with_limits(reader, limits);
    let mut decoder = decoder.map_err(|error| image_error(Container::Png, error))?;
    let announced = header.metadata.icc.is_some();
    header.metadata.icc = decoder.icc_profile().ok().flatten();
    if announced && header.metadata.icc.is_none() {
        let said = "the colour profile cannot be unpacked, or not within 8 MiB; taken for sRGB";
        header.warnings.push(said.into());
    }
    if header.metadata.properties.is_empty()
        && let Ok(Some(packet)) = decoder.xmp_metadata()
    {
        header.metadata.take_xmp(&packet, &mut header.warnings);
    }
    Ok(header)
}

fn chunks(reader: &mut (impl Read + Seek)) -> io::Result<Header> {
    let file_bytes = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(8))?;
    let mut header = Header::bare(0, 0);
    let (mut metadata, mut packets) = (Metadata::default(), 0);
    loop {
        let length = u32::from_be_bytes(bytes(reader)?);
        let kind: [u8; 4] = bytes(reader)?;
        let wanted = length as usize <= METADATA_BYTES_MAX;
        match &kind {
            b"IHDR" => describe(&mut header, &block(reader, length as usize)?)?,
            // Transparency of single colours or of the palette's.
            b"tRNS" => {
                header.alpha = true;
                skip(reader, length.into())?;
            }
            b"acTL" => {
                let body = block(reader, length.min(8) as usize)?;
                let frames = body.first_chunk().map_or(1, |frames| u32::from_be_bytes(*frames));
                header.frames = frames.max(1);
                skip(reader, u64::from(length) - body.len() as u64)?;
            }
            b"iCCP" if wanted => metadata.icc = Some(block(reader, length as usize)?),
            b"eXIf" if wanted => {
                let block = block(reader, length as usize)?;
                metadata.take_exif(&block, &mut header.warnings);
            }
            b"iTXt" if wanted && packets < XMP_PACKETS_MAX => {
                if let Some(packet) = xmp(&block(reader, length as usize)?) {
                    packets += 1;
                    metadata.take_xmp(&packet, &mut header.warnings);
                }
            }
            b"IEND" => break,
            // A file that ends inside of its pixels is the decoder's to judge.
            _ => match skip(reader, length.into()) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                other => other?,
            },
        }
        skip(reader, CHECKSUM_BYTES)?;
        if reader.stream_position()? == file_bytes {
            break;
        }
    }
    header.metadata = metadata;
    Ok(header)
}

fn describe(header: &mut Header, body: &[u8]) -> io::Result<()> {
    let [w3, w2, w1, w0, h3, h2, h1, h0, bits, color, ..] = *body else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    header.width_px = u32::from_be_bytes([w3, w2, w1, w0]);
    header.height_px = u32::from_be_bytes([h3, h2, h1, h0]);
    header.bits_per_sample = bits;
    header.color = if matches!(color, 0 | 4) { ColorModel::Gray } else { ColorModel::Rgb };
    header.alpha = matches!(color, 4 | 6);
    Ok(())
}

/// The packet of an uncompressed `iTXt` chunk that holds XMP.
fn xmp(body: &[u8]) -> Option<Vec<u8>> {
    // Keyword, compression flag and method, language, translated keyword.
    let rest = body.strip_prefix(XMP_KEYWORD)?.strip_prefix(b"\0\0\0")?;
    let mut parts = rest.splitn(3, |byte| *byte == 0);
    parts.nth(2).map(<[u8]>::to_vec)
}
