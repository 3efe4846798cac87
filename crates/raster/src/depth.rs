//! Bit depth.

use crate::Picture;

/// 16 bits → 8 bits: `v · 255 / 65,535`, rounded to nearest.
pub fn to_eight_bits(picture: &Picture<u16>) -> Picture<u8> {
    // 65,535 / 255 is 257, an odd number, so there are no halves.
    picture.map(|plane| plane.map(|value| ((u32::from(*value) + 128) / 257) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Size};

    #[test]
    fn every_value_rounds_to_nearest() {
        let size = Size::new(65_536, 1).unwrap();
        let samples: Vec<u16> = (0..=u16::MAX).collect();
        let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
        for (value, found) in samples.iter().zip(to_eight_bits(&picture).planes()[0].samples()) {
            let expected = (f64::from(*value) * 255.0 / 65_535.0).round();
            assert!((f64::from(*found) - expected).abs() < 1e-9, "{value}: {found}");
        }
    }
}
