//! Remapping: a panorama seen through another projection.

use panofleet_projection::View;
use rayon::prelude::*;

use crate::band::{Band, bands};
use crate::kernel::{catmull_rom, linear, nearest};
use crate::plane::check_size;
use crate::{Kernel, Panorama, Picture, RasterError, Rect, Sample};

mod footprint;
mod position;

use footprint::Footprints;
use position::{CHUNK_PX, Positions};

/// Rows of a band. A band is worked through in chunks of [`CHUNK_PX`] columns, so that the part of
/// the source that a chunk's rows have in common stays in the cache even where rows of the
/// destination run across those of the source.
const BAND_ROWS: usize = 32;

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
/// Positions are exact to 0.005 source pixels, measured as an angle at the source's equator, plus
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
/// Memory besides the result is a few kilobytes per thread, so a view of any size can be made in
/// bands.
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
    let job = Job { panorama, view, window, background: sampling.background };
    let bands = bands(&mut picture, BAND_ROWS);
    match sampling.kernel {
        Kernel::Nearest => job.run(bands, nearest),
        Kernel::Bilinear => job.run(bands, linear),
        Kernel::Bicubic => job.run(bands, catmull_rom),
    }
    Ok(picture)
}

struct Job<'a, S> {
    panorama: &'a Panorama<S>,
    view: &'a View,
    window: Rect,
    background: [S; 4],
}

impl<S: Sample> Job<'_, S> {
    /// Fills the bands with a kernel of `T` × `T` taps whose weights come from `weights`.
    fn run<const T: usize>(
        &self,
        bands: Vec<Band<'_, S>>,
        weights: impl Fn(f32) -> [f32; T] + Copy + Send + Sync,
    ) {
        bands.into_par_iter().for_each_init(
            || (Positions::new(), Footprints::<T>::new()),
            |(positions, footprints), mut band| {
                self.fill(&mut band, positions, footprints, weights);
            },
        );
    }

    fn fill<const T: usize>(
        &self,
        band: &mut Band<'_, S>,
        positions: &mut Positions,
        footprints: &mut Footprints<T>,
        weights: impl Fn(f32) -> [f32; T] + Copy,
    ) {
        let geometry = self.panorama.geometry();
        let stride = self.panorama.planes()[0].stride;
        let width = self.window.size.width_px() as usize;
        let height = band.planes[0].len() / width;
        for left in (0..width).step_by(CHUNK_PX) {
            let columns = left..width.min(left + CHUNK_PX);
            let first_column = self.window.columns().start + left;
            for y in 0..height {
                let row = self.window.rows().start + band.top + y;
                positions.locate(self.view, geometry, (first_column, row), columns.len());
                let has_holes = self.panorama.is_partial() || positions.has_gaps();
                let outside = has_holes.then(|| positions.outside(geometry));
                positions.clamp(geometry);
                footprints.place(positions, stride, weights);
                for (channel, plane) in band.planes.iter_mut().enumerate() {
                    let to = &mut plane[y * width..][columns.clone()];
                    footprints.sample(self.panorama, channel, to);
                    for x in outside.iter().flatten() {
                        to[*x] = self.background[channel];
                    }
                }
            }
        }
    }
}
