//! Which pixels of the panorama make up a pixel of the destination, and how much each counts.

use super::position::{CHUNK_PX, Positions};
use crate::panorama::{BORDER_PX, Bordered};
use crate::{Panorama, Sample};

/// Adding this to a double in [0, 2³¹] rounds it to an integer, which is then in its low 32 bits:
/// 1.5 · 2⁵². It is a rounding that vectorizes on every target.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// The `T` × `T` taps of up to [`CHUNK_PX`] pixels.
pub(super) struct Footprints<const T: usize> {
    /// Index of the top left tap in a bordered plane.
    start: [u32; CHUNK_PX],
    column_weights: [[f32; T]; CHUNK_PX],
    row_weights: [[f32; T]; CHUNK_PX],
    len: usize,
}

impl<const T: usize> Footprints<T> {
    pub(super) const fn new() -> Self {
        Self {
            start: [0; CHUNK_PX],
            column_weights: [[0.0; T]; CHUNK_PX],
            row_weights: [[0.0; T]; CHUNK_PX],
            len: 0,
        }
    }

    /// Finds the taps of `positions`, which must lie inside of the picture.
    pub(super) fn place(
        &mut self,
        positions: &Positions,
        stride: usize,
        weights: impl Fn(f32) -> [f32; T],
    ) {
        self.len = positions.iter().len();
        for (i, (x_px, y_px)) in positions.iter().enumerate() {
            let (column, right) = split(x_px, T);
            let (row, down) = split(y_px, T);
            self.start[i] = row * stride as u32 + column;
            self.column_weights[i] = weights(right);
            self.row_weights[i] = weights(down);
        }
    }

    /// Computes one channel of the pixels.
    pub(super) fn sample<S: Sample>(&self, panorama: &Panorama<S>, channel: usize, to: &mut [S]) {
        let planes = panorama.planes();
        let plane = &planes[channel];
        if panorama.channels().has_alpha() && channel + 1 < planes.len() {
            self.sample_weighted(plane, &planes[planes.len() - 1], to);
            return;
        }
        for (i, to) in to.iter_mut().enumerate() {
            *to = S::from_f32(self.sum(i, plane.stride, |at| {
                let taps: &[S; T] = plane.samples[at..at + T].try_into().expect("T samples");
                taps.map(Sample::to_f32)
            }));
        }
    }

    /// Computes a colour whose every tap counts as much as its alpha.
    fn sample_weighted<S: Sample>(&self, colour: &Bordered<S>, alpha: &Bordered<S>, to: &mut [S]) {
        for (i, to) in to.iter_mut().enumerate() {
            let coverage = self.sum(i, alpha.stride, |at| {
                std::array::from_fn(|tap| alpha.samples[at + tap].to_f32())
            });
            let weighted = self.sum(i, colour.stride, |at| {
                std::array::from_fn(|tap| {
                    colour.samples[at + tap].to_f32() * alpha.samples[at + tap].to_f32()
                })
            });
            *to = if coverage > 0.0 { S::from_f32(weighted / coverage) } else { S::default() };
        }
    }

    /// The weighted sum of pixel `i`'s taps; `taps` gives `T` values from an index on.
    #[inline(always)]
    fn sum(&self, i: usize, stride: usize, taps: impl Fn(usize) -> [f32; T]) -> f32 {
        let mut columns = [0.0_f32; T];
        for (row, weight) in self.row_weights[i].iter().enumerate() {
            let values = taps(self.start[i] as usize + row * stride);
            for (sum, value) in columns.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        let weighted =
            columns.iter().zip(&self.column_weights[i]).map(|(sum, weight)| sum * weight);
        weighted.sum()
    }
}

/// The index of the first of `taps` taps around a position along one axis, border included, and
/// where in [0, 1] the position lies between the two middle taps.
fn split(position_px: f64, taps: usize) -> (u32, f32) {
    // An even number of taps lies around a gap between pixel centres, an odd one around a pixel.
    let between = if taps.is_multiple_of(2) { 0.5 } else { 0.0 };
    let lead = (taps - 1) / 2;
    let shifted = position_px - between + (BORDER_PX - lead) as f64;
    let rounded = shifted - 0.5 + ROUND;
    (rounded.to_bits() as u32, (shifted - (rounded - ROUND)) as f32)
}
