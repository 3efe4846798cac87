//! GIF, BMP and Radiance HDR: recognised and described, not decoded.

use std::io::{self, BufRead, Read, Seek};

use super::{Header, bytes, skip};

/// Frames that are counted in a GIF.
const FRAMES_MAX: u32 = 100_000;

/// Size and frames of a GIF (the specification of 89a).
pub(crate) fn gif(reader: &mut (impl Read + Seek)) -> io::Result<Header> {
    skip(reader, 6)?;
    let [w0, w1, h0, h1, flags, _, _] = bytes(reader)?;
    skip_palette(reader, flags)?;
    let mut frames = 0;
    // A file that ends early still has the frames before.
    while frames < FRAMES_MAX && gif_block(reader, &mut frames).unwrap_or(false) {}
    let size = |low, high| u32::from(u16::from_le_bytes([low, high]));
    Ok(Header { frames: frames.max(1), alpha: true, ..Header::bare(size(w0, w1), size(h0, h1)) })
}

/// Passes one block; false at the end.
fn gif_block(reader: &mut (impl Read + Seek), frames: &mut u32) -> io::Result<bool> {
    match bytes(reader)? {
        [0x2c] => {
            *frames += 1;
            let [.., flags] = bytes::<9>(reader)?;
            skip_palette(reader, flags)?;
            skip(reader, 1)?;
        }
        [0x21] => skip(reader, 1)?,
        _ => return Ok(false),
    }
    loop {
        match bytes(reader)? {
            [0] => return Ok(true),
            [length] => skip(reader, length.into())?,
        }
    }
}

fn skip_palette(reader: &mut (impl Read + Seek), flags: u8) -> io::Result<()> {
    let bytes = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    skip(reader, bytes)
}

/// Size and depth of a BMP with a header of 40 bytes or more.
pub(crate) fn bmp(reader: &mut (impl Read + Seek)) -> io::Result<Header> {
    skip(reader, 18)?;
    let width = i32::from_le_bytes(bytes(reader)?);
    let height = i32::from_le_bytes(bytes(reader)?);
    // A negative height means rows from the top.
    Ok(Header::bare(width.unsigned_abs(), height.unsigned_abs()))
}

/// Size of a Radiance picture: the line `-Y height +X width` after an empty one.
pub(crate) fn hdr(reader: &mut impl BufRead) -> io::Result<Header> {
    const HEADER_BYTES_MAX: u64 = 64 * 1024;
    let mut lines = reader.take(HEADER_BYTES_MAX).split(b'\n');
    let size = lines.find_map(|line| {
        let line = String::from_utf8(line.ok()?).ok()?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["-Y" | "+Y", height, "-X" | "+X", width] => {
                Some((width.parse().ok()?, height.parse().ok()?))
            }
            _ => None,
        }
    });
    let (width_px, height_px) =
        size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no line with its size"))?;
    // Shared exponents: three mantissas and an exponent of 8 bits each.
    Ok(Header::bare(width_px, height_px))
}
