//! Interpolation weights as polynomials, so that sixteen lanes compute them without a table.
//!
//! A symmetric kernel of `2·p` taps has pairs of taps: right of a position at distance
//! `p + ½ − s`, left of it at `p + ½ + s`, where `s` in [−½, ½] is how far the position lies from
//! the middle between the two innermost taps. With `E` and `O` the even and the odd part in `s`,
//! the right tap weighs `E(s²) + s·O(s²)` and the left one `E(s²) − s·O(s²)`.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Most pairs of taps.
pub(crate) const PAIRS_MAX: usize = 3;

/// Most coefficients of an even or odd part.
const TERMS_MAX: usize = 4;

/// The weights of up to six taps at any position between the two innermost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights {
    /// Coefficients of `E`, by pair from the innermost on, in ascending powers of `s²`.
    pub(crate) even: [[f32; TERMS_MAX]; PAIRS_MAX],
    /// Coefficients of `O`, likewise.
    pub(crate) odd: [[f32; TERMS_MAX]; PAIRS_MAX],
}

/// How wide a destination pixel's footprint is, in steps; see [`level_of`].
pub(crate) const LEVELS: usize = 12;

/// Steps per doubling of the footprint.
const LEVELS_PER_OCTAVE: f64 = 10.0;

/// The level whose weights fit a footprint of `scale` source pixels: 0 up to 1.
pub(crate) fn level_of(scale: f64) -> u8 {
    let steps = (scale.max(1.0).log2() * LEVELS_PER_OCTAVE).round();
    steps.min((LEVELS - 1) as f64) as u8
}

/// The footprint that a level stands for.
fn scale_of(level: usize) -> f64 {
    2.0_f64.powf(level as f64 / LEVELS_PER_OCTAVE)
}

/// Two taps.
pub(crate) static LINEAR: LazyLock<Weights> =
    LazyLock::new(|| Weights::fit(1, 1, |distance| (1.0 - distance).max(0.0)));

/// Four taps: the Catmull-Rom spline.
///
/// Source: Keys, "Cubic convolution interpolation for digital image processing", 1981, a = −½.
pub(crate) static CATMULL_ROM: LazyLock<Weights> =
    LazyLock::new(|| Weights::fit(2, 2, |distance| cubic(0.0, distance)));

/// Four taps for each level: from Catmull-Rom towards the cubic B-spline.
pub(crate) static CUBICS: LazyLock<[Weights; LEVELS]> = LazyLock::new(|| {
    std::array::from_fn(|level| {
        let blur = blur_of(scale_of(level));
        Weights::fit(2, 2, |distance| cubic(blur, distance))
    })
});

/// Six taps for each level: a sinc whose cut-off is the footprint's, in a Lanczos window.
pub(crate) static LANCZOS: LazyLock<[Weights; LEVELS]> = LazyLock::new(|| {
    std::array::from_fn(|level| {
        let scale = scale_of(level);
        Weights::fit(3, 4, |distance| sinc(distance / scale) * sinc(distance / 3.0))
    })
});

/// How much of a B-spline a footprint of `scale` needs, in [0, 1].
pub(crate) fn blur_of(scale: f64) -> f64 {
    (1.5 * (scale - 1.0)).clamp(0.0, 1.0)
}

/// The cubic of Mitchell and Netravali, "Reconstruction filters in computer graphics", 1988, on
/// the line `B + 2·C = 1`, at a distance in [0, 2].
fn cubic(b: f64, distance: f64) -> f64 {
    let c = (1.0 - b) / 2.0;
    let d = distance;
    if d < 1.0 {
        ((12.0 - 9.0 * b - 6.0 * c) * d.powi(3) + (-18.0 + 12.0 * b + 6.0 * c) * d * d + 6.0
            - 2.0 * b)
            / 6.0
    } else {
        ((-b - 6.0 * c) * d.powi(3)
            + (6.0 * b + 30.0 * c) * d * d
            + (-12.0 * b - 48.0 * c) * d
            + 8.0 * b
            + 24.0 * c)
            / 6.0
    }
}

pub(crate) fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

impl Weights {
    /// The same weights, `unit` times as large.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn times(&self, unit: f32) -> Self {
        let all =
            |of: &[[f32; TERMS_MAX]; PAIRS_MAX]| of.map(|terms| terms.map(|term| term * unit));
        Self { even: all(&self.even), odd: all(&self.odd) }
    }

    /// The polynomials of `terms` coefficients through the normalised weights that `kernel` gives
    /// at distances in [0, `pairs`].
    fn fit(pairs: usize, terms: usize, kernel: impl Fn(f64) -> f64) -> Self {
        let mut weights =
            Self { even: [[0.0; TERMS_MAX]; PAIRS_MAX], odd: [[0.0; TERMS_MAX]; PAIRS_MAX] };
        let at = |pair: usize, s: f64| {
            let total: f64 = (0..pairs)
                .map(|pair| kernel(pair as f64 + 0.5 - s) + kernel(pair as f64 + 0.5 + s))
                .sum();
            kernel(pair as f64 + 0.5 - s) / total
        };
        let mut inner = [0.0; TERMS_MAX];
        inner[0] = 0.5;
        for pair in (0..pairs).rev() {
            let even = interpolate(terms, |s| f64::midpoint(at(pair, s), at(pair, -s)));
            let odd = interpolate(terms, |s| (at(pair, s) - at(pair, -s)) / (2.0 * s));
            // What the others leave of 1: a constant stays one.
            let even = if pair == 0 { inner } else { even };
            for term in 0..TERMS_MAX {
                inner[term] -= even[term];
                weights.even[pair][term] = even[term] as f32;
                weights.odd[pair][term] = odd[term] as f32;
            }
        }
        weights
    }
}

/// Coefficients in powers of `s²` of the polynomial that agrees with `value` at `terms` Chebyshev
/// nodes of `s²`, spread to [0, ¼]: at its end, on the centre of a sample, nothing may leak in.
fn interpolate(terms: usize, value: impl Fn(f64) -> f64) -> [f64; TERMS_MAX] {
    let nodes: Vec<f64> = (0..terms)
        .map(|i| {
            let angle = |i: usize| (2 * i + 1) as f64 * PI / (2 * terms) as f64;
            // One node alone stands at the end.
            let place = if terms == 1 { -1.0 } else { angle(i).cos() / angle(0).cos() };
            0.125 - 0.125 * place
        })
        .collect();
    // Newton's divided differences, then expanded.
    let mut differences: Vec<f64> =
        nodes.iter().map(|square| value(square.sqrt().max(1e-5))).collect();
    for order in 1..terms {
        for i in (order..terms).rev() {
            differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - order]);
        }
    }
    let mut coefficients = [0.0; TERMS_MAX];
    for i in (0..terms).rev() {
        for power in (1..terms).rev() {
            coefficients[power] = coefficients[power - 1] - nodes[i] * coefficients[power];
        }
        coefficients[0] = differences[i] - nodes[i] * coefficients[0];
    }
    coefficients
}
