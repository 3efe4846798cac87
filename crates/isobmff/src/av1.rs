//! AV1 in MP4: open bitstream units, and the `av1C` that describes them.
//!
//! Sources: AV1 Bitstream & Decoding Process Specification, 5.3, 5.5.1 and 5.9.2; AV1 Codec ISO Media File Format Binding
//! 1.2.0, 2.3 (`av1C`), 2.4 (samples) and 5 (`CODECS`).

use crate::bits::Bits;
use crate::cmaf::Colour;
use crate::{BoxError, FourCc, write_box};

const SEQUENCE: u8 = 1;
const DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// Units of one sample that are looked at.
const UNITS_MAX: usize = 4096;

/// Bits of a sample; what is made here has no more.
const DEPTH: u8 = 8;

/// One open bitstream unit.
#[derive(Clone, Copy)]
struct Unit<'a> {
    kind: u8,
    /// All its bytes.
    bytes: &'a [u8],
    payload: &'a [u8],
}

impl Unit<'_> {
    /// Whether a frame begins in it that is shown and needs no other: after the sequence's header, a key frame.
    fn begins_key_frame(&self) -> bool {
        let mut bits = Bits::new(self.payload);
        // It shows no frame that there was before, its type is 0, and it is shown.
        matches!(self.kind, FRAME_HEADER | FRAME)
            && (bits.take(1), bits.take(2), bits.take(1)) == (0, 0, 1)
    }
}

fn wrong(said: &'static str) -> BoxError {
    BoxError::Value { kind: FourCc(*b"av01"), said }
}

/// The units of a stretch of bytes.
fn units(mut bytes: &[u8]) -> Result<Vec<Unit<'_>>, BoxError> {
    let cut = || wrong("a unit goes beyond the end");
    let mut units = Vec::new();
    while let Some(head) = bytes.first() {
        let (has_extension, has_size) = (head & 4 != 0, head & 2 != 0);
        let head_bytes = 1 + usize::from(has_extension);
        let rest = bytes.get(head_bytes..).ok_or_else(cut)?;
        let (size, size_bytes) =
            if has_size { leb128(rest).ok_or_else(cut)? } else { (rest.len(), 0) };
        let payload = rest[size_bytes..].get(..size).ok_or_else(cut)?;
        let (unit, behind) = bytes.split_at(head_bytes + size_bytes + size);
        units.push(Unit { kind: head >> 3 & 15, bytes: unit, payload });
        if units.len() > UNITS_MAX {
            return Err(BoxError::TooMany { kind: FourCc(*b"av01"), max: UNITS_MAX });
        }
        bytes = behind;
    }
    Ok(units)
}

/// A number with its length: seven bits a byte, the lowest first, up to 32 bits; and how many bytes it took.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(u32::try_from(value).ok()?).ok()?, at + 1));
        }
    }
    None
}

/// Appends a sample: the units of a moment that belong into one. True if decoding can begin with it.
///
/// # Errors
/// [`BoxError::Value`] for a unit that goes beyond the end; [`BoxError::TooMany`].
pub fn write_sample(stream: &[u8], to: &mut Vec<u8>) -> Result<bool, BoxError> {
    let units = units(stream)?;
    for unit in units.iter().filter(|unit| !matches!(unit.kind, DELIMITER | TILE_LIST | PADDING)) {
        to.extend(unit.bytes);
    }
    let mut behind = units.iter().skip_while(|unit| unit.kind != SEQUENCE);
    Ok(behind
        .find(|unit| matches!(unit.kind, FRAME_HEADER | FRAME))
        .is_some_and(Unit::begins_key_frame))
}

/// What a decoder must know before the first sample: of pictures of 4:2:0 and 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Av1Configuration {
    /// The sequence's header.
    sequence: Vec<u8>,
    /// The level by its number: 8 is 4.0, 13 is 5.1.
    level: u8,
    high_tier: bool,
}

impl Av1Configuration {
    /// Of the units that an encoder has before its first frame.
    ///
    /// # Errors
    /// [`BoxError::Value`] if there is not one sequence's header of the main profile for a stream of one layer.
    pub fn from_stream(stream: &[u8]) -> Result<Self, BoxError> {
        let units = units(stream)?;
        let mut headers = units.iter().filter(|unit| unit.kind == SEQUENCE);
        let (Some(unit), None) = (headers.next(), headers.next()) else {
            return Err(wrong("an encoder has one header of its sequence"));
        };
        let mut bits = Bits::new(unit.payload);
        let (profile, _still, reduced) = (bits.take(3), bits.take(1), bits.take(1));
        let (timing, delay, more_points) = (bits.take(1), bits.take(1), bits.take(5));
        if (profile, reduced, timing, delay, more_points) != (0, 0, 0, 0, 0)
            || unit.payload.len() < 4
        {
            return Err(wrong(
                "its header is not of the main profile, or says more than is read here",
            ));
        }
        bits.take(12); // of which layers it is: all
        let level = bits.take(5) as u8;
        // Levels up to 3.3 have one tier.
        let high_tier = level > 7 && bits.take(1) == 1;
        Ok(Self { sequence: unit.bytes.to_vec(), level, high_tier })
    }

    /// What `CODECS` calls it: `av01.0.08M.08`, and the colours if they are not those of BT.709 in limited range.
    pub fn codecs(&self, colour: Option<Colour>) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        let text = format!("av01.0.{:02}{tier}.{DEPTH:02}", self.level);
        match colour {
            None | Some(Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false }) => text,
            Some(Colour { primaries, transfer, matrix, full_range }) => {
                let range = u8::from(full_range);
                // In colour, with chroma at every second sample either way, which lies nobody knows where.
                format!("{text}.0.110.{primaries:02}.{transfer:02}.{matrix:02}.{range}")
            }
        }
    }

    /// Appends the `av1C`.
    pub fn write(&self, to: &mut Vec<u8>) {
        write_box(to, b"av1C", |to| {
            // Version 1; the main profile; 8 bits, chroma at every second sample either way; no delay is said.
            to.extend([0x81, self.level, u8::from(self.high_tier) << 7 | 0b1100, 0]);
            to.extend(&self.sequence);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What SVT-AV1 1.4 writes for 320 × 160.
    const SEQUENCE_HEADER: &[u8] = b"\x0a\x0b\0\0\0\x04\x3c\xfe\x7c\x02\xf8\x00\x40";

    #[test]
    fn the_box_is_the_bytes_of_the_standard() {
        let configuration = Av1Configuration::from_stream(SEQUENCE_HEADER).unwrap();
        let mut written = Vec::new();
        configuration.write(&mut written);
        assert_eq!(written, [b"\0\0\0\x19av1C\x81\0\x0c\0", SEQUENCE_HEADER].concat());
        let bt709 = Colour { primaries: 1, transfer: 1, matrix: 1, full_range: false };
        assert_eq!(configuration.codecs(Some(bt709)), "av01.0.00M.08");
        let full = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: true };
        assert_eq!(configuration.codecs(Some(full)), "av01.0.00M.08.0.110.09.16.09.1");
        let high = Av1Configuration { level: 13, high_tier: true, ..configuration };
        assert_eq!(high.codecs(None), "av01.0.13H.08");
    }

    #[test]
    fn a_sample_has_no_delimiter_and_says_whether_it_is_a_beginning() {
        let delimiter = b"\x12\0";
        let key = b"\x32\x02\x10\xaa";
        let inter = b"\x32\x02\x30\xbb";
        let hidden = b"\x32\x02\x00\xcc";
        let shown_again = b"\x1a\x01\x80";
        let written = |parts: &[&[u8]]| {
            let mut sample = Vec::new();
            let begins = write_sample(&parts.concat(), &mut sample).unwrap();
            (sample, begins)
        };
        let padding: &[u8] = b"\x7a\x01\0";
        assert_eq!(
            written(&[delimiter, SEQUENCE_HEADER, key, padding]),
            ([SEQUENCE_HEADER, key].concat(), true)
        );
        assert_eq!(written(&[delimiter, inter]), (inter.to_vec(), false));
        assert!(!written(&[SEQUENCE_HEADER, inter]).1);
        assert!(!written(&[SEQUENCE_HEADER, hidden]).1);
        assert!(!written(&[SEQUENCE_HEADER, shown_again]).1);
        assert!(!written(&[key]).1, "nobody could decode it");
        assert!(!written(&[key, SEQUENCE_HEADER]).1);
    }

    #[test]
    fn units_end_within_the_bytes() {
        for stream in
            [&b"\x0a\x0b\0"[..], b"\x0e", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0a\x80"]
        {
            assert!(write_sample(stream, &mut Vec::new()).is_err(), "{stream:?}");
            assert!(Av1Configuration::from_stream(stream).is_err());
        }
        assert!(Av1Configuration::from_stream(b"\x0a\x04\x20\0\0\x04").is_err(), "another profile");
        // Without a length it goes to the end.
        assert_eq!(units(b"\x30\x10\xaa").unwrap()[0].payload, b"\x10\xaa");
        assert_eq!(leb128(&[0xe5, 0x8e, 0x26]), Some((624_485, 3)));
    }
}
