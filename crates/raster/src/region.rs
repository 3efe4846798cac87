//! Regions: parts of a source plane, continued beyond its borders, so that kernels test no edge.
//!
//! Most of a plane is read where it lies. What is near a border is copied into a region with an
//! apron that continues the plane as its topology says: across the seam, over a pole, or by
//! repeating the edge. Rows that are stretched towards a pole are copied too, each low-passed by
//! how much it is stretched; without that they alias.

use std::borrow::Cow;

use panofleet_projection::Pixel;

use crate::map::Survey;
use crate::prefilter::Prefilter;
use crate::source::{SourcePlane, Topology};
use crate::{PlaneView, Sample};

/// Rows above and below a plane in its regions.
const APRON_ROWS: isize = 16;

/// Columns left and right of it.
const APRON_COLUMNS: isize = 64;

/// Rows of a cap beyond the last one that is stretched, so that a block there lies inside.
const CAP_MARGIN: usize = 64;

/// Half the width of the strips along the left and the right border.
const STRIP: isize = 128;

/// A plane of fewer samples is copied whole.
const SMALL: usize = 1 << 17;

/// Taps before and after a position that kernels may read.
const TAPS: f64 = 4.0;

/// A row stretched by less is left alone.
const STRETCH_MIN: f64 = 1.1;

/// Samples behind the last row of a region, which kernels may load without using.
pub(crate) const SLACK: usize = 128;

/// The positions that a block needs, in samples; sample centres at .5.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) x: [f64; 2],
    pub(crate) y: [f64; 2],
}

impl Bounds {
    pub(crate) fn of<'a>(positions: impl Iterator<Item = &'a Pixel>) -> Option<Self> {
        positions.fold(None, |bounds, at| {
            let Self { x, y } = bounds.unwrap_or(Self { x: [at.x_px; 2], y: [at.y_px; 2] });
            Some(Self {
                x: [x[0].min(at.x_px), x[1].max(at.x_px)],
                y: [y[0].min(at.y_px), y[1].max(at.y_px)],
            })
        })
    }
}

/// A rectangle of a plane, its borders included.
#[derive(Debug)]
pub(crate) struct Region {
    left: isize,
    top: isize,
    width: usize,
    height: usize,
    /// How much each row is stretched; empty if none is.
    stretch: Vec<f32>,
}

/// The regions of a plane; the first is the plane itself.
#[derive(Debug)]
pub(crate) struct Regions {
    list: Vec<Region>,
    topology: Topology,
}

impl Regions {
    pub(crate) fn plan(source: &SourcePlane, survey: Option<&Survey>) -> Self {
        let [width, height] = source.size;
        let topology = source.geometry.topology();
        let stretch: Vec<f32> = (0..height)
            .map(|y| {
                let of = |survey: &Survey| survey.stretch(source, y as f64 + 0.5);
                survey.filter(|_| topology.wraps).map_or(1.0, of)
            })
            .map(|stretch| if stretch < STRETCH_MIN { 1.0 } else { stretch as f32 })
            .collect();
        let plane = Region { left: 0, top: 0, width, height, stretch: Vec::new() };
        let mut regions = Self { list: vec![plane], topology };
        let half = height / 2;
        let top = (0..half).rev().find(|y| stretch[*y] > 1.0).map_or(0, |y| y + 1);
        let bottom = (half..height).find(|y| stretch[*y] > 1.0).unwrap_or(height);
        let cap = |top: isize, bottom: isize| {
            let of = |y: isize| stretch[y.clamp(0, height as isize - 1) as usize];
            let stretch: Vec<f32> = (top..bottom).map(of).collect();
            Region {
                left: -APRON_COLUMNS,
                top,
                width: width + 2 * APRON_COLUMNS as usize,
                height: (bottom - top) as usize,
                stretch: if stretch.iter().all(|of| *of <= 1.0) { Vec::new() } else { stretch },
            }
        };
        let end = height as isize + APRON_ROWS;
        let [top_end, bottom_start] = [top + CAP_MARGIN, bottom.saturating_sub(CAP_MARGIN)];
        if width * height <= SMALL || top_end >= bottom_start || width <= 4 * STRIP as usize {
            regions.list.push(cap(-APRON_ROWS, end));
            return regions;
        }
        regions.list.push(cap(-APRON_ROWS, top_end as isize));
        regions.list.push(cap(bottom_start as isize, end));
        // Where the plane wraps, one strip is both.
        let middles = [0, width as isize];
        for middle in &middles[..if topology.wraps { 1 } else { 2 }] {
            regions.list.push(Region {
                left: *middle - STRIP,
                top: -APRON_ROWS,
                width: 2 * STRIP as usize,
                height: height + 2 * APRON_ROWS as usize,
                stretch: Vec::new(),
            });
        }
        regions
    }

    /// A region that holds all taps of the positions, and its corner in the plane. The smallest
    /// change wins: a stretched copy where rows are stretched, else the plane itself.
    pub(crate) fn holding(&self, bounds: &Bounds) -> Option<(u8, [f64; 2])> {
        let plane = &self.list[0];
        let turn = if self.topology.wraps { plane.width as f64 } else { 0.0 };
        self.holding_there(bounds).or_else(|| {
            // Perhaps a turn further left.
            let x = bounds.x.map(|x| x - turn);
            let (region, [left, top]) = self.holding_there(&Bounds { x, ..*bounds })?;
            Some((region, [left + turn, top]))
        })
    }

    fn holding_there(&self, bounds: &Bounds) -> Option<(u8, [f64; 2])> {
        let stretched = |region: &Region| {
            let row = |y: f64| (y - region.top as f64) as usize;
            let rows = row(bounds.y[0])..=row(bounds.y[1]).min(region.height - 1);
            region.stretch.get(rows).is_some_and(|rows| rows.iter().any(|of| *of > 1.0))
        };
        let caps =
            self.list[1..].iter().position(|region| region.holds(bounds) && stretched(region));
        let index = match caps {
            Some(cap) => cap + 1,
            None => self.list.iter().enumerate().position(|(index, region)| {
                // Behind the plane itself there may be nothing to load.
                let margin = if index == 0 { 3.0 } else { 0.0 };
                region.holds(bounds)
                    && bounds.y[1] + TAPS + margin <= (region.top + region.height as isize) as f64
            })?,
        };
        let region = &self.list[index];
        Some((index as u8, [region.left as f64, region.top as f64]))
    }

    /// How much the row at height `y` of the plane is stretched in a region.
    pub(crate) fn stretch(&self, region: u8, y: f64) -> f64 {
        let region = &self.list[usize::from(region)];
        let row = (y - region.top as f64).max(0.0) as usize;
        region.stretch.get(row).map_or(1.0, |stretch| f64::from(*stretch))
    }

    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) const fn topology(&self) -> Topology {
        self.topology
    }

    /// The samples of a region.
    pub(crate) fn samples<'a, S: Sample>(
        &self,
        region: usize,
        plane: PlaneView<'a, S>,
        prefilter: &Prefilter,
    ) -> RegionSamples<'a, S> {
        if region == 0 {
            return RegionSamples { stride: plane.stride, samples: Cow::Borrowed(plane.samples) };
        }
        self.list[region].copy(plane, self.topology, prefilter)
    }
}

/// A region's rows, `stride` apart.
#[derive(Debug)]
pub(crate) struct RegionSamples<'a, S: Sample> {
    pub(crate) stride: usize,
    pub(crate) samples: Cow<'a, [S]>,
}

impl Region {
    fn holds(&self, bounds: &Bounds) -> bool {
        let inside = |[from, to]: [f64; 2], start: isize, length: usize| {
            from - TAPS >= start as f64 && to + TAPS <= (start + length as isize) as f64
        };
        inside(bounds.x, self.left, self.width) && inside(bounds.y, self.top, self.height)
    }

    fn copy<'a, S: Sample>(
        &self,
        plane: PlaneView<'a, S>,
        topology: Topology,
        prefilter: &Prefilter,
    ) -> RegionSamples<'a, S> {
        let mut samples = vec![S::default(); self.width * self.height + SLACK];
        let rows = &mut samples[..self.width * self.height];
        prefilter.fill(rows, self.width, |index, row, scratch| {
            let (source, over_pole) = topology.row(self.top + index as isize, plane.height);
            let from = plane.row(source);
            let turned;
            let from = if over_pole {
                turned = turned_half(from);
                &turned[..]
            } else {
                from
            };
            let stretch = self.stretch.get(index).copied().unwrap_or(1.0);
            if stretch > 1.0 {
                scratch.low_pass(from, stretch, self.left, row);
            } else {
                continued(from, topology, self.left, row);
            }
        });
        RegionSamples { stride: self.width, samples: Cow::Owned(samples) }
    }
}

/// Fills a row that begins at column `left` of `from`, which goes on as the topology says.
fn continued<S: Sample>(from: &[S], topology: Topology, left: isize, row: &mut [S]) {
    let width = from.len() as isize;
    if topology.wraps {
        let mut next = left.rem_euclid(width) as usize;
        let mut rest = row;
        while !rest.is_empty() {
            let length = rest.len().min(from.len() - next);
            let (part, after) = rest.split_at_mut(length);
            part.copy_from_slice(&from[next..][..length]);
            (rest, next) = (after, 0);
        }
        return;
    }
    let before = (-left).clamp(0, row.len() as isize) as usize;
    let inside = (width - left.max(0)).clamp(0, (row.len() - before) as isize) as usize;
    let (before, rest) = row.split_at_mut(before);
    let (middle, after) = rest.split_at_mut(inside);
    before.fill(from[0]);
    middle.copy_from_slice(&from[left.max(0) as usize..][..inside]);
    after.fill(from[from.len() - 1]);
}

/// A row turned by 180°. With an odd width that falls between two samples: their mean is taken.
fn turned_half<S: Sample>(row: &[S]) -> Vec<S> {
    let half = row.len() / 2;
    if row.len().is_multiple_of(2) {
        return [&row[half..], &row[..half]].concat();
    }
    (0..row.len())
        .map(|x| {
            let (left, right) = (row[(x + half) % row.len()], row[(x + half + 1) % row.len()]);
            S::mean([left, left, right, right])
        })
        .collect()
}
