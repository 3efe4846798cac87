//! 8-bit kernels for AVX2: eight pixels of a row at once, a lane each.
//!
//! Each lane's four (or eight) samples of a row are loaded by themselves: on the processors that
//! this was measured on that beats the gather instruction. Rows are filtered in integers (weights
//! of 14 bits, sums of 32), columns in `f32`.

use std::arch::x86_64::*;

use super::{Positions, Shape, Taps, plain};
use crate::map::{BLOCK_PX, FRACTION_BITS};
use crate::sample::Tile;
use crate::weights::Weights;

/// Horizontal weights are integers of this many steps.
const WEIGHT_ONE: f32 = 16_384.0;

/// Pixels at once.
const LANES: usize = 8;

/// Samples a block; `false` if there is no such kernel here.
pub(super) fn block(
    shape: Shape,
    at: Positions<'_>,
    taps: &Taps<'_, u8>,
    tiles: &mut [Tile<u8>],
) -> bool {
    #[expect(unsafe_code, reason = "functions for instructions that this machine has")]
    // SAFETY: only called if the processor has AVX2 and FMA.
    unsafe {
        match shape {
            Shape::Nearest => return false,
            Shape::Two => rows::<1, 1, 1>(at, taps, tiles),
            Shape::Four => rows::<2, 1, 2>(at, taps, tiles),
            Shape::Six => rows::<3, 2, 4>(at, taps, tiles),
        }
    }
    true
}

/// `PAIRS` pairs of taps on each axis, loaded as `QUADS` times four samples of a row.
#[target_feature(enable = "avx2,fma")]
fn rows<const PAIRS: usize, const QUADS: usize, const TERMS: usize>(
    at: Positions<'_>,
    taps: &Taps<'_, u8>,
    tiles: &mut [Tile<u8>],
) {
    let shortest = taps.planes.iter().map(|plane| plane.len()).min().unwrap_or(0);
    // The rows of the taps, and four samples more than a load of eight.
    let Some(last) = shortest.checked_sub((2 * PAIRS - 1) * taps.stride + 8) else { return };
    let last = _mm256_set1_epi32(u32::try_from(last).unwrap_or(u32::MAX) as i32);
    let whole = taps.weights[0].times(WEIGHT_ONE);
    let lead = _mm256_set1_epi32(PAIRS as i32 - 1);
    let mask = _mm256_set1_epi32((1 << FRACTION_BITS) - 1);
    let stride = _mm256_set1_epi32(taps.stride as i32);
    for y in 0..BLOCK_PX {
        let (xs, ys) = plain::row(at, y);
        for half in 0..BLOCK_PX / LANES {
            let (px, py) = (load(&xs, half), load(&ys, half));
            let x = _mm256_sub_epi32(_mm256_srai_epi32::<{ FRACTION_BITS as i32 }>(px), lead);
            let row = _mm256_sub_epi32(_mm256_srai_epi32::<{ FRACTION_BITS as i32 }>(py), lead);
            let first = _mm256_add_epi32(_mm256_mullo_epi32(row, stride), x);
            // As unsigned numbers, so that none is before the first sample either.
            let first = starts(_mm256_min_epu32(first, last));
            let across = weights::<PAIRS, TERMS>(_mm256_and_si256(px, mask), &whole);
            let down = weights::<PAIRS, TERMS>(_mm256_and_si256(py, mask), taps.weights[1]);
            let pairs = packed::<PAIRS, QUADS>(across);
            for ((tile, plane), level) in tiles.iter_mut().zip(taps.planes).zip(taps.levels) {
                let sums = sums::<PAIRS, QUADS>(plane, taps.stride, &first, &pairs, &down);
                // The weights across were integers.
                let gain = _mm256_set1_ps(level.gain / WEIGHT_ONE);
                let bias = _mm256_set1_ps(level.bias);
                let sums = _mm256_fmadd_ps(sums, gain, bias);
                store(&mut tile.0[y * BLOCK_PX + half * LANES..], sums);
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn load(of: &[i32; BLOCK_PX], half: usize) -> __m256i {
    let of = &of[half * LANES..][..LANES];
    #[expect(unsafe_code, reason = "a load through a pointer")]
    // SAFETY: the slice has 8 values.
    unsafe {
        _mm256_loadu_si256(of.as_ptr().cast())
    }
}

#[target_feature(enable = "avx2,fma")]
fn starts(of: __m256i) -> [u32; LANES] {
    let mut starts = [0; LANES];
    #[expect(unsafe_code, reason = "a store through a pointer")]
    // SAFETY: `starts` has the 32 bytes that are written.
    unsafe {
        _mm256_storeu_si256(starts.as_mut_ptr().cast(), of);
    }
    starts
}

/// Rounds, clamps and stores eight samples.
#[target_feature(enable = "avx2,fma")]
fn store(to: &mut [u8], sums: __m256) {
    let whole = _mm256_cvtps_epi32(sums);
    let words =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
    let bytes = _mm_packus_epi16(words, words);
    to[..LANES].copy_from_slice(&_mm_cvtsi128_si64(bytes).to_le_bytes());
}

/// The weights of all taps in order, from the fractions of positions.
#[target_feature(enable = "avx2,fma")]
fn weights<const PAIRS: usize, const TERMS: usize>(
    fraction: __m256i,
    weights: &Weights,
) -> [__m256; 6] {
    const STEP: f32 = 1.0 / (1 << FRACTION_BITS) as f32;
    let s =
        _mm256_fmsub_ps(_mm256_cvtepi32_ps(fraction), _mm256_set1_ps(STEP), _mm256_set1_ps(0.5));
    let square = _mm256_mul_ps(s, s);
    let sum = |terms: &[f32; 4]| {
        let mut sum = _mm256_set1_ps(terms[TERMS - 1]);
        for term in terms[..TERMS - 1].iter().rev() {
            sum = _mm256_fmadd_ps(sum, square, _mm256_set1_ps(*term));
        }
        sum
    };
    let mut all = [_mm256_setzero_ps(); 6];
    for pair in 0..PAIRS {
        let (even, odd) = (sum(&weights.even[pair]), sum(&weights.odd[pair]));
        all[PAIRS - 1 - pair] = _mm256_fnmadd_ps(odd, s, even);
        all[PAIRS + pair] = _mm256_fmadd_ps(odd, s, even);
    }
    all
}

/// Integer weights for the even and the odd samples of each quad of a row.
#[target_feature(enable = "avx2,fma")]
fn packed<const PAIRS: usize, const QUADS: usize>(across: [__m256; 6]) -> [[__m256i; 2]; 2] {
    let mut whole = [_mm256_setzero_si256(); 8];
    for tap in 0..2 * PAIRS {
        whole[tap] = _mm256_cvtps_epi32(across[tap]);
    }
    let both = |low: __m256i, high: __m256i| {
        _mm256_blend_epi16::<0b1010_1010>(low, _mm256_slli_epi32::<16>(high))
    };
    let mut pairs = [[_mm256_setzero_si256(); 2]; 2];
    for quad in 0..QUADS {
        let taps = &whole[4 * quad..];
        pairs[quad] = [both(taps[0], taps[2]), both(taps[1], taps[3])];
    }
    pairs
}

/// The weighted sum of each lane's taps.
#[target_feature(enable = "avx2,fma")]
fn sums<const PAIRS: usize, const QUADS: usize>(
    plane: &[u8],
    stride: usize,
    starts: &[u32; LANES],
    pairs: &[[__m256i; 2]; 2],
    down: &[__m256; 6],
) -> __m256 {
    let bytes = _mm256_set1_epi32(0x00ff_00ff);
    let mut sum = _mm256_setzero_ps();
    for (tap, down) in down[..2 * PAIRS].iter().enumerate() {
        let at = |lane: usize| starts[lane] as usize + tap * stride;
        let quads = if QUADS == 1 {
            let quad = |lane: usize| {
                #[expect(unsafe_code, reason = "a load through a pointer")]
                // SAFETY: behind each start are the rows of all taps and eight samples.
                unsafe {
                    plane.as_ptr().add(at(lane)).cast::<i32>().read_unaligned()
                }
            };
            let quads = _mm256_setr_epi32(
                quad(0),
                quad(1),
                quad(2),
                quad(3),
                quad(4),
                quad(5),
                quad(6),
                quad(7),
            );
            [quads, quads]
        } else {
            let eight = |lane: usize| {
                #[expect(unsafe_code, reason = "a load through a pointer")]
                // SAFETY: as above.
                unsafe {
                    plane.as_ptr().add(at(lane)).cast::<i64>().read_unaligned()
                }
            };
            // In the order that the shuffles below undo.
            let one =
                _mm256_castsi256_ps(_mm256_setr_epi64x(eight(0), eight(1), eight(4), eight(5)));
            let other =
                _mm256_castsi256_ps(_mm256_setr_epi64x(eight(2), eight(3), eight(6), eight(7)));
            [
                _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(one, other)),
                _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(one, other)),
            ]
        };
        let mut filtered = _mm256_setzero_si256();
        for quad in 0..QUADS {
            let even = _mm256_and_si256(quads[quad], bytes);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<8>(quads[quad]), bytes);
            filtered = _mm256_add_epi32(filtered, _mm256_madd_epi16(even, pairs[quad][0]));
            filtered = _mm256_add_epi32(filtered, _mm256_madd_epi16(odd, pairs[quad][1]));
        }
        sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(filtered), *down, sum);
    }
    sum
}
