//! The low-pass for AVX2 and AVX-512.

use std::arch::x86_64::*;

use super::LANES;

/// As [`super::convolve`], 16 lanes at once.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
pub(super) fn convolve16(row: &[f32], weights: &[f32], to: &mut [f32]) {
    let reach = weights.len() - 1;
    assert!(row.len() >= to.len() + 2 * reach);
    for (chunk, to) in to.chunks_exact_mut(LANES).enumerate() {
        let load = |at: usize| {
            #[expect(unsafe_code, reason = "a load through a pointer")]
            // SAFETY: `at` is at most `2·reach + 48` behind the chunk's first sample, and the row
            // has `2·reach` samples more than there are outputs.
            unsafe {
                _mm512_loadu_ps(row.as_ptr().add(chunk * LANES + at))
            }
        };
        let middle = _mm512_set1_ps(weights[0]);
        let mut sums = [_mm512_setzero_ps(); 4];
        for (part, sum) in sums.iter_mut().enumerate() {
            *sum = _mm512_mul_ps(load(reach + 16 * part), middle);
        }
        for (distance, weight) in weights.iter().enumerate().skip(1) {
            let weight = _mm512_set1_ps(*weight);
            for (part, sum) in sums.iter_mut().enumerate() {
                let pair = _mm512_add_ps(
                    load(reach - distance + 16 * part),
                    load(reach + distance + 16 * part),
                );
                *sum = _mm512_fmadd_ps(pair, weight, *sum);
            }
        }
        for (to, sum) in to.chunks_exact_mut(16).zip(sums) {
            #[expect(unsafe_code, reason = "a store through a pointer")]
            // SAFETY: the chunk has 16 values.
            unsafe {
                _mm512_storeu_ps(to.as_mut_ptr(), sum);
            }
        }
    }
}

/// As [`super::convolve`], 8 lanes at once.
#[target_feature(enable = "avx2,fma")]
pub(super) fn convolve8(row: &[f32], weights: &[f32], to: &mut [f32]) {
    let reach = weights.len() - 1;
    assert!(row.len() >= to.len() + 2 * reach);
    for (chunk, to) in to.chunks_exact_mut(LANES).enumerate() {
        let load = |at: usize| {
            #[expect(unsafe_code, reason = "a load through a pointer")]
            // SAFETY: `at` is at most `2·reach + 56` behind the chunk's first sample, and the row
            // has `2·reach` samples more than there are outputs.
            unsafe {
                _mm256_loadu_ps(row.as_ptr().add(chunk * LANES + at))
            }
        };
        let middle = _mm256_set1_ps(weights[0]);
        let mut sums = [_mm256_setzero_ps(); 8];
        for (part, sum) in sums.iter_mut().enumerate() {
            *sum = _mm256_mul_ps(load(reach + 8 * part), middle);
        }
        for (distance, weight) in weights.iter().enumerate().skip(1) {
            let weight = _mm256_set1_ps(*weight);
            for (part, sum) in sums.iter_mut().enumerate() {
                let pair = _mm256_add_ps(
                    load(reach - distance + 8 * part),
                    load(reach + distance + 8 * part),
                );
                *sum = _mm256_fmadd_ps(pair, weight, *sum);
            }
        }
        for (to, sum) in to.chunks_exact_mut(8).zip(sums) {
            #[expect(unsafe_code, reason = "a store through a pointer")]
            // SAFETY: the chunk has 8 values.
            unsafe {
                _mm256_storeu_ps(to.as_mut_ptr(), sum);
            }
        }
    }
}
