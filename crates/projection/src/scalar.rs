//! Numbers that a projection is computed with: plain ones, and ones that carry derivatives.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a pixel → ray function needs of a number.
///
/// Every projection writes that function once, for any scalar. With `f64` it gives the ray; with
/// [`Dual`] it gives the ray and its exact derivatives, so that no local scale and no solid angle
/// has a second formula that could disagree with the first.
pub(crate) trait Scalar:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + Neg<Output = Self>
{
    /// A constant.
    fn constant(value: f64) -> Self;
    /// The number without its derivatives.
    fn value(self) -> f64;
    fn sin_cos(self) -> (Self, Self);
    fn tan(self) -> Self;
    fn asin(self) -> Self;
    fn atan(self) -> Self;
    /// The angle of the point (`x`, `self`).
    fn atan2(self, x: Self) -> Self;
    fn sinh(self) -> Self;
    fn sqrt(self) -> Self;
}

impl Scalar for f64 {
    fn constant(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn sin_cos(self) -> (Self, Self) {
        self.sin_cos()
    }

    fn tan(self) -> Self {
        self.tan()
    }

    fn asin(self) -> Self {
        self.asin()
    }

    fn atan(self) -> Self {
        self.atan()
    }

    fn atan2(self, x: Self) -> Self {
        self.atan2(x)
    }

    fn sinh(self) -> Self {
        self.sinh()
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }
}

/// A number and its derivatives by the pixel's `x` and `y` (forward-mode differentiation).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dual {
    pub(crate) value: f64,
    pub(crate) by_x: f64,
    pub(crate) by_y: f64,
}

impl Dual {
    /// The pixel's own `x`.
    pub(crate) const fn x(value: f64) -> Self {
        Self { value, by_x: 1.0, by_y: 0.0 }
    }

    /// The pixel's own `y`.
    pub(crate) const fn y(value: f64) -> Self {
        Self { value, by_x: 0.0, by_y: 1.0 }
    }

    /// `f(self)`, where `f` has `value` and `slope` there.
    fn chain(self, value: f64, slope: f64) -> Self {
        Self { value, by_x: slope * self.by_x, by_y: slope * self.by_y }
    }
}

impl Scalar for Dual {
    fn constant(value: f64) -> Self {
        Self { value, by_x: 0.0, by_y: 0.0 }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn sin_cos(self) -> (Self, Self) {
        let (sin, cos) = self.value.sin_cos();
        (self.chain(sin, cos), self.chain(cos, -sin))
    }

    fn tan(self) -> Self {
        let tan = self.value.tan();
        self.chain(tan, 1.0 + tan * tan)
    }

    fn asin(self) -> Self {
        self.chain(self.value.asin(), 1.0 / (1.0 - self.value * self.value).sqrt())
    }

    fn atan(self) -> Self {
        self.chain(self.value.atan(), 1.0 / (1.0 + self.value * self.value))
    }

    fn atan2(self, x: Self) -> Self {
        let square = self.value * self.value + x.value * x.value;
        let (by_self, by_x) = (x.value / square, -self.value / square);
        Self {
            value: self.value.atan2(x.value),
            by_x: by_self * self.by_x + by_x * x.by_x,
            by_y: by_self * self.by_y + by_x * x.by_y,
        }
    }

    fn sinh(self) -> Self {
        self.chain(self.value.sinh(), self.value.cosh())
    }

    fn sqrt(self) -> Self {
        let sqrt = self.value.sqrt();
        self.chain(sqrt, 0.5 / sqrt)
    }
}

impl Add for Dual {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            by_x: self.by_x + other.by_x,
            by_y: self.by_y + other.by_y,
        }
    }
}

impl Sub for Dual {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            by_x: self.by_x - other.by_x,
            by_y: self.by_y - other.by_y,
        }
    }
}

impl Mul for Dual {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            by_x: self.by_x * other.value + self.value * other.by_x,
            by_y: self.by_y * other.value + self.value * other.by_y,
        }
    }
}

impl Div for Dual {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self {
            value,
            by_x: (self.by_x - value * other.by_x) / other.value,
            by_y: (self.by_y - value * other.by_y) / other.value,
        }
    }
}

impl Neg for Dual {
    type Output = Self;

    fn neg(self) -> Self {
        Self { value: -self.value, by_x: -self.by_x, by_y: -self.by_y }
    }
}

impl Add<f64> for Dual {
    type Output = Self;

    fn add(self, constant: f64) -> Self {
        Self { value: self.value + constant, ..self }
    }
}

impl Sub<f64> for Dual {
    type Output = Self;

    fn sub(self, constant: f64) -> Self {
        Self { value: self.value - constant, ..self }
    }
}

impl Mul<f64> for Dual {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.chain(self.value * factor, factor)
    }
}

impl Div<f64> for Dual {
    type Output = Self;

    fn div(self, divisor: f64) -> Self {
        self.chain(self.value / divisor, 1.0 / divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything a scalar can do, in one function.
    fn everything<S: Scalar>(x: S, y: S) -> S {
        let (sin, cos) = (x * 0.7 + y).sin_cos();
        let angles = (sin * 0.5).asin() + (x - y).atan() * (y / 3.0).tan() - sin.atan2(cos + 2.0);
        (angles * angles + x * y + 1.0).sqrt() / ((-y).sinh() + 4.0) - x
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for (x, y) in [(0.1, 0.2), (-0.6, 1.1), (0.9, -0.8), (1.4, 0.3)] {
            let exact = everything(Dual::x(x), Dual::y(y));
            assert_eq!(exact.value.to_bits(), everything(x, y).to_bits(), "{x} {y}");
            let h = 1e-5;
            let by_x = (everything(x + h, y) - everything(x - h, y)) / (2.0 * h);
            let by_y = (everything(x, y + h) - everything(x, y - h)) / (2.0 * h);
            assert!((exact.by_x - by_x).abs() < 1e-8, "{x} {y}: {exact:?} {by_x}");
            assert!((exact.by_y - by_y).abs() < 1e-8, "{x} {y}: {exact:?} {by_y}");
        }
    }
}
