//! Coordinate maps: where in the source each destination pixel lies.
//!
//! A map is cut into blocks of 16 × 16 destination pixels. In most of them both coordinates are a
//! biquadratic through nine exact positions; it is compared with the exact function at four
//! further points, where a cubic remainder is largest, and a block that is off by more than
//! [`ERROR_PX_MAX`] keeps a position for each pixel instead: at poles, at the borders of faces in
//! a layout, at the border of a partial panorama. Four blocks share one biquadratic where that is
//! exact enough, which it is in most of a large view.

use panofleet_projection::{Pixel, Ray};
use rayon::prelude::*;

use crate::region::{Bounds, Regions};
use crate::source::SourcePlane;
use crate::weights::level_of;

mod block;
pub(crate) mod cache;
mod survey;

pub(crate) use block::{BLOCK_PX, Block, Dense, Place, Smooth};
pub(crate) use survey::Survey;

/// Bits behind the point of a position: a step is 1/4,096 sample, and 2¹⁹ samples fit.
pub(crate) const FRACTION_BITS: u32 = 12;

/// Largest error of an interpolated position, in samples of the source's equator.
pub(crate) const ERROR_PX_MAX: f64 = 0.009;

/// The blocks of some rows of a destination plane, and the regions of the source that they read.
#[derive(Debug)]
pub(crate) struct CoordinateMap {
    /// Blocks in a row of blocks.
    pub(crate) columns: usize,
    /// First row of blocks.
    pub(crate) first_row: usize,
    pub(crate) blocks: Vec<Block>,
    pub(crate) regions: Regions,
}

impl CoordinateMap {
    /// The map of the block rows `rows` of a destination `width` × `height` whose positions look
    /// along `ray`.
    ///
    /// With `adapt`, blocks know how large a pixel's footprint is, and rows that are stretched
    /// towards a pole get low-passed copies.
    pub(crate) fn build(
        [width, height]: [usize; 2],
        rows: std::ops::Range<usize>,
        source: &SourcePlane,
        adapt: bool,
        ray: impl Fn(Pixel) -> Option<Ray> + Sync,
    ) -> Self {
        let position = |pixel| source.position(ray(pixel)?);
        let survey = adapt.then(|| Survey::of([width, height], source, position));
        let regions = Regions::plan(source, survey.as_ref());
        let columns = width.div_ceil(BLOCK_PX);
        let builder = block::Builder { source, regions: &regions, adapt, position };
        // By pairs of rows, whichever of them are wanted, so that a band has the blocks of the whole.
        let pairs: Vec<[Vec<Block>; 2]> = (rows.start / 2..rows.end.div_ceil(2))
            .into_par_iter()
            .map(|pair| builder.rows(2 * pair, columns))
            .collect();
        let skipped = rows.start % 2;
        let blocks = pairs.into_iter().flatten().skip(skipped).take(rows.len()).flatten().collect();
        Self { columns, first_row: rows.start, blocks, regions }
    }

    /// The row of blocks `row`, counted from the top of the destination.
    pub(crate) fn row(&self, row: usize) -> &[Block] {
        &self.blocks[(row - self.first_row) * self.columns..][..self.columns]
    }

    /// Memory in bytes, about.
    pub(crate) fn bytes(&self) -> usize {
        let dense = self.blocks.iter().filter(|block| matches!(block, Block::Dense(_))).count();
        self.blocks.len() * size_of::<Block>() + dense * size_of::<Dense>()
    }
}
