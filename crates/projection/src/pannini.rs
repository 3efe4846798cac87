//! Pannini: wide views whose upright and radial lines stay straight.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::scalar::Scalar;
use crate::{GeometryError, Pixel, Ray, Size};

/// A general Pannini view straight ahead.
///
/// With yaw λ, pitch φ and `S = (d + 1) / (d + cos λ)`, in units of the focal length:
///
/// - `x = S·sin λ`
/// - `y = tan φ · ((1 − s)·S + s / cos λ)`
///
/// The *distance* `d` compresses the sides: 0 is rectilinear, 1 the classic Pannini (a cylindrical
/// stereographic picture), infinity an orthographic cylinder. The *straightening* `s` in [0, 1]
/// bends lines across the view, which bulge at 0, until they are straight at 1.
///
/// Source: T. K. Sharpless, B. Postle, D. M. German, "Pannini: A New Projection for Rendering Wide
/// Angle Perspective Images" (2010).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pannini {
    size: Size,
    focal_px: f64,
    distance: f64,
    straightening: f64,
    /// Yaws beyond it have no pixel, or share one with a smaller yaw.
    yaw_rad_max: f64,
}

impl Pannini {
    /// A view of `size` whose width spans `horizontal_fov_rad`; pixels are square in its centre.
    ///
    /// # Errors
    ///
    /// - [`GeometryError::Compression`] if `distance` is negative, above 1000 or not a number, or
    ///   `straightening` is outside of [0, 1].
    /// - [`GeometryError::FieldOfViewBeyond`] if the field of view is not positive or reaches what
    ///   the parameters can show: ±acos(−d) for d ≤ 1, ±acos(−1/d) above, ±π/2 if lines are
    ///   straightened.
    pub fn new(
        size: Size,
        horizontal_fov_rad: f64,
        distance: f64,
        straightening: f64,
    ) -> Result<Self, GeometryError> {
        if !(0.0..=1000.0).contains(&distance) || !(0.0..=1.0).contains(&straightening) {
            return Err(GeometryError::Compression);
        }
        let yaw_rad_max = if straightening > 0.0 {
            FRAC_PI_2
        } else if distance <= 1.0 {
            (-distance).acos()
        } else {
            (-1.0 / distance).acos()
        };
        let half_rad = horizontal_fov_rad / 2.0;
        let (sin, cos) = half_rad.sin_cos();
        let focal_px =
            f64::from(size.width_px()) / 2.0 / ((distance + 1.0) * sin / (distance + cos));
        let is_inside = half_rad > 0.0 && half_rad < yaw_rad_max.min(PI);
        if is_inside && focal_px.is_normal() && focal_px > 0.0 {
            Ok(Self { size, focal_px, distance, straightening, yaw_rad_max })
        } else {
            Err(GeometryError::FieldOfViewBeyond { projection: "pannini" })
        }
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Pixel → ray, or `None` so far to the side that no yaw lies there.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit)
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> Option<[S; 3]> {
        let centre = self.size.centre();
        let d = self.distance;
        // The line from the eye, d behind the axis, through the point meets the cylinder where
        // sin λ = k·(d + cos λ): a quadratic equation in cos λ.
        let k = (x_px - centre.x_px) / self.focal_px / (d + 1.0);
        let square = k * k;
        let root = -(square * (d * d - 1.0)) + 1.0;
        if root.value() <= 0.0 {
            return None;
        }
        let cos = (-(square * d) + root.sqrt()) / (square + 1.0);
        let sin = k * (cos + d);
        if cos.value() <= self.yaw_rad_max.cos() {
            return None;
        }
        let scale = S::constant(d + 1.0) / (cos + d);
        // Without straightening the cosine may well be 0 or less.
        let straight = self.straightening;
        let stretch = if straight > 0.0 {
            scale * (1.0 - straight) + S::constant(straight) / cos
        } else {
            scale
        };
        // tan φ, on a cylinder of radius 1.
        let up = -(y_px - centre.y_px) / self.focal_px / stretch;
        let length = (up * up + sin * sin + cos * cos).sqrt();
        Some([sin / length, up / length, cos / length])
    }

    /// Ray → pixel, or `None` outside of the picture.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let [x, y, z] = ray.components();
        let across = x.hypot(z);
        let (sin, cos) = (x / across, z / across);
        // At the limit itself a picture has no end, or folds back.
        let is_inside = cos > self.yaw_rad_max.cos();
        if !is_inside {
            return None;
        }
        let scale = (self.distance + 1.0) / (self.distance + cos);
        let straight = if self.straightening > 0.0 { self.straightening / cos } else { 0.0 };
        let stretch = (1.0 - self.straightening) * scale + straight;
        let centre = self.size.centre();
        self.size.hold(Pixel::new(
            centre.x_px + scale * sin * self.focal_px,
            centre.y_px - y / across * stretch * self.focal_px,
        ))
    }
}
