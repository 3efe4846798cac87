//! The Lanczos-3 filter of one axis.

use std::f64::consts::PI;

/// Zero crossings on each side of the kernel.
const LOBES: f64 = 3.0;

/// Partial sums of a dot product; tap counts are rounded up to it.
const LANES: usize = 8;

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
        let taps = ((2.0 * LOBES * stretch) as usize + 1).next_multiple_of(LANES);
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

    /// The first source pixel, which may lie outside of the picture, and the weights.
    pub(super) fn at(&self, target: usize) -> (isize, &[f32]) {
        (self.first[target], &self.weights[target * self.taps..][..self.taps])
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

/// The sum of products, in `LANES` partial sums that the compiler can keep in one register.
pub(super) fn dot(values: &[f32], weights: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (values, weights) in values.chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += values[lane] * weights[lane];
        }
    }
    sums.iter().sum()
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
                let (first, weights) = filter.at(target);
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(first >= -(filter.margin() as isize));
                let end = first + weights.len() as isize;
                assert!(end <= from_px as isize + filter.margin() as isize);
            }
        }
    }
}
