//! AAC in MP4: the `esds` that describes it.
//!
//! Sources: ISO/IEC 14496-1, 7.2.6 (descriptors); ISO/IEC 14496-3, 1.6.2.1 (`AudioSpecificConfig`); ISO/IEC
//! 14496-14, 5.6 (`esds`); RFC 6381, 3.3.

use crate::bits::Bits;
use crate::{BoxError, FourCc, write_full_box};

/// Bytes of a configuration; real ones have 2 to some 30.
const CONFIGURATION_BYTES_MAX: usize = 64;

/// Audio of ISO/IEC 14496-3.
const OBJECT_AUDIO: u8 = 0x40;

/// What a decoder must know before the first sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacConfiguration {
    specific: Vec<u8>,
}

impl AacConfiguration {
    /// Of an encoder's `AudioSpecificConfig`.
    ///
    /// # Errors
    /// [`BoxError::Value`] for one of fewer than 2 or more than 64 bytes.
    pub fn new(specific: &[u8]) -> Result<Self, BoxError> {
        if (2..=CONFIGURATION_BYTES_MAX).contains(&specific.len()) {
            return Ok(Self { specific: specific.to_vec() });
        }
        let said = "a configuration of AAC has 2 to 64 bytes";
        Err(BoxError::Value { kind: FourCc(*b"esds"), said })
    }

    /// What `CODECS` calls it: `mp4a.40.2` for AAC-LC.
    pub fn codecs(&self) -> String {
        let mut bits = Bits::new(&self.specific);
        let object = match bits.take(5) {
            31 => 32 + bits.take(6),
            object => object,
        };
        format!("mp4a.{OBJECT_AUDIO:x}.{object}")
    }

    /// Appends the `esds`, for a stream of so many bits a second on average (0: unknown) and at most.
    pub fn write(&self, average_bps: u32, max_bps: u32, to: &mut Vec<u8>) {
        let specific = self.specific.len() as u8;
        write_full_box(to, b"esds", 0, 0, |to| {
            // ES_Descriptor: number 0, as files have it, no flags.
            to.extend([3, 3 + 2 + 13 + 2 + specific + 2 + 1, 0, 0, 0]);
            // DecoderConfigDescriptor: audio (5), not upstream, and a bit that is set.
            to.extend([4, 13 + 2 + specific, OBJECT_AUDIO, 5 << 2 | 1]);
            // The size of the decoder's buffer: nobody says.
            to.extend([0, 0, 0]);
            to.extend(max_bps.to_be_bytes());
            to.extend(average_bps.to_be_bytes());
            to.extend([5, specific]);
            to.extend(&self.specific);
            // SLConfigDescriptor: as MP4 has it.
            to.extend([6, 1, 2]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AAC-LC (2), 48 kHz (3), two channels (2): 00010 0011 0010 000.
    #[test]
    fn the_box_is_the_bytes_of_the_standard() {
        let configuration = AacConfiguration::new(&[0x11, 0x90]).unwrap();
        assert_eq!(configuration.codecs(), "mp4a.40.2");
        let mut written = Vec::new();
        configuration.write(128_000, 192_000, &mut written);
        let expected = b"\0\0\0\x27esds\0\0\0\0\
            \x03\x19\0\0\0\
            \x04\x11\x40\x15\0\0\0\0\x02\xee\0\0\x01\xf4\0\
            \x05\x02\x11\x90\
            \x06\x01\x02";
        assert_eq!(written, expected);
    }

    #[test]
    fn object_types_beyond_five_bits() {
        // 11111, then 10 in six bits: 42, xHE-AAC.
        let usac = AacConfiguration::new(&[0b1111_1001, 0b0100_0000]).unwrap();
        assert_eq!(usac.codecs(), "mp4a.40.42");
        assert!(AacConfiguration::new(&[0x11]).is_err());
    }
}
