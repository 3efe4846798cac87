//! Every kernel on every instruction set of this machine, against the kernels' definitions in
//! `f64`, at random positions in noise.

use std::f64::consts::PI;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use super::*;
use crate::map::{FRACTION_BITS, Place};
use crate::sample::Tile;
use crate::sample::sealed::Sealed as _;

const WIDTH: usize = 97;
const HEIGHT: usize = 64;

/// A stream of numbers that differs from run to run; the seed is printed with a failure.
struct Noise(u64);

impl Noise {
    fn new() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        println!("seed {seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The footprint of a level, from what the documentation says: ten steps a doubling.
fn scale(level: u8) -> f64 {
    2.0_f64.powf(f64::from(level) / 10.0)
}

/// The kernels by their definitions, not normalised.
fn kernel(kernel: Kernel, level: u8, distance: f64) -> f64 {
    let d = distance.abs();
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    match kernel {
        Kernel::Nearest => f64::from(u8::from(distance > -0.5 && distance <= 0.5)),
        Kernel::Bilinear => (1.0 - d).max(0.0),
        Kernel::Bicubic | Kernel::Footprint => {
            // Catmull-Rom and the cubic B-spline, mixed.
            let blur = if kernel == Kernel::Bicubic { 0.0 } else { blur(scale(level)) };
            let (interpolating, smoothing) = if d < 1.0 {
                (1.5 * d.powi(3) - 2.5 * d * d + 1.0, (3.0 * d.powi(3) - 6.0 * d * d + 4.0) / 6.0)
            } else if d < 2.0 {
                let interpolating = -0.5 * d.powi(3) + 2.5 * d * d - 4.0 * d + 2.0;
                (interpolating, (2.0 - d).powi(3) / 6.0)
            } else {
                (0.0, 0.0)
            };
            interpolating + blur * (smoothing - interpolating)
        }
        Kernel::Lanczos if d < 3.0 => sinc(d / scale(level)) * sinc(d / 3.0),
        Kernel::Lanczos => 0.0,
    }
}

fn blur(scale: f64) -> f64 {
    crate::weights::blur_of(scale)
}

/// The weights of six samples around a position, the first of them, and their sum as 1.
fn weights(of: Kernel, level: u8, position: f64) -> (isize, [f64; 6]) {
    let first = position.floor() as isize - 2;
    let all: [f64; 6] =
        std::array::from_fn(|tap| kernel(of, level, (first + tap as isize) as f64 - position));
    let total: f64 = all.iter().sum();
    (first, all.map(|weight| weight / total))
}

fn check<S: Sample>(store: impl Fn(u64) -> S, tolerance: f64, has_alpha: bool) {
    let mut noise = Noise::new();
    let count = if has_alpha { 2 } else { 3 };
    let planes: Vec<Vec<S>> = (0..count)
        .map(|_| (0..WIDTH * HEIGHT + 256).map(|_| store(noise.next())).collect())
        .collect();
    let slices: Vec<&[S]> = planes.iter().map(Vec::as_slice).collect();
    for kernel in
        [Kernel::Nearest, Kernel::Bilinear, Kernel::Bicubic, Kernel::Footprint, Kernel::Lanczos]
    {
        for isa in Isa::all() {
            for round in 0..24 {
                let levels =
                    [0, 1].map(|_| if kernel.adapts() { noise.below(12) as u8 } else { 0 });
                let block = block(&mut noise, round, levels);
                let taps = Taps {
                    planes: &slices,
                    levels: &[Level::SAME; 3],
                    stride: WIDTH,
                    weights: [0, 1].map(|axis| kernel.weights(levels[axis])),
                    has_alpha,
                };
                let mut tiles = vec![Tile([S::default(); BLOCK_PX * BLOCK_PX]); count];
                let positions = match &block {
                    Block::Smooth(smooth) => Positions::Smooth(smooth),
                    Block::Dense(dense) => Positions::Dense(dense),
                    Block::Nothing => continue,
                };
                let shape = kernel.shape();
                let mut request = Request { isa, shape, positions, taps, tiles: &mut tiles };
                if has_alpha || !S::sample_fast(&mut request) {
                    plain::block(&mut request);
                }
                for (i, at) in exact(&block).into_iter().enumerate() {
                    let [x, y] = [0, 1].map(|axis| weights(kernel, levels[axis], at[axis]));
                    let sum = |value: &dyn Fn(usize) -> f64| {
                        let mut sum = 0.0;
                        for (row, down) in (y.0..).zip(y.1) {
                            for (column, across) in (x.0..).zip(x.1) {
                                if down * across != 0.0 {
                                    let at = row * WIDTH as isize + column;
                                    sum += down * across * value(at as usize);
                                }
                            }
                        }
                        sum
                    };
                    for (plane, tile) in tiles.iter().enumerate() {
                        let value = |at: usize| f64::from(planes[plane][at].to_f32());
                        let expected = if has_alpha && plane == 0 {
                            let alpha = |at: usize| f64::from(planes[1][at].to_f32());
                            let coverage = sum(&alpha);
                            // Where nearly nothing covers, a quotient has no digits.
                            if coverage < 0.05 * f64::from(S::OPAQUE.to_f32()) {
                                continue;
                            }
                            sum(&|at| alpha(at) * value(at)) / coverage
                        } else {
                            sum(&value)
                        };
                        let expected = f64::from(S::from_f32(expected as f32).to_f32());
                        let error = (f64::from(tile.0[i].to_f32()) - expected).abs();
                        assert!(
                            error <= tolerance,
                            "{error} of {expected}: {kernel:?} {levels:?} {isa:?}, pixel {i} at {at:?}"
                        );
                    }
                }
            }
        }
    }
}

/// Positions anywhere in the plane, or a straight run through it in any direction.
fn block(noise: &mut Noise, round: usize, levels: [u8; 2]) -> Block {
    let one = 1 << FRACTION_BITS;
    let place = Place { region: 0, levels };
    if round.is_multiple_of(3) {
        let mut within = |end: usize| (3 * one + noise.below((end - 7) * one)) as i32;
        return Block::Dense(Box::new(Dense {
            place,
            x: std::array::from_fn(|_| within(WIDTH)),
            y: std::array::from_fn(|_| within(HEIGHT)),
        }));
    }
    let mut slope = |reach: f32| (noise.below(2_001) as f32 / 1_000.0 - 1.0) * reach;
    // Mostly along rows, where windows are used; every other time across them.
    let steep = if round.is_multiple_of(2) { 14.0 } else { 1.0 };
    let flat = 15.0 - steep;
    let unit = one as f32;
    let mut of = |u: f32, v: f32| {
        [[0.3, slope(u), slope(0.4)], [slope(v), slope(0.2), 0.0], [slope(0.4), 0.0, 0.0]]
            .map(|row| row.map(|term: f32| term * unit))
    };
    Block::Smooth(Smooth {
        place,
        origin: [(WIDTH as i32 / 2) << FRACTION_BITS, (HEIGHT as i32 / 2) << FRACTION_BITS],
        x: of(flat, steep),
        y: of(steep, flat),
    })
}

/// The positions of a block, in samples, rounded to a step as they are used.
fn exact(block: &Block) -> Vec<[f64; 2]> {
    let one = f64::from(1 << FRACTION_BITS);
    (0..BLOCK_PX)
        .flat_map(|y| {
            let positions = match block {
                Block::Smooth(smooth) => Positions::Smooth(smooth),
                Block::Dense(dense) => Positions::Dense(dense),
                Block::Nothing => return Vec::new(),
            };
            let (xs, ys) = plain::row(positions, y);
            xs.into_iter().zip(ys).map(|(x, y)| [f64::from(x) / one, f64::from(y) / one]).collect()
        })
        .collect()
}

#[test]
fn eight_bits_are_the_definition_within_one() {
    check(|noise| (noise >> 56) as u8, 1.0, false);
    check(|noise| (noise >> 56) as u8, 1.0, true);
}

/// A smooth block's position may be rounded to another step by another instruction set: its slope
/// in noise is worth up to 40 steps of 16 bits.
#[test]
fn sixteen_bits_are_the_definition_within_a_step() {
    check(|noise| (noise >> 48) as u16, 65_535.0 * 6e-4, false);
}

#[test]
fn floats_are_the_definition_within_a_step() {
    check(|noise| (noise >> 40) as f32 / 16_777_216.0, 6e-4, false);
}

/// Positions beyond every border: whatever comes out, no load leaves the plane.
#[test]
fn no_position_reads_outside_of_the_plane() {
    let plane = vec![7_u8; 40 * 32];
    let mut noise = Noise::new();
    let place = Place { region: 0, levels: [0; 2] };
    for kernel in [Kernel::Nearest, Kernel::Bilinear, Kernel::Bicubic, Kernel::Lanczos] {
        for isa in Isa::all() {
            for _ in 0..20 {
                let dense = Dense {
                    place,
                    x: std::array::from_fn(|_| noise.next() as i32),
                    y: std::array::from_fn(|_| noise.next() as i32 >> noise.below(20)),
                };
                let (shape, positions) = (kernel.shape(), Positions::Dense(&dense));
                let planes: &[&[u8]] = &[&plane];
                let weights = [kernel.weights(0); 2];
                let levels = &[Level::SAME];
                let taps = Taps { planes, levels, stride: 40, weights, has_alpha: false };
                let mut tiles = vec![Tile([0_u8; BLOCK_PX * BLOCK_PX])];
                let request = &mut Request { isa, shape, positions, taps, tiles: &mut tiles };
                if !u8::sample_fast(request) {
                    plain::block(request);
                }
                assert!(tiles[0].0.iter().all(|value| *value == 7), "{kernel:?} {isa:?}");
            }
        }
    }
}
