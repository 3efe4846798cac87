//! How much more light one lens let in than the other.

use super::ring::{Ring, Strips};
use crate::Transfer;

/// Values near black and white say nothing of light: noise, and what is clipped.
const TOLD: std::ops::RangeInclusive<f32> = 10.0..=244.0;

/// What both lenses see must have as many samples that tell something.
const SAMPLES_MIN: usize = 200;

/// Two stops either way; more is not an exposure, but another scene.
const GAIN_MAX: f64 = 4.0;

/// Samples that are looked at, at most.
const SAMPLES_MAX: usize = 200_000;

/// What the light of the second lens is multiplied with, a number for each channel; values are sRGB's.
pub(super) struct Gains {
    values: Vec<f64>,
    tables: Vec<[f32; 256]>,
}

impl Gains {
    pub(super) fn none(channels: usize) -> Self {
        Self::new(vec![1.0; channels])
    }

    /// For each channel the median ratio of light where both lenses see the same. Most of it is: what moved, what
    /// is near and lies elsewhere for either lens, and flares are fewer.
    pub(super) fn of(strips: &Strips, ring: &Ring) -> Self {
        let [first, second] = &strips.lenses;
        let every = (ring.columns() * ring.rows()).div_ceil(SAMPLES_MAX);
        let gain = |channel: usize| {
            let mut ratios = Vec::new();
            for column in (0..ring.columns()).step_by(every) {
                for row in ring.shared_rows(column) {
                    let pair =
                        [&first[channel], &second[channel]].map(|field| field.at(column, row));
                    if pair.iter().all(|value| TOLD.contains(value)) {
                        let [one, other] = pair.map(|value| light(value.into()));
                        ratios.push((one / other).ln());
                    }
                }
            }
            if ratios.len() < SAMPLES_MIN {
                return 1.0;
            }
            let middle = ratios.len() / 2;
            let (_, median, _) = ratios.select_nth_unstable_by(middle, f64::total_cmp);
            median.exp().clamp(1.0 / GAIN_MAX, GAIN_MAX)
        };
        Self::new((0..first.len()).map(gain).collect())
    }

    fn new(values: Vec<f64>) -> Self {
        let table =
            |gain: &f64| std::array::from_fn(|value| stored(*gain * light(value as f64)) as f32);
        Self { tables: values.iter().map(table).collect(), values }
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// A value of the second lens as the first would have it; more than 255 is beyond white.
    pub(super) fn apply(&self, channel: usize, value: u8) -> f32 {
        self.tables[channel][usize::from(value)]
    }

    /// The same between two values.
    pub(super) fn apply_between(&self, channel: usize, value: f32) -> f32 {
        let table = &self.tables[channel];
        let from = value.clamp(0.0, 254.0).floor();
        let (low, high) = (table[from as usize], table[from as usize + 1]);
        low + (high - low) * (value - from)
    }
}

fn light(value: f64) -> f64 {
    Transfer::Srgb.to_light(value / 255.0)
}

fn stored(light: f64) -> f64 {
    255.0 * Transfer::Srgb.from_light(light)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gain_changes_nothing() {
        let gains = Gains::none(3);
        for value in 0..=255 {
            assert!((gains.apply(2, value) - f32::from(value)).abs() < 1e-3);
        }
        assert!((gains.apply_between(0, 77.25) - 77.25).abs() < 1e-3);
    }

    /// Half the light of white is 188 in sRGB.
    #[test]
    fn gains_are_of_light() {
        let gains = Gains::new(vec![0.5, 2.0]);
        assert!((gains.apply(0, 255) - 187.52).abs() < 0.01, "{}", gains.apply(0, 255));
        assert!((gains.apply(1, 188) - 255.6).abs() < 0.1, "{}", gains.apply(1, 188));
    }
}
