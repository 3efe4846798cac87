//! The Lanczos-3 filter of one axis.

use std::f64::consts::PI;

/// Zero crossings on each side of the kernel.
const LOBES: f64 = 3.0;

/// The source pixels along an axis that a target position is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps<'a> {
    /// The first of them, which may lie outside of the picture.
    pub(super) first: isize,
    /// The weights of it and its followers.
    pub(super) weights: &'a [f32],
}

/// For each target position along an axis: the first source pixel that counts, and the weights of
/// it and its followers.
pub(super) struct Filter {
    first: Vec<isize>,
    weights: Vec<f32>,
    taps: usize,
}

impl Filter {
    /// The filter from `from_px` to `to_px` pixels. When that shrinks, the kernel is stretched to
    /// cover the same part of the picture.
    pub(super) fn new(from_px: u32, to_px: u32) -> Self {
        let scale = f64::from(from_px) / f64::from(to_px);
        let stretch = scale.max(1.0);
        let taps = (2.0 * LOBES * stretch) as usize + 1;
        let mut first = Vec::with_capacity(to_px as usize);
        let mut weights = Vec::with_capacity(to_px as usize * taps);
        for target in 0..to_px {
            let centre = (f64::from(target) + 0.5) * scale - 0.5;
            let start = (centre - LOBES * stretch).ceil();
            let values: Vec<f64> =
                (0..taps).map(|tap| lanczos((start + tap as f64 - centre) / stretch)).collect();
            let total: f64 = values.iter().sum();
            first.push(start as isize);
            weights.extend(values.iter().map(|value| (value / total) as f32));
        }
        Self { first, weights, taps }
    }

    pub(super) fn at(&self, target: usize) -> Taps<'_> {
        let weights = &self.weights[target * self.taps..][..self.taps];
        Taps { first: self.first[target], weights }
    }

    /// How far outside of the picture a tap may lie.
    pub(super) const fn margin(&self) -> usize {
        self.taps
    }
}

/// `sinc(x) · sinc(x / 3)` inside (−3, 3), otherwise 0.
fn lanczos(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else if x.abs() < LOBES {
        let angle = PI * x;
        LOBES * angle.sin() * (angle / LOBES).sin() / (angle * angle)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        // sinc(½)·sinc(1/6) and sinc(3/2)·sinc(½) by hand.
        for (x, expected) in [
            (0.0, 1.0),
            (0.5, 0.607_927_101_854_026_6),
            (1.0, 0.0),
            (1.5, -0.135_094_911_523_117),
            (3.0, 0.0),
            (4.5, 0.0),
        ] {
            assert!((lanczos(x) - expected).abs() < 1e-15, "{x}: {}", lanczos(x));
            assert!((lanczos(-x) - expected).abs() < 1e-15, "{x}");
        }
    }

    #[test]
    fn weights_sum_to_one_and_stay_within_the_margin() {
        for (from_px, to_px) in [(1, 1000), (1000, 1), (1000, 999), (8_192, 256), (7, 13), (1, 1)] {
            let filter = Filter::new(from_px, to_px);
            for target in 0..to_px as usize {
                let Taps { first, weights } = filter.at(target);
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(first >= -(filter.margin() as isize));
                let end = first + weights.len() as isize;
                assert!(end <= from_px as isize + filter.margin() as isize);
            }
        }
    }
}
