//! Stereographic: the sphere seen from its own far side; circles stay circles.

use std::f64::consts::TAU;

use crate::scalar::Scalar;
use crate::{GeometryError, Pixel, Ray, Size};

/// A stereographic picture, straight ahead in its centre: a ray at the angle θ from there is
/// `2·f·tan(θ/2)` away from it.
///
/// Turned to look straight down it is a *little planet*, straight up a tunnel. Only the ray exactly
/// behind the viewer has no pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stereographic {
    size: Size,
    /// Distance from the centre to where rays at a right angle to the view's lie: 2·f.
    equator_px: f64,
}

impl Stereographic {
    /// A view of `size` whose width spans `horizontal_fov_rad`; pixels are square.
    ///
    /// # Errors
    ///
    /// [`GeometryError::FieldOfViewBeyond`] if the field of view is not inside (0, 2π).
    pub fn new(size: Size, horizontal_fov_rad: f64) -> Result<Self, GeometryError> {
        let equator_px = f64::from(size.width_px()) / 2.0 / (horizontal_fov_rad / 4.0).tan();
        let is_inside = horizontal_fov_rad > 0.0 && horizontal_fov_rad < TAU;
        if is_inside && equator_px.is_normal() {
            Ok(Self { size, equator_px })
        } else {
            Err(GeometryError::FieldOfViewBeyond { projection: "stereographic" })
        }
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Pixel → ray. A pixel outside of the picture continues on the plane.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        let centre = self.size.centre();
        let right = (x_px - centre.x_px) / self.equator_px;
        let up = -(y_px - centre.y_px) / self.equator_px;
        let square = right * right + up * up;
        // With t = tan(θ/2): sin θ = 2t / (1 + t²), cos θ = (1 − t²) / (1 + t²).
        let scale = S::constant(2.0) / (square + 1.0);
        [right * scale, up * scale, scale - 1.0]
    }

    /// Ray → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let [x, y, z] = ray.components();
        // 1 / (1 + z), without losing digits near z = −1.
        let scale = if z < 0.0 { (1.0 - z) / (x * x + y * y) } else { 1.0 / (1.0 + z) };
        let centre = self.size.centre();
        self.size.hold(Pixel::new(
            centre.x_px + x * scale * self.equator_px,
            centre.y_px - y * scale * self.equator_px,
        ))
    }
}
