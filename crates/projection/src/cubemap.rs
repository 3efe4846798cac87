//! Cube map: six flat faces in one picture.

use crate::face_grid::{FaceGrid, on_face_grid};
use crate::ray::unit_through;
use crate::scalar::Scalar;
use crate::{CubeLayout, Face, GeometryError, Pixel, Ray, Size};

/// The six faces of a cube in one picture, as a [`CubeLayout`] says.
///
/// A [`CubeFace`](crate::CubeFace) is a single face in a picture of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cubemap {
    grid: FaceGrid,
}

on_face_grid!(Cubemap);

impl Cubemap {
    /// A picture of `size`, cut into the layout's cells, with `padding_px` around each face inside
    /// of its cell.
    ///
    /// # Errors
    ///
    /// [`GeometryError::Padding`] if the padding is negative, not finite, or a quarter of a cell
    /// or more.
    pub fn new(size: Size, layout: CubeLayout, padding_px: f64) -> Result<Self, GeometryError> {
        FaceGrid::new(size, layout, padding_px).map(|grid| Self { grid })
    }

    /// What Facebook's transform writes for `expand_coef`: FFmpeg's layout, with faces that show
    /// `expansion` times as much of their plane as 90° (1.01 is usual).
    ///
    /// # Errors
    ///
    /// [`GeometryError::Padding`] if the expansion is below 1 or 2 or more, or not a number.
    pub fn expanded(size: Size, expansion: f64) -> Result<Self, GeometryError> {
        // The face is 1/expansion of its cell. With cells that are not square no padding in
        // pixels says that, so the narrower side decides.
        let [width_px, height_px] = FaceGrid::new(size, CubeLayout::ffmpeg(), 0.0)?.cell_px();
        Self::new(
            size,
            CubeLayout::ffmpeg(),
            width_px.min(height_px) * (1.0 - 1.0 / expansion) / 2.0,
        )
    }

    pub(crate) fn unit<S: Scalar>(&self, at: [S; 2]) -> Option<[S; 3]> {
        let (face, [right, up]) = self.grid.on_face(at)?;
        Some(unit_through(face.point(right, up)))
    }

    /// Ray → pixel. On an edge or a corner it is the face that [`Face::of`] names; never in the
    /// padding.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let face = Face::of(ray);
        let (right, up, forward) = face.components(ray.components());
        Some(self.grid.pixel(face, [right / forward, up / forward]))
    }
}
