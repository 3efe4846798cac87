//! Multi-band blending, as what it adds to a hard cut.
//!
//! With `D = A − B`, its low-passed copies `D₀ = D, D₁ … Dₙ`, and those of the mask `m₀ … mₙ` (1 where the first lens
//! is), blending each band over a width of its own is `B + Σ mₖ (Dₖ − Dₖ₊₁) + mₙ Dₙ`. The finest band is cut, so that
//! is `m₀ (A − D₁) + (1 − m₀) B + M`, where `M` is the sum without its first term. `D₁` and `M` are smooth: they are worked
//! out in the strip, and sampled wherever the result has a pixel.
//!
//! Source: P. Burt, E. Adelson, "A Multiresolution Spline With Application to Image Mosaics", ACM Transactions on Graphics
//! 2 (1983); their kernel, without leaving out samples in between.

use rayon::prelude::*;

use super::ring::{Field, Ring};
use super::seam::Seam;

/// Bands at most: the coarsest flows over some 2⁷ rows.
const BANDS_MAX: u32 = 6;

/// The share of what both lenses see over which blending fades out at its borders.
const FADE: f32 = 0.15;

/// What blending adds.
pub(super) struct Blending {
    /// `D₁` for each channel, faded.
    low: Vec<Field>,
    /// `M` for each channel, faded.
    sum: Vec<Field>,
}

impl Blending {
    pub(super) fn new(difference: &[Field], seam: &Seam, ring: &Ring) -> Self {
        let mask = mask(seam, ring);
        let bands = bands(ring);
        let each = |difference: &Field| {
            let (mut low, mut sum) = blended(difference, &mask, bands);
            fade(&mut low, ring);
            fade(&mut sum, ring);
            (low, sum)
        };
        let (low, sum) = difference.iter().map(each).unzip();
        Self { low, sum }
    }

    /// What is added to each channel of a place whose share of the first lens is `first`.
    pub(super) fn at(&self, column: f64, row: f64, first: f32) -> [f32; 4] {
        let mut added = [0.0; 4];
        for ((added, low), sum) in added.iter_mut().zip(&self.low).zip(&self.sum) {
            *added = sum.between(column, row) - first * low.between(column, row);
        }
        added
    }
}

/// `D₁` and `M`.
fn blended(difference: &Field, mask: &Field, bands: u32) -> (Field, Field) {
    let low = smoothed(difference, 1);
    let mut sum = Field { columns: low.columns, values: vec![0.0; low.values.len()] };
    let (mut band, mut share) = (low.clone(), smoothed(mask, 1));
    for step in 1..bands {
        let next = smoothed(&band, 1 << step);
        for ((sum, share), (fine, coarse)) in
            sum.values.iter_mut().zip(&share.values).zip(band.values.iter().zip(&next.values))
        {
            *sum += share * (fine - coarse);
        }
        share = smoothed(&share, 1 << step);
        band = next;
    }
    for ((sum, share), rest) in sum.values.iter_mut().zip(&share.values).zip(&band.values) {
        *sum += share * rest;
    }
    (low, sum)
}

/// As many bands as what both lenses see has room for, on either side of a seam in its middle.
fn bands(ring: &Ring) -> u32 {
    let mut widths: Vec<usize> =
        (0..ring.columns()).map(|column| ring.shared_rows(column).count()).collect();
    let middle = widths.len() / 2;
    let (_, width, _) = widths.select_nth_unstable(middle);
    // The copy after `n` steps is spread over 2ⁿ rows to either side.
    (*width / 2).max(2).ilog2().clamp(1, BANDS_MAX)
}

/// 1 where the first lens is.
fn mask(seam: &Seam, ring: &Ring) -> Field {
    let line: Vec<f64> =
        (0..ring.columns()).map(|column| seam.row_at(column as f64 + 0.5)).collect();
    let values = (0..ring.rows())
        .flat_map(|row| line.iter().map(move |seam| (seam - row as f64).clamp(0.0, 1.0) as f32))
        .collect();
    Field { columns: ring.columns(), values }
}

/// Low-passed by the kernel 1 4 6 4 1 with `step` samples between its taps, across and down.
fn smoothed(field: &Field, step: usize) -> Field {
    const TAPS: [(isize, f32); 5] =
        [(-2, 1.0 / 16.0), (-1, 4.0 / 16.0), (0, 6.0 / 16.0), (1, 4.0 / 16.0), (2, 1.0 / 16.0)];

    let (columns, step) = (field.columns, step as isize);
    let rows = field.values.len() / columns;
    let mut down = vec![0.0; field.values.len()];
    down.par_chunks_mut(columns).enumerate().for_each(|(row, line)| {
        for (tap, weight) in TAPS {
            let from = (row as isize + tap * step).clamp(0, rows as isize - 1) as usize;
            let from = &field.values[from * columns..][..columns];
            line.iter_mut().zip(from).for_each(|(to, value)| *to += weight * value);
        }
    });
    let mut across = vec![0.0; field.values.len()];
    across.par_chunks_mut(columns).zip(down.par_chunks(columns)).for_each(|(line, from)| {
        for (tap, weight) in TAPS {
            let (before, behind) =
                from.split_at((tap * step).rem_euclid(columns as isize) as usize);
            let turned = behind.iter().chain(before);
            line.iter_mut().zip(turned).for_each(|(to, value)| *to += weight * value);
        }
    });
    Field { columns, values: across }
}

/// Makes a field nothing at the borders of what both lenses see, and beyond.
fn fade(field: &mut Field, ring: &Ring) {
    for column in 0..ring.columns() {
        let (first, last) = ring.shared(column);
        let over = (FADE * (last as f32 - first as f32)).max(2.0);
        for row in 0..ring.rows() {
            let inside = (row as f32 - first as f32).min(last as f32 - row as f32);
            let share = (inside / over).clamp(0.0, 1.0);
            let smooth = share * share * (3.0 - 2.0 * share);
            field.set(column, row, field.at(column, row) * smooth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(columns: usize, of: impl Fn(usize, usize) -> f32) -> Field {
        let values = (0..32)
            .flat_map(|row| (0..columns).map(move |column| (column, row)))
            .map(|(x, y)| of(x, y));
        Field { columns, values: values.collect() }
    }

    /// All bands of what the first lens has more are all of it, and none are nothing.
    #[test]
    fn bands_add_up() {
        let difference = field(64, |x, y| ((x * 7 + y * 13) % 29) as f32);
        for share in [0.0, 1.0] {
            let mask = field(64, |_, _| share);
            let (low, sum) = blended(&difference, &mask, 4);
            // m₀ (A − D₁) + (1 − m₀) B + M is A or B.
            for (low, sum) in low.values.iter().zip(&sum.values) {
                assert!((sum - share * low).abs() < 1e-4, "{sum} {low}");
            }
        }
    }

    /// A step of one column is spread evenly over the border of the strip.
    #[test]
    fn low_passes_go_on_around() {
        let dot = field(64, |x, y| if (x, y) == (0, 16) { 256.0 } else { 0.0 });
        let spread = smoothed(&dot, 2);
        for (column, expected) in [(0, 36.0), (2, 24.0), (62, 24.0), (60, 6.0), (4, 6.0), (1, 0.0)]
        {
            assert!((spread.at(column, 16) - expected).abs() < 1e-4, "{column}");
        }
        let sum: f32 = spread.values.iter().sum();
        assert!((sum - 256.0).abs() < 1e-3);
    }
}
