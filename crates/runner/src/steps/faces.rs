//! Cube maps as sources: faces get a border of what their neighbours show, so that no filter mixes faces that only lie
//! beside each other in the picture.

use panofleet_job_schema::operation::{CubeGrid, PictureProjection};
use panofleet_media::pixels::PixelDepth;
use panofleet_projection::{Pixel, Projection};
use panofleet_raster::{Picture, Plane, RasterError, Size};
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

/// Borders around the faces of frames of 4:2:0: as wide around colour as around luma.
#[derive(Debug)]
pub(crate) struct FaceBorders {
    luma: Faces,
    chroma: Faces,
    /// Before and after, of luma and of colour.
    from: [Projection; 2],
    to: [Projection; 2],
}

impl FaceBorders {
    /// Of frames of this projection and size; none if they have no faces, or faces with borders, or if colour has no whole
    /// pixels of a face.
    ///
    /// # Errors
    /// None that a plan can meet.
    pub(crate) fn of(plan: &PictureProjection, size: Size) -> Result<Option<Self>, StepError> {
        let half = Size::new(size.width_px() / 2, size.height_px() / 2);
        let luma = Faces::bordered_by(BORDER_PX, plan, size);
        let chroma = half.and_then(|half| Faces::bordered_by(BORDER_PX / 2, plan, half));
        let (Some(luma), Some(chroma), Some(half)) = (luma, chroma, half) else { return Ok(None) };
        let fits = luma.size.width_px() == 2 * chroma.size.width_px()
            && luma.size.height_px() == 2 * chroma.size.height_px();
        if !fits {
            return Ok(None);
        }
        let from = [geometry::projection(plan, size)?, geometry::projection(plan, half)?];
        let to = [
            geometry::projection(&luma.plan, luma.size)?,
            geometry::projection(&chroma.plan, chroma.size)?,
        ];
        Ok(Some(Self { luma, chroma, from, to }))
    }

    /// What frames with borders show.
    pub(crate) const fn projection(&self) -> &Projection {
        &self.to[0]
    }

    /// A plane with its borders.
    ///
    /// # Errors
    /// A plane that is too large.
    pub(crate) fn around(
        &self,
        plane: &Plane<u8>,
        is_luma: bool,
    ) -> Result<Plane<u8>, RasterError> {
        let [luma_from, chroma_from] = &self.from;
        let [luma_to, chroma_to] = &self.to;
        if is_luma {
            self.luma.plane(plane, luma_from, luma_to)
        } else {
            self.chroma.plane(plane, chroma_from, chroma_to)
        }
    }
}

/// Cells of faces before and after.
#[derive(Debug)]
struct Faces {
    plan: PictureProjection,
    size: Size,
    /// Width and height of a cell without its border.
    cell_px: [u32; 2],
    border_px: u32,
}

impl Faces {
    fn of(plan: &PictureProjection, size: Size) -> Option<Self> {
        Self::bordered_by(BORDER_PX, plan, size)
    }

    fn bordered_by(border_px: u32, plan: &PictureProjection, size: Size) -> Option<Self> {
        let (columns, rows) = match plan {
            PictureProjection::Cubemap { grid, padding_px: 0 } => grid.cells(),
            PictureProjection::Eac { padding_px: 0 } => CubeGrid::ThreeByTwo.cells(),
            _ => return None,
        };
        let (width_px, height_px) = (size.width_px(), size.height_px());
        let cell_px = [width_px / columns, height_px / rows];
        let border_px = border_px.min(cell_px[0].min(cell_px[1]) / 4);
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
    ) -> Result<Plane<S>, RasterError> {
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
        Plane::new(self.size, samples)
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
