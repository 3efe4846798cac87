//! The low-pass of rows that a projection stretches.

use rayon::prelude::*;

use crate::Sample;
use crate::isa::Isa;
use crate::weights::sinc;

#[cfg(target_arch = "x86_64")]
mod x86;

/// Zero crossings on each side of the kernel.
const LOBES: f64 = 2.0;

/// Outputs that are summed at once.
const LANES: usize = 64;

/// Rows that a thread takes at once.
const ROWS: usize = 16;

/// Fills the rows of regions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefilter {
    pub(crate) isa: Isa,
}

/// What a thread needs for a row.
#[derive(Debug)]
pub(crate) struct Scratch {
    isa: Isa,
    row: Vec<f32>,
    filtered: Vec<f32>,
    weights: Vec<f32>,
}

impl Prefilter {
    /// Calls `fill` with the index of each row of `width` samples, the row, and scratch space.
    pub(crate) fn fill<S: Sample>(
        self,
        rows: &mut [S],
        width: usize,
        fill: impl Fn(usize, &mut [S], &mut Scratch) + Sync,
    ) {
        rows.par_chunks_mut(width * ROWS).enumerate().for_each_init(
            || Scratch {
                isa: self.isa,
                row: Vec::new(),
                filtered: Vec::new(),
                weights: Vec::new(),
            },
            |scratch, (chunk, rows)| {
                for (y, row) in rows.chunks_exact_mut(width).enumerate() {
                    fill(chunk * ROWS + y, row, scratch);
                }
            },
        );
    }
}

impl Scratch {
    /// Fills `to`, which begins at column `left` of the cyclic row `from`, with the row low-passed
    /// to one `stretch`-th of its bandwidth.
    pub(crate) fn low_pass<S: Sample>(
        &mut self,
        from: &[S],
        stretch: f32,
        left: isize,
        to: &mut [S],
    ) {
        // More than the whole circle adds nothing.
        let stretch = stretch.min(from.len() as f32 / (2.0 * LOBES as f32)).max(1.0);
        match self.isa {
            Isa::Portable => self.plain((from, left), stretch, to, convolve),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "a function for instructions that this machine has")]
            // SAFETY: `Isa` has this value only if the processor has AVX2 and FMA.
            Isa::Avx2 => unsafe { self.avx2(from, stretch, left, to) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "a function for instructions that this machine has")]
            // SAFETY: `Isa` has this value only if the processor has AVX-512 F, BW and VL.
            Isa::Avx512 => unsafe { self.avx512(from, stretch, left, to) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<S: Sample>(&mut self, from: &[S], stretch: f32, left: isize, to: &mut [S]) {
        self.plain((from, left), stretch, to, |row, weights, to| x86::convolve8(row, weights, to));
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
    fn avx512<S: Sample>(&mut self, from: &[S], stretch: f32, left: isize, to: &mut [S]) {
        self.plain((from, left), stretch, to, |row, weights, to| x86::convolve16(row, weights, to));
    }

    /// A row that is stretched far is averaged in cells first, filtered cell by cell, and
    /// interpolated again: what the filter leaves of it needs no more.
    #[inline(always)]
    fn plain<S: Sample>(
        &mut self,
        (from, left): (&[S], isize),
        stretch: f32,
        to: &mut [S],
        convolve: impl Fn(&[f32], &[f32], &mut [f32]),
    ) {
        let cell = cell_of(stretch);
        let stretch = f64::from(stretch) / cell as f64;
        let reach = (LOBES * stretch).ceil() as usize;
        self.weights.clear();
        self.weights.extend((0..=reach).map(|distance| {
            let x = distance as f64 / stretch;
            if x < LOBES { (sinc(x) * sinc(x / LOBES)) as f32 } else { 0.0 }
        }));
        let total = 2.0 * self.weights.iter().sum::<f32>() - self.weights[0];
        self.weights.iter_mut().for_each(|weight| *weight /= total);

        // Two cells more on each side for the interpolation.
        let extra = if cell > 1 { 2 } else { 0 };
        let outputs = (to.len().div_ceil(cell) + 2 * extra).next_multiple_of(LANES);
        let begin = left - ((reach + extra) * cell) as isize;
        self.row.clear();
        let needed = (outputs + 2 * reach) * cell;
        let mut next = begin.rem_euclid(from.len() as isize) as usize;
        while self.row.len() < needed {
            let part = &from[next..from.len().min(next + needed - self.row.len())];
            self.row.extend(part.iter().map(|value| value.to_f32()));
            next = 0;
        }
        if cell > 1 {
            self.average(cell);
        }
        self.filtered.resize(outputs, 0.0);
        convolve(&self.row, &self.weights, &mut self.filtered);
        if cell > 1 {
            self.interpolate(cell, to.len());
        }
        for (to, value) in to.iter_mut().zip(&self.filtered) {
            *to = S::from_f32(*value);
        }
    }

    /// Replaces the row by the means of its cells.
    #[inline(always)]
    fn average(&mut self, cell: usize) {
        let cells = self.row.len() / cell;
        let unit = 1.0 / cell as f32;
        for i in 0..cells {
            let values = &self.row[i * cell..][..cell];
            self.row[i] = values.iter().sum::<f32>() * unit;
        }
        self.row.truncate(cells);
    }

    /// Replaces what is filtered cell by cell by `length` samples, by Catmull-Rom's cubic.
    #[inline(always)]
    fn interpolate(&mut self, cell: usize, length: usize) {
        self.weights.clear();
        for tap in 0..4 {
            for sample in 0..cell {
                let place = (sample as f32 + 0.5) / cell as f32 - 0.5;
                // Two cells before the first: relative to the tap before the sample's place.
                let t = place - place.floor();
                self.weights.push(catmull_rom(t)[tap]);
            }
        }
        self.row.resize(length.next_multiple_of(cell), 0.0);
        let half = cell / 2;
        let weights: [&[f32]; 4] = std::array::from_fn(|tap| &self.weights[tap * cell..][..cell]);
        for (i, samples) in self.row.chunks_exact_mut(cell).enumerate() {
            // The first half of a cell's samples lies before its centre.
            for (first, part) in [(i, 0..half), (i + 1, half..cell)] {
                let cells: &[f32; 4] = self.filtered[first..][..4].try_into().expect("four cells");
                let weights = weights.map(|weights| &weights[part.clone()]);
                for (at, sample) in samples[part].iter_mut().enumerate() {
                    let outer = cells[0] * weights[0][at] + cells[3] * weights[3][at];
                    *sample = outer + cells[1] * weights[1][at] + cells[2] * weights[2][at];
                }
            }
        }
        self.row.truncate(length);
        std::mem::swap(&mut self.row, &mut self.filtered);
    }
}

/// Samples of a cell: so many that the filter still spans eight to sixteen cells on each side.
fn cell_of(stretch: f32) -> usize {
    const STRETCH_MIN: f32 = 16.0;
    if stretch < STRETCH_MIN { 1 } else { 1 << (stretch / 4.0).log2().floor() as u32 }
}

/// Weights of the cells at −1, 0, 1 and 2 for a place `t` in [0, 1].
fn catmull_rom(t: f32) -> [f32; 4] {
    let before = t * (t * (1.0 - 0.5 * t) - 0.5);
    let right = t * (t * (2.0 - 1.5 * t) + 0.5);
    let after = t * t * (0.5 * t - 0.5);
    [before, 1.0 - before - right - after, right, after]
}

/// `to[x] = Σ weights[|k|] · row[x + reach + k]`; `to` has a multiple of [`LANES`] values.
fn convolve(row: &[f32], weights: &[f32], to: &mut [f32]) {
    let reach = weights.len() - 1;
    for (chunk, to) in to.chunks_exact_mut(LANES).enumerate() {
        let window = &row[chunk * LANES..][..LANES + 2 * reach];
        let mut sums = [0.0_f32; LANES];
        for (distance, weight) in weights.iter().enumerate() {
            // The middle counts once.
            let weight = if distance == 0 { weight * 0.5 } else { *weight };
            let before = &window[reach - distance..][..LANES];
            let after = &window[reach + distance..][..LANES];
            for lane in 0..LANES {
                sums[lane] += weight * (before[lane] + after[lane]);
            }
        }
        to.copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// What the filter leaves of a wave of `turns` periods in a row of 1,024 samples.
    fn left_of(isa: Isa, turns: f64, stretch: f32, left: isize) -> f64 {
        let wave = |x: f64| (TAU * turns * x / 1_024.0).cos();
        let row: Vec<f32> = (0..1_024).map(|x| wave(f64::from(x)) as f32).collect();
        let mut found = vec![0.0_f32; 1_100];
        let mut scratch =
            Scratch { isa, row: Vec::new(), filtered: Vec::new(), weights: Vec::new() };
        scratch.low_pass(&row, stretch, left, &mut found);
        let mut product = 0.0;
        let mut power = 0.0;
        for (x, found) in found.iter().enumerate() {
            let expected = wave((x as isize + left) as f64);
            product += expected * f64::from(*found);
            power += expected * expected;
        }
        // Whatever is not the same wave is an error of its own.
        for (x, found) in found.iter().enumerate() {
            let rest = f64::from(*found) - product / power * wave((x as isize + left) as f64);
            assert!(rest.abs() < 0.02, "{rest} at {x}, {turns} turns, {stretch}");
        }
        product / power
    }

    #[test]
    fn slow_waves_pass_and_fast_ones_do_not() {
        for isa in Isa::all() {
            for stretch in [1.5_f32, 3.0, 5.0, 9.0, 40.0, 100.0] {
                for left in [-64, 0, 777] {
                    let limit = f64::from(1_024.0 / 2.0 / stretch);
                    let slow = left_of(isa, (limit * 0.2).floor(), stretch, left);
                    assert!((slow - 1.0).abs() < 0.06, "{slow} {stretch} {isa:?}");
                    let fast = left_of(isa, (limit * 2.2).ceil().min(500.0), stretch, left);
                    assert!(fast.abs() < 0.12, "{fast} {stretch} {isa:?}");
                }
            }
        }
    }

    #[test]
    fn a_constant_stays_however_far_it_is_stretched() {
        for isa in Isa::all() {
            for stretch in [1.1_f32, 2.0, 7.9, 8.0, 33.0, 1e6] {
                let mut found = [0_u8; 700];
                let mut scratch =
                    Scratch { isa, row: Vec::new(), filtered: Vec::new(), weights: Vec::new() };
                scratch.low_pass(&[201_u8; 333], stretch, -64, &mut found);
                assert!(found.iter().all(|value| *value == 201), "{stretch}");
            }
        }
    }
}
