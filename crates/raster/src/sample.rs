//! What a pixel is made of.

use std::fmt::Debug;

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for f32 {}
}

/// One value of one channel: `u8`, `u16` or `f32`.
///
/// Filters compute in `f32`, which holds every `u8` and `u16` exactly.
pub trait Sample:
    Copy + Default + PartialEq + Debug + Send + Sync + sealed::Sealed + 'static
{
    /// The value of full coverage in an alpha plane: 255, 65,535 or 1.0.
    const OPAQUE: Self;

    /// The same value as `f32`.
    fn to_f32(self) -> f32;

    /// The nearest representable value, halves away from zero; integers clamp to their interval.
    fn from_f32(value: f32) -> Self;

    /// The mean of four values; integers round halves up.
    fn mean(four: [Self; 4]) -> Self;
}

impl Sample for u8 {
    const OPAQUE: Self = Self::MAX;

    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(value: f32) -> Self {
        // `as` saturates, so a negative value becomes 0.
        (value + 0.5) as Self
    }

    fn mean([a, b, c, d]: [Self; 4]) -> Self {
        ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d) + 2) >> 2) as Self
    }
}

impl Sample for u16 {
    const OPAQUE: Self = Self::MAX;

    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(value: f32) -> Self {
        (value + 0.5) as Self
    }

    fn mean([a, b, c, d]: [Self; 4]) -> Self {
        ((u32::from(a) + u32::from(b) + u32::from(c) + u32::from(d) + 2) >> 2) as Self
    }
}

impl Sample for f32 {
    const OPAQUE: Self = 1.0;

    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> Self {
        value
    }

    fn mean([a, b, c, d]: [Self; 4]) -> Self {
        (a + b + (c + d)) * 0.25
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_and_clamp() {
        for (value, expected) in
            [(-3.0, 0), (0.49, 0), (0.5, 1), (254.4, 254), (254.5, 255), (300.0, 255)]
        {
            assert_eq!(u8::from_f32(value), expected, "{value}");
        }
        assert_eq!(u16::from_f32(65_534.5), 65_535);
        assert_eq!(u16::from_f32(1e9), 65_535);
        assert_eq!(u16::from_f32(-1e9), 0);
    }

    #[test]
    fn every_integer_survives_f32() {
        assert!((0..=u8::MAX).all(|value| u8::from_f32(value.to_f32()) == value));
        assert!((0..=u16::MAX).all(|value| u16::from_f32(value.to_f32()) == value));
    }

    #[test]
    fn mean_rounds_halves_up() {
        for (four, expected) in
            [([0, 0, 0, 1], 0), ([0, 0, 1, 1], 1), ([0, 1, 1, 1], 1), ([255; 4], 255)]
        {
            assert_eq!(u8::mean(four), expected, "{four:?}");
            assert_eq!(u16::mean(four.map(u16::from)), u16::from(expected), "{four:?}");
        }
        assert_eq!(u16::mean([u16::MAX; 4]), u16::MAX);
        assert_eq!(f32::mean([1.0, 2.0, 3.0, 4.0]).to_bits(), 2.5_f32.to_bits());
    }
}
