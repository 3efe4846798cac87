//! Equi-angular cube map: six faces whose columns and rows are angles.

use std::f64::consts::{FRAC_1_PI, FRAC_PI_4};

use crate::face_grid::{FaceGrid, on_face_grid};
use crate::ray::unit_through;
use crate::scalar::Scalar;
use crate::{CubeLayout, Face, GeometryError, Pixel, Ray, Size};

/// A cube map whose pixels are even steps of angle: `p = tan(π·u/4)` on the face's plane, with `u`
/// from −1 to 1 across the face; the same for rows.
///
/// Source: Google, "Bringing pixels front and center in VR video" (2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eac {
    grid: FaceGrid,
}

on_face_grid!(Eac);

impl Eac {
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

    /// What YouTube stores, and FFmpeg's `eac`: [`CubeLayout::youtube`] without padding.
    ///
    /// # Errors
    ///
    /// None for any size that exists.
    pub fn youtube(size: Size) -> Result<Self, GeometryError> {
        Self::new(size, CubeLayout::youtube(), 0.0)
    }

    pub(crate) fn unit<S: Scalar>(&self, at: [S; 2]) -> Option<[S; 3]> {
        let (face, right_and_up) = self.grid.on_face(at)?;
        Some(unit_on_face(face, right_and_up))
    }

    /// Ray → pixel. On an edge or a corner it is the face that [`Face::of`] names; never in the
    /// padding.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let (face, right_and_up) = angles_on_face(ray);
        Some(self.grid.pixel(face, right_and_up))
    }
}

/// The ray at angles right and up of a face's centre, in units of 45°.
pub(crate) fn unit_on_face<S: Scalar>(face: Face, right_and_up: [S; 2]) -> [S; 3] {
    let [right, up] = right_and_up.map(|angle| (angle * FRAC_PI_4).tan());
    unit_through(face.point(right, up))
}

/// The inverse of [`unit_on_face`], on the face that the ray meets.
pub(crate) fn angles_on_face(ray: Ray) -> (Face, [f64; 2]) {
    let face = Face::of(ray);
    let (right, up, forward) = face.components(ray.components());
    (face, [right, up].map(|side| side.atan2(forward) * (4.0 * FRAC_1_PI)))
}
