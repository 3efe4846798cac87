//! What is left of exposure after one gain for all: flare, vignetting, a sky that is brighter for one lens.
//!
//! Along the seam the mean difference of the lenses, low-passed, is spread to either side of it, half to each lens and less
//! with the distance. Bands reach no further than what both lenses see; this does, because it is too smooth to be seen.

use std::f64::consts::TAU;

use super::ring::{Field, Ring, neighbours};
use super::seam::Seam;

/// How far it reaches from the seam.
const REACH_RAD: f64 = 0.6;

/// It follows differences around the ring over some such angle.
const SMOOTH_RAD: f64 = 0.3;

/// A larger difference is not light: the lenses see other things.
const DIFFERENCE_MAX: f32 = 48.0;

/// The difference for each channel and column of the strip.
pub(super) struct Veil {
    lines: Vec<Vec<f32>>,
    step_rad: f64,
}

impl Veil {
    /// Of differences that are the first lens's value less the second's.
    pub(super) fn new(difference: &[Field], ring: &Ring) -> Self {
        let lines = difference.iter().map(|field| line(field, ring)).collect();
        Self { lines, step_rad: TAU / ring.columns() as f64 }
    }

    /// Takes it out of the differences.
    pub(super) fn leave_out_of(&self, difference: &mut [Field], seam: &Seam, ring: &Ring) {
        for (field, line) in difference.iter_mut().zip(&self.lines) {
            for (column, veil) in line.iter().enumerate() {
                let seam = seam.row_at(column as f64 + 0.5);
                for row in 0..ring.rows() {
                    let share = self.share(seam - row as f64 - 0.5);
                    field.set(column, row, field.at(column, row) - veil * share);
                }
            }
        }
    }

    /// What the first lens has more than the second in a place so many rows from the seam, for each channel; `None` where
    /// that is too far.
    pub(super) fn at(&self, column: f64, away: f64) -> Option<[f32; 4]> {
        let share = self.share(away);
        (share > 0.0).then(|| {
            let mut veil = [0.0; 4];
            for (veil, line) in veil.iter_mut().zip(&self.lines) {
                let (first, second, between) = neighbours(column, line.len());
                *veil = share * (line[first] + (line[second] - line[first]) * between as f32);
            }
            veil
        })
    }

    /// 1 on the seam, 0 where it ends.
    fn share(&self, away_rows: f64) -> f32 {
        let left = (1.0 - away_rows.abs() * self.step_rad / REACH_RAD).max(0.0);
        (left * left * (3.0 - 2.0 * left)) as f32
    }
}

/// The mean difference in each column, low-passed around the ring by three means of its neighbours.
fn line(field: &Field, ring: &Ring) -> Vec<f32> {
    let mean = |column: usize| {
        let rows = ring.shared_rows(column);
        let count = rows.clone().count().max(1) as f32;
        let sum: f32 = rows.map(|row| field.at(column, row)).sum();
        (sum / count).clamp(-DIFFERENCE_MAX, DIFFERENCE_MAX)
    };
    let mut line: Vec<f32> = (0..ring.columns()).map(mean).collect();
    let reach = ((SMOOTH_RAD / TAU * line.len() as f64) as usize).max(1);
    for _ in 0..3 {
        line = neighbours_mean(&line, reach);
    }
    line
}

/// Means of `reach` values to either side, around the end.
fn neighbours_mean(line: &[f32], reach: usize) -> Vec<f32> {
    let count = line.len();
    let at = |index: usize| f64::from(line[index % count]);
    let mut sum: f64 = (0..=2 * reach).map(|offset| at(count - reach % count + offset)).sum();
    (0..count)
        .map(|index| {
            let mean = sum / (2 * reach + 1) as f64;
            sum += at(index + reach + 1) - at(index + count - reach % count);
            mean as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_go_around_the_end() {
        let found = neighbours_mean(&[6.0, 0.0, 0.0, 3.0, 0.0], 1);
        assert_eq!(found, [2.0, 2.0, 1.0, 1.0, 3.0]);
    }

    #[test]
    fn it_fades_with_the_distance_and_goes_around() {
        let veil = Veil { lines: vec![vec![8.0, 0.0, 0.0, 4.0]], step_rad: 0.1 };
        assert_eq!(veil.at(0.5, 0.0).unwrap()[0], 8.0);
        assert_eq!(veil.at(0.0, 0.0).unwrap()[0], 6.0);
        assert!((veil.at(0.5, 3.0).unwrap()[0] - 4.0).abs() < 1e-6);
        assert_eq!(veil.at(0.5, -3.0), veil.at(0.5, 3.0));
        assert_eq!(veil.at(0.5, 6.0), None);
    }
}
