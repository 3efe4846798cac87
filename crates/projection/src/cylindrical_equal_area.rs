//! Lambert cylindrical: an equal area for every solid angle.

use crate::cylinder::{Cylinder, on_cylinder};
use crate::scalar::Scalar;
use crate::{Pixel, Ray};

/// A Lambert cylindrical picture: `x = r·yaw`, `y = r·sin(pitch)` above the horizon.
///
/// Pixels are square at the horizon, and all of them cover the same solid angle. Source:
/// J. P. Snyder, "Map Projections: A Working Manual" (USGS 1395), equations 10-1 and 10-2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CylindricalEqualArea {
    cylinder: Cylinder,
}

on_cylinder!(CylindricalEqualArea, "cylindrical_equal_area");

impl CylindricalEqualArea {
    /// Pixel → ray, or `None` above the zenith and below the nadir. A pixel beyond the left or right
    /// border continues around the cylinder.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit)
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> Option<[S; 3]> {
        let height = self.cylinder.height(y_px);
        if height.value().abs() > 1.0 {
            return None;
        }
        let across = ((-height + 1.0) * (height + 1.0)).sqrt();
        let (sin, cos) = self.cylinder.yaw_rad(x_px).sin_cos();
        Some([across * sin, height, across * cos])
    }

    /// Ray → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        self.cylinder.pixel(ray, ray.y())
    }
}
