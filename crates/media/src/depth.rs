//! Samples of 8 or 16 bits: what decoding makes, whichever of the two the file has.

use panofleet_raster::Sample;

use crate::icc::Profile;

/// What the decoder and the colour conversion need of a sample.
pub(crate) trait Depth: Sample {
    /// Levels of a sample.
    const LEVELS: usize;

    /// A sample of 8 bits.
    fn of_eight(value: u8) -> Self;

    /// A sample of 16 bits in the machine's byte order.
    fn of_sixteen(native_endian: [u8; 2]) -> Self;

    /// The level with this number.
    fn level(number: usize) -> Self;

    /// The number of the level.
    fn number(self) -> usize;

    /// Interleaved device values to interleaved sRGB, by a profile that is ready for this depth.
    fn to_srgb(profile: &Profile, device: &[Self], rgb: &mut [Self]);

    /// The profile, made ready for this depth.
    ///
    /// # Errors
    /// What keeps it from that.
    fn prepare(profile: Profile) -> Result<Profile, String>;
}

impl Depth for u8 {
    const LEVELS: usize = 1 << 8;

    fn of_eight(value: u8) -> Self {
        value
    }

    /// `v · 255 / 65,535`, rounded to nearest; there are no halves. Source: PNG, third edition, 13.12.
    fn of_sixteen(native_endian: [u8; 2]) -> Self {
        ((u32::from(u16::from_ne_bytes(native_endian)) + 128) / 257) as Self
    }

    fn level(number: usize) -> Self {
        number as Self
    }

    fn number(self) -> usize {
        self.into()
    }

    fn to_srgb(profile: &Profile, device: &[Self], rgb: &mut [Self]) {
        profile.to_srgb(device, rgb);
    }

    fn prepare(profile: Profile) -> Result<Profile, String> {
        Ok(profile)
    }
}

impl Depth for u16 {
    const LEVELS: usize = 1 << 16;

    /// `v · 65,535 / 255`, exactly.
    fn of_eight(value: u8) -> Self {
        257 * Self::from(value)
    }

    fn of_sixteen(native_endian: [u8; 2]) -> Self {
        Self::from_ne_bytes(native_endian)
    }

    fn level(number: usize) -> Self {
        number as Self
    }

    fn number(self) -> usize {
        self.into()
    }

    fn to_srgb(profile: &Profile, device: &[Self], rgb: &mut [Self]) {
        profile.deep_to_srgb(device, rgb);
    }

    fn prepare(profile: Profile) -> Result<Profile, String> {
        profile.deep()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_nearest() {
        for value in [0, 128, 129, 256, 257, 385, 386, 32_767, 32_768, 65_406, 65_407, 65_535] {
            let expected = (f64::from(value) * 255.0 / 65_535.0).round() as u8;
            assert_eq!(u8::of_sixteen(u16::to_ne_bytes(value)), expected, "{value}");
        }
    }

    #[test]
    fn eight_bits_survive_sixteen() {
        for value in 0..=u8::MAX {
            assert_eq!(u8::of_sixteen(u16::of_eight(value).to_ne_bytes()), value);
        }
        assert_eq!((u16::of_eight(0), u16::of_eight(255)), (0, 65_535));
    }
}
