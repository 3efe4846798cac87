//! HEIC and AVIF: the size of the largest item (ISO/IEC 23008-12).

use std::io::{self, Read, Seek, SeekFrom};

use super::{Header, METADATA_BYTES_MAX, block, bytes};

/// Reads the spatial extents in the top-level `meta` box. The picture is the largest item: the others are
/// its tiles and thumbnails.
pub(crate) fn read(reader: &mut (impl Read + Seek)) -> io::Result<Header> {
    let file_bytes = reader.seek(SeekFrom::End(0))?;
    let mut at = 0;
    while at + 8 <= file_bytes {
        reader.seek(SeekFrom::Start(at))?;
        let short = u64::from(u32::from_be_bytes(bytes(reader)?));
        let kind: [u8; 4] = bytes(reader)?;
        let (head, length) = match short {
            0 => (8, file_bytes - at),
            1 => (16, u64::from_be_bytes(bytes(reader)?)),
            length => (8, length),
        };
        let Some(body) = length.checked_sub(head) else { break };
        if &kind == b"meta" && body <= METADATA_BYTES_MAX as u64 {
            return Ok(largest(&block(reader, body as usize)?));
        }
        at = at.saturating_add(length);
    }
    Ok(largest(&[]))
}

/// The largest of the `ispe` properties: version and flags, width, height.
fn largest(meta: &[u8]) -> Header {
    let extents = meta.windows(16).filter_map(|window| {
        let [b'i', b's', b'p', b'e', 0, 0, 0, 0, w3, w2, w1, w0, h3, h2, h1, h0] = *window else {
            return None;
        };
        Some((u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0])))
    });
    let largest = extents.max_by_key(|(width, height)| u64::from(*width) * u64::from(*height));
    let (width_px, height_px) = largest.unwrap_or((0, 0));
    Header::bare(width_px, height_px)
}
