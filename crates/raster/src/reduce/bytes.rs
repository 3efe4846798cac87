//! Halving rows of bytes in integers: [`super::cube`]'s filter, whose weights are sixteenths.

use crate::isa::Isa;
use crate::sample::sealed::Quads;

/// Sixteenths of the inner two of four texels; the outer two count one each.
const INNER: u16 = 7;

/// A row of a parent: the sum of 4 × 4 texels by weights that add up to 256, rounded half up. No sum is
/// beyond 255 · 256 + 128, which 16 bits hold.
pub(crate) fn halve_bytes(quads: &Quads<'_, u8>, sums: &mut Vec<u16>, to: &mut [u8]) {
    sums.resize(2 * to.len() + 2, 0);
    match Isa::best() {
        Isa::Portable => halve(quads, sums, to),
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "a function for instructions that this machine has")]
        // SAFETY: `Isa` has these values only if the processor has AVX2.
        Isa::Avx2 | Isa::Avx512 => unsafe { halve_avx2(quads, sums, to) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn halve_avx2(quads: &Quads<'_, u8>, sums: &mut [u16], to: &mut [u8]) {
    halve(quads, sums, to);
}

#[inline(always)]
fn halve(quads: &Quads<'_, u8>, sums: &mut [u16], to: &mut [u8]) {
    let down = |[a, b, c, d]: [u8; 4]| {
        let [a, b, c, d] = [a, b, c, d].map(u16::from);
        a + d + INNER * (b + c)
    };
    let [a, b, c, d] = quads.rows;
    let last = sums.len() - 1;
    sums[0] = down(quads.before);
    sums[last] = down(quads.after);
    let inside = &mut sums[1..last];
    let rows = a.iter().zip(b).zip(c.iter().zip(d));
    for (sum, ((a, b), (c, d))) in inside.iter_mut().zip(rows) {
        *sum = down([*a, *b, *c, *d]);
    }
    // Texels 2x − 1 to 2x + 2 of the row stand at 2x to 2x + 3 of the sums.
    let pairs = sums.as_chunks::<2>().0;
    for (to, (first, second)) in to.iter_mut().zip(pairs.iter().zip(&pairs[1..])) {
        let sum = first[0] + second[1] + INNER * (first[1] + second[0]);
        *to = ((sum + 128) >> 8) as u8;
    }
}
