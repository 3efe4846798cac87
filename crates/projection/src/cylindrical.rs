//! Cylindrical: what a rotating slit camera sees; upright lines stay straight.

use crate::cylinder::{Cylinder, on_cylinder};
use crate::ray::unit_at;
use crate::scalar::Scalar;
use crate::{Pixel, Ray};

/// A central cylindrical picture: `x = r·yaw`, `y = r·tan(pitch)` above the horizon.
///
/// Pixels are square at the horizon. The poles are infinitely far away; no picture reaches them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cylindrical {
    cylinder: Cylinder,
}

on_cylinder!(Cylindrical, "cylindrical");

impl Cylindrical {
    /// Pixel → ray. A pixel beyond a border continues around or along the cylinder.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        unit_at(self.cylinder.yaw_rad(x_px), self.cylinder.height(y_px).atan())
    }

    /// Ray → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.cylinder.pixel(ray, ray.y() / ray.x().hypot(ray.z()))
    }
}
