//! Cube maps as sources: faces get a border of what their neighbours show, so that no filter mixes faces that only lie
//! beside each other in the picture.

use panofleet_job_schema::operation::{CubeGrid, PictureProjection};
use panofleet_media::pixels::PixelDepth;
use panofleet_projection::{Pixel, Projection};
use panofleet_raster::{Picture, Plane, Size};
use rayon::prelude::*;

use super::geometry;
use crate::error::StepError;

/// The border: what a filter reaches that makes a picture four times smaller.
const BORDER_PX: u32 = 16;

/// The picture with a border around each face, and its projection; any other picture as it is, and a cube map that has a
/// border or whose faces are no whole pixels.
///
/// # Errors
/// None that a plan can meet.
pub(crate) fn bordered<S: PixelDepth>(
    picture: Picture<S>,
    plan: &PictureProjection,
) -> Result<(Picture<S>, Projection), StepError> {
    let size = picture.size();
    let source = geometry::projection(plan, size)?;
    let Some(faces) = Faces::of(plan, size) else { return Ok((picture, source)) };
    let bordered = geometry::projection(&faces.plan, faces.size)?;
    let planes: Result<Vec<_>, _> =
        (picture.planes().iter()).map(|plane| faces.plane(plane, &source, &bordered)).collect();
    Ok((Picture::from_planes(planes?)?, bordered))
}

/// Cells of faces before and after.
struct Faces {
    plan: PictureProjection,
    size: Size,
    /// Width and height of a cell without its border.
    cell_px: [u32; 2],
    border_px: u32,
}

impl Faces {
    fn of(plan: &PictureProjection, size: Size) -> Option<Self> {
        let (columns, rows) = match plan {
            PictureProjection::Cubemap { grid, padding_px: 0 } => grid.cells(),
            PictureProjection::Eac { padding_px: 0 } => CubeGrid::ThreeByTwo.cells(),
            _ => return None,
        };
        let (width_px, height_px) = (size.width_px(), size.height_px());
        let cell_px = [width_px / columns, height_px / rows];
        let border_px = BORDER_PX.min(cell_px[0].min(cell_px[1]) / 4);
        let whole = width_px.is_multiple_of(columns) && height_px.is_multiple_of(rows);
        let [width, height] = cell_px.map(|px| px + 2 * border_px);
        let size = Size::new(columns * width, rows * height).filter(|_| whole && border_px > 0)?;
        let plan = match *plan {
            PictureProjection::Cubemap { grid, .. } => {
                PictureProjection::Cubemap { grid, padding_px: border_px }
            }
            _ => PictureProjection::Eac { padding_px: border_px },
        };
        Some(Self { plan, size, cell_px, border_px })
    }

    fn plane<S: PixelDepth>(
        &self,
        from: &Plane<S>,
        source: &Projection,
        bordered: &Projection,
    ) -> Result<Plane<S>, StepError> {
        let width = self.size.width_px() as usize;
        let mut samples = vec![S::default(); width * self.size.height_px() as usize];
        samples.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            let y = y as u32;
            for (sample, x) in row.iter_mut().zip(0_u32..) {
                *sample = match self.inside([x, y]) {
                    Some([x, y]) => from.row(y as usize)[x as usize],
                    None => (bordered.ray(Pixel::centre(x, y)))
                        .and_then(|ray| source.pixel(ray))
                        .map_or(S::default(), |at| self.between(from, at)),
                };
            }
        });
        Ok(Plane::new(self.size, samples)?)
    }

    /// Where a pixel of a face was, unless it is one of the border.
    fn inside(&self, [x, y]: [u32; 2]) -> Option<[u32; 2]> {
        let place = |at: u32, cell_px: u32| {
            let (cell, inner) =
                (at / (cell_px + 2 * self.border_px), at % (cell_px + 2 * self.border_px));
            let inner = inner.checked_sub(self.border_px).filter(|inner| *inner < cell_px)?;
            Some(cell * cell_px + inner)
        };
        Some([place(x, self.cell_px[0])?, place(y, self.cell_px[1])?])
    }

    /// The value at a position, between samples of the face that it is on.
    fn between<S: PixelDepth>(&self, from: &Plane<S>, at: Pixel) -> S {
        let taps = |at_px: f64, cell_px: u32| {
            let cell = f64::from(cell_px);
            let start = (at_px / cell).floor() * cell;
            let first = at_px - 0.5;
            let hold = |sample: f64| sample.clamp(start, start + cell - 1.0) as usize;
            (hold(first.floor()), hold(first.floor() + 1.0), first - first.floor())
        };
        let last = |at_px: f64, side: usize| at_px.min(side as f64 - 0.001);
        let (left, right, x) = taps(last(at.x_px, from.width()), self.cell_px[0]);
        let (top, bottom, y) = taps(last(at.y_px, from.height()), self.cell_px[1]);
        let row = |row: usize| {
            let row = from.row(row);
            row[left].number() * (1.0 - x) + row[right].number() * x
        };
        S::nearest(row(top) * (1.0 - y) + row(bottom) * y)
    }
}
