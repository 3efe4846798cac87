//! The least value of a polynomial on an interval.

/// The least value on [0, `end`] of the polynomial with these coefficients, the constant first; not
/// a number if any value met on the way is not.
pub(super) fn minimum(coefficients: &[f64], end: f64) -> f64 {
    let knots = [vec![0.0], sign_changes(&derivative(coefficients), end), vec![end]].concat();
    let values = knots.into_iter().map(|at| value(coefficients, at));
    values.fold(
        f64::INFINITY,
        |least, value| {
            if value.is_nan() || value < least { value } else { least }
        },
    )
}

pub(super) fn value(coefficients: &[f64], at: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * at + coefficient)
}

fn derivative(coefficients: &[f64]) -> Vec<f64> {
    coefficients.iter().enumerate().skip(1).map(|(power, c)| f64::from(power as u32) * c).collect()
}

/// Where the polynomial changes its sign in (0, `end`), in order: between two neighbouring sign
/// changes of its derivative it is monotone, so that halving finds the only one.
fn sign_changes(coefficients: &[f64], end: f64) -> Vec<f64> {
    if coefficients.len() < 2 {
        return Vec::new();
    }
    let turns = sign_changes(&derivative(coefficients), end);
    let knots = [vec![0.0], turns, vec![end]].concat();
    knots.windows(2).filter_map(|ends| halve(coefficients, ends[0], ends[1])).collect()
}

fn halve(coefficients: &[f64], mut low: f64, mut high: f64) -> Option<f64> {
    let starts_below = value(coefficients, low) < 0.0;
    if starts_below == (value(coefficients, high) < 0.0) {
        return None;
    }
    loop {
        let middle = low + (high - low) / 2.0;
        // The interval has become two neighbouring numbers, which takes at most 2,100 steps.
        if !(middle > low && middle < high) {
            return Some(middle);
        }
        if (value(coefficients, middle) < 0.0) == starts_below {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_values() {
        // (x − 1)·(x − 2)·(x − 3) = −6 + 11·x − 6·x² + x³, least at 2 + 1/√3 where it is −2/(3·√3).
        let cubic = [-6.0, 11.0, -6.0, 1.0];
        let inner = -2.0 / (3.0 * 3.0_f64.sqrt());
        for (coefficients, end, expected) in [
            (&cubic[..], 4.0, -6.0),
            (&[6.0, -11.0, 6.0, -1.0], 4.0, -6.0),
            (&[6.0, -11.0, 6.0, -1.0], 3.5, -1.875),
            (&[6.0, -11.0, 6.0, -1.0], 2.0, inner),
            (&[3.0], 7.0, 3.0),
            (&[1.0, 0.0, -2.0, 0.0, 1.0], 3.0, 0.0),
            (&[1.0, 0.0, -2.0, 0.0, 1.0], 0.5, 0.5625),
        ] {
            let found = minimum(coefficients, end);
            assert!((found - expected).abs() < 1e-12, "{coefficients:?} {end}: {found}");
        }
        assert!(minimum(&[1.0, f64::NAN, 1.0], 1.0).is_nan());
        assert!(minimum(&[1.0, 1e308, -1e308], 1e10) < 0.0);
    }
}
