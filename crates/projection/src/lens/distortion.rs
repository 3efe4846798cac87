//! What a real lens does besides its curve, and how to undo it.

use super::BORDER_TOLERANCE;
use super::polynomial::{minimum, value};
use crate::GeometryError;
use crate::scalar::Scalar;

/// Of the scale in the centre, this much must be left everywhere, along the radius and around it.
const SLOPE_MIN: f64 = 1e-3;

/// Halvings after which no `f64` bracket is left to halve, with Newton's steps between them.
const RADIAL_STEPS_MAX: u32 = 128;

/// Steps of Newton's method, which doubles the digits of a good guess in each.
const NEWTON_STEPS_MAX: u32 = 8;

/// The tangential part at least halves its error in each step: enough for every digit.
const TANGENTIAL_STEPS_MAX: u32 = 64;

/// Radial and tangential distortion (Brown and Conrady), in focal lengths from the centre.
///
/// With `r² = x² + y²`, `x` right and `y` down, and `g = 1 + k1·r² + k2·r⁴ + k3·r⁶ + k4·r⁸`:
///
/// - `x' = x·g + 2·p1·x·y + p2·(r² + 2·x²)`
/// - `y' = y·g + p1·(r² + 2·y²) + 2·p2·x·y`
///
/// Around an [`Equidistant`](crate::LensCurve::Equidistant) curve `k1…k4` are those of OpenCV's
/// `fisheye` module; around a [`UnifiedSphere`](crate::LensCurve::UnifiedSphere), `k` and `p` are
/// those of its `omnidir` module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distortion {
    /// `k1`, `k2`, `k3`, `k4`.
    pub radial: [f64; 4],
    /// `p1`, `p2`.
    pub tangential: [f64; 2],
}

impl Distortion {
    /// A perfect lens.
    pub const NONE: Self = Self { radial: [0.0; 4], tangential: [0.0; 2] };

    pub(super) fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [p1, p2] = self.tangential;
        let square = x * x + y * y;
        let radial = value(&self.growth(), square);
        let along = 2.0 * (p2 * x + p1 * y);
        [x * radial + p2 * square + along * x, y * radial + p1 * square + along * y]
    }

    /// The derivative of [`apply`](Self::apply): a symmetric matrix, by its entries `xx`, `xy`,
    /// `yy`.
    fn slopes(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        let [p1, p2] = self.tangential;
        let square = x * x + y * y;
        let radial = value(&self.growth(), square);
        let [k1, k2, k3, k4] = self.radial;
        let twist = 2.0 * value(&[k1, 2.0 * k2, 3.0 * k3, 4.0 * k4], square);
        [
            radial + twist * x * x + 2.0 * p1 * y + 6.0 * p2 * x,
            twist * x * y + 2.0 * (p1 * x + p2 * y),
            radial + twist * y * y + 6.0 * p1 * y + 2.0 * p2 * x,
        ]
    }

    /// `g` as a polynomial in r²: the scale around the centre.
    const fn growth(&self) -> [f64; 5] {
        let [k1, k2, k3, k4] = self.radial;
        [1.0, k1, k2, k3, k4]
    }

    /// `d(r·g)/dr` as a polynomial in r²: the scale along the radius.
    fn stretch(&self) -> [f64; 5] {
        let [k1, k2, k3, k4] = self.radial;
        [1.0, 3.0 * k1, 5.0 * k2, 7.0 * k3, 9.0 * k4]
    }
}

/// A distortion that is known to be one to one up to a radius, and so can be undone.
///
/// The radial part grows at least `m` times as fast as the radius, in every direction; the
/// tangential part changes at most `6·|p|·r` as fast (its derivative is symmetric, with the
/// eigenvalues `4·p·v ± 2·|p|·|v|`). If that is less than half of `m`, then undoing only the radial
/// part, again and again, of what the tangential part leaves halves the error each time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Undistortion {
    distortion: Distortion,
    /// The largest radius before distortion, and where the radial part puts it.
    radius_max: f64,
    distorted_max: f64,
}

impl Undistortion {
    /// Undoes `distortion` of radii up to `radius_max`; `None` if there is nothing to undo.
    pub(super) fn new(
        distortion: Distortion,
        radius_max: f64,
    ) -> Result<Option<Self>, GeometryError> {
        if distortion == Distortion::NONE {
            return Ok(None);
        }
        let square_max = radius_max * radius_max;
        let around = minimum(&distortion.growth(), square_max);
        let along = minimum(&distortion.stretch(), square_max);
        let [p1, p2] = distortion.tangential;
        let tangential = 6.0 * p1.hypot(p2) * radius_max;
        let distorted_max = radius_max * value(&distortion.growth(), square_max);
        // Asked so that what is not a number is refused.
        if around >= SLOPE_MIN
            && along >= SLOPE_MIN
            && tangential <= 0.5 * around.min(along)
            && distorted_max.is_finite()
        {
            Ok(Some(Self { distortion, radius_max, distorted_max }))
        } else {
            Err(GeometryError::DistortionFolds)
        }
    }

    /// Where a point was before distortion, or `None` if that is beyond the largest radius.
    pub(super) fn undo<S: Scalar>(&self, distorted: [S; 2]) -> Option<[S; 2]> {
        let target = distorted.map(Scalar::value);
        let tolerance = BORDER_TOLERANCE * (1.0 + self.distorted_max);
        // The tangential part moves a point by no more than 3·|p|·r².
        let [p1, p2] = self.distortion.tangential;
        let moved_max = 3.0 * p1.hypot(p2) * self.radius_max * self.radius_max;
        let is_near = target[0].hypot(target[1]) <= self.distorted_max + moved_max + tolerance;
        if !is_near {
            return None;
        }
        let found = self.step_to(target).unwrap_or_else(|| self.solve(target));
        let [x, y] = self.distortion.apply(found);
        let is_found = (x - target[0]).hypot(y - target[1]) <= tolerance;
        if !is_found {
            return None;
        }
        // One step of Newton's method, with derivatives: it makes the derivatives exact.
        let [xx, xy, yy] = self.distortion.slopes(found);
        let determinant = xx * yy - xy * xy;
        let (left_x, left_y) = (distorted[0] - x, distorted[1] - y);
        Some([
            (left_x * yy - left_y * xy) / determinant + found[0],
            (left_y * xx - left_x * xy) / determinant + found[1],
        ])
    }

    /// Newton's method in two dimensions: a few steps lead nearly everywhere, with no promise. What
    /// it finds within the largest radius is the point, because there is no other.
    fn step_to(&self, target: [f64; 2]) -> Option<[f64; 2]> {
        let close = 4.0 * f64::EPSILON * target[0].hypot(target[1]);
        let mut found = target;
        for _ in 0..NEWTON_STEPS_MAX {
            let [x, y] = self.distortion.apply(found);
            let (left_x, left_y) = (target[0] - x, target[1] - y);
            if left_x.hypot(left_y) <= close {
                return (found[0].hypot(found[1]) <= self.radius_max).then_some(found);
            }
            let [xx, xy, yy] = self.distortion.slopes(found);
            let determinant = xx * yy - xy * xy;
            found[0] += (left_x * yy - left_y * xy) / determinant;
            found[1] += (left_y * xx - left_x * xy) / determinant;
        }
        None
    }

    /// The point by steps that cannot fail: see [`Undistortion`].
    fn solve(&self, target: [f64; 2]) -> [f64; 2] {
        let [p1, p2] = self.distortion.tangential;
        let mut found = self.undo_radial(target);
        if (p1, p2) == (0.0, 0.0) {
            return found;
        }
        for _ in 0..TANGENTIAL_STEPS_MAX {
            let [x, y] = found;
            let square = x * x + y * y;
            let along = 2.0 * (p2 * x + p1 * y);
            let next = self.undo_radial([
                target[0] - p2 * square - along * x,
                target[1] - p1 * square - along * y,
            ]);
            let moved = (next[0] - x).hypot(next[1] - y);
            found = next;
            if moved <= f64::EPSILON * self.radius_max {
                break;
            }
        }
        found
    }

    /// Undoes the radial part alone; what lies beyond the largest radius is put there.
    fn undo_radial(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let target = x.hypot(y);
        if target == 0.0 {
            return [0.0, 0.0];
        }
        let scale = self.radius(target) / target;
        [x * scale, y * scale]
    }

    /// The radius that the radial part puts at `target`: Newton's method, kept in a bracket that
    /// is halved whenever a step would leave it or gains too little.
    fn radius(&self, target: f64) -> f64 {
        if target >= self.distorted_max {
            return self.radius_max;
        }
        let (growth, stretch) = (self.distortion.growth(), self.distortion.stretch());
        let (mut low, mut high) = (0.0, self.radius_max);
        let mut radius = target.min(self.radius_max);
        let mut last_step = self.radius_max;
        for _ in 0..RADIAL_STEPS_MAX {
            let square = radius * radius;
            let excess = radius * value(&growth, square) - target;
            if excess > 0.0 {
                high = radius;
            } else {
                low = radius;
            }
            let step = excess / value(&stretch, square);
            let small = f64::EPSILON * radius;
            if step.abs() <= small || high - low <= small {
                break;
            }
            let next = radius - step;
            // A step that does not halve the last one is not converging.
            let is_good = next > low && next < high && step.abs() <= 0.5 * last_step;
            (last_step, radius) = if is_good {
                (step.abs(), next)
            } else {
                ((high - low) / 2.0, low + (high - low) / 2.0)
            };
        }
        radius
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// The sure way and the quick one lead to the same point, wherever it is.
        #[test]
        fn both_ways_back_agree(
            k1 in -0.5..0.8, k2 in -0.3..0.5, k3 in -0.2..0.2, k4 in -0.05..20.0,
            p1 in -0.08..0.08, p2 in -0.08..0.08, radius_max in 0.1..2.5,
            off_axis in 0.0..=1.0_f64, around in -4.0..4.0_f64,
        ) {
            let distortion = Distortion { radial: [k1, k2, k3, k4], tangential: [p1, p2] };
            let Ok(Some(made)) = Undistortion::new(distortion, radius_max) else { return Ok(()) };
            let (sin, cos) = around.sin_cos();
            let radius: f64 = off_axis * radius_max;
            let point = [radius * cos, radius * sin];
            let target = distortion.apply(point);
            for found in [Some(made.solve(target)), made.step_to(target)].into_iter().flatten() {
                let apart = (found[0] - point[0]).hypot(found[1] - point[1]);
                prop_assert!(apart < 1e-11, "{found:?} {point:?}");
            }
        }
    }

    /// Nothing is found beyond the largest radius, on either way.
    #[test]
    fn what_lies_outside_is_not_found() {
        let distortion = Distortion { radial: [0.1, -0.02, 0.0, 0.0], tangential: [0.004, -0.003] };
        let made = Undistortion::new(distortion, 1.2).unwrap().unwrap();
        for step in 0..64 {
            let (sin, cos) = (f64::from(step) / 10.0).sin_cos();
            let at = |radius: f64| made.undo(distortion.apply([radius * cos, radius * sin]));
            assert!(at(1.2 - 1e-9).is_some() && at(1.2).is_some());
            assert_eq!([at(1.2 + 1e-9), at(1.5), at(40.0)], [None; 3], "{step}");
        }
    }
}
