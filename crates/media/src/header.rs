//! What the header of a still picture says, before any pixel is decoded. A file per format.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use panofleet_job_schema::limits;
use panofleet_job_schema::media_info::{ColorModel, GainMap};

use crate::error::MediaError;
use crate::exif::Exif;
use crate::sniff::Container;
use crate::xmp::{self, Property, Schema};

pub(crate) mod iso;
pub(crate) mod jpeg;
pub(crate) mod legacy;
pub(crate) mod png;
pub(crate) mod tiff;
pub(crate) mod webp;

/// Bytes of one block of metadata (EXIF, XMP, a colour profile) that is read; a larger one is left out
/// with a warning.
pub(crate) const METADATA_BYTES_MAX: usize = 8 * 1024 * 1024;

/// XMP packets that are read of one file.
pub(crate) const XMP_PACKETS_MAX: usize = 4;

/// Characters of what a reader says about broken metadata.
const SAID_CHARS_MAX: usize = 200;

/// The header of a still picture.
#[derive(Debug)]
pub(crate) struct Header {
    /// Width as stored, before the EXIF orientation.
    pub(crate) width_px: u32,
    /// Height as stored.
    pub(crate) height_px: u32,
    pub(crate) color: ColorModel,
    pub(crate) alpha: bool,
    pub(crate) bits_per_sample: u8,
    /// Frames or pages, at least 1.
    pub(crate) frames: u32,
    /// Bytes that the codec holds besides the samples that it returns.
    pub(crate) codec_bytes: u64,
    pub(crate) gain_map: Option<GainMap>,
    pub(crate) metadata: Metadata,
    /// What is odd about the file.
    pub(crate) warnings: Vec<String>,
}

/// What comes with the picture, as it stands in the file.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) exif: Option<Exif>,
    /// Properties of all XMP packets, of the main one first.
    pub(crate) properties: Vec<Property>,
    pub(crate) icc: Option<Vec<u8>>,
}

impl Metadata {
    /// Takes an EXIF block; one that cannot be read is said.
    pub(crate) fn take_exif(&mut self, block: &[u8], warnings: &mut Vec<String>) {
        // Some writers put JPEG's prefix before the block in other containers.
        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        match Exif::read(block) {
            Ok(exif) => self.exif = Some(exif),
            Err(said) => {
                warnings.push(format!("EXIF metadata cannot be read ({said}); it was ignored"));
            }
        }
    }

    /// Takes an XMP packet; one that cannot be read is said.
    pub(crate) fn take_xmp(&mut self, packet: &[u8], warnings: &mut Vec<String>) {
        match xmp::properties(packet) {
            Ok(properties) => self.properties.extend(properties),
            Err(said) => {
                // What is said may repeat what is written there.
                let said: String = said.chars().take(SAID_CHARS_MAX).collect();
                warnings.push(format!("XMP metadata cannot be read ({said}); it was ignored"));
            }
        }
    }

    /// The value of a property, by its name without a prefix.
    pub(crate) fn property(&self, schema: Schema, name: &str) -> Option<&str> {
        let is = |property: &&Property| property.schema == schema && property.name == name;
        self.properties.iter().find(is).map(|property| property.value.as_str())
    }
}

impl Header {
    /// A header with nothing but a size, for formats that are only recognised.
    pub(crate) fn bare(width_px: u32, height_px: u32) -> Self {
        Self {
            width_px,
            height_px,
            color: ColorModel::Rgb,
            alpha: false,
            bits_per_sample: 8,
            frames: 1,
            codec_bytes: 0,
            gain_map: None,
            metadata: Metadata::default(),
            warnings: Vec::new(),
        }
    }
}

/// Reads the header of a still picture.
///
/// # Errors
/// `Truncated` and `Corrupt` for a header that cannot be followed; `FormatUnsupported` for a flavour that
/// is not even described; `Io`.
pub(crate) fn read(container: Container, source: impl Read + Seek) -> Result<Header, MediaError> {
    let mut reader = BufReader::new(source);
    let fail = |error| MediaError::reading(container, error);
    reader.seek(SeekFrom::Start(0)).map_err(fail)?;
    match container {
        Container::Jpeg => {
            let segments = jpeg::read(&mut reader).map_err(fail)?;
            segments.into_header(&mut reader)
        }
        Container::Png => png::read(&mut reader),
        Container::Webp => webp::read(&mut reader),
        Container::Tiff => tiff::read(&mut reader),
        Container::Heic | Container::Avif => iso::read(&mut reader).map_err(fail),
        Container::Gif => legacy::gif(&mut reader).map_err(fail),
        Container::Bmp => legacy::bmp(&mut reader).map_err(fail),
        Container::Hdr => legacy::hdr(&mut reader).map_err(fail),
        other => Err(MediaError::FormatUnsupported(other)),
    }
}

/// Refuses a picture that is not to be held in memory.
///
/// # Errors
/// `TooLarge`; `Corrupt` for a side of 0.
pub(crate) fn check_size(
    container: Container,
    width_px: u64,
    height_px: u64,
) -> Result<(), MediaError> {
    if width_px == 0 || height_px == 0 {
        return Err(MediaError::corrupt(container, &format!("a size of {width_px}×{height_px}")));
    }
    let side_max = u64::from(limits::PICTURE_SIDE_PX_MAX);
    let too_large = width_px > side_max
        || height_px > side_max
        || width_px * height_px > limits::PICTURE_PIXELS_MAX;
    if too_large { Err(MediaError::TooLarge { width_px, height_px }) } else { Ok(()) }
}

/// The next `N` bytes.
pub(crate) fn bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The next `length` bytes. They are read piece by piece, so that a length that lies allocates nothing.
pub(crate) fn block(reader: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
}

/// A length as a distance to seek; one beyond every file is damage.
pub(crate) fn distance(length: u64) -> io::Result<i64> {
    i64::try_from(length).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Passes over `length` bytes, which must be there.
pub(crate) fn skip(reader: &mut (impl Read + Seek), length: u64) -> io::Result<()> {
    let Some(before_last) = length.checked_sub(1) else { return Ok(()) };
    let offset = distance(before_last)?;
    reader.seek(SeekFrom::Current(offset))?;
    bytes::<1>(reader).map(drop)
}
