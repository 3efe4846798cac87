//! HEVC in MP4: NAL units with their length, and the `hvcC` that describes them.
//!
//! Sources: ITU-T H.265, 7.3.1.2, 7.3.2.2.1, 7.3.3 and table 7-1; ISO/IEC 14496-15, 8.3.3 (`hvcC`) and annex E (`CODECS`).

use std::fmt::Write as _;

use crate::bits::Bits;
use crate::{BoxError, FourCc, nal, write_box};

const IDR_WITH_LEADING: u8 = 19;
const IDR: u8 = 20;
const VIDEO: u8 = 32;
const SEQUENCE: u8 = 33;
const PICTURE: u8 = 34;
const DELIMITER: u8 = 35;
const SEI: u8 = 39;

/// The payload of an SEI that holds what its writer likes: x265 puts its settings there.
const UNREGISTERED_USER_DATA: u8 = 5;

/// Bytes of a unit before what it holds.
const HEAD_BYTES: usize = 2;

/// Bytes of the profile, the constraints on it, and the level.
const PROFILE_BYTES: usize = 12;

fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |head| head >> 1 & 0x3f)
}

/// Whether a unit has no place in a sample of an `hvc1` track: parameter sets lie in the sample entry, delimiters are not
/// needed, and a writer's notes are nobody's business.
fn is_left_out(unit: &[u8]) -> bool {
    match kind(unit) {
        VIDEO | SEQUENCE | PICTURE | DELIMITER => true,
        SEI => unit.get(HEAD_BYTES) == Some(&UNREGISTERED_USER_DATA),
        _ => false,
    }
}

/// Appends a sample: each unit that belongs into one behind its length in four bytes. True if it is an IDR picture.
///
/// # Errors
/// [`BoxError::TooMany`].
pub fn write_sample(stream: &[u8], to: &mut Vec<u8>) -> Result<bool, BoxError> {
    let units = nal::units(stream)?;
    units.iter().filter(|unit| !is_left_out(unit)).for_each(|unit| nal::write(unit, to));
    Ok(units.iter().any(|unit| matches!(kind(unit), IDR | IDR_WITH_LEADING)))
}

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HevcConfiguration {
    /// The parameter sets, by their types.
    sets: [(u8, Vec<u8>); 3],
    /// Profile, compatible ones, constraints, level: as the sequence's set has them.
    profile: [u8; PROFILE_BYTES],
    /// Layers in time, and whether each can be begun at any of its pictures.
    layers: (u8, bool),
    /// Chroma's format, and by how much the depths of luma and chroma are above 8.
    chroma: [u8; 3],
}

impl HevcConfiguration {
    /// Of an encoder's parameter sets with start codes.
    ///
    /// # Errors
    /// [`BoxError::Value`] if there is not exactly one set of each kind, or if one cannot be read or is too long.
    pub fn from_stream(stream: &[u8]) -> Result<Self, BoxError> {
        let units = nal::units(stream)?;
        let one = |wanted: u8| match nal::only(&units, |unit| kind(unit) == wanted) {
            Some(unit) if unit.len() <= usize::from(u16::MAX) => Ok((wanted, unit.to_vec())),
            Some(_) => Err(wrong("a parameter set has up to 65,535 bytes")),
            None => Err(wrong("an encoder has one parameter set of each kind")),
        };
        let sets = [one(VIDEO)?, one(SEQUENCE)?, one(PICTURE)?];
        let unreadable = || wrong("its parameter set cannot be read");
        let sequence = nal::unescaped(sets[1].1.get(HEAD_BYTES..).unwrap_or_default());
        let (head, rest) = sequence.split_first().ok_or_else(unreadable)?;
        let (profile, rest) = rest.split_first_chunk::<PROFILE_BYTES>().ok_or_else(unreadable)?;
        let more_layers = head >> 1 & 7;
        let chroma = chroma(rest, more_layers).ok_or_else(unreadable)?;
        Ok(Self { profile: *profile, layers: (more_layers + 1, head & 1 == 1), chroma, sets })
    }

    /// What `CODECS` calls it: `hvc1.1.6.L93.90`.
    pub fn codecs(&self) -> String {
        let [head, compatible @ .., level] = self.profile;
        let (compatible, constraints) = compatible.split_at(4);
        let compatible = compatible.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let space = ["", "A", "B", "C"][usize::from(head >> 6)];
        let tier = if head & 0x20 == 0 { 'L' } else { 'H' };
        let mut text =
            format!("hvc1.{space}{}.{:x}.{tier}{level}", head & 0x1f, compatible.reverse_bits());
        let said = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for byte in &constraints[..said] {
            write!(text, ".{byte:x}").expect("text takes every word");
        }
        text
    }

    /// Appends the `hvcC`; lengths of units have four bytes.
    pub fn write(&self, to: &mut Vec<u8>) {
        let (layers, nested) = self.layers;
        let [format, luma, differences] = self.chroma;
        write_box(to, b"hvcC", |to| {
            to.push(1);
            to.extend(self.profile);
            // How a picture may be decoded by several at once is not said.
            to.extend([0b1111_0000, 0, 0b1111_1100]);
            to.extend([0b1111_1100 | format, 0b1111_1000 | luma, 0b1111_1000 | differences]);
            // Neither is how many frames there are a second. Lengths have 3 + 1 bytes.
            to.extend([0, 0, layers << 3 | u8::from(nested) << 2 | 3]);
            to.push(self.sets.len() as u8);
            for (kind, set) in &self.sets {
                // All of its kind are here, and that is one.
                to.extend([0b1000_0000 | kind, 0, 1]);
                to.extend((set.len() as u16).to_be_bytes());
                to.extend(set);
            }
        });
    }
}

fn wrong(said: &'static str) -> BoxError {
    BoxError::Value { kind: FourCc(*b"hvcC"), said }
}

/// Chroma's format and the depths, out of a sequence's set behind the level.
fn chroma(rest: &[u8], more_layers: u8) -> Option<[u8; 3]> {
    let mut bits = Bits::new(rest);
    // Of each layer but the last: whether it has a profile, and a level. Then room for eight, and what is there.
    let said: Vec<_> = (0..more_layers).map(|_| (bits.take(1) == 1, bits.take(1) == 1)).collect();
    if more_layers > 0 {
        bits.take(2 * (8 - u32::from(more_layers)));
    }
    for (has_profile, has_level) in said {
        // 88 bits of profile, 8 of level.
        let parts = [(has_profile, 32), (has_profile, 32), (has_profile, 24), (has_level, 8)];
        for (_, count) in parts.iter().filter(|(is_there, _)| *is_there) {
            bits.take(*count);
        }
    }
    bits.exp_golomb()?; // the set's number
    let format = bits.exp_golomb().filter(|format| *format <= 3)?;
    if format == 3 {
        bits.take(1);
    }
    let (_width, _height) = (bits.exp_golomb()?, bits.exp_golomb()?);
    if bits.take(1) == 1 {
        // What is cut off at each side.
        for _ in 0..4 {
            bits.exp_golomb()?;
        }
    }
    let mut depth = || bits.exp_golomb().filter(|above| *above <= 7).map(|above| above as u8);
    Some([format as u8, depth()?, depth()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What x265 3.5 writes for 320 × 160 in Main at level 2.
    const VIDEO_SET: &str = "40010c01ffff01600000030090000003000003003c959809";
    const SEQUENCE_SET: &str =
        "42010101600000030090000003000003003ca00a080a165959a4932bc05a020000030002000003003c10";
    const PICTURE_SET: &str = "4401c172b46240";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16);
        hex.as_bytes().chunks(2).map(|two| digits(two).unwrap()).collect()
    }

    fn stream(sets: &[&str]) -> Vec<u8> {
        sets.iter().flat_map(|set| [vec![0, 0, 0, 1], bytes(set)].concat()).collect()
    }

    #[test]
    fn the_box_is_the_bytes_of_the_standard() {
        let stream = stream(&[VIDEO_SET, SEQUENCE_SET, PICTURE_SET]);
        let configuration = HevcConfiguration::from_stream(&stream).unwrap();
        assert_eq!(configuration.codecs(), "hvc1.1.6.L60.90");
        let mut written = Vec::new();
        configuration.write(&mut written);
        // As libavformat writes it, but for the notes that x265 leaves.
        let head = "0101600000009000000000003cf000fcfdf8f800000f03";
        let wanted = [
            bytes(head),
            bytes("a000010018"),
            bytes(VIDEO_SET),
            bytes("a10001002a"),
            bytes(SEQUENCE_SET),
            bytes("a200010007"),
            bytes(PICTURE_SET),
        ]
        .concat();
        assert_eq!(written[..4], (written.len() as u32).to_be_bytes());
        assert_eq!((&written[4..8], &written[8..]), (&b"hvcC"[..], &wanted[..]));
    }

    #[test]
    fn a_sample_has_lengths_and_nothing_that_belongs_elsewhere() {
        let units = [VIDEO_SET, SEQUENCE_SET, PICTURE_SET, "4e0105aabb", "4e010681", "2801af12"];
        let mut sample = Vec::new();
        assert_eq!(write_sample(&stream(&units), &mut sample), Ok(true));
        assert_eq!(sample, bytes("000000044e010681000000042801af12"));
        sample.clear();
        assert_eq!(write_sample(&stream(&["0201d0"]), &mut sample), Ok(false));
        assert_eq!(sample, bytes("000000030201d0"));
    }

    #[test]
    fn a_set_that_is_missing_or_cut_is_refused() {
        for sets in [
            &[VIDEO_SET, SEQUENCE_SET][..],
            &[VIDEO_SET, SEQUENCE_SET, SEQUENCE_SET, PICTURE_SET],
            &[VIDEO_SET, "4201010160", PICTURE_SET],
            &[VIDEO_SET, "42010101600000030090000003000003003c", PICTURE_SET],
        ] {
            let found = HevcConfiguration::from_stream(&stream(sets));
            assert!(matches!(found, Err(BoxError::Value { .. })), "{found:?}");
        }
    }

    /// Main 10 of the high tier at 5.1, with constraints in the second byte too.
    #[test]
    fn codecs_say_the_tier_and_constraints() {
        let stream = stream(&[VIDEO_SET, SEQUENCE_SET, PICTURE_SET]);
        let plain = HevcConfiguration::from_stream(&stream).unwrap();
        let profile = [0x22, 0x20, 0, 0, 0, 0xb0, 0x08, 0, 0, 0, 0, 153];
        let high = HevcConfiguration { profile, ..plain };
        assert_eq!(high.codecs(), "hvc1.2.4.H153.b0.8");
    }
}
