//! Blocks of 16 × 16 positions.

use panofleet_projection::Pixel;

use super::survey::footprint;
use super::{Bounds, ERROR_PX_MAX, FRACTION_BITS, level_of};
use crate::region::Regions;
use crate::source::SourcePlane;

/// Side of a block.
pub(crate) const BLOCK_PX: usize = 16;

/// Half the distance between the centres of the first and the last pixel of a block.
const REACH_PX: f64 = 7.5;

/// The same of a square of 2 × 2 blocks.
const SQUARE_REACH_PX: f64 = 15.5;

/// Where the remainder of a parabola through −1, 0 and 1 is largest: 1/√3.
const CHECK_AT: f64 = 0.577_350_269_189_625_8;

const ONE: f64 = (1_u32 << FRACTION_BITS) as f64;

/// What a block reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Index of the region, or [`Place::ANYWHERE`].
    pub(crate) region: u8,
    /// Levels of the footprint's width and height.
    pub(crate) levels: [u8; 2],
}

impl Place {
    /// Not in any one region: each tap is looked up in the picture.
    pub(crate) const ANYWHERE: u8 = u8::MAX;
}

/// Positions of a block's pixels: of the sample *before* them, so that the fraction is 0 at the
/// centre of a sample.
#[derive(Debug)]
pub(crate) enum Block {
    /// No ray of the block meets the source.
    Nothing,
    Smooth(Smooth),
    Dense(Box<Dense>),
}

/// A biquadratic in `u`, `v` in [−1, 1], the places of the first and the last pixel.
#[derive(Debug)]
pub(crate) struct Smooth {
    pub(crate) place: Place,
    /// Middle of the block in its region, in fixed point.
    pub(crate) origin: [i32; 2],
    /// Coefficients relative to `origin` in fixed point: of `u^a·v^b` at `[b][a]`.
    pub(crate) x: [[f32; 3]; 3],
    pub(crate) y: [[f32; 3]; 3],
}

/// A position for each pixel, row by row.
#[derive(Debug)]
pub(crate) struct Dense {
    pub(crate) place: Place,
    pub(crate) x: [i32; BLOCK_PX * BLOCK_PX],
    pub(crate) y: [i32; BLOCK_PX * BLOCK_PX],
}

impl Dense {
    /// `x` of a pixel that does not see the source.
    pub(crate) const NOTHING: i32 = i32::MIN;
}

pub(super) struct Builder<'a, P> {
    pub(super) source: &'a SourcePlane,
    pub(super) regions: &'a Regions,
    pub(super) adapt: bool,
    pub(super) position: P,
}

/// A coordinate's nine coefficients, `[b][a]` of `u^a·v^b`.
type Biquadratic = [[f64; 3]; 3];

/// The positions of a square of pixels: a place, and biquadratics relative to it.
#[derive(Debug, Clone, Copy)]
struct Fit {
    middle: Pixel,
    x: Biquadratic,
    y: Biquadratic,
}

impl Fit {
    /// The same positions in the part of the square whose middle lies at `u` and `v` of it, and whose
    /// reach is `share` of its own.
    fn part(&self, [u, v]: [f64; 2], share: f64) -> Self {
        let [x, y] = [&self.x, &self.y].map(|of| {
            let across = of.map(|terms| moved(terms, u, share));
            let mut both = [[0.0; 3]; 3];
            for a in 0..3 {
                let column = moved([across[0][a], across[1][a], across[2][a]], v, share);
                for (b, term) in column.into_iter().enumerate() {
                    both[b][a] = term;
                }
            }
            both
        });
        Self { middle: self.middle, x, y }
    }
}

/// The terms of a parabola in `t` as those in `s`, where `t = from + share · s`.
fn moved([c, b, a]: [f64; 3], from: f64, share: f64) -> [f64; 3] {
    [c + from * (b + from * a), share * (b + 2.0 * a * from), share * share * a]
}

impl<P: Fn(Pixel) -> Option<Pixel>> Builder<'_, P> {
    /// Two rows of blocks: the first of them is `row`, which is even.
    ///
    /// Where a square of 2 × 2 blocks is smooth enough for one biquadratic, its blocks take their parts
    /// of it, which is as exact and needs a quarter of the positions. Where that failed it is tried
    /// again only now and then.
    pub(super) fn rows(&self, row: usize, columns: usize) -> [Vec<Block>; 2] {
        const AGAIN: usize = 8;
        let mut rows = [0, 1].map(|_| Vec::with_capacity(columns + 1));
        let mut failed = 0;
        for column in (0..columns).step_by(2) {
            let square = if failed % AGAIN == 0 { self.square(column, row) } else { None };
            failed = if square.is_some() { 0 } else { failed + 1 };
            for (down, blocks) in rows.iter_mut().enumerate() {
                for across in 0..2 {
                    let middle = [across, down].map(|half| if half == 0 { -1.0 } else { 1.0 });
                    let shared = square.and_then(|fit| {
                        let u = middle.map(|side| side * BLOCK_PX as f64 / 2.0 / SQUARE_REACH_PX);
                        self.settled(fit.part(u, REACH_PX / SQUARE_REACH_PX))
                    });
                    blocks.push(match shared {
                        Some(smooth) => Block::Smooth(smooth),
                        None => self.block(column + across, row + down),
                    });
                }
            }
        }
        rows.each_mut().map(|blocks| {
            blocks.truncate(columns);
            std::mem::take(blocks)
        })
    }

    fn square(&self, column: usize, row: usize) -> Option<Fit> {
        let [left, top] = [column, row].map(|index| ((index + 1) * BLOCK_PX) as f64);
        self.fit(&|u, v| {
            (self.position)(Pixel::new(left + SQUARE_REACH_PX * u, top + SQUARE_REACH_PX * v))
        })
    }

    fn block(&self, column: usize, row: usize) -> Block {
        let corner = [(column * BLOCK_PX) as f64, (row * BLOCK_PX) as f64];
        let at = |u: f64, v: f64| {
            let half = BLOCK_PX as f64 / 2.0;
            let [left, top] = corner;
            (self.position)(Pixel::new(left + half + REACH_PX * u, top + half + REACH_PX * v))
        };
        match self.fit(&at).and_then(|fit| self.settled(fit)) {
            Some(smooth) => Block::Smooth(smooth),
            None => self.dense(corner, &at),
        }
    }

    /// The biquadratics through nine positions, if they are right at the four where they are least likely
    /// to be.
    fn fit(&self, at: &impl Fn(f64, f64) -> Option<Pixel>) -> Option<Fit> {
        let middle = at(0.0, 0.0)?;
        let mut values = [[[0.0; 3]; 3]; 2];
        for (b, v) in [-1.0, 0.0, 1.0].into_iter().enumerate() {
            for (a, u) in [-1.0, 0.0, 1.0].into_iter().enumerate() {
                if (a, b) == (1, 1) {
                    continue;
                }
                let node = self.near(at(u, v)?, middle);
                values[0][b][a] = node.x_px - middle.x_px;
                values[1][b][a] = node.y_px - middle.y_px;
            }
        }
        let [x, y] = values.map(biquadratic);
        let row_length = self.source.row_length(middle.y_px);
        for (u, v) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            let (u, v) = (u * CHECK_AT, v * CHECK_AT);
            let exact = self.near(at(u, v)?, middle);
            let error_x = (exact.x_px - middle.x_px - value(&x, u, v)) * row_length;
            let error_y = exact.y_px - middle.y_px - value(&y, u, v);
            if error_x.hypot(error_y) > ERROR_PX_MAX {
                return None;
            }
        }
        Some(Fit { middle, x, y })
    }

    /// A block of these positions, if one region holds all that it reads.
    fn settled(&self, Fit { middle, mut x, mut y }: Fit) -> Option<Smooth> {
        let moved = Pixel::new(middle.x_px + x[0][0], middle.y_px + y[0][0]);
        let turns = self.source.turn().map_or(0.0, |turn| (moved.x_px / turn).floor() * turn);
        let middle = Pixel::new(moved.x_px - turns, moved.y_px);
        (x[0][0], y[0][0]) = (0.0, 0.0);
        let (reach_x, reach_y) = (reach(&x), reach(&y));
        let bounds = Bounds {
            x: [middle.x_px - reach_x, middle.x_px + reach_x],
            y: [middle.y_px - reach_y, middle.y_px + reach_y],
        };
        let (region, [left, top]) = self.regions.holding(&bounds)?;
        let levels = if self.adapt {
            let stretch = self.regions.stretch(region, middle.y_px).max(1.0);
            let width = x[0][1].hypot(x[1][0]) / REACH_PX / stretch;
            let height = y[0][1].hypot(y[1][0]) / REACH_PX;
            [level_of(width), level_of(height)]
        } else {
            [0; 2]
        };
        // The origin is a whole step; what it leaves goes into the constant terms.
        let origin = [fixed(middle.x_px - left), fixed(middle.y_px - top)];
        let rest = [
            (middle.x_px - left - 0.5) * ONE - f64::from(origin[0]),
            (middle.y_px - top - 0.5) * ONE - f64::from(origin[1]),
        ];
        let [mut x, mut y] = [x, y].map(|of| of.map(|row| row.map(|value| value * ONE)));
        x[0][0] += rest[0];
        y[0][0] += rest[1];
        let [x, y] = [x, y].map(|of| of.map(|row| row.map(|value| value as f32)));
        Some(Smooth { place: Place { region, levels }, origin, x, y })
    }

    /// The same position, on the turn of the sphere that is nearest to `other`.
    fn near(&self, position: Pixel, other: Pixel) -> Pixel {
        let Some(turn) = self.source.turn() else { return position };
        let turns = ((position.x_px - other.x_px) / turn).round();
        Pixel::new(position.x_px - turns * turn, position.y_px)
    }

    fn dense(&self, [left, top]: [f64; 2], at: &impl Fn(f64, f64) -> Option<Pixel>) -> Block {
        let exact: Vec<Option<Pixel>> = (0..BLOCK_PX * BLOCK_PX)
            .map(|i| {
                let (x, y) = ((i % BLOCK_PX) as f64 + 0.5, (i / BLOCK_PX) as f64 + 0.5);
                (self.position)(Pixel::new(left + x, top + y))
            })
            .collect();
        let Some(any) = exact.iter().flatten().next().copied() else { return Block::Nothing };
        let middle = at(0.0, 0.0).unwrap_or(any);
        let together: Vec<Option<Pixel>> =
            exact.iter().map(|pixel| pixel.map(|pixel| self.near(pixel, middle))).collect();
        let held = |positions: &[Option<Pixel>]| {
            Bounds::of(positions.iter().flatten()).and_then(|bounds| self.regions.holding(&bounds))
        };
        let (positions, (region, corner)) = if let Some(found) = held(&together) {
            (together, found)
        } else if let Some(found) = held(&exact) {
            (exact, found)
        } else {
            (exact, (Place::ANYWHERE, [0.0; 2]))
        };
        let levels = self.levels([left, top]);
        let mut dense = Dense {
            place: Place { region, levels },
            x: [Dense::NOTHING; BLOCK_PX * BLOCK_PX],
            y: [0; BLOCK_PX * BLOCK_PX],
        };
        for ((x, y), pixel) in dense.x.iter_mut().zip(&mut dense.y).zip(&positions) {
            if let Some(pixel) = pixel {
                *x = fixed(pixel.x_px - corner[0] - 0.5);
                *y = fixed(pixel.y_px - corner[1] - 0.5);
            }
        }
        Block::Dense(Box::new(dense))
    }

    /// Levels in the middle of a block, as if rows were stretched as much as they need.
    fn levels(&self, [left, top]: [f64; 2]) -> [u8; 2] {
        let half = BLOCK_PX as f64 / 2.0;
        let middle = Pixel::new(left + half, top + half);
        match footprint(self.source, &self.position, middle).filter(|_| self.adapt) {
            Some((at, [width, height])) => {
                [level_of(width * self.source.row_length(at.y_px)), level_of(height)]
            }
            None => [0; 2],
        }
    }
}

fn fixed(samples: f64) -> i32 {
    (samples * ONE).round() as i32
}

/// The biquadratic through values at −1, 0 and 1, `[b][a]` at `v` and `u`.
fn biquadratic(values: [[f64; 3]; 3]) -> Biquadratic {
    let parabola = |[before, at, after]: [f64; 3]| {
        [at, (after - before) / 2.0, f64::midpoint(after, before) - at]
    };
    let rows = values.map(parabola);
    let mut coefficients = [[0.0; 3]; 3];
    for a in 0..3 {
        let column = parabola([rows[0][a], rows[1][a], rows[2][a]]);
        for (b, value) in column.into_iter().enumerate() {
            coefficients[b][a] = value;
        }
    }
    coefficients
}

fn value(of: &Biquadratic, u: f64, v: f64) -> f64 {
    let row = |[c, b, a]: [f64; 3], t: f64| c + t * (b + t * a);
    row(of.map(|terms| row(terms, u)), v)
}

/// How far the value may lie from 0 for `u` and `v` in [−1, 1].
fn reach(of: &Biquadratic) -> f64 {
    of.iter().flatten().map(|term| term.abs()).sum()
}
