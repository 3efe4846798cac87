//! How an attempt got on, as few numbers.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Milliseconds from an attempt's start at which each twentieth of its work was first done: the first number belongs to
/// 5 %, the last to 100 %. It never goes back, and ends with how far the attempt came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<u64>")]
#[schemars(with = "Vec<u64>")]
pub struct Curve(Vec<u64>);

/// Why numbers are no curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCurve {
    /// There are more than a whole has.
    #[error("a curve has at most {} numbers", Curve::PARTS)]
    TooMany,
    /// One is smaller than the one before.
    #[error("a curve never goes back")]
    Falling,
}

impl Curve {
    /// The parts of the whole.
    pub const PARTS: usize = 20;

    /// Whether not even the first part was done.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that a share of the work, [0, 1], is done so long after the start. What was done before stays done.
    pub fn note(&mut self, fraction: f64, after: Duration) {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let after = self.0.last().map_or(after, |last| after.max(*last));
        let done =
            (1..=Self::PARTS).take_while(|part| *part as f64 <= fraction * Self::PARTS as f64);
        let done = done.count().max(self.0.len());
        self.0.resize(done, after);
    }

    /// When each part was done, after the start; the first is the first twentieth.
    pub fn passed(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().map(|ms| Duration::from_millis(*ms))
    }
}

impl TryFrom<Vec<u64>> for Curve {
    type Error = BadCurve;

    fn try_from(passed: Vec<u64>) -> Result<Self, BadCurve> {
        if passed.len() > Self::PARTS {
            return Err(BadCurve::TooMany);
        }
        if !passed.is_sorted() {
            return Err(BadCurve::Falling);
        }
        Ok(Self(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(said: &[(f64, u64)]) -> String {
        let mut curve = Curve::default();
        for (fraction, ms) in said {
            curve.note(*fraction, Duration::from_millis(*ms));
        }
        serde_json::to_string(&curve).unwrap()
    }

    #[test]
    fn each_part_keeps_when_it_was_first_done() {
        assert_eq!(noted(&[(0.049, 10)]), "[]");
        assert_eq!(noted(&[(0.05, 10), (0.09, 20), (0.1, 30)]), "[10,30]");
        assert_eq!(noted(&[(0.2, 7)]), "[7,7,7,7]", "parts that are done at once");
        assert_eq!(noted(&[(0.1, 30), (0.05, 40), (0.15, 50)]), "[30,30,50]", "back is no news");
        assert_eq!(noted(&[(0.05, 30), (0.1, 20)]), "[30,30]", "a clock that goes back");
        assert_eq!(noted(&[(f64::NAN, 1), (-1.0, 1)]), "[]");
        assert_eq!(noted(&[(9.0, 1)]), format!("[{}1]", "1,".repeat(19)), "no more than all");
    }

    #[test]
    fn numbers_that_are_no_curve_are_refused() {
        let read =
            |text: &str| serde_json::from_str::<Curve>(text).map_err(|error| error.to_string());
        assert!(read("[1,1,2]").unwrap().passed().eq([1, 1, 2].map(Duration::from_millis)));
        assert_eq!(read("[2,1]").unwrap_err(), "a curve never goes back");
        let long = serde_json::to_string(&vec![1; Curve::PARTS + 1]).unwrap();
        assert_eq!(read(&long).unwrap_err(), "a curve has at most 20 numbers");
    }
}
