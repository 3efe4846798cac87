//! The engine: a coordinate map applied to planes.
//!
//! Work is done block by block. A block's positions and weights are computed once for all planes
//! that share its map, sixteen pixels at a time, and its pixels go into a tile of 16 × 16 samples
//! from which the wanted part is copied. 8-bit planes have kernels of their own for AVX2 and
//! AVX-512; everything else runs the plain loops of [`plain`], compiled for what the machine has.

use rayon::prelude::*;

use crate::isa::Isa;
use crate::map::{BLOCK_PX, Block, CoordinateMap, Dense, Place, Smooth};
use crate::prefilter::Prefilter;
use crate::region::RegionSamples;
use crate::sample::Tile;
use crate::sample::sealed::Request;
use crate::weights::{CATMULL_ROM, CUBICS, LANCZOS, LINEAR, Weights};
use crate::{Kernel, PlaneView, Sample};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;

/// Planes that share a map: the same size, and the same distance between rows.
pub(crate) struct Engine<'a, S> {
    pub(crate) map: &'a CoordinateMap,
    pub(crate) planes: &'a [PlaneView<'a, S>],
    /// Whether the last plane is alpha, by which the others are weighed.
    pub(crate) has_alpha: bool,
    pub(crate) kernel: Kernel,
    /// For each plane, its value where the source does not reach.
    pub(crate) background: &'a [S],
    /// For each plane, how its numbers are changed on the way.
    pub(crate) levels: &'a [Level],
    pub(crate) isa: Isa,
}

/// The part of the destination that is wanted: `width` columns from `left` on, and rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
}

/// Rows of a destination plane, `stride` apart.
#[derive(Debug)]
pub(crate) struct Target<'a, S> {
    pub(crate) samples: &'a mut [S],
    pub(crate) stride: usize,
}

/// How the numbers of a plane are changed: `gain · value + bias`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    pub(crate) gain: f32,
    pub(crate) bias: f32,
    /// The number where the source does not reach.
    pub(crate) background: f32,
}

impl Level {
    /// No change; nothing is 0.
    pub(crate) const SAME: Self = Self { gain: 1.0, bias: 0.0, background: 0.0 };
}

/// The positions of a block's pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Positions<'a> {
    Smooth(&'a Smooth),
    Dense(&'a Dense),
}

/// Source planes of one region, and the weights of both axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taps<'a, S> {
    pub(crate) planes: &'a [&'a [S]],
    /// For each plane.
    pub(crate) levels: &'a [Level],
    pub(crate) stride: usize,
    pub(crate) weights: [&'a Weights; 2],
    /// Whether the last plane is alpha, by which the others are weighed.
    pub(crate) has_alpha: bool,
}

/// How many pairs of taps a kernel has, and terms its polynomials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One tap.
    Nearest,
    /// 2 × 2.
    Two,
    /// 4 × 4.
    Four,
    /// 6 × 6.
    Six,
}

impl Kernel {
    /// Whether blocks need to know their footprint.
    pub(crate) const fn adapts(self) -> bool {
        matches!(self, Self::Footprint | Self::Lanczos)
    }

    const fn shape(self) -> Shape {
        match self {
            Self::Nearest => Shape::Nearest,
            Self::Bilinear => Shape::Two,
            Self::Bicubic | Self::Footprint => Shape::Four,
            Self::Lanczos => Shape::Six,
        }
    }

    fn weights(self, level: u8) -> &'static Weights {
        match self {
            Self::Nearest | Self::Bilinear => &LINEAR,
            Self::Bicubic => &CATMULL_ROM,
            Self::Footprint => &CUBICS[usize::from(level)],
            Self::Lanczos => &LANCZOS[usize::from(level)],
        }
    }
}

impl<S: Sample> Engine<'_, S> {
    /// Fills the window of every plane; `targets` begin at its first row and column.
    pub(crate) fn run(&self, window: Window, targets: &mut [Target<'_, S>], rows: usize) {
        let regions = self.regions(window, rows);
        let bands = bands(targets, window.top, rows);
        bands.into_par_iter().for_each_init(
            || vec![Tile([S::default(); BLOCK_PX * BLOCK_PX]); self.planes.len()],
            |tiles, band| self.fill(&regions, window, band, tiles),
        );
    }

    /// For each region that the rows need: the samples of each plane.
    fn regions(&self, window: Window, rows: usize) -> Vec<Vec<RegionSamples<'_, S>>> {
        let mut needed = vec![false; self.map.regions.len()];
        let columns = window.left / BLOCK_PX..(window.left + window.width).div_ceil(BLOCK_PX);
        for row in window.top / BLOCK_PX..(window.top + rows).div_ceil(BLOCK_PX) {
            for block in &self.map.row(row)[columns.clone()] {
                let place = match block {
                    Block::Nothing => continue,
                    Block::Smooth(smooth) => smooth.place,
                    Block::Dense(dense) => dense.place,
                };
                if let Some(needed) = needed.get_mut(usize::from(place.region)) {
                    *needed = true;
                }
            }
        }
        let prefilter = Prefilter { isa: self.isa };
        let samples = |(region, needed): (usize, bool)| {
            let wanted = self.planes.iter().filter(|_| needed);
            wanted.map(|plane| self.map.regions.samples(region, *plane, &prefilter)).collect()
        };
        needed.into_iter().enumerate().map(samples).collect()
    }

    fn fill(
        &self,
        regions: &[Vec<RegionSamples<'_, S>>],
        window: Window,
        mut band: Band<'_, S>,
        tiles: &mut [Tile<S>],
    ) {
        let blocks = self.map.row(band.row);
        let end = window.left + window.width;
        let mut slices: Vec<&[S]> = Vec::with_capacity(self.planes.len());
        let columns = window.left / BLOCK_PX..end.div_ceil(BLOCK_PX);
        for (column, block) in columns.clone().zip(&blocks[columns]) {
            let (positions, place) = match block {
                Block::Nothing => {
                    self.clear(tiles);
                    (None, None)
                }
                Block::Smooth(smooth) => (Some(Positions::Smooth(smooth)), Some(smooth.place)),
                Block::Dense(dense) => (Some(Positions::Dense(dense)), Some(dense.place)),
            };
            if let (Some(positions), Some(place)) = (positions, place) {
                let weights = [0, 1].map(|axis| self.kernel.weights(place.levels[axis]));
                if place.region == Place::ANYWHERE {
                    self.anywhere(positions, weights, tiles);
                } else {
                    let samples = &regions[usize::from(place.region)];
                    slices.clear();
                    slices.extend(samples.iter().map(|region| &region.samples[..]));
                    let (stride, has_alpha) = (samples[0].stride, self.has_alpha);
                    let levels = self.levels;
                    let taps = Taps { planes: &slices, levels, stride, weights, has_alpha };
                    self.sample(positions, taps, tiles);
                }
                if let Positions::Dense(dense) = positions {
                    self.clear_outside(dense, tiles);
                }
            }
            let left = window.left.max(column * BLOCK_PX);
            let from = left - column * BLOCK_PX;
            let length = end.min((column + 1) * BLOCK_PX) - left;
            for (target, tile) in band.targets.iter_mut().zip(&*tiles) {
                let rows = target.samples.chunks_mut(target.stride).take(band.rows);
                for (row, tile) in rows.zip(tile.0.chunks_exact(BLOCK_PX).skip(band.skip)) {
                    let to = &mut row[left - window.left..][..length];
                    // Nearly always a whole row of a block, which takes no call to copy.
                    match (<&mut [S; BLOCK_PX]>::try_from(&mut *to), tile.first_chunk()) {
                        (Ok(to), Some(tile)) => *to = *tile,
                        _ => to.copy_from_slice(&tile[from..][..length]),
                    }
                }
            }
        }
    }

    fn sample(&self, positions: Positions<'_>, taps: Taps<'_, S>, tiles: &mut [Tile<S>]) {
        let (isa, shape) = (self.isa, self.kernel.shape());
        let mut request = Request { isa, shape, positions, taps, tiles };
        if self.has_alpha || !S::sample_fast(&mut request) {
            plain::block(&mut request);
        }
    }

    /// Samples a block whose taps may lie anywhere in the plane, seam and poles included.
    fn anywhere(&self, positions: Positions<'_>, weights: [&Weights; 2], tiles: &mut [Tile<S>]) {
        let topology = self.map.regions.topology();
        let (planes, has_alpha) = (self.planes, self.has_alpha);
        let levels = self.levels;
        let source = plain::Anywhere { planes, levels, has_alpha, topology, weights };
        source.block(self.kernel.shape(), positions, tiles);
    }

    fn clear(&self, tiles: &mut [Tile<S>]) {
        for (tile, background) in tiles.iter_mut().zip(self.background) {
            tile.0.fill(*background);
        }
    }

    fn clear_outside(&self, dense: &Dense, tiles: &mut [Tile<S>]) {
        for (i, x) in dense.x.iter().enumerate() {
            if *x == Dense::NOTHING {
                for (tile, background) in tiles.iter_mut().zip(self.background) {
                    tile.0[i] = *background;
                }
            }
        }
    }
}

/// The rows of all planes that one row of blocks fills.
struct Band<'a, S> {
    /// Row of blocks.
    row: usize,
    /// Rows of the blocks above the first one wanted.
    skip: usize,
    /// Rows wanted.
    rows: usize,
    targets: Vec<Target<'a, S>>,
}

fn bands<'a, S>(targets: &'a mut [Target<'_, S>], top: usize, rows: usize) -> Vec<Band<'a, S>> {
    let mut bands: Vec<Band<'a, S>> = (top / BLOCK_PX..(top + rows).div_ceil(BLOCK_PX))
        .map(|row| {
            let first = top.max(row * BLOCK_PX);
            let last = (top + rows).min((row + 1) * BLOCK_PX);
            let skip = first - row * BLOCK_PX;
            Band { row, skip, rows: last - first, targets: Vec::new() }
        })
        .collect();
    for target in targets {
        let stride = target.stride;
        let mut rest = &mut *target.samples;
        for band in &mut bands {
            let length = (band.rows * stride).min(rest.len());
            let (samples, after) = rest.split_at_mut(length);
            rest = after;
            band.targets.push(Target { samples, stride });
        }
    }
    bands
}

/// Samples an 8-bit block with instructions of the machine; `false` if there are none for it.
#[cfg(target_arch = "x86_64")]
pub(crate) fn sample_u8(request: &mut Request<'_, u8>) -> bool {
    let Request { isa, shape, positions, taps, tiles } = request;
    match isa {
        Isa::Portable => false,
        Isa::Avx2 => avx2::block(*shape, *positions, taps, tiles),
        Isa::Avx512 => avx512::block(*shape, *positions, taps, tiles),
    }
}

/// There are no kernels for this machine's instructions.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const fn sample_u8(_: &mut Request<'_, u8>) -> bool {
    false
}

#[cfg(test)]
mod tests;
