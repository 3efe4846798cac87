//! How far from the centre a lens images a ray.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::scalar::Scalar;

/// The radius of a ray at the angle θ from the axis, in focal lengths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LensCurve {
    /// `θ`: most consumer 360° cameras, and OpenCV's `fisheye` model with its `k1…k4` as
    /// [`Distortion`](crate::Distortion). Up to 360°.
    Equidistant,
    /// `2·sin(θ/2)`: equal areas for equal solid angles. Up to 360°.
    Equisolid,
    /// `sin θ`. Up to 180°.
    Orthographic,
    /// `2·tan(θ/2)`: circles stay circles. Below 360°.
    Stereographic,
    /// `sin θ / (cos θ + ξ)`: the unified sphere model, which Insta360 calibrates its lenses by.
    /// ξ = 0 is rectilinear, 1 stereographic at half the focal length.
    ///
    /// Below `2·acos(−ξ)` for ξ ≤ 1; up to `2·acos(−1/ξ)`, where the curve folds, above. Source:
    /// C. Mei, P. Rives, "Single View Point Omnidirectional Camera Calibration from Planar Grids"
    /// (ICRA 2007).
    UnifiedSphere {
        /// ξ: how far the image's centre of projection is behind that of the sphere; in [0, 1000].
        offset: f64,
    },
}

impl LensCurve {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Equidistant => "an equidistant lens",
            Self::Equisolid => "an equisolid lens",
            Self::Orthographic => "an orthographic lens",
            Self::Stereographic => "a stereographic lens",
            Self::UnifiedSphere { .. } => "a unified sphere lens",
        }
    }

    pub(super) fn is_valid(self) -> bool {
        match self {
            Self::UnifiedSphere { offset } => (0.0..=1000.0).contains(&offset),
            Self::Equidistant | Self::Equisolid | Self::Orthographic | Self::Stereographic => true,
        }
    }

    /// Whether each angle up to `angle_rad` has a radius of its own.
    pub(super) fn shows(self, angle_rad: f64) -> bool {
        angle_rad > 0.0
            && self.radius(angle_rad).is_normal()
            && match self {
                Self::Equidistant | Self::Equisolid => angle_rad <= PI,
                Self::Orthographic => angle_rad <= FRAC_PI_2,
                Self::Stereographic => angle_rad < PI,
                Self::UnifiedSphere { offset } if offset <= 1.0 => angle_rad < (-offset).acos(),
                Self::UnifiedSphere { offset } => angle_rad <= (-1.0 / offset).acos(),
            }
    }

    pub(super) fn radius(self, angle_rad: f64) -> f64 {
        match self {
            Self::Equidistant => angle_rad,
            Self::Equisolid => 2.0 * (angle_rad / 2.0).sin(),
            Self::Orthographic => angle_rad.sin(),
            Self::Stereographic => 2.0 * (angle_rad / 2.0).tan(),
            Self::UnifiedSphere { offset } => angle_rad.sin() / (angle_rad.cos() + offset),
        }
    }

    /// The inverse of [`radius`](Self::radius).
    pub(super) fn angle_rad<S: Scalar>(self, radius: S) -> S {
        match self {
            Self::Equidistant => radius,
            Self::Equisolid => at_most_one(radius / 2.0).asin() * 2.0,
            Self::Orthographic => at_most_one(radius).asin(),
            Self::Stereographic => (radius / 2.0).atan() * 2.0,
            Self::UnifiedSphere { offset } => {
                // Where the line of sight from ξ behind the centre meets the sphere.
                let square = radius * radius;
                let root = square * (1.0 - offset * offset) + 1.0;
                // On the fold the root is 0, or by rounding less.
                let root = if root.value() > 0.0 { root.sqrt() } else { S::constant(0.0) };
                let distance = (root + offset) / (square + 1.0);
                (distance * radius).atan2(distance - offset)
            }
        }
    }

    /// The slope of [`angle_rad`](Self::angle_rad) at 0.
    pub(super) const fn angle_per_radius(self) -> f64 {
        match self {
            Self::Equidistant | Self::Equisolid | Self::Orthographic | Self::Stereographic => 1.0,
            Self::UnifiedSphere { offset } => 1.0 + offset,
        }
    }
}

/// On the border of the field of view rounding may exceed 1.
fn at_most_one<S: Scalar>(sine: S) -> S {
    if sine.value() > 1.0 { S::constant(1.0) } else { sine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_radii() {
        let degrees = f64::to_radians;
        for (curve, angle_rad, expected) in [
            (LensCurve::Equidistant, 1.25, 1.25),
            (LensCurve::Equisolid, degrees(60.0), 1.0),
            (LensCurve::Equisolid, degrees(180.0), 2.0),
            (LensCurve::Orthographic, degrees(30.0), 0.5),
            (LensCurve::Stereographic, degrees(90.0), 2.0),
            (LensCurve::UnifiedSphere { offset: 0.0 }, degrees(45.0), 1.0),
            (LensCurve::UnifiedSphere { offset: 1.0 }, degrees(90.0), 1.0),
            (LensCurve::UnifiedSphere { offset: 2.0 }, degrees(90.0), 0.5),
            // The fold of ξ = 2 is at 120°, at radius 1/√(ξ² − 1).
            (LensCurve::UnifiedSphere { offset: 2.0 }, degrees(120.0), 1.0 / 3.0_f64.sqrt()),
        ] {
            let found = curve.radius(angle_rad);
            assert!((found - expected).abs() < 1e-15, "{curve:?} {angle_rad}: {found}");
            let back = curve.angle_rad(found);
            // At the end of a curve that lies flat, half of the digits are all there is.
            let is_flat = found == 2.0 && curve == LensCurve::Equisolid || expected < 0.6;
            let bound = if is_flat { 1e-7 } else { 1e-15 };
            assert!((back - angle_rad).abs() < bound, "{curve:?} {angle_rad}: {back}");
        }
    }

    #[test]
    fn the_slope_at_the_centre() {
        for curve in [
            LensCurve::Equidistant,
            LensCurve::Equisolid,
            LensCurve::Orthographic,
            LensCurve::Stereographic,
            LensCurve::UnifiedSphere { offset: 1.7 },
        ] {
            let slope = curve.angle_rad(1e-6) / 1e-6;
            assert!((slope - curve.angle_per_radius()).abs() < 1e-9, "{curve:?}: {slope}");
        }
    }
}
