//! JPEG: the segments before the first scan.
//!
//! Sources: ITU-T T.81 annex B (markers), CIPA DC-008 (`Exif`), Adobe XMP specification part 3 (`XMP`,
//! `ExtendedXMP`), ICC.1:2010 annex B.4 (profiles in segments), CIPA DC-007 (`MPF`), Adobe TN 5116 (`Adobe`).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use panofleet_job_schema::media_info::{ColorModel, GainMap};

use super::{Header, METADATA_BYTES_MAX, Metadata, block, bytes, skip};
use crate::error::MediaError;
use crate::sniff::Container;
use crate::xmp::Schema;
use crate::xmp::extended::Extended;

mod pictures;

pub(crate) const EXIF: &[u8] = b"Exif\0\0";
pub(crate) const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
pub(crate) const ICC: &[u8] = b"ICC_PROFILE\0";
const MPF: &[u8] = b"MPF\0";
const GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";
const ADOBE: &[u8] = b"Adobe";

/// Pictures behind the first whose own segments are read, to know a gain map.
const OTHERS_MAX: usize = 8;

/// What the segments before the first scan say.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    frame: Option<Frame>,
    first_scan_components: u8,
    /// The `transform` of Adobe's segment; its presence alone means that CMYK is stored inverted.
    pub(crate) adobe_transform: Option<u8>,
    /// The index of a multi-picture file, and where it begins.
    pictures: Option<(u64, Vec<u8>)>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    extended_xmp: Extended,
    /// By sequence number.
    icc: BTreeMap<u8, Vec<u8>>,
    icc_count: u8,
    /// ISO 21496-1 has a segment for it.
    iso_gain_map: bool,
    metadata_bytes: usize,
    warnings: Vec<String>,
}

#[derive(Debug)]
struct Frame {
    bits_per_sample: u8,
    height_px: u16,
    width_px: u16,
    /// The sampling factors of each component, horizontal and vertical.
    components: Vec<(u8, u8)>,
    /// Whether the picture comes in passes, all of which have to be there before the first pixel is.
    progressive: bool,
}

/// Reads up to the first scan.
pub(crate) fn read(reader: &mut (impl Read + Seek)) -> io::Result<Segments> {
    let mut segments = Segments::default();
    skip(reader, 2)?;
    loop {
        let marker = next_marker(reader)?;
        match marker {
            // Markers without a segment: TEM, restarts, another start of image.
            0x01 | 0xd0..=0xd8 => continue,
            0xda => {
                let [_, _, components] = bytes(reader)?;
                segments.first_scan_components = components;
                return Ok(segments);
            }
            0xd9 => return Ok(segments),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(bytes(reader)?));
        let length =
            length.checked_sub(2).ok_or_else(|| damaged("a segment shorter than its length"))?;
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                segments.frame = Some(frame(marker, &block(reader, length)?)?);
            }
            0xe1 | 0xe2 | 0xee => {
                let at = reader.stream_position()?;
                let body = block(reader, length)?;
                segments.metadata_bytes += body.len();
                if segments.metadata_bytes <= METADATA_BYTES_MAX {
                    segments.keep(marker, at, &body);
                } else if segments.metadata_bytes - length <= METADATA_BYTES_MAX {
                    segments
                        .warnings
                        .push(format!("metadata beyond {METADATA_BYTES_MAX} bytes was ignored"));
                }
            }
            _ => skip(reader, length as u64)?,
        }
    }
}

fn next_marker(reader: &mut impl Read) -> io::Result<u8> {
    // Fill bytes may stand before a marker; anything else between segments is damage.
    if bytes::<1>(reader)? != [0xff] {
        return Err(damaged("no marker where one must be"));
    }
    loop {
        let [marker] = bytes(reader)?;
        if marker != 0xff {
            return Ok(marker);
        }
    }
}

fn frame(marker: u8, body: &[u8]) -> io::Result<Frame> {
    let [bits_per_sample, h1, h0, w1, w0, count, components @ ..] = body else {
        return Err(damaged("a frame header that is too short"));
    };
    let components: Vec<_> = components
        .as_chunks()
        .0
        .iter()
        .map(|[_, factors, _]| (factors >> 4, factors & 15))
        .collect();
    if components.len() != usize::from(*count) {
        return Err(damaged("a frame header of another length than its components"));
    }
    Ok(Frame {
        bits_per_sample: *bits_per_sample,
        height_px: u16::from_be_bytes([*h1, *h0]),
        width_px: u16::from_be_bytes([*w1, *w0]),
        components,
        progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
    })
}

impl Frame {
    /// Coefficients of 16 bits for every sample, if the codec has to keep them all.
    fn coefficient_bytes(&self, first_scan_components: u8) -> u64 {
        let whole_in_one = usize::from(first_scan_components) == self.components.len();
        if whole_in_one && !self.progressive {
            return 0;
        }
        let area =
            |(horizontal, vertical): &(u8, u8)| u64::from(*horizontal) * u64::from(*vertical);
        let largest = self.components.iter().map(area).max().unwrap_or(1).max(1);
        let all: u64 = self.components.iter().map(area).sum();
        2 * u64::from(self.width_px) * u64::from(self.height_px) * all / largest
    }
}

fn damaged(said: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, said)
}

impl Segments {
    fn keep(&mut self, marker: u8, at: u64, body: &[u8]) {
        if marker == 0xee {
            if let Some([_, _, _, _, _, _, transform, ..]) = body.strip_prefix(ADOBE) {
                self.adobe_transform = Some(*transform);
            }
        } else if let Some(exif) = body.strip_prefix(EXIF) {
            self.exif.get_or_insert_with(|| exif.to_vec());
        } else if let Some(xmp) = body.strip_prefix(XMP) {
            self.xmp.get_or_insert_with(|| xmp.to_vec());
        } else if let Some(portion) = body.strip_prefix(EXTENDED_XMP) {
            self.extended_xmp.take(portion);
        } else if let Some(part) = body.strip_prefix(ICC) {
            if let [number, count, data @ ..] = part {
                self.icc_count = *count;
                self.icc.entry(*number).or_insert_with(|| data.to_vec());
            }
        } else if let Some(index) = body.strip_prefix(MPF) {
            self.pictures.get_or_insert_with(|| (at + MPF.len() as u64, index.to_vec()));
        } else if body.starts_with(GAIN_MAP) {
            self.iso_gain_map = true;
        }
    }

    /// The profile, if all of its parts are there.
    fn icc(&self) -> Option<Vec<u8>> {
        let whole = !self.icc.is_empty() && (1..=self.icc_count).all(|n| self.icc.contains_key(&n));
        whole.then(|| (1..=self.icc_count).flat_map(|n| &self.icc[&n]).copied().collect())
    }

    /// EXIF, XMP with its extension, and the profile; what cannot be read is said.
    fn metadata(&mut self) -> Metadata {
        let mut metadata = Metadata { icc: self.icc(), ..Metadata::default() };
        if !self.icc.is_empty() && metadata.icc.is_none() {
            self.warnings.push("parts of the colour profile are missing; taken for sRGB".into());
        }
        if let Some(block) = &self.exif {
            metadata.take_exif(block, &mut self.warnings);
        }
        if let Some(packet) = &self.xmp {
            metadata.take_xmp(packet, &mut self.warnings);
        }
        let named = metadata
            .property(Schema::Note, "HasExtendedXMP")
            .and_then(|guid| <&[u8; 32]>::try_from(guid.as_bytes()).ok().copied());
        match named.map(|guid| self.extended_xmp.packet(guid)) {
            Some(Ok(packet)) => metadata.take_xmp(&packet, &mut self.warnings),
            Some(Err(said)) => {
                self.warnings.push(format!("extended XMP metadata was ignored: {said}"));
            }
            None => {}
        }
        metadata
    }

    /// The gain map that these segments announce, of the picture that they belong to or as which it comes.
    fn gain_map(&self, metadata: &Metadata) -> Option<GainMap> {
        if self.iso_gain_map {
            Some(GainMap::Iso21496)
        } else if metadata.property(Schema::GainMap, "Version").is_some() {
            Some(GainMap::UltraHdr)
        } else if metadata.property(Schema::AppleGainMap, "HDRGainMapVersion").is_some() {
            Some(GainMap::Apple)
        } else {
            None
        }
    }

    /// The other pictures of the file: how many are for people, and which gain map is among them.
    fn others(&mut self, reader: &mut (impl Read + Seek)) -> (u32, Option<GainMap>) {
        let Some((at, index)) = &self.pictures else { return (0, None) };
        let others = match pictures::read(index) {
            Ok(others) => others,
            Err(error) => {
                self.warnings
                    .push(format!("the index of the file's pictures cannot be read ({error})"));
                return (0, None);
            }
        };
        let (mut count, mut gain_map) = (0, None);
        for other in others.iter().filter(|other| !other.is_preview) {
            // One that is not where the index says is somebody else's trouble.
            let place = at.saturating_add(other.offset.into());
            let seen = (count as usize) < OTHERS_MAX && reader.seek(SeekFrom::Start(place)).is_ok();
            let mut segments = seen.then(|| read(reader).ok()).flatten().unwrap_or_default();
            let metadata = segments.metadata();
            match segments.gain_map(&metadata) {
                Some(found) => gain_map = Some(found),
                None => count += 1,
            }
        }
        (count, gain_map)
    }

    /// The header, once the other pictures of the file were looked at.
    ///
    /// # Errors
    /// `Corrupt` without a frame, `FeatureUnsupported` for other than 8 bits and 1, 3 or 4 components.
    pub(crate) fn into_header(
        mut self,
        reader: &mut (impl Read + Seek),
    ) -> Result<Header, MediaError> {
        let container = Container::Jpeg;
        let frame =
            self.frame.take().ok_or_else(|| MediaError::corrupt(container, &"no frame header"))?;
        let color = match (frame.components.len(), self.adobe_transform) {
            (1, _) => ColorModel::Gray,
            (3, Some(0)) => ColorModel::Rgb,
            (3, _) => ColorModel::Ycbcr,
            (4, _) => ColorModel::Cmyk,
            (components, _) => {
                let feature = format!("{components} components");
                return Err(MediaError::FeatureUnsupported { container, feature });
            }
        };
        let metadata = self.metadata();
        let (others, gain_map) = self.others(reader);
        let gain_map = self.gain_map(&metadata).or(gain_map);
        if gain_map.is_some() {
            self.warnings.push(
                "the picture has an HDR gain map; the SDR picture is used, and outputs have no gain map".into(),
            );
        }
        if others > 0 {
            let said = format!("the file holds {} pictures; the first one is used", others + 1);
            self.warnings.push(said);
        }
        Ok(Header {
            width_px: frame.width_px.into(),
            height_px: frame.height_px.into(),
            color,
            alpha: false,
            bits_per_sample: frame.bits_per_sample,
            frames: 1 + others,
            codec_bytes: frame.coefficient_bytes(self.first_scan_components),
            gain_map,
            metadata,
            warnings: self.warnings,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker][..], &length, body].concat()
    }

    fn header(segments: &[Vec<u8>]) -> Result<Header, MediaError> {
        let file = [&[0xff, 0xd8][..], &segments.concat(), &[0xff, 0xda, 0, 12, 3]].concat();
        let mut reader = Cursor::new(file);
        read(&mut reader).unwrap().into_header(&mut reader)
    }

    fn frame_segment(marker: u8, components: u8) -> Vec<u8> {
        let mut body = vec![8, 0x01, 0x00, 0x02, 0x00, components];
        (0..components).for_each(|id| body.extend([id, if id == 0 { 0x22 } else { 0x11 }, 0]));
        segment(marker, &body)
    }

    fn sof(components: u8) -> Vec<u8> {
        frame_segment(0xc0, components)
    }

    #[test]
    fn a_profile_is_put_together() {
        let icc = |number, data| segment(0xe2, &[ICC, &[number, 2], data].concat());
        let found = header(&[icc(2, b"cd"), icc(1, b"ab"), sof(3)]).unwrap();
        assert_eq!(found.metadata.icc.as_deref(), Some(&b"abcd"[..]));
        assert_eq!((found.width_px, found.height_px), (512, 256));

        let incomplete = header(&[icc(2, b"cd"), sof(3)]).unwrap();
        assert_eq!(incomplete.metadata.icc, None);
        assert_eq!(incomplete.warnings.len(), 1);
    }

    #[test]
    fn colour_models() {
        let adobe = |transform| segment(0xee, &[ADOBE, &[0, 100, 0, 0, 0, 0, transform]].concat());
        for (segments, expected) in [
            (vec![sof(1)], ColorModel::Gray),
            (vec![sof(3)], ColorModel::Ycbcr),
            (vec![adobe(1), sof(3)], ColorModel::Ycbcr),
            (vec![adobe(0), sof(3)], ColorModel::Rgb),
            (vec![adobe(2), sof(4)], ColorModel::Cmyk),
        ] {
            assert_eq!(header(&segments).unwrap().color, expected);
        }
        assert_eq!(header(&[sof(2)]).unwrap_err().code(), "format_unsupported");
        assert_eq!(header(&[]).unwrap_err().code(), "file_damaged");
    }

    #[test]
    fn only_passes_keep_their_coefficients() {
        let bytes = |marker| header(&[frame_segment(marker, 3)]).unwrap().codec_bytes;
        assert_eq!(bytes(0xc0), 0);
        assert_eq!(bytes(0xc2), 512 * 256 * 3);
    }
}
