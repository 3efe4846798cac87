//! Where one lens ends and the other begins: along places where they agree.

use super::ring::{Field, Ring, neighbours};

/// Columns in which the seam is laid; between them it is straight.
const COLUMNS_MAX: usize = 1024;

/// What a step of one row costs, in differences of values: a seam that wriggles gains little.
const STEP_COST: f32 = 0.5;

/// What it costs to lie at the border of what both lenses see, where they are worst.
const BORDER_COST: f32 = 24.0;

/// What it costs to leave it.
const OUTSIDE_COST: f32 = 1e6;

/// For each of some columns, evenly around the strip, a row: the first lens is above, the second below.
pub(super) struct Seam {
    rows: Vec<f64>,
    /// Columns of the strip for one of the seam's.
    every: f64,
}

impl Seam {
    /// The closed seam along which the lenses differ least.
    pub(super) fn new(difference: &[Field], ring: &Ring) -> Self {
        let every = ring.columns().div_ceil(COLUMNS_MAX);
        let columns = ring.columns() / every;
        let costs = Costs {
            rows: ring.rows().div_ceil(every),
            values: (0..columns)
                .flat_map(|at| costs(difference, ring, at * every, every))
                .collect(),
        };
        let middle =
            |row: usize| ((row * every) as f64 + every as f64 / 2.0).min(ring.rows() as f64);
        let rows = costs.cheapest_ring().into_iter().map(middle).collect();
        Self { rows, every: ring.columns() as f64 / columns as f64 }
    }

    /// The seam's row in a column of the strip.
    pub(super) fn row_at(&self, column: f64) -> f64 {
        let (first, second, share) = neighbours(column / self.every, self.rows.len());
        self.rows[first] + (self.rows[second] - self.rows[first]) * share
    }
}

/// What each row of a column costs, from blocks of `every` samples.
fn costs(difference: &[Field], ring: &Ring, left: usize, every: usize) -> Vec<f32> {
    let shared: Vec<(usize, usize)> =
        (left..left + every).map(|column| ring.shared(column)).collect();
    let first = shared.iter().map(|(first, _)| *first).max().unwrap_or(0) as f32;
    let last = shared.iter().map(|(_, last)| *last).min().unwrap_or(0) as f32;
    let (middle, half) = (f32::midpoint(first, last), ((last - first) / 2.0).max(0.5));
    let of_block = |block: usize| {
        let rows = block * every..((block + 1) * every).min(ring.rows());
        let samples =
            rows.clone().flat_map(|row| (left..left + every).map(move |column| (column, row)));
        let sum: f32 = samples
            .map(|(column, row)| {
                difference.iter().map(|field| field.at(column, row).abs()).sum::<f32>()
            })
            .sum();
        let mean = sum / (rows.len() * every * difference.len()) as f32;
        let out = (f32::midpoint(rows.start as f32, rows.end as f32 - 1.0) - middle).abs() / half;
        mean + BORDER_COST * out.powi(4) + OUTSIDE_COST * (out - 1.0).max(0.0)
    };
    (0..ring.rows().div_ceil(every)).map(of_block).collect()
}

/// What it costs to be in a row of a column, column by column.
struct Costs {
    rows: usize,
    values: Vec<f32>,
}

impl Costs {
    /// A row for each column, each at most one from those before and behind, the last column's from the first's too,
    /// with the smallest sum of costs.
    ///
    /// For each row to begin in, the cheapest way around that ends beside it: dynamic programming.
    fn cheapest_ring(&self) -> Vec<usize> {
        let start = |from: usize| {
            let (cost, row) = self.way_from(from, None)?;
            Some((cost, from, row))
        };
        let best = (0..self.rows).filter_map(start).min_by(|one, other| one.0.total_cmp(&other.0));
        let Some((_, from, to)) = best else { return Vec::new() };
        let mut steps = Vec::new();
        self.way_from(from, Some(&mut steps));
        let mut way = vec![to; self.values.len() / self.rows];
        for column in (1..way.len()).rev() {
            way[column - 1] =
                (way[column] + usize::from(steps[(column - 1) * self.rows + way[column]])) - 1;
        }
        way
    }

    /// The cost of the cheapest way from a row of the first column to one beside it in the last, and that row. Into
    /// `steps` go, for each row of each column but the first, where it came from: 0 above, 1 beside, 2 below.
    fn way_from(&self, from: usize, mut steps: Option<&mut Vec<u8>>) -> Option<(f32, usize)> {
        let mut sums = vec![f32::INFINITY; self.rows];
        sums[from] = self.values[from];
        let mut next = sums.clone();
        for costs in self.values.chunks_exact(self.rows).skip(1) {
            for row in 0..self.rows {
                let above = if row > 0 { sums[row - 1] + STEP_COST } else { f32::INFINITY };
                let below =
                    if row + 1 < self.rows { sums[row + 1] + STEP_COST } else { f32::INFINITY };
                let (sum, step) = if sums[row] <= above.min(below) {
                    (sums[row], 1)
                } else if above <= below {
                    (above, 0)
                } else {
                    (below, 2)
                };
                next[row] = sum + costs[row];
                if let Some(steps) = steps.as_deref_mut() {
                    steps.push(step);
                }
            }
            std::mem::swap(&mut sums, &mut next);
        }
        let ends = from.saturating_sub(1)..=(from + 1).min(self.rows - 1);
        let cost = |row: usize| sums[row] + if row == from { 0.0 } else { STEP_COST };
        ends.map(|row| (cost(row), row)).min_by(|one, other| one.0.total_cmp(&other.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(costs: &Costs, way: &[usize]) -> f32 {
        let steps =
            way.iter().zip(way.iter().cycle().skip(1)).filter(|(one, other)| one != other).count();
        let stays: f32 = way
            .iter()
            .enumerate()
            .map(|(column, row)| costs.values[column * costs.rows + row])
            .sum();
        stays + steps as f32 * STEP_COST
    }

    fn is_closed(way: &[usize]) -> bool {
        way.iter().zip(way.iter().cycle().skip(1)).all(|(one, other)| one.abs_diff(*other) <= 1)
    }

    proptest! {
        /// No closed way is cheaper, of all that there are.
        #[test]
        fn the_cheapest_ring_is_found(values in prop::collection::vec(0.0..9.0_f32, 15)) {
            let costs = Costs { rows: 3, values };
            let found = costs.cheapest_ring();
            prop_assert!(is_closed(&found), "{found:?}");
            let ways = (0..3_usize.pow(5)).map(|code| -> Vec<usize> {
                (0..5_u32).map(|column| code / 3_usize.pow(column) % 3).collect()
            });
            let least = ways.filter(|way| is_closed(way)).map(|way| price(&costs, &way)).fold(f32::INFINITY, f32::min);
            prop_assert!((price(&costs, &found) - least).abs() < 1e-4, "{found:?}");
        }
    }

    #[test]
    fn between_columns_the_seam_is_straight_and_closed() {
        let seam = Seam { rows: vec![1.0, 2.0, 4.0], every: 2.0 };
        for (column, row) in
            [(1.0, 1.0), (3.0, 2.0), (4.0, 3.0), (5.0, 4.0), (0.0, 2.5), (6.0, 2.5)]
        {
            assert!((seam.row_at(column) - row).abs() < 1e-12, "{column}");
        }
    }
}
