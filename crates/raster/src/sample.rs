//! What a pixel is made of.

use std::fmt::Debug;

use crate::engine::{Positions, Shape, Taps, sample_u8};
use crate::isa::Isa;
use crate::map::BLOCK_PX;
use crate::reduce::halve_bytes;

/// The samples of a block of destination pixels.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Tile<S>(pub(crate) [S; BLOCK_PX * BLOCK_PX]);

pub(crate) mod sealed {
    use super::{Isa, Positions, Shape, Taps, Tile, halve_bytes, sample_u8};

    /// A block to sample.
    #[derive(Debug)]
    pub struct Request<'a, S> {
        pub(crate) isa: Isa,
        pub(crate) shape: Shape,
        pub(crate) positions: Positions<'a>,
        pub(crate) taps: Taps<'a, S>,
        pub(crate) tiles: &'a mut [Tile<S>],
    }

    /// Four rows of a face, and the samples that lie left and right of them.
    #[derive(Debug)]
    pub struct Quads<'a, S> {
        pub(crate) rows: [&'a [S]; 4],
        pub(crate) before: [S; 4],
        pub(crate) after: [S; 4],
    }

    /// What the engine asks of a sample type.
    pub trait Sealed: Sized {
        /// Whether there is a [`halve`](Self::halve) of this type's own.
        const HALVES: bool = false;

        /// Samples a block by kernels of this type's own; `false` if there are none for it.
        fn sample_fast(_: &mut Request<'_, Self>) -> bool {
            false
        }

        /// A row of a parent from four rows of its child, in integers; `sums` is scratch space.
        fn halve(_: &Quads<'_, Self>, _sums: &mut Vec<u16>, _to: &mut [Self]) {}
    }

    impl Sealed for u8 {
        const HALVES: bool = true;

        fn sample_fast(request: &mut Request<'_, Self>) -> bool {
            sample_u8(request)
        }

        fn halve(quads: &Quads<'_, Self>, sums: &mut Vec<u16>, to: &mut [Self]) {
            halve_bytes(quads, sums, to);
        }
    }

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

/// The nearest integer of a value in [0, 65,535], halves away from zero; 0 of what is not a number.
///
/// A conversion that saturates is done value by value on x86; this is not.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    // From here on a step is 1, so adding it rounds, halves to even.
    const STEP_ONE: f32 = 8_388_608.0;
    let sum = value + STEP_ONE;
    let is_half_below = value - (sum - STEP_ONE) >= 0.5;
    (sum.to_bits() & 0xffff) + u32::from(is_half_below)
}

impl Sample for u8 {
    const OPAQUE: Self = Self::MAX;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        rounded(value.clamp(0.0, 255.0)) as Self
    }

    fn mean([a, b, c, d]: [Self; 4]) -> Self {
        ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d) + 2) >> 2) as Self
    }
}

impl Sample for u16 {
    const OPAQUE: Self = Self::MAX;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        rounded(value.clamp(0.0, 65_535.0)) as Self
    }

    fn mean([a, b, c, d]: [Self; 4]) -> Self {
        ((u32::from(a) + u32::from(b) + u32::from(c) + u32::from(d) + 2) >> 2) as Self
    }
}

impl Sample for f32 {
    const OPAQUE: Self = 1.0;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
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
