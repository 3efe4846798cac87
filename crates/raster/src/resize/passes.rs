//! The two passes of a resize: down, then across.
//!
//! Some rows of the result are made at once. The first pass leaves them side by side, the rows of a
//! column next to each other, so that in the second pass each tap is one multiplication of all rows.

use super::Edges;
use super::lanczos::{Filter, Taps};
use crate::isa::Isa;
use crate::{Picture, Plane, Sample};

/// Rows that are made at once.
pub(super) const ROWS: usize = 8;

/// Taps of the first pass that are added at once. Whole rows are read one behind the other: chunks of
/// columns would read lines that lie a power of two apart, and push each other out of the cache.
const TAPS: usize = 4;

/// Coverage below which a colour has no meaning, as a share of opaque.
const COVERAGE_MIN: f32 = 1e-6;

/// A column of the rows that are made at once.
type Column = [f32; ROWS];

/// What a thread needs to make rows of one picture from another.
pub(super) struct Passes<'a, S> {
    picture: &'a Picture<S>,
    columns: &'a Filter,
    edges: Edges,
    /// A row of the source's width, filtered down.
    row: Vec<f32>,
    /// Such rows side by side, with `margin` columns more at both ends.
    down: Vec<Column>,
    margin: usize,
    /// The finished columns of each plane.
    across: Vec<Vec<Column>>,
}

impl<'a, S: Sample> Passes<'a, S> {
    pub(super) fn new(
        picture: &'a Picture<S>,
        columns: &'a Filter,
        width: usize,
        edges: Edges,
    ) -> Self {
        let (from_width, margin) = (picture.size().width_px() as usize, columns.margin());
        let row = vec![0.0; from_width];
        let down = vec![[0.0; ROWS]; from_width + 2 * margin];
        let across = vec![vec![[0.0; ROWS]; width]; picture.planes().len()];
        Self { picture, columns, edges, row, down, margin, across }
    }

    /// Makes up to [`ROWS`] rows, whose taps in the source are given, at the beginning of each
    /// plane of `to`. Every instruction set computes the same.
    pub(super) fn resize_rows(&mut self, isa: Isa, taps: &[Taps<'_>], to: &mut [&mut [S]]) {
        match isa {
            Isa::Portable => self.plain(taps, to),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "a function for instructions that this machine has")]
            // SAFETY: `Isa` has this value only if the processor has AVX2.
            Isa::Avx2 => unsafe { self.avx2(taps, to) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "a function for instructions that this machine has")]
            // SAFETY: `Isa` has this value only if the processor has AVX-512 F, BW and VL.
            Isa::Avx512 => unsafe { self.avx512(taps, to) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(&mut self, taps: &[Taps<'_>], to: &mut [&mut [S]]) {
        self.plain(taps, to);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn avx512(&mut self, taps: &[Taps<'_>], to: &mut [&mut [S]]) {
        self.plain(taps, to);
    }

    #[inline(always)]
    fn plain(&mut self, taps: &[Taps<'_>], to: &mut [&mut [S]]) {
        for channel in 0..self.across.len() {
            self.go_down(channel, taps);
            continue_sideways(&mut self.down, self.margin, self.edges);
            self.go_across(channel);
        }
        if self.picture.alpha().is_some() {
            self.divide_by_coverage();
        }
        for (columns, to) in self.across.iter().zip(to) {
            let width = columns.len();
            for (y, row) in to.chunks_exact_mut(width).take(taps.len()).enumerate() {
                for (to, column) in row.iter_mut().zip(columns) {
                    *to = S::from_f32(column[y]);
                }
            }
        }
    }

    /// Filters the columns of a plane. Of rows that are not asked for the last values stay.
    #[inline(always)]
    fn go_down(&mut self, channel: usize, taps: &[Taps<'_>]) {
        let (picture, margin) = (self.picture, self.margin);
        let plane = &picture.planes()[channel];
        let weigh_by = picture.alpha().filter(|_| channel + 1 < picture.planes().len());
        let inner = &mut self.down[margin..][..plane.width()];
        for (y, taps) in taps.iter().enumerate() {
            self.row.fill(0.0);
            match weigh_by {
                None => add_rows(&mut self.row, plane, taps),
                Some(alpha) => add_weighed_rows(&mut self.row, (plane, alpha), taps),
            }
            for (column, value) in inner.iter_mut().zip(&self.row) {
                column[y] = *value;
            }
        }
    }

    /// Filters the rows.
    #[inline(always)]
    fn go_across(&mut self, channel: usize) {
        for (x, to) in self.across[channel].iter_mut().enumerate() {
            let Taps { first, weights } = self.columns.at(x);
            let start = (first + self.margin as isize) as usize;
            let mut sums = [0.0; ROWS];
            for (column, weight) in self.down[start..][..weights.len()].iter().zip(weights) {
                for (sum, value) in sums.iter_mut().zip(column) {
                    *sum += weight * value;
                }
            }
            *to = sums;
        }
    }

    /// Colour was weighed by coverage.
    #[inline(always)]
    fn divide_by_coverage(&mut self) {
        let last = self.across.len() - 1;
        let (colours, alpha) = self.across.split_at_mut(last);
        let least = COVERAGE_MIN * S::OPAQUE.to_f32();
        for colour in colours {
            let values = colour.iter_mut().flatten();
            for (value, coverage) in values.zip(alpha[0].iter().flatten()) {
                *value = if *coverage > least { *value / coverage } else { 0.0 };
            }
        }
    }
}

/// The row of a plane that a tap stands on: beyond the border it is the border's.
#[inline(always)]
fn row_at<S: Sample>(plane: &Plane<S>, y: isize) -> &[S] {
    plane.row(y.clamp(0, plane.height() as isize - 1) as usize)
}

/// Adds the rows of a plane that the taps stand on.
#[inline(always)]
fn add_rows<S: Sample>(sums: &mut [f32], plane: &Plane<S>, taps: &Taps<'_>) {
    for (group, weights) in taps.weights.chunks(TAPS).enumerate() {
        let first = taps.first + (group * TAPS) as isize;
        // A group that is not full has weights of nothing.
        let weight = |tap: usize| weights.get(tap).copied().unwrap_or(0.0);
        let [a, b, c, d]: [&[S]; TAPS] =
            std::array::from_fn(|tap| row_at(plane, first + tap as isize));
        let weights: [f32; TAPS] = std::array::from_fn(weight);
        for ((((sum, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let [a, b, c, d] = [a, b, c, d].map(|value| value.to_f32());
            *sum += (weights[0] * a + weights[1] * b) + (weights[2] * c + weights[3] * d);
        }
    }
}

/// As [`add_rows`], with each value weighed by its coverage.
#[inline(always)]
fn add_weighed_rows<S: Sample>(
    sums: &mut [f32],
    (plane, alpha): (&Plane<S>, &Plane<S>),
    taps: &Taps<'_>,
) {
    for (y, weight) in (taps.first..).zip(taps.weights) {
        let (row, coverage) = (row_at(plane, y), row_at(alpha, y));
        for ((sum, value), coverage) in sums.iter_mut().zip(row).zip(coverage) {
            *sum += weight * value.to_f32() * coverage.to_f32();
        }
    }
}

/// Fills `margin` columns at both ends of rows whose inner columns are there.
fn continue_sideways(columns: &mut [Column], margin: usize, edges: Edges) {
    let width = columns.len() - 2 * margin;
    for distance in 0..margin {
        let (before, after) = match edges {
            Edges::Clamp => (0, width - 1),
            Edges::WrapColumns => (width - 1 - distance % width, distance % width),
        };
        columns[margin - 1 - distance] = columns[margin + before];
        columns[margin + width + distance] = columns[margin + after];
    }
}
