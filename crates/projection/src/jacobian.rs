//! Local scale: how far pixels and rays move with each other.

/// The derivative of a mapping at a point: a 2×2 matrix.
///
/// What its rows and columns mean is said by the function that returns it. Across a sphere, the
/// two directions are *east* (yaw grows) and *north* (pitch grows), both in radians of arc, so a
/// step east is `cos pitch · Δyaw`. At a pole they are those of the meridian of yaw 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jacobian {
    rows: [[f64; 2]; 2],
}

impl Jacobian {
    /// The matrix with these rows.
    pub const fn new(rows: [[f64; 2]; 2]) -> Self {
        Self { rows }
    }

    /// The rows: `rows()[i][j]` is the derivative of output `i` by input `j`.
    pub const fn rows(self) -> [[f64; 2]; 2] {
        self.rows
    }

    /// The determinant: the factor of areas, negative where the mapping mirrors.
    pub fn determinant(self) -> f64 {
        let [[a, b], [c, d]] = self.rows;
        a * d - b * c
    }

    /// The matrix of the inverse mapping, or `None` where there is none that is finite.
    pub fn inverse(self) -> Option<Self> {
        let [[a, b], [c, d]] = self.rows;
        let determinant = self.determinant();
        let rows = [[d / determinant, -b / determinant], [-c / determinant, a / determinant]];
        rows.iter().flatten().all(|entry| entry.is_finite()).then_some(Self { rows })
    }

    /// The matrix of doing `first` and then this: `self · first`.
    #[must_use]
    pub fn after(self, first: Self) -> Self {
        let [[a, b], [c, d]] = self.rows;
        let [[e, f], [g, h]] = first.rows;
        Self { rows: [[a * e + b * g, a * f + b * h], [c * e + d * g, c * f + d * h]] }
    }

    /// The factors along the direction that is stretched most and the one that is stretched least
    /// (the singular values), the larger one first. Neither is negative.
    ///
    /// A pixel's footprint is an ellipse with these half axes.
    pub fn scales(self) -> [f64; 2] {
        let [[a, b], [c, d]] = self.rows;
        // Singular values of a 2×2 matrix are the sum and the difference of the lengths of its
        // conformal and anti-conformal parts.
        let conformal = (a + d).hypot(c - b) / 2.0;
        let mirrored = (a - d).hypot(b + c) / 2.0;
        [conformal + mirrored, (conformal - mirrored).abs()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_of_a_turned_stretch() {
        for angle in [0.0_f64, 0.3, 1.2, 2.9] {
            let (sin, cos) = angle.sin_cos();
            let turn = Jacobian::new([[cos, -sin], [sin, cos]]);
            for stretch in [[[3.0, 0.0], [0.0, 0.5]], [[-3.0, 0.0], [0.0, 0.5]]] {
                let both = turn.after(Jacobian::new(stretch)).after(turn);
                let [most, least] = both.scales();
                assert!((most - 3.0).abs() < 1e-14 && (least - 0.5).abs() < 1e-14);
                assert!((both.determinant().abs() - 1.5).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn inverse_undoes() {
        let matrix = Jacobian::new([[2.0, 1.0], [-3.0, 4.0]]);
        let one = matrix.after(matrix.inverse().unwrap()).rows();
        for (found, expected) in one.iter().flatten().zip([1.0, 0.0, 0.0, 1.0]) {
            assert!((found - expected).abs() < 1e-15);
        }
        assert_eq!(Jacobian::new([[1.0, 2.0], [2.0, 4.0]]).inverse(), None);
        assert_eq!(Jacobian::new([[f64::NAN, 2.0], [2.0, 4.0]]).inverse(), None);
    }
}
