//! What all projections onto an upright cylinder share: columns are yaw at an even step.

use std::f64::consts::TAU;

use crate::scalar::Scalar;
use crate::{GeometryError, Pixel, Ray, Size};

/// An upright cylinder around the viewer, cut open and laid flat. What differs between the
/// projections onto it is only how high a pitch lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cylinder {
    size: Size,
    /// The cylinder's radius: pixels per radian of yaw, and per radian of pitch at the horizon.
    radius_px: f64,
    /// Distance of the horizon from the top border.
    horizon_px: f64,
    wraps: bool,
}

impl Cylinder {
    /// `size` with `horizontal_fov_rad` in (0, 2π] across its width and the horizon in its middle.
    pub(crate) fn new(
        size: Size,
        horizontal_fov_rad: f64,
        projection: &'static str,
    ) -> Result<Self, GeometryError> {
        // A full turn that was computed from degrees may be wrong in its last digits.
        let wraps = (horizontal_fov_rad - TAU).abs() < 1e-12;
        let fov_rad = if wraps { TAU } else { horizontal_fov_rad };
        let radius_px = f64::from(size.width_px()) / fov_rad;
        if fov_rad > 0.0 && fov_rad <= TAU && radius_px.is_normal() {
            let horizon_px = f64::from(size.height_px()) / 2.0;
            Ok(Self { size, radius_px, horizon_px, wraps })
        } else {
            Err(GeometryError::FieldOfViewBeyond { projection })
        }
    }

    pub(crate) fn with_horizon(self, horizon_px: f64) -> Result<Self, GeometryError> {
        if horizon_px.is_finite() {
            Ok(Self { horizon_px, ..self })
        } else {
            Err(GeometryError::PositionNotFinite)
        }
    }

    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    pub(crate) const fn wraps(&self) -> bool {
        self.wraps
    }

    pub(crate) fn yaw_rad<S: Scalar>(&self, x_px: S) -> S {
        (x_px - f64::from(self.size.width_px()) / 2.0) / self.radius_px
    }

    /// How far above the horizon a row is, in radii.
    pub(crate) fn height<S: Scalar>(&self, y_px: S) -> S {
        -(y_px - self.horizon_px) / self.radius_px
    }

    /// The position at the yaw of `ray`, `height` radii above the horizon.
    pub(crate) fn pixel(&self, ray: Ray, height: f64) -> Option<Pixel> {
        let width_px = f64::from(self.size.width_px());
        let x_px = ray.yaw_rad() * self.radius_px + width_px / 2.0;
        let x_px = if self.wraps && x_px >= width_px { x_px - width_px } else { x_px };
        self.size.hold(Pixel::new(x_px, self.horizon_px - height * self.radius_px))
    }
}

/// What the projections onto a cylinder have in common, written once.
macro_rules! on_cylinder {
    ($projection:ident, $name:literal) => {
        impl $projection {
            /// A picture of `size` whose width spans `horizontal_fov_rad`, with the horizon in its
            /// middle.
            ///
            /// # Errors
            ///
            /// [`FieldOfViewBeyond`](crate::GeometryError::FieldOfViewBeyond) if the field of view
            /// is not inside (0, 2π].
            pub fn new(
                size: crate::Size,
                horizontal_fov_rad: f64,
            ) -> Result<Self, crate::GeometryError> {
                Cylinder::new(size, horizontal_fov_rad, $name).map(|cylinder| Self { cylinder })
            }

            /// The same with the horizon `horizon_px` below the top border, inside the picture or
            /// not: a picture that was cropped at its top or bottom.
            ///
            /// # Errors
            ///
            /// [`PositionNotFinite`](crate::GeometryError::PositionNotFinite) if that is infinite
            /// or not a number.
            pub fn with_horizon(self, horizon_px: f64) -> Result<Self, crate::GeometryError> {
                self.cylinder.with_horizon(horizon_px).map(|cylinder| Self { cylinder })
            }

            /// Size of the picture.
            pub const fn size(&self) -> crate::Size {
                self.cylinder.size()
            }

            /// Whether the picture covers all 360°, so that its right border continues at its left
            /// one.
            pub const fn wraps(&self) -> bool {
                self.cylinder.wraps()
            }
        }
    };
}

pub(crate) use on_cylinder;
