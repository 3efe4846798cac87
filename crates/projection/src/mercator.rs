//! Mercator: shapes are kept, sizes grow towards the poles.

use crate::cylinder::{Cylinder, on_cylinder};
use crate::ray::unit_at;
use crate::scalar::Scalar;
use crate::{Pixel, Ray};

/// A Mercator picture: `x = r·yaw`, `y = r·asinh(tan(pitch))` above the horizon.
///
/// Pixels are square everywhere. The poles are infinitely far away; a full turn that is as high as
/// wide reaches ±85.05°, as on web maps. Source: Snyder, "Map Projections: A Working Manual" (USGS
/// 1395), equations 7-1 and 7-2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mercator {
    cylinder: Cylinder,
}

on_cylinder!(Mercator, "mercator");

impl Mercator {
    /// Pixel → ray. A pixel beyond a border continues around or along the cylinder.
    pub fn ray(&self, pixel: Pixel) -> Ray {
        Ray::from_unit(self.unit([pixel.x_px, pixel.y_px]))
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> [S; 3] {
        unit_at(self.cylinder.yaw_rad(x_px), self.cylinder.height(y_px).sinh().atan())
    }

    /// Ray → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.cylinder.pixel(ray, (ray.y() / ray.x().hypot(ray.z())).asinh())
    }
}
