//! H.264 in MP4: NAL units with their length, and the `avcC` that describes them.
//!
//! Sources: ITU-T H.264, 7.3.2.1.1; ISO/IEC 14496-15, 5.3.3 (`avcC`); RFC 6381, 3.3.

use crate::bits::Bits;
use crate::{BoxError, FourCc, nal, write_box};

const IDR: u8 = 5;
const SEI: u8 = 6;
const SEQUENCE: u8 = 7;
const PICTURE: u8 = 8;
const DELIMITER: u8 = 9;

/// The payload of an SEI that holds what its writer likes: x264 puts its settings there.
const UNREGISTERED_USER_DATA: u8 = 5;

/// Profiles whose parameter sets say what chroma and depth are.
const WITH_CHROMA: [u8; 4] = [100, 110, 122, 244];

fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |head| head & 0x1f)
}

/// Whether a unit has no place in a sample of an `avc1` track: parameter sets lie in the sample entry, delimiters are
/// not needed, and a writer's notes are nobody's business.
fn is_left_out(unit: &[u8]) -> bool {
    match kind(unit) {
        SEQUENCE | PICTURE | DELIMITER => true,
        SEI => unit.get(1) == Some(&UNREGISTERED_USER_DATA),
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
    Ok(units.iter().any(|unit| kind(unit) == IDR))
}

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfiguration {
    sequence: Vec<u8>,
    picture: Vec<u8>,
}

impl AvcConfiguration {
    /// Of an encoder's parameter sets with start codes.
    ///
    /// # Errors
    /// [`BoxError::Value`] if there is not exactly one set of each kind, or if one is too long.
    pub fn from_stream(stream: &[u8]) -> Result<Self, BoxError> {
        let wrong = |said| BoxError::Value { kind: FourCc(*b"avcC"), said };
        let units = nal::units(stream)?;
        let one = |wanted: u8| {
            let unit = nal::only(&units, |unit| kind(unit) == wanted);
            unit.map(<[u8]>::to_vec)
                .ok_or_else(|| wrong("an encoder has one parameter set of each kind"))
        };
        let (sequence, picture) = (one(SEQUENCE)?, one(PICTURE)?);
        if sequence.len() < 4 || sequence.len().max(picture.len()) > usize::from(u16::MAX) {
            return Err(wrong("a parameter set has 4 to 65,535 bytes"));
        }
        Ok(Self { sequence, picture })
    }

    /// Profile, the constraints on it, and level.
    fn profile(&self) -> [u8; 3] {
        [self.sequence[1], self.sequence[2], self.sequence[3]]
    }

    /// The level, ten times: 41 is 4.1.
    pub fn level(&self) -> u8 {
        self.profile()[2]
    }

    /// What `CODECS` calls it: `avc1.64001f`.
    pub fn codecs(&self) -> String {
        let [profile, constraints, level] = self.profile();
        format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
    }

    /// Appends the `avcC`; lengths of units have four bytes.
    ///
    /// # Errors
    /// [`BoxError::Value`] for a parameter set that cannot be read.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), BoxError> {
        let [profile, constraints, level] = self.profile();
        let chroma = if WITH_CHROMA.contains(&profile) { Some(self.chroma()?) } else { None };
        write_box(to, b"avcC", |to| {
            to.extend([1, profile, constraints, level]);
            // Six bits and three bits are set; lengths have 3 + 1 bytes, and there is one set.
            to.extend([0b1111_1100 | 3, 0b1110_0000 | 1]);
            to.extend((self.sequence.len() as u16).to_be_bytes());
            to.extend(&self.sequence);
            to.push(1);
            to.extend((self.picture.len() as u16).to_be_bytes());
            to.extend(&self.picture);
            if let Some([format, luma, differences]) = chroma {
                to.extend([0b1111_1100 | format, 0b1111_1000 | luma, 0b1111_1000 | differences, 0]);
            }
        });
        Ok(())
    }

    /// Chroma's format, and by how much the depths of luma and chroma are above 8.
    fn chroma(&self) -> Result<[u8; 3], BoxError> {
        let damaged =
            BoxError::Value { kind: FourCc(*b"avcC"), said: "its parameter set cannot be read" };
        let mut bits = Bits::new(&self.sequence[4..]);
        let mut number = |max| bits.exp_golomb().filter(|value| *value <= max).map(|v| v as u8);
        // The set's own number comes first.
        let read = number(31).and_then(|_| Some([number(2)?, number(6)?, number(6)?]));
        read.ok_or(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What x264 writes for 320 × 160 in High at level 1.2: 100, 0, 12, then set 0, 4:2:0, 8 bits each.
    const SEQUENCE_SET: &[u8] = &[0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41];
    const PICTURE_SET: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb];

    fn configuration(sequence: &[u8]) -> Result<AvcConfiguration, BoxError> {
        let stream = [&[0, 0, 0, 1], sequence, &[0, 0, 1], PICTURE_SET].concat();
        AvcConfiguration::from_stream(&stream)
    }

    #[test]
    fn a_sample_has_lengths_and_nothing_that_belongs_elsewhere() {
        let set = [&[0, 0, 0, 1], SEQUENCE_SET, &[0, 0, 1], PICTURE_SET].concat();
        let stream =
            [&set[..], b"\0\0\x01\x06\x05x264", b"\0\0\x01\x06\x06\x01\x80\0\0\x01\x65abc"];
        let mut sample = Vec::new();
        assert_eq!(write_sample(&stream.concat(), &mut sample), Ok(true));
        assert_eq!(sample, b"\0\0\0\x04\x06\x06\x01\x80\0\0\0\x04\x65abc");
        assert_eq!(write_sample(b"\0\0\x01\x41abc", &mut sample), Ok(false));
    }

    /// ISO/IEC 14496-15, 5.3.3.1.2, byte for byte.
    #[test]
    fn the_box_is_the_bytes_of_the_standard() {
        let configuration = configuration(SEQUENCE_SET).unwrap();
        assert_eq!((configuration.codecs().as_str(), configuration.level()), ("avc1.64000c", 12));
        let mut written = Vec::new();
        configuration.write(&mut written).unwrap();
        let expected = [
            &b"\0\0\0\x23avcC\x01\x64\0\x0c\xff\xe1\0\x08"[..],
            SEQUENCE_SET,
            b"\x01\0\x04",
            PICTURE_SET,
            b"\xfd\xf8\xf8\0",
        ];
        assert_eq!(written, expected.concat());
    }

    #[test]
    fn the_profiles_below_high_say_nothing_of_chroma() {
        let baseline = configuration(&[0x67, 0x42, 0xc0, 0x0c, 0xd9]).unwrap();
        let mut written = Vec::new();
        baseline.write(&mut written).unwrap();
        assert_eq!(baseline.codecs(), "avc1.42c00c");
        assert!(written.ends_with(PICTURE_SET));
        let two = [&[0, 0, 1], SEQUENCE_SET, &[0, 0, 1], SEQUENCE_SET].concat();
        assert!(matches!(AvcConfiguration::from_stream(&two), Err(BoxError::Value { .. })));
    }
}
