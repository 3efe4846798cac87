//! Remapping: a panorama seen through another projection.

use std::ops::Range;
use std::sync::Arc;

use panofleet_projection::{Pixel, Ray, Size, View};

use crate::engine::{Engine, Level, Target, Window};
use crate::isa::Isa;
use crate::map::cache::{self, Key};
use crate::map::{BLOCK_PX, CoordinateMap, Survey};
use crate::plane::check_size;
use crate::source::{Geometry, Grid, SourcePlane};
use crate::{
    Edges, Kernel, Panorama, Picture, Plane, PlaneView, RasterError, Rect, Sample, resize,
};

/// A map of more pixels is not kept: a view as large as that is made in bands.
const KEPT_PX_MAX: u64 = 1 << 26;

/// How the source is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling<S> {
    /// The kernel between pixels.
    pub kernel: Kernel,
    /// The value of each channel where a partial panorama does not reach; black and transparent
    /// by default. Values beyond the picture's channels are ignored.
    pub background: [S; 4],
}

/// All of `view`, sampled from `panorama`.
///
/// Positions are exact to 0.02 source pixels, measured as an angle at the source's equator, plus
/// what the kernel itself does; where view and panorama have the same geometry and orientation the
/// samples are copied bit for bit (`f32` up to rounding).
///
/// # Errors
///
/// [`RasterError::TooLarge`] if the view is.
pub fn remap<S: Sample>(
    panorama: &Panorama<S>,
    view: &View,
    sampling: &Sampling<S>,
) -> Result<Picture<S>, RasterError> {
    remap_window(panorama, view, Rect::whole(view.size()), sampling)
}

/// The part of `view` inside `window`; the same pixels as [`remap`] computes there.
///
/// # Errors
///
/// [`RasterError::OutsidePicture`] if the window reaches beyond the view,
/// [`RasterError::TooLarge`] if the window is.
pub fn remap_window<S: Sample>(
    panorama: &Panorama<S>,
    view: &View,
    window: Rect,
    sampling: &Sampling<S>,
) -> Result<Picture<S>, RasterError> {
    window.check_inside(view.size())?;
    check_size(window.size)?;
    let mut picture = Picture::blank(panorama.channels(), window.size);
    let smaller = smaller(panorama, view, sampling.kernel)?;
    let source = smaller.as_ref().unwrap_or(panorama.picture());
    let [across, down] = [Size::width_px, Size::height_px]
        .map(|side| f64::from(side(source.size())) / f64::from(side(panorama.size())));
    let plane = SourcePlane {
        geometry: *panorama.geometry(),
        size: [source.size().width_px() as usize, source.size().height_px() as usize],
        grid: Grid { scale: [across, down], offset: [0.0; 2] },
    };
    let rows = window.rows();
    let map = map_of(&plane, view, sampling.kernel, rows.clone());
    let planes: Vec<PlaneView<'_, S>> = source.planes().iter().map(Into::into).collect();
    let engine = Engine {
        map: &map,
        planes: &planes,
        has_alpha: panorama.channels().has_alpha(),
        kernel: sampling.kernel,
        background: &sampling.background[..planes.len()],
        levels: &[Level::SAME; 4][..planes.len()],
        isa: Isa::best(),
    };
    let width = window.size.width_px() as usize;
    let mut targets: Vec<Target<'_, S>> = picture
        .planes_mut()
        .iter_mut()
        .map(|plane| Target { samples: plane.samples_mut(), stride: width })
        .collect();
    let from = Window { left: window.columns().start, top: rows.start, width };
    engine.run(from, &mut targets, rows.len());
    Ok(picture)
}

/// The panorama's pixels, made as small as the view needs them, if it needs much less.
fn smaller<S: Sample>(
    panorama: &Panorama<S>,
    view: &View,
    kernel: Kernel,
) -> Result<Option<Picture<S>>, RasterError> {
    if !kernel.adapts() {
        return Ok(None);
    }
    let size = panorama.size();
    let sides = |size: Size| [size.width_px() as usize, size.height_px() as usize];
    let geometry = *panorama.geometry();
    let plane = SourcePlane { geometry, size: sides(size), grid: Grid::FULL };
    let survey = Survey::of(sides(view.size()), &plane, |pixel| plane.position(view.ray(pixel)?));
    let Some(reduction) = survey.reduction() else { return Ok(None) };
    // Even, so that half a turn is a whole number of columns.
    let width = (f64::from(size.width_px()) / reduction / 2.0).ceil() * 2.0;
    let height = (f64::from(size.height_px()) / reduction).ceil();
    let Some(reduced) = Size::new(width as u32, height as u32) else { return Ok(None) };
    let edges = if geometry.topology().wraps { Edges::WrapColumns } else { Edges::Clamp };
    resize(panorama.picture(), reduced, edges).map(Some)
}

/// The map of a view's rows; of all of them if it is worth keeping.
fn map_of(
    source: &SourcePlane,
    view: &View,
    kernel: Kernel,
    rows: Range<usize>,
) -> Arc<CoordinateMap> {
    let size = view.size();
    let key = Key {
        source: *source,
        view: *view,
        grid: Grid::FULL,
        size: [size.width_px() as usize, size.height_px() as usize],
        adapt: kernel.adapts(),
    };
    let ray = |pixel| view.ray(pixel);
    let build = |rows| CoordinateMap::build(key.size, rows, source, key.adapt, ray);
    if size.area_px() <= KEPT_PX_MAX {
        cache::find_or(&key, || build(0..key.size[1].div_ceil(BLOCK_PX)))
    } else {
        Arc::new(build(rows.start / BLOCK_PX..rows.end.div_ceil(BLOCK_PX)))
    }
}

/// Planes of one size, ready to be remapped again and again.
#[derive(Debug)]
pub(crate) struct PlaneRemap {
    map: CoordinateMap,
    kernel: Kernel,
    source: [usize; 2],
    target: [usize; 2],
}

impl PlaneRemap {
    /// From planes of `source_size` samples that lie in a picture of `geometry` as `source_grid`
    /// says, to planes of `target_size` whose *picture* positions look along `ray`; `None` where
    /// there is nothing to see.
    pub(crate) fn new(
        (geometry, source_size, source_grid): (Geometry, Size, Grid),
        (target_size, target_grid): (Size, Grid),
        kernel: Kernel,
        ray: impl Fn(Pixel) -> Option<Ray> + Sync,
    ) -> Self {
        let sides = |size: Size| [size.width_px() as usize, size.height_px() as usize];
        let source = SourcePlane { geometry, size: sides(source_size), grid: source_grid };
        let target = sides(target_size);
        let rows = 0..target[1].div_ceil(BLOCK_PX);
        let map = CoordinateMap::build(target, rows, &source, kernel.adapts(), |pixel| {
            ray(target_grid.picture(pixel))
        });
        Self { map, kernel, source: source.size, target }
    }

    /// Remaps planes of one stride, of which alpha may be the last.
    pub(crate) fn run_at<S: Sample>(
        &self,
        sources: &[PlaneView<'_, S>],
        targets: &mut [Plane<S>],
        levels: &[Level],
        has_alpha: bool,
    ) -> Result<(), RasterError> {
        let [width, height] = self.target;
        let same = sources.len() == targets.len()
            && targets.iter().all(|plane| [plane.width(), plane.height()] == self.target)
            && sources.iter().all(|plane| {
                [plane.width, plane.height] == self.source && plane.stride == sources[0].stride
            });
        if !same {
            return Err(RasterError::UnequalPlanes);
        }
        let background: Vec<S> = levels.iter().map(|of| S::from_f32(of.background)).collect();
        let engine = Engine {
            map: &self.map,
            planes: sources,
            has_alpha,
            kernel: self.kernel,
            background: &background,
            levels,
            isa: Isa::best(),
        };
        let mut targets: Vec<Target<'_, S>> = targets
            .iter_mut()
            .map(|plane| Target { stride: width, samples: plane.samples_mut() })
            .collect();
        engine.run(Window { left: 0, top: 0, width }, &mut targets, height);
        Ok(())
    }
}
