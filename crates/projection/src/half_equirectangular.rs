//! Half-equirectangular: the front hemisphere, as VR180 stores each eye.

use std::f64::consts::PI;

use crate::ray::unit_at;
use crate::scalar::Scalar;
use crate::{Pixel, Ray, Size};

/// The front half of an equirectangular picture: 180° × 180°, columns are yaw, rows are pitch.
///
/// The left border is yaw −π/2, the right one +π/2. It is the same as a crop that leaves a quarter
/// on each side (`equi` bounds of 0x3FFFFFFF left and right), which for a width that is not even no
/// crop of whole pixels can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfEquirectangular {
    size: Size,
}

/// Rays this close to a pole, in radians, have no yaw to speak of.
const POLE_RAD: f64 = 1e-12;

impl HalfEquirectangular {
    /// A picture of the front hemisphere. Any aspect is taken as 180° × 180°.
    pub const fn new(size: Size) -> Self {
        Self { size }
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Pixel → ray. A pixel beyond the left or right border continues around the sphere; one
    /// beyond the top or bottom continues over the pole.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        let yaw_rad = (x_px / f64::from(self.size.width_px()) - 0.5) * PI;
        let pitch_rad = (-(y_px / f64::from(self.size.height_px())) + 0.5) * PI;
        unit_at(yaw_rad, pitch_rad)
    }

    /// Ray → pixel, or `None` behind the viewer; at a pole `x` is the centre.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let is_pole = ray.x().hypot(ray.z()) < POLE_RAD;
        let yaw_rad = if is_pole { 0.0 } else { ray.yaw_rad() };
        self.size.hold(Pixel::new(
            f64::from(self.size.width_px()) * (0.5 + yaw_rad / PI),
            f64::from(self.size.height_px()) * (0.5 - ray.pitch_rad() / PI),
        ))
    }
}
