//! Yaw, pitch and roll.

use crate::scalar::Scalar;
use crate::{GeometryError, Ray};

/// Right, up and forward.
const UNIT_AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// How a camera is turned: roll first, then pitch, then yaw, each about the *world's* axes.
///
/// A camera ray becomes `Yaw · Pitch · Roll · ray` in the world. Equivalently the camera turns by
/// yaw about its own up axis, then by pitch about its own right axis, then by roll about its own
/// forward axis. With `s`, `c` the sine and cosine of each angle:
///
/// - roll, clockwise as seen by the viewer: `x' = c·x + s·y`, `y' = −s·x + c·y`. Up leans to the
///   right, so a level horizon turns counter-clockwise in the picture, as GPano's
///   `PoseRollDegrees` says.
/// - pitch, up: `y' = c·y + s·z`, `z' = −s·y + c·z`.
/// - yaw, to the right: `x' = c·x + s·z`, `z' = −s·x + c·z`.
///
/// [`Orientation::IDENTITY`] changes no bit of a ray.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orientation {
    yaw_rad: f64,
    pitch_rad: f64,
    roll_rad: f64,
}

impl Orientation {
    /// No turn at all.
    pub const IDENTITY: Self = Self { yaw_rad: 0.0, pitch_rad: 0.0, roll_rad: 0.0 };

    /// An orientation from angles in radians, of any size.
    ///
    /// # Errors
    ///
    /// [`GeometryError::AngleNotFinite`] if an angle is infinite or not a number.
    pub fn new(yaw_rad: f64, pitch_rad: f64, roll_rad: f64) -> Result<Self, GeometryError> {
        if [yaw_rad, pitch_rad, roll_rad].iter().all(|angle| angle.is_finite()) {
            Ok(Self { yaw_rad, pitch_rad, roll_rad })
        } else {
            Err(GeometryError::AngleNotFinite)
        }
    }

    /// For angles that are known to be finite.
    pub(crate) const fn of_finite(yaw_rad: f64, pitch_rad: f64, roll_rad: f64) -> Self {
        Self { yaw_rad, pitch_rad, roll_rad }
    }

    /// The same from degrees.
    ///
    /// # Errors
    ///
    /// [`GeometryError::AngleNotFinite`] if an angle is infinite or not a number.
    pub fn from_degrees(
        yaw_deg: f64,
        pitch_deg: f64,
        roll_deg: f64,
    ) -> Result<Self, GeometryError> {
        Self::new(yaw_deg.to_radians(), pitch_deg.to_radians(), roll_deg.to_radians())
    }

    /// Yaw in radians, positive right.
    pub const fn yaw_rad(self) -> f64 {
        self.yaw_rad
    }

    /// Pitch in radians, positive up.
    pub const fn pitch_rad(self) -> f64 {
        self.pitch_rad
    }

    /// Roll in radians, positive clockwise as seen by the viewer.
    pub const fn roll_rad(self) -> f64 {
        self.roll_rad
    }

    /// The rotation that takes camera rays to world rays.
    pub fn rotation(self) -> Rotation {
        if self == Self::IDENTITY {
            return Rotation { axes: None };
        }
        Rotation { axes: Some(UNIT_AXES.map(|axis| self.turn(axis))) }
    }

    /// The orientation of a camera that is turned by `inner` inside of something that is itself turned by
    /// this: a ray becomes `self · inner · ray`. What is turned by nothing leaves the other as it is, bit
    /// for bit.
    ///
    /// At a pitch of ±90°, where yaw and roll turn about the same axis, what they do together is kept and
    /// how it is shared between them is arbitrary.
    #[must_use]
    pub fn compose(self, inner: Self) -> Self {
        if self == Self::IDENTITY {
            return inner;
        }
        if inner == Self::IDENTITY {
            return self;
        }
        Self::of_axes(UNIT_AXES.map(|axis| self.turn(inner.turn(axis))))
    }

    /// The orientation that undoes this one.
    #[must_use]
    pub fn inverse(self) -> Self {
        if self == Self::IDENTITY {
            return self;
        }
        let axes = UNIT_AXES.map(|axis| self.turn(axis));
        Self::of_axes(std::array::from_fn(|i| axes.map(|axis| axis[i])))
    }

    /// From the camera's right, up and forward axes in the world.
    fn of_axes([right, up, forward]: [[f64; 3]; 3]) -> Self {
        let yaw_rad = forward[0].atan2(forward[2]);
        let pitch_rad = forward[1].atan2(forward[0].hypot(forward[2]));
        // Where right points without roll; roll is measured from there.
        let (yaw_sin, yaw_cos) = yaw_rad.sin_cos();
        let along_level = |axis: [f64; 3]| axis[0] * yaw_cos - axis[2] * yaw_sin;
        let roll_rad = along_level(up).atan2(along_level(right));
        Self { yaw_rad, pitch_rad, roll_rad }
    }

    fn turn(self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        let (roll_sin, roll_cos) = self.roll_rad.sin_cos();
        let (x, y) = (roll_cos * x + roll_sin * y, roll_cos * y - roll_sin * x);
        let (pitch_sin, pitch_cos) = self.pitch_rad.sin_cos();
        let (y, z) = (pitch_cos * y + pitch_sin * z, pitch_cos * z - pitch_sin * y);
        let (yaw_sin, yaw_cos) = self.yaw_rad.sin_cos();
        [yaw_cos * x + yaw_sin * z, y, yaw_cos * z - yaw_sin * x]
    }
}

/// An orientation made ready to turn many rays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation {
    /// The camera's right, up and forward axes in the world. `None` is the identity: multiplying
    /// by its matrix would turn −0 into +0, and that moves a ray from one side of the seam to the
    /// other.
    axes: Option<[[f64; 3]; 3]>,
}

impl Rotation {
    /// Whether it turns nothing; then it changes no bit of a ray.
    pub const fn is_identity(&self) -> bool {
        self.axes.is_none()
    }

    /// Camera ray → world ray.
    #[must_use]
    pub fn apply(&self, ray: Ray) -> Ray {
        Ray::from_unit(self.apply_to_point(ray.components()))
    }

    /// World ray → camera ray: the inverse of [`Rotation::apply`].
    #[must_use]
    pub fn apply_inverse(&self, ray: Ray) -> Ray {
        let Some(axes) = &self.axes else { return ray };
        let [x, y, z] = ray.components();
        Ray::from_unit(axes.map(|axis| axis[0] * x + axis[1] * y + axis[2] * z))
    }

    /// Turns a point, or any vector, about the origin; its length is kept.
    #[must_use]
    pub fn apply_to_point(&self, point: [f64; 3]) -> [f64; 3] {
        self.turn(point)
    }

    pub(crate) fn turn<S: Scalar>(&self, point: [S; 3]) -> [S; 3] {
        let Some([right, up, forward]) = &self.axes else { return point };
        let [x, y, z] = point;
        std::array::from_fn(|i| x * right[i] + y * up[i] + z * forward[i])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turned(yaw_deg: f64, pitch_deg: f64, roll_deg: f64, axis: [f64; 3]) -> [f64; 3] {
        let orientation = Orientation::from_degrees(yaw_deg, pitch_deg, roll_deg).unwrap();
        orientation.rotation().apply(Ray::through(axis).unwrap()).components()
    }

    const RIGHT: [f64; 3] = [1.0, 0.0, 0.0];
    const UP: [f64; 3] = [0.0, 1.0, 0.0];
    const FORWARD: [f64; 3] = [0.0, 0.0, 1.0];
    const BACK: [f64; 3] = [0.0, 0.0, -1.0];

    #[test]
    fn signs_and_order() {
        for (yaw_deg, pitch_deg, roll_deg, axis, expected) in [
            (90.0, 0.0, 0.0, FORWARD, RIGHT),
            (0.0, 90.0, 0.0, FORWARD, UP),
            (0.0, 0.0, 90.0, UP, RIGHT),
            (0.0, 90.0, 0.0, UP, BACK),
            // Pitch before yaw: looking up stays up whatever the yaw, and only roll is seen there.
            (90.0, 90.0, 0.0, FORWARD, UP),
            // Looking up after turning right, the top of the picture points to the left.
            (90.0, 90.0, 0.0, UP, [-1.0, 0.0, 0.0]),
            // Roll before pitch: up leans right, and pitch then leaves it alone.
            (0.0, 90.0, 90.0, UP, RIGHT),
        ] {
            let found = turned(yaw_deg, pitch_deg, roll_deg, axis);
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-15,
                    "{yaw_deg} {pitch_deg} {roll_deg} {axis:?}"
                );
            }
        }
    }

    #[test]
    fn identity_changes_no_bit() {
        let rotation = Orientation::IDENTITY.rotation();
        let ray = Ray::from_unit([-0.0, 0.1, -1.0]);
        for same in [rotation.apply(ray), rotation.apply_inverse(ray)] {
            assert_eq!(same.components().map(f64::to_bits), ray.components().map(f64::to_bits));
        }
    }

    #[test]
    fn not_finite_is_refused() {
        assert_eq!(Orientation::new(f64::NAN, 0.0, 0.0), Err(GeometryError::AngleNotFinite));
        assert_eq!(Orientation::new(0.0, 0.0, f64::INFINITY), Err(GeometryError::AngleNotFinite));
    }

    #[test]
    fn turned_by_nothing_is_the_same_bit_for_bit() {
        let turned = Orientation::from_degrees(190.0, -100.0, 5.0).unwrap();
        assert_eq!(turned.compose(Orientation::IDENTITY), turned);
        assert_eq!(Orientation::IDENTITY.compose(turned), turned);
        assert_eq!(Orientation::IDENTITY.inverse(), Orientation::IDENTITY);
    }

    proptest! {
        #[test]
        fn orientations_compose_as_their_rotations_do(
            outer in prop::array::uniform3(-7.0..7.0), inner in prop::array::uniform3(-7.0..7.0),
            straight_up in any::<bool>(), a in -3.0..3.0, b in -1.5..1.5,
        ) {
            let of = |[yaw, pitch, roll]: [f64; 3]| Orientation::new(yaw, pitch, roll).unwrap();
            let outer = of([outer[0], if straight_up { std::f64::consts::FRAC_PI_2 } else { outer[1] }, outer[2]]);
            let inner = of(inner);
            let ray = Ray::from_angles(a, b);
            let expected = outer.rotation().apply(inner.rotation().apply(ray));
            let found = outer.compose(inner).rotation().apply(ray);
            prop_assert!(found.angle_rad(expected) < 1e-14);
            let back = outer.inverse().rotation().apply(outer.rotation().apply(ray));
            prop_assert!(back.angle_rad(ray) < 1e-14);
        }

        #[test]
        fn inverse_undoes(yaw in -7.0..7.0, pitch in -7.0..7.0, roll in -7.0..7.0, a in -3.0..3.0, b in -1.5..1.5) {
            let rotation = Orientation::new(yaw, pitch, roll).unwrap().rotation();
            let ray = Ray::from_angles(a, b);
            prop_assert!(rotation.apply_inverse(rotation.apply(ray)).angle_rad(ray) < 1e-15);
        }
    }
}
