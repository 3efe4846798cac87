//! TIFF: the tags of the first directory, and how many directories there are (TIFF 6.0; `BigTIFF`).

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use image::codecs::tiff::TiffDecoder;
use image::{ExtendedColorType, ImageDecoder};
use panofleet_job_schema::media_info::ColorModel;

use super::{Header, METADATA_BYTES_MAX, Metadata, bytes, distance};
use crate::decode::still::image_error;
use crate::error::MediaError;
use crate::sniff::Container;

/// Pages that are counted; a chain that goes on is cut off here, which also ends a circle.
const PAGES_MAX: u32 = 10_000;

/// Reads the first picture's tags.
pub(crate) fn read(reader: &mut (impl BufRead + Seek)) -> Result<Header, MediaError> {
    let directories =
        directories(reader).map_err(|error| MediaError::reading(Container::Tiff, error))?;
    reader.seek(SeekFrom::Start(0)).map_err(MediaError::Io)?;
    let fail = |error| image_error(Container::Tiff, error);
    let mut decoder = TiffDecoder::new(reader).map_err(fail)?;
    let (width_px, height_px) = decoder.dimensions();
    let original = decoder.original_color_type();
    let color = match original {
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => ColorModel::Cmyk,
        _ if decoder.color_type().has_color() => ColorModel::Rgb,
        _ => ColorModel::Gray,
    };
    let bits_per_sample = original.bits_per_pixel() / u16::from(original.channel_count()).max(1);
    let small = |block: &Vec<u8>| block.len() <= METADATA_BYTES_MAX;
    let metadata = Metadata {
        exif: None,
        orientation: directories.orientation,
        xmp: decoder.xmp_metadata().ok().flatten().filter(small).into_iter().collect(),
        icc: decoder.icc_profile().ok().flatten().filter(small),
    };
    Ok(Header {
        color,
        alpha: decoder.color_type().has_alpha(),
        bits_per_sample: u8::try_from(bits_per_sample).unwrap_or(u8::MAX),
        frames: directories.count,
        metadata,
        ..Header::bare(width_px, height_px)
    })
}

struct Directories {
    count: u32,
    orientation: Option<u16>,
}

fn directories(reader: &mut (impl Read + Seek)) -> io::Result<Directories> {
    let [order, _, magic @ ..] = bytes::<4>(reader)?;
    let mut fields = Fields { reader, big_endian: order == b'M', wide: magic.contains(&43) };
    if fields.wide {
        fields.number(4)?;
    }
    let mut found = Directories { count: 0, orientation: None };
    let mut at = fields.offset()?;
    while at != 0 && found.count < PAGES_MAX {
        fields.reader.seek(SeekFrom::Start(at))?;
        let entries = if fields.wide { fields.number(8)? } else { fields.number(2)? };
        if found.count == 0 {
            found.orientation = fields.orientation(entries)?;
        } else {
            fields.pass(entries)?;
        }
        found.count += 1;
        // A chain that breaks off after a whole picture spoils nothing.
        at = fields.offset().unwrap_or(0);
    }
    Ok(found)
}

/// Numbers in the file's byte order and width.
struct Fields<'a, R> {
    reader: &'a mut R,
    big_endian: bool,
    wide: bool,
}

impl<R: Read + Seek> Fields<'_, R> {
    /// The next `length` bytes, at most 8, as a number.
    fn number(&mut self, length: usize) -> io::Result<u64> {
        let mut eight = [0; 8];
        let place = if self.big_endian { &mut eight[8 - length..] } else { &mut eight[..length] };
        self.reader.read_exact(place)?;
        Ok(if self.big_endian { u64::from_be_bytes(eight) } else { u64::from_le_bytes(eight) })
    }

    fn offset(&mut self) -> io::Result<u64> {
        self.number(if self.wide { 8 } else { 4 })
    }

    const fn entry_bytes(&self) -> u64 {
        if self.wide { 20 } else { 12 }
    }

    fn pass(&mut self, entries: u64) -> io::Result<()> {
        let length = entries.saturating_mul(self.entry_bytes());
        self.reader.seek(SeekFrom::Current(distance(length)?)).map(drop)
    }

    /// The value of tag 274 among the entries; the reader stands behind them afterwards.
    fn orientation(&mut self, entries: u64) -> io::Result<Option<u16>> {
        let start = self.reader.stream_position()?;
        let mut orientation = None;
        for entry in 0..entries {
            let at = start + entry * self.entry_bytes();
            self.reader.seek(SeekFrom::Start(at))?;
            let tag = self.number(2)?;
            // Tags ascend.
            if tag >= 274 {
                if tag == 274 {
                    self.number(if self.wide { 10 - 2 } else { 6 })?;
                    self.number(if self.wide { 2 } else { 0 })?;
                    orientation = u16::try_from(self.number(2)?).ok();
                }
                break;
            }
        }
        self.reader.seek(SeekFrom::Start(start))?;
        self.pass(entries)?;
        Ok(orientation)
    }
}
