//! A fisheye lens: how it bends rays, and where it lies in the picture.

use crate::scalar::Scalar;
use crate::{GeometryError, Pixel, Ray};

mod curve;
mod distortion;
mod polynomial;

pub use curve::LensCurve;
pub use distortion::Distortion;

use distortion::Undistortion;

/// How far beyond the field of view, in radians or relative to its radius, a ray still counts as
/// on its border: rounding, and nothing that can be seen.
const BORDER_TOLERANCE: f64 = 1e-11;

/// Below this radius, in focal lengths, a lens is linear to the last digit.
const LINEAR_RADIUS: f64 = 1e-12;

/// What a calibration says of a lens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// How far from the centre a ray lies, before distortion.
    pub curve: LensCurve,
    /// Pixels per focal length, along `x` and `y`; positive. At the centre that is pixels per
    /// radian, `1 + ξ` times as much for a unified sphere.
    pub focal_px: [f64; 2],
    /// Where the optical axis meets the picture.
    pub centre: Pixel,
    /// What the lens does besides its curve.
    pub distortion: Distortion,
    /// The full angle of the cone that the lens sees.
    pub field_of_view_rad: f64,
}

/// A fisheye lens that looks straight ahead.
///
/// A ray at the angle θ from the axis, in the direction (`a`, `b`) right and down of it, lies at
/// `curve(θ)·(a, b)`, in focal lengths; [`Distortion`] then moves it, and `focal_px` and `centre`
/// place it in the picture. Beyond its field of view a lens sees nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    calibration: Calibration,
    half_field_rad: f64,
    /// The radius at the border of the field of view, in focal lengths, before distortion.
    radius_max: f64,
    /// Made ready to be undone; `None` without distortion.
    undistortion: Option<Undistortion>,
}

impl Lens {
    /// A lens without distortion, whose field of view is a circle of `radius_px` around `centre`.
    ///
    /// # Errors
    ///
    /// As [`calibrated`](Self::calibrated).
    pub fn ideal(
        curve: LensCurve,
        centre: Pixel,
        radius_px: f64,
        field_of_view_rad: f64,
    ) -> Result<Self, GeometryError> {
        let focal_px = radius_px / curve.radius(field_of_view_rad / 2.0);
        if radius_px.is_nan() || radius_px <= 0.0 {
            return Err(GeometryError::FocalLength);
        }
        Self::calibrated(Calibration {
            curve,
            focal_px: [focal_px; 2],
            centre,
            distortion: Distortion::NONE,
            field_of_view_rad,
        })
    }

    /// The lens that a calibration describes.
    ///
    /// # Errors
    ///
    /// - [`GeometryError::PositionNotFinite`] if the centre is not.
    /// - [`GeometryError::SphereOffset`] if a unified sphere's ξ is not in [0, 1000].
    /// - [`GeometryError::FieldOfViewBeyond`] if the curve cannot show the field of view.
    /// - [`GeometryError::FocalLength`] if a focal length is not between 10⁻⁶ and 10⁹ px.
    /// - [`GeometryError::DistortionFolds`] if two rays of the field of view would share a pixel,
    ///   or come close to it.
    pub fn calibrated(calibration: Calibration) -> Result<Self, GeometryError> {
        let Calibration { curve, focal_px, centre, distortion, field_of_view_rad } = calibration;
        if !centre.x_px.is_finite() || !centre.y_px.is_finite() {
            return Err(GeometryError::PositionNotFinite);
        }
        let half_field_rad = field_of_view_rad / 2.0;
        if !curve.is_valid() {
            return Err(GeometryError::SphereOffset);
        }
        if !curve.shows(half_field_rad) {
            return Err(GeometryError::FieldOfViewBeyond { projection: curve.name() });
        }
        if !focal_px.iter().all(|focal_px| (1e-6..=1e9).contains(focal_px)) {
            return Err(GeometryError::FocalLength);
        }
        let radius_max = curve.radius(half_field_rad);
        let undistortion = Undistortion::new(distortion, radius_max)?;
        Ok(Self { calibration, half_field_rad, radius_max, undistortion })
    }

    /// What the lens was made from.
    pub const fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// How far inside the field of view a ray is, in radians: 0 on its border, negative outside,
    /// half the field of view on the axis. Between lenses that overlap it says which sees the ray
    /// better, and how to blend them.
    pub fn margin_rad(&self, ray: Ray) -> f64 {
        self.half_field_rad - off_axis_rad(ray)
    }

    /// Pixel → ray, or `None` outside of the field of view.
    pub fn ray(&self, pixel: Pixel) -> Option<Ray> {
        self.unit([pixel.x_px, pixel.y_px]).map(Ray::from_unit)
    }

    pub(crate) fn unit<S: Scalar>(&self, [x_px, y_px]: [S; 2]) -> Option<[S; 3]> {
        let Calibration { curve, focal_px, centre, .. } = self.calibration;
        let distorted = [(x_px - centre.x_px) / focal_px[0], (y_px - centre.y_px) / focal_px[1]];
        let [right, down] = match &self.undistortion {
            Some(undistortion) => undistortion.undo(distorted)?,
            None => distorted,
        };
        let square = right * right + down * down;
        let radius = square.value().sqrt();
        // Asked so that what is not a number is outside.
        let is_inside = radius <= self.radius_max * (1.0 + BORDER_TOLERANCE);
        if !is_inside {
            return None;
        }
        if radius < LINEAR_RADIUS {
            let scale = curve.angle_per_radius();
            return Some([right * scale, -down * scale, S::constant(1.0)]);
        }
        let radius = square.sqrt();
        let (sin, cos) = curve.angle_rad(radius).sin_cos();
        let scale = sin / radius;
        Some([right * scale, -down * scale, cos])
    }

    /// Ray → pixel, or `None` outside of the field of view.
    pub fn pixel(&self, ray: Ray) -> Option<Pixel> {
        let angle_rad = off_axis_rad(ray);
        let is_inside = angle_rad <= self.half_field_rad + BORDER_TOLERANCE;
        if !is_inside {
            return None;
        }
        let Calibration { curve, focal_px, centre, distortion, .. } = self.calibration;
        let radius = curve.radius(angle_rad.min(self.half_field_rad));
        let across = ray.x().hypot(ray.y());
        // Straight ahead and straight behind have no direction; any will do.
        let (right, up) =
            if across > 0.0 { (ray.x() / across, ray.y() / across) } else { (1.0, 0.0) };
        let [x, y] = distortion.apply([radius * right, radius * -up]);
        Some(Pixel::new(centre.x_px + focal_px[0] * x, centre.y_px + focal_px[1] * y))
    }
}

fn off_axis_rad(ray: Ray) -> f64 {
    ray.x().hypot(ray.y()).atan2(ray.z())
}
