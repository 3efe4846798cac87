//! Unit vectors.

use crate::scalar::Scalar;

/// A direction from the viewer: a unit vector, `x` right, `y` up, `z` forward.
///
/// Its length is 1 within a few units in the last place; no mapping in this crate depends on more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ray {
    x: f64,
    y: f64,
    z: f64,
}

impl Ray {
    /// Straight ahead: yaw 0, pitch 0.
    pub const FORWARD: Self = Self { x: 0.0, y: 0.0, z: 1.0 };

    /// The ray through the point `[x, y, z]`, or `None` if that is the origin or not finite.
    pub fn through(point: [f64; 3]) -> Option<Self> {
        let [x, y, z] = point;
        let length = (x * x + y * y + z * z).sqrt();
        (length.is_normal()).then(|| Self { x: x / length, y: y / length, z: z / length })
    }

    /// Where yaw grows and where pitch grows: unit vectors across this ray, at a right angle to each
    /// other. At a pole they are those of the meridian of yaw 0.
    pub(crate) fn east_and_north(self) -> [[f64; 3]; 2] {
        let across = self.x.hypot(self.z);
        let (sin, cos) = if across > 0.0 { (self.x / across, self.z / across) } else { (0.0, 1.0) };
        [[cos, 0.0, -sin], [-self.y * sin, across, -self.y * cos]]
    }

    /// A vector that is of unit length by construction.
    pub(crate) const fn from_unit([x, y, z]: [f64; 3]) -> Self {
        Self { x, y, z }
    }

    /// The ray at `yaw_rad` (positive right) and `pitch_rad` (positive up).
    ///
    /// A pitch beyond ±π/2 goes over the pole and down the other side.
    pub fn from_angles(yaw_rad: f64, pitch_rad: f64) -> Self {
        Self::from_unit(unit_at(yaw_rad, pitch_rad))
    }

    /// Rightward component, in [−1, 1].
    pub const fn x(self) -> f64 {
        self.x
    }

    /// Upward component, in [−1, 1].
    pub const fn y(self) -> f64 {
        self.y
    }

    /// Forward component, in [−1, 1].
    pub const fn z(self) -> f64 {
        self.z
    }

    /// `[x, y, z]`.
    pub const fn components(self) -> [f64; 3] {
        [self.x, self.y, self.z]
    }

    /// Yaw in [−π, π], positive right; 0 at both poles, where it has no meaning.
    pub fn yaw_rad(self) -> f64 {
        self.x.atan2(self.z)
    }

    /// Pitch in [−π/2, π/2], positive up.
    ///
    /// The arc tangent keeps full precision at the poles, where an arc sine of `y` loses half of
    /// the digits.
    pub fn pitch_rad(self) -> f64 {
        self.y.atan2(self.x.hypot(self.z))
    }

    /// The angle to `other`, in [0, π]; accurate for small angles too.
    pub fn angle_rad(self, other: Self) -> f64 {
        let apart = length([self.x - other.x, self.y - other.y, self.z - other.z]);
        let across = length([self.x + other.x, self.y + other.y, self.z + other.z]);
        2.0 * apart.atan2(across)
    }
}

/// The unit vector through a point that is known to be at least 1 away from the origin.
pub(crate) fn unit_through<S: Scalar>([x, y, z]: [S; 3]) -> [S; 3] {
    let length = (x * x + y * y + z * z).sqrt();
    [x / length, y / length, z / length]
}

/// The unit vector at a yaw and a pitch.
pub(crate) fn unit_at<S: Scalar>(yaw_rad: S, pitch_rad: S) -> [S; 3] {
    let (yaw_sin, yaw_cos) = yaw_rad.sin_cos();
    let (pitch_sin, pitch_cos) = pitch_rad.sin_cos();
    [pitch_cos * yaw_sin, pitch_sin, pitch_cos * yaw_cos]
}

fn length([x, y, z]: [f64; 3]) -> f64 {
    (x * x + y * y + z * z).sqrt()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_2, PI};

    use super::*;

    #[test]
    fn angles_name_the_axes() {
        for (yaw_rad, pitch_rad, expected) in [
            (0.0, 0.0, [0.0, 0.0, 1.0]),
            (FRAC_PI_2, 0.0, [1.0, 0.0, 0.0]),
            (-FRAC_PI_2, 0.0, [-1.0, 0.0, 0.0]),
            (PI, 0.0, [0.0, 0.0, -1.0]),
            (0.0, FRAC_PI_2, [0.0, 1.0, 0.0]),
            (1.0, -FRAC_PI_2, [0.0, -1.0, 0.0]),
        ] {
            let ray = Ray::from_angles(yaw_rad, pitch_rad);
            let expected = Ray::through(expected).expect("an axis");
            assert!(ray.angle_rad(expected) < 1e-15, "{yaw_rad} {pitch_rad}: {ray:?}");
        }
    }

    #[test]
    fn small_angles_keep_their_digits() {
        let tilted = Ray::from_angles(0.0, 1e-9);
        assert!((tilted.angle_rad(Ray::FORWARD) - 1e-9).abs() < 1e-20);
        let near_pole = Ray::from_angles(0.3, FRAC_PI_2 - 1e-9);
        assert!((near_pole.pitch_rad() - (FRAC_PI_2 - 1e-9)).abs() < 1e-15);
        assert!((near_pole.yaw_rad() - 0.3).abs() < 1e-6);
    }

    #[test]
    fn no_ray_through_the_origin() {
        assert_eq!(Ray::through([0.0; 3]), None);
        assert_eq!(Ray::through([f64::NAN, 0.0, 1.0]), None);
        assert_eq!(Ray::through([f64::INFINITY, 0.0, 1.0]), None);
    }
}
