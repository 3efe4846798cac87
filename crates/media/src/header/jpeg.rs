//! JPEG: the segments before the first scan.
//!
//! Sources: ITU-T T.81 annex B (markers), CIPA DC-008 (`Exif`), Adobe XMP specification part 3 (`XMP`,
//! `ExtendedXMP`), ICC.1:2010 annex B.4 (profiles in segments), CIPA DC-007 (`MPF`), Adobe TN 5116 (`Adobe`).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use panofleet_job_schema::media_info::ColorModel;

use super::{Header, METADATA_BYTES_MAX, Metadata, block, bytes, skip};
use crate::error::MediaError;
use crate::sniff::Container;

const EXIF: &[u8] = b"Exif\0\0";
pub(crate) const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
pub(crate) const ICC: &[u8] = b"ICC_PROFILE\0";
const MPF: &[u8] = b"MPF\0";
const ADOBE: &[u8] = b"Adobe";

/// What the segments before the first scan say.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    frame: Option<Frame>,
    first_scan_components: u8,
    /// The `transform` of Adobe's segment; its presence alone means that CMYK is stored inverted.
    pub(crate) adobe_transform: Option<u8>,
    pictures: Option<u32>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
    /// By GUID, then offset.
    extended_xmp: BTreeMap<[u8; 32], BTreeMap<u32, Vec<u8>>>,
    /// By sequence number.
    icc: BTreeMap<u8, Vec<u8>>,
    icc_count: u8,
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
                let body = block(reader, length)?;
                segments.metadata_bytes += body.len();
                if segments.metadata_bytes <= METADATA_BYTES_MAX {
                    segments.keep(marker, &body);
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
    fn keep(&mut self, marker: u8, body: &[u8]) {
        if marker == 0xee {
            if let Some([_, _, _, _, _, _, transform, ..]) = body.strip_prefix(ADOBE) {
                self.adobe_transform = Some(*transform);
            }
        } else if let Some(exif) = body.strip_prefix(EXIF) {
            self.exif.get_or_insert_with(|| exif.to_vec());
        } else if let Some(xmp) = body.strip_prefix(XMP) {
            self.xmp.get_or_insert_with(|| xmp.to_vec());
        } else if let Some(part) = body.strip_prefix(EXTENDED_XMP) {
            if let Some((guid, [_, _, _, _, o3, o2, o1, o0, data @ ..])) = part.split_first_chunk()
            {
                let offset = u32::from_be_bytes([*o3, *o2, *o1, *o0]);
                self.extended_xmp.entry(*guid).or_default().insert(offset, data.to_vec());
            }
        } else if let Some(part) = body.strip_prefix(ICC) {
            if let [number, count, data @ ..] = part {
                self.icc_count = *count;
                self.icc.entry(*number).or_insert_with(|| data.to_vec());
            }
        } else if let Some(index) = body.strip_prefix(MPF) {
            self.pictures = pictures(index);
        }
    }

    /// The profile, if all of its parts are there.
    fn icc(&self) -> Option<Vec<u8>> {
        let whole = !self.icc.is_empty() && (1..=self.icc_count).all(|n| self.icc.contains_key(&n));
        whole.then(|| (1..=self.icc_count).flat_map(|n| &self.icc[&n]).copied().collect())
    }

    /// Extended XMP packets whose parts follow on each other without a gap.
    fn extended_xmp(&self) -> impl Iterator<Item = Vec<u8>> {
        self.extended_xmp.values().filter_map(|parts| {
            let mut packet = Vec::new();
            for (offset, part) in parts {
                if *offset as usize != packet.len() {
                    return None;
                }
                packet.extend_from_slice(part);
            }
            Some(packet)
        })
    }

    /// # Errors
    /// `Corrupt` without a frame, `FeatureUnsupported` for other than 8 bits and 1, 3 or 4 components.
    pub(crate) fn into_header(mut self) -> Result<Header, MediaError> {
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
        if !self.icc.is_empty() && self.icc().is_none() {
            self.warnings.push("parts of the colour profile are missing; taken for sRGB".into());
        }
        // An Ultra HDR picture carries its gain map as a second picture, which nobody wants to see.
        let gain_map = self.xmp.as_deref().is_some_and(|xmp| contains(xmp, b"hdrgm:Version"));
        if gain_map {
            self.warnings.push("the HDR gain map is ignored; the SDR picture is used".into());
        }
        let pictures = self.pictures.unwrap_or(1).max(1);
        let metadata = Metadata {
            icc: self.icc(),
            xmp: self.xmp.iter().cloned().chain(self.extended_xmp()).collect(),
            exif: self.exif,
            orientation: None,
        };
        Ok(Header {
            width_px: frame.width_px.into(),
            height_px: frame.height_px.into(),
            color,
            alpha: false,
            bits_per_sample: frame.bits_per_sample,
            frames: if gain_map { 1 } else { pictures },
            codec_bytes: frame.coefficient_bytes(self.first_scan_components),
            metadata,
            warnings: self.warnings,
        })
    }
}

/// `NumberOfImages` (tag 0xB001) of a multi-picture index, which is a TIFF structure.
fn pictures(index: &[u8]) -> Option<u32> {
    let big_endian = index.starts_with(b"MM");
    let u16_at = |at: usize| {
        let two: [u8; 2] = index.get(at..at + 2)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    };
    let u32_at = |at: usize| {
        let four: [u8; 4] = index.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    let directory = u32_at(4)? as usize;
    let entries = usize::from(u16_at(directory)?);
    (0..entries)
        .map(|entry| directory + 2 + 12 * entry)
        .find(|at| u16_at(*at) == Some(0xb001))
        .and_then(|at| u32_at(at + 8))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
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
        read(&mut Cursor::new(file)).unwrap().into_header()
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
    fn profile_and_extended_xmp_are_put_together() {
        let icc = |number, data| segment(0xe2, &[ICC, &[number, 2], data].concat());
        let extended = |offset: u32, data: &[u8]| {
            let head = [EXTENDED_XMP, &[b'a'; 32], &4_u32.to_be_bytes(), &offset.to_be_bytes()];
            segment(0xe1, &[&head.concat(), data].concat())
        };
        let parts = [icc(2, b"cd"), icc(1, b"ab"), extended(2, b"yz"), extended(0, b"wx"), sof(3)];
        let found = header(&parts).unwrap();
        assert_eq!(found.metadata.icc.as_deref(), Some(&b"abcd"[..]));
        assert_eq!(found.metadata.xmp, [b"wxyz"]);
        assert_eq!((found.width_px, found.height_px), (512, 256));

        let incomplete = header(&[icc(2, b"cd"), extended(2, b"yz"), sof(3)]).unwrap();
        assert_eq!(incomplete.metadata.icc, None);
        assert_eq!(incomplete.metadata.xmp, Vec::<Vec<u8>>::new());
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

    #[test]
    fn pictures_of_a_multi_picture_file_are_counted() {
        let mut index = b"MM\0*\0\0\0\x08\0\x01".to_vec();
        index.extend([0xb0, 0x01, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2]);
        let mpf = segment(0xe2, &[MPF, &index].concat());
        assert_eq!(header(&[mpf, sof(3)]).unwrap().frames, 2);
        assert_eq!(header(&[segment(0xe2, b"MPF\0MM"), sof(3)]).unwrap().frames, 1);
    }
}
