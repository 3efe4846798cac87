//! NAL units: what H.264 and HEVC are made of, behind start codes in a stream, behind their lengths in a sample.
//!
//! Sources: ITU-T H.264 and H.265, 7.3.1 and annex B.

use crate::{BoxError, FourCc};

/// NAL units of one access unit that are looked at.
const UNITS_MAX: usize = 4096;

/// The NAL units of a stream of bytes with start codes (annex B), without the zeros that belong to the stream.
///
/// # Errors
/// [`BoxError::TooMany`].
pub(crate) fn units(stream: &[u8]) -> Result<Vec<&[u8]>, BoxError> {
    let mut units = Vec::new();
    let mut begin = None;
    let mut at = 0;
    // A start code is 00 00 01; a byte above 1 two places on ends every one that could begin here.
    while let Some(third) = stream.get(at + 2) {
        match (stream[at], stream[at + 1], *third) {
            (_, _, 2..) => at += 3,
            (0, 0, 1) => {
                if let Some(begin) = begin {
                    units.push(trimmed(&stream[begin..at]));
                }
                if units.len() > UNITS_MAX {
                    return Err(BoxError::TooMany { kind: FourCc(*b"mdat"), max: UNITS_MAX });
                }
                at += 3;
                begin = Some(at);
            }
            _ => at += 1,
        }
    }
    units.extend(begin.map(|begin| trimmed(&stream[begin..])));
    units.retain(|unit| !unit.is_empty());
    Ok(units)
}

/// A unit ends with a byte that is not zero; zeros behind it belong to the stream.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

/// The unit that is so, if there is exactly one.
pub(crate) fn only<'a>(units: &[&'a [u8]], is_so: impl Fn(&[u8]) -> bool) -> Option<&'a [u8]> {
    let mut found = units.iter().copied().filter(|unit| is_so(unit));
    found.next().filter(|_| found.next().is_none())
}

/// Appends a unit behind its length in four bytes.
pub(crate) fn write(unit: &[u8], to: &mut Vec<u8>) {
    to.extend((unit.len() as u32).to_be_bytes());
    to.extend(unit);
}

/// The bytes of a unit as they mean something: without each 3 that keeps two zeros from beginning a start code.
pub(crate) fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        match byte {
            3 if zeros >= 2 => zeros = 0,
            byte => {
                zeros = if *byte == 0 { zeros + 1 } else { 0 };
                bytes.push(*byte);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_lie_between_start_codes() {
        let stream = b"\0\0\0\x01\x09\xf0\0\0\x01\x65a\0\0\x03\x01b\0\0\0\x01\x41\x01\0\0";
        let wanted = [&b"\x09\xf0"[..], b"\x65a\0\0\x03\x01b", b"\x41\x01"];
        assert_eq!(units(stream).unwrap(), wanted);
        assert_eq!(units(b"no start code"), Ok(Vec::new()));
    }

    #[test]
    fn a_three_behind_two_zeros_means_nothing() {
        assert_eq!(unescaped(b"a\0\0\x03\0\0\x03\x01\0\x03"), b"a\0\0\0\0\x01\0\x03");
        assert_eq!(unescaped(b"\0\0\x03\x03"), b"\0\0\x03");
    }
}
