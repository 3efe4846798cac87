//! The kernels as plain loops, in `f32`: every sample type, alpha, and machines without others.

use super::{Level, Positions, Shape, Taps};
use crate::isa::Isa;
use crate::map::{BLOCK_PX, Dense, FRACTION_BITS};
use crate::sample::Tile;
use crate::sample::sealed::Request;
use crate::source::Topology;
use crate::weights::Weights;
use crate::{PlaneView, Sample};

const ONE: i32 = 1 << FRACTION_BITS;

/// Samples a block from planes of a region.
pub(super) fn block<S: Sample>(request: &mut Request<'_, S>) {
    match request.isa {
        Isa::Portable => of_shape::<S, false>(request),
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "a function for instructions that this machine has")]
        // SAFETY: `Isa` has these values only if the processor has AVX2 and FMA.
        Isa::Avx2 | Isa::Avx512 => unsafe { avx2(request) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<S: Sample>(request: &mut Request<'_, S>) {
    of_shape::<S, true>(request);
}

#[inline(always)]
fn of_shape<S: Sample, const FUSED: bool>(request: &mut Request<'_, S>) {
    let Request { shape, positions, taps, tiles, .. } = request;
    match shape {
        Shape::Nearest => nearest(*positions, taps, tiles),
        Shape::Two => all::<S, 2, 1, FUSED>(*positions, taps, tiles),
        Shape::Four => all::<S, 4, 2, FUSED>(*positions, taps, tiles),
        Shape::Six => all::<S, 6, 4, FUSED>(*positions, taps, tiles),
    }
}

/// The fixed-point position of each pixel of a row of a block.
#[inline(always)]
pub(super) fn row(positions: Positions<'_>, row: usize) -> ([i32; BLOCK_PX], [i32; BLOCK_PX]) {
    match positions {
        Positions::Smooth(smooth) => {
            let v = (row as f32 - 7.5) / 7.5;
            let along = |of: &[[f32; 3]; 3], origin: i32| {
                let [c, b, a] = [0, 1, 2].map(|i| of[0][i] + v * (of[1][i] + v * of[2][i]));
                std::array::from_fn(|i| {
                    let u = (i as f32 - 7.5) / 7.5;
                    origin + (c + u * (b + u * a)).round_ties_even() as i32
                })
            };
            (along(&smooth.x, smooth.origin[0]), along(&smooth.y, smooth.origin[1]))
        }
        Positions::Dense(dense) => {
            let at = row * BLOCK_PX;
            // A pixel that sees nothing is sampled somewhere and replaced afterwards.
            let x = std::array::from_fn(|i| match dense.x[at + i] {
                Dense::NOTHING => 4 * ONE,
                x => x,
            });
            (x, std::array::from_fn(|i| dense.y[at + i].max(-ONE)))
        }
    }
}

/// The first tap of a position, and the weights of all of them.
#[inline(always)]
fn axis<const T: usize, const TERMS: usize, const FUSED: bool>(
    position: i32,
    weights: &Weights,
) -> (isize, [f32; T]) {
    let first = (position >> FRACTION_BITS) as isize - (T as isize / 2 - 1);
    let s = (position & (ONE - 1)) as f32 * (1.0 / ONE as f32) - 0.5;
    let square = s * s;
    let sum = |terms: &[f32]| {
        let highest = terms[TERMS - 1];
        terms[..TERMS - 1].iter().rev().fold(highest, |sum, term| {
            if FUSED { sum.mul_add(square, *term) } else { sum * square + term }
        })
    };
    let mut all = [0.0; T];
    for pair in 0..T / 2 {
        let (even, odd) = (sum(&weights.even[pair]), sum(&weights.odd[pair]) * s);
        all[T / 2 - 1 - pair] = even - odd;
        all[T / 2 + pair] = even + odd;
    }
    (first, all)
}

#[inline(always)]
fn all<S: Sample, const T: usize, const TERMS: usize, const FUSED: bool>(
    positions: Positions<'_>,
    taps: &Taps<'_, S>,
    tiles: &mut [Tile<S>],
) {
    for y in 0..BLOCK_PX {
        let (xs, ys) = row(positions, y);
        for i in 0..BLOCK_PX {
            let (column, across) = axis::<T, TERMS, FUSED>(xs[i], taps.weights[0]);
            let (line, down) = axis::<T, TERMS, FUSED>(ys[i], taps.weights[1]);
            // Positions lie inside of their region; only those of no consequence are moved here.
            let start = (line * taps.stride as isize + column).max(0) as usize;
            let start = start.min(taps.planes[0].len() - (T - 1) * taps.stride - T);
            pixel::<S, T, FUSED>(taps, start, [&across, &down], tiles, y * BLOCK_PX + i);
        }
    }
}

/// The pixel whose first tap is at `start` in every plane.
#[inline(always)]
fn pixel<S: Sample, const T: usize, const FUSED: bool>(
    taps: &Taps<'_, S>,
    start: usize,
    weights: [&[f32; T]; 2],
    tiles: &mut [Tile<S>],
    at: usize,
) {
    let Some((alpha, colours)) = taps.planes.split_last().filter(|_| taps.has_alpha) else {
        for ((tile, plane), level) in tiles.iter_mut().zip(taps.planes).zip(taps.levels) {
            let sum = sum::<T, FUSED>(weights, |row| values(plane, start + row * taps.stride));
            tile.0[at] = S::from_f32(sum * level.gain + level.bias);
        }
        return;
    };
    let coverage = sum::<T, FUSED>(weights, |row| values(alpha, start + row * taps.stride));
    let Some((alpha_tile, tiles)) = tiles.split_last_mut() else { return };
    alpha_tile.0[at] = S::from_f32(coverage);
    for ((tile, plane), level) in tiles.iter_mut().zip(colours).zip(taps.levels) {
        let weighted = sum::<T, FUSED>(weights, |row| {
            let from = start + row * taps.stride;
            let (colour, alpha): ([f32; T], [f32; T]) = (values(plane, from), values(alpha, from));
            std::array::from_fn(|tap| colour[tap] * alpha[tap])
        });
        let colour = if coverage > 0.0 { weighted / coverage } else { 0.0 };
        tile.0[at] = S::from_f32(colour * level.gain + level.bias);
    }
}

#[inline(always)]
fn values<S: Sample, const T: usize>(plane: &[S], from: usize) -> [f32; T] {
    let row = &plane[from..from + T];
    std::array::from_fn(|tap| row[tap].to_f32())
}

/// The sum of `T` rows of `T` values, weighed across and down.
#[inline(always)]
fn sum<const T: usize, const FUSED: bool>(
    [across, down]: [&[f32; T]; 2],
    values: impl Fn(usize) -> [f32; T],
) -> f32 {
    let mut columns = [0.0_f32; T];
    for (row, weight) in down.iter().enumerate() {
        for (sum, value) in columns.iter_mut().zip(values(row)) {
            *sum = if FUSED { weight.mul_add(value, *sum) } else { *sum + weight * value };
        }
    }
    columns.iter().zip(across).map(|(sum, weight)| sum * weight).sum()
}

#[inline(always)]
fn nearest<S: Sample>(positions: Positions<'_>, taps: &Taps<'_, S>, tiles: &mut [Tile<S>]) {
    for y in 0..BLOCK_PX {
        let (xs, ys) = row(positions, y);
        for i in 0..BLOCK_PX {
            let [column, line] = [xs[i], ys[i]].map(round);
            let at = (line * taps.stride as isize + column).max(0) as usize;
            for ((tile, plane), level) in tiles.iter_mut().zip(taps.planes).zip(taps.levels) {
                let value = plane[at.min(plane.len() - 1)];
                tile.0[y * BLOCK_PX + i] = relevelled(value, level);
            }
        }
    }
}

#[inline(always)]
fn relevelled<S: Sample>(value: S, level: &Level) -> S {
    if *level == Level::SAME {
        return value;
    }
    S::from_f32(value.to_f32() * level.gain + level.bias)
}

fn round(position: i32) -> isize {
    ((position + ONE / 2) >> FRACTION_BITS) as isize
}

/// Whole planes, of which each tap is looked up where the topology says it is.
pub(super) struct Anywhere<'a, S> {
    pub(super) planes: &'a [PlaneView<'a, S>],
    pub(super) levels: &'a [Level],
    pub(super) has_alpha: bool,
    pub(super) topology: Topology,
    pub(super) weights: [&'a Weights; 2],
}

impl<S: Sample> Anywhere<'_, S> {
    /// Samples a block whose taps may lie on both sides of a border.
    pub(super) fn block(&self, shape: Shape, positions: Positions<'_>, tiles: &mut [Tile<S>]) {
        match shape {
            Shape::Nearest => self.nearest(positions, tiles),
            Shape::Two => self.all::<2, 1>(positions, tiles),
            Shape::Four => self.all::<4, 2>(positions, tiles),
            Shape::Six => self.all::<6, 4>(positions, tiles),
        }
    }

    fn at(&self, plane: &PlaneView<'_, S>, column: isize, line: isize) -> S {
        let (row, over_pole) = self.topology.row(line, plane.height);
        let turn = if over_pole { plane.width as isize / 2 } else { 0 };
        plane.row(row)[self.topology.column(column + turn, plane.width)]
    }

    fn nearest(&self, positions: Positions<'_>, tiles: &mut [Tile<S>]) {
        for y in 0..BLOCK_PX {
            let (xs, ys) = row(positions, y);
            for i in 0..BLOCK_PX {
                let [column, line] = [xs[i], ys[i]].map(round);
                for ((tile, plane), level) in tiles.iter_mut().zip(self.planes).zip(self.levels) {
                    tile.0[y * BLOCK_PX + i] = relevelled(self.at(plane, column, line), level);
                }
            }
        }
    }

    fn all<const T: usize, const TERMS: usize>(
        &self,
        positions: Positions<'_>,
        tiles: &mut [Tile<S>],
    ) {
        let mut staged = vec![vec![S::default(); T * T]; self.planes.len()];
        for y in 0..BLOCK_PX {
            let (xs, ys) = row(positions, y);
            for i in 0..BLOCK_PX {
                let (column, across) = axis::<T, TERMS, false>(xs[i], self.weights[0]);
                let (line, down) = axis::<T, TERMS, false>(ys[i], self.weights[1]);
                for (staged, plane) in staged.iter_mut().zip(self.planes) {
                    for (tap, value) in staged.iter_mut().enumerate() {
                        let (right, below) = ((tap % T) as isize, (tap / T) as isize);
                        *value = self.at(plane, column + right, line + below);
                    }
                }
                let planes: Vec<&[S]> = staged.iter().map(Vec::as_slice).collect();
                let (weights, has_alpha) = (self.weights, self.has_alpha);
                let (planes, levels) = (&planes, self.levels);
                let taps = Taps { planes, levels, stride: T, weights, has_alpha };
                pixel::<S, T, false>(&taps, 0, [&across, &down], tiles, y * BLOCK_PX + i);
            }
        }
    }
}
