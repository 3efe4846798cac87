//! 8-bit kernels for AVX-512 with byte permutes.
//!
//! Sixteen pixels of a row are worked on at once, a lane each. Where their taps lie in a window of
//! 32 columns and four rows, which is so wherever rows of the destination run along those of the
//! source, a byte permute of two registers brings each lane its four neighbouring samples;
//! elsewhere they are loaded lane by lane. Rows are filtered in integers (weights of 14 bits, sums
//! of 32), columns in `f32`.

use std::arch::x86_64::*;

use super::{Positions, Shape, Taps};
use crate::map::{BLOCK_PX, Dense, FRACTION_BITS};
use crate::sample::Tile;
use crate::weights::Weights;

/// Horizontal weights are integers of this many steps.
const WEIGHT_ONE: f32 = 16_384.0;

const FRACTION: u32 = FRACTION_BITS;

/// Columns of a window.
const WINDOW: usize = 32;

/// Samples a block; `false` if there is no such kernel here.
pub(super) fn block(
    shape: Shape,
    at: Positions<'_>,
    taps: &Taps<'_, u8>,
    tiles: &mut [Tile<u8>],
) -> bool {
    #[expect(unsafe_code, reason = "functions for instructions that this machine has")]
    // SAFETY: only called if the processor has AVX-512 F, BW, VL and VBMI.
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
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn rows<const PAIRS: usize, const QUADS: usize, const TERMS: usize>(
    at: Positions<'_>,
    taps: &Taps<'_, u8>,
    tiles: &mut [Tile<u8>],
) {
    let Some(reader) = Reader::new(taps, PAIRS) else { return };
    let lead = _mm512_set1_epi32(PAIRS as i32 - 1);
    let u = load_floats(&PLACES);
    let parabolas = match at {
        Positions::Smooth(smooth) => Some([
            Parabolas::new(&smooth.x, smooth.origin[0], lead),
            Parabolas::new(&smooth.y, smooth.origin[1], lead),
        ]),
        Positions::Dense(_) => None,
    };
    let across = taps.weights[0].times(WEIGHT_ONE);
    for row in 0..BLOCK_PX {
        let (at, start) = match (&parabolas, at) {
            (Some([x, y]), _) => {
                ([x.row(row, u), y.row(row, u)], Some([x.starts[row], y.starts[row]]))
            }
            (None, Positions::Dense(dense)) => (dense_row(dense, row), None),
            (None, Positions::Smooth(_)) => return,
        };
        reader.sample::<PAIRS, QUADS, TERMS>(at, (start, &across), tiles, row);
    }
}

/// The fixed-point positions of a row of a block that has one for each pixel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn dense_row(dense: &Dense, row: usize) -> [__m512i; 2] {
    let x = load_row(&dense.x, row);
    // A pixel that sees nothing is sampled somewhere and replaced afterwards.
    let nothing = _mm512_cmpeq_epi32_mask(x, _mm512_set1_epi32(Dense::NOTHING));
    [_mm512_mask_mov_epi32(x, nothing, _mm512_setzero_si512()), load_row(&dense.y, row)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn store(tile: &mut Tile<u8>, row: usize, bytes: __m128i) {
    let to: &mut [u8; BLOCK_PX] =
        (&mut tile.0[row * BLOCK_PX..][..BLOCK_PX]).try_into().expect("a row");
    #[expect(unsafe_code, reason = "a store through a pointer")]
    // SAFETY: `to` has the 16 bytes that are written.
    unsafe {
        _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
    }
}

/// The places of a row's, or a column's, pixels in [−1, 1].
#[rustfmt::skip]
const PLACES: [f32; BLOCK_PX] = [
    -1.0, -13.0 / 15.0, -11.0 / 15.0, -9.0 / 15.0, -7.0 / 15.0, -5.0 / 15.0, -3.0 / 15.0, -1.0 / 15.0,
    1.0 / 15.0, 3.0 / 15.0, 5.0 / 15.0, 7.0 / 15.0, 9.0 / 15.0, 11.0 / 15.0, 13.0 / 15.0, 1.0,
];

/// The parabolas that a block's rows are, in one coordinate.
struct Parabolas {
    /// For each row, the coefficients of 1, `u` and `u²`.
    terms: [[f32; BLOCK_PX]; 3],
    origin: i32,
    /// For each row, the smaller of the whole positions of its first and its last pixel.
    starts: [i32; BLOCK_PX],
}

impl Parabolas {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn new(of: &[[f32; 3]; 3], origin: i32, lead: __m512i) -> Self {
        // Here a lane is a row.
        let v = load_floats(&PLACES);
        let mut terms = [_mm512_setzero_ps(); 3];
        for (i, term) in terms.iter_mut().enumerate() {
            let inner = _mm512_fmadd_ps(_mm512_set1_ps(of[2][i]), v, _mm512_set1_ps(of[1][i]));
            *term = _mm512_fmadd_ps(inner, v, _mm512_set1_ps(of[0][i]));
        }
        let even = _mm512_add_ps(terms[0], terms[2]);
        let lowest = _mm512_sub_ps(even, _mm512_abs_ps(terms[1]));
        let lowest = _mm512_add_epi32(_mm512_cvtps_epi32(lowest), _mm512_set1_epi32(origin));
        let starts = _mm512_sub_epi32(_mm512_srai_epi32::<FRACTION>(lowest), lead);
        let mut found = Self { terms: [[0.0; BLOCK_PX]; 3], origin, starts: [0; BLOCK_PX] };
        #[expect(unsafe_code, reason = "stores through pointers")]
        // SAFETY: each array has the 64 bytes that are written.
        unsafe {
            for (to, terms) in found.terms.iter_mut().zip(terms) {
                _mm512_storeu_ps(to.as_mut_ptr(), terms);
            }
            _mm512_storeu_si512(found.starts.as_mut_ptr().cast(), starts);
        }
        found
    }

    /// The fixed-point positions of a row.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn row(&self, row: usize, u: __m512) -> __m512i {
        let [c, b, a] = &self.terms;
        let inner = _mm512_fmadd_ps(_mm512_set1_ps(a[row]), u, _mm512_set1_ps(b[row]));
        let sum = _mm512_fmadd_ps(inner, u, _mm512_set1_ps(c[row]));
        _mm512_add_epi32(_mm512_cvtps_epi32(sum), _mm512_set1_epi32(self.origin))
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn load_floats(from: &[f32; BLOCK_PX]) -> __m512 {
    #[expect(unsafe_code, reason = "a load through a pointer")]
    // SAFETY: the array has 16 values.
    unsafe {
        _mm512_loadu_ps(from.as_ptr())
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn load_row(of: &[i32; BLOCK_PX * BLOCK_PX], row: usize) -> __m512i {
    let of = &of[row * BLOCK_PX..][..BLOCK_PX];
    #[expect(unsafe_code, reason = "a load through a pointer")]
    // SAFETY: the slice has 16 values.
    unsafe {
        _mm512_loadu_si512(of.as_ptr().cast())
    }
}

/// The weights of all taps in order, from the fractions of positions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn weights<const PAIRS: usize, const TERMS: usize>(
    fraction: __m512i,
    weights: &Weights,
) -> [__m512; 6] {
    const STEP: f32 = 1.0 / (1 << FRACTION_BITS) as f32;
    let s =
        _mm512_fmsub_ps(_mm512_cvtepi32_ps(fraction), _mm512_set1_ps(STEP), _mm512_set1_ps(0.5));
    let square = _mm512_mul_ps(s, s);
    let sum = |terms: &[f32; 4]| {
        let mut sum = _mm512_set1_ps(terms[TERMS - 1]);
        for term in terms[..TERMS - 1].iter().rev() {
            sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(*term));
        }
        sum
    };
    let mut all = [_mm512_setzero_ps(); 6];
    for pair in 0..PAIRS {
        let (even, odd) = (sum(&weights.even[pair]), sum(&weights.odd[pair]));
        all[PAIRS - 1 - pair] = _mm512_fnmadd_ps(odd, s, even);
        all[PAIRS + pair] = _mm512_fmadd_ps(odd, s, even);
    }
    all
}

/// Integer weights for the even and the odd samples of each quad of a row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
fn packed<const PAIRS: usize, const QUADS: usize>(across: [__m512; 6]) -> [[__m512i; 2]; 2] {
    let mut whole = [_mm512_setzero_si512(); 8];
    for tap in 0..2 * PAIRS {
        whole[tap] = _mm512_cvtps_epi32(across[tap]);
    }
    let both = |low: __m512i, high: __m512i| {
        _mm512_mask_mov_epi16(low, 0xaaaa_aaaa, _mm512_slli_epi32::<16>(high))
    };
    let mut pairs = [[_mm512_setzero_si512(); 2]; 2];
    for quad in 0..QUADS {
        let taps = &whole[4 * quad..];
        pairs[quad] = [both(taps[0], taps[2]), both(taps[1], taps[3])];
    }
    pairs
}

/// The weights of sixteen pixels.
struct Filter {
    /// Across, for the even and the odd samples of each quad.
    pairs: [[__m512i; 2]; 2],
    /// Down, for each row.
    down: [__m512; 6],
}

impl Filter {
    /// Adds one row of taps: `sum + down · Σ across · samples`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn add<const QUADS: usize>(&self, sum: __m512, quads: [__m512i; 2], row: usize) -> __m512 {
        let bytes = _mm512_set1_epi32(0x00ff_00ff);
        let mut filtered = _mm512_setzero_si512();
        for (quad, pairs) in quads.iter().zip(&self.pairs).take(QUADS) {
            let even = _mm512_and_si512(*quad, bytes);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<8>(*quad), bytes);
            filtered = _mm512_add_epi32(filtered, _mm512_madd_epi16(even, pairs[0]));
            filtered = _mm512_add_epi32(filtered, _mm512_madd_epi16(odd, pairs[1]));
        }
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(filtered), self.down[row], sum)
    }
}

/// Where sixteen pixels find their taps.
enum Reach {
    /// Close together.
    Window {
        /// Index of the window's first sample.
        base: usize,
        /// For each lane, where its four samples are in two registers of two rows each.
        index: __m512i,
        /// Whether a lane's first row is below the second one of the window.
        is_tall: bool,
    },
    /// Anywhere: the first sample of each.
    Lanes([u32; BLOCK_PX]),
}

/// Reads samples of planes of one stride.
struct Reader<'a> {
    taps: &'a Taps<'a, u8>,
    /// No lane's first sample is behind this one: behind it are the rows of all taps, and eight
    /// samples.
    last: u32,
    /// No window begins behind this one: behind it are four rows more, and 32 samples.
    last_window: i64,
}

impl<'a> Reader<'a> {
    /// `None` if the planes are too small for any load, which no region is.
    fn new(taps: &'a Taps<'a, u8>, pairs: usize) -> Option<Self> {
        let shortest = taps.planes.iter().map(|plane| plane.len()).min()?;
        let last = shortest.checked_sub((2 * pairs - 1) * taps.stride + 8)?;
        let last_window = shortest as i64 - ((2 * pairs + 3) * taps.stride + WINDOW) as i64;
        Some(Self { taps, last: u32::try_from(last).unwrap_or(u32::MAX), last_window })
    }

    /// Samples a row of a block; `start` is where a window for it may begin.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn sample<const PAIRS: usize, const QUADS: usize, const TERMS: usize>(
        &self,
        [px, py]: [__m512i; 2],
        (start, across): (Option<[i32; 2]>, &Weights),
        tiles: &mut [Tile<u8>],
        y: usize,
    ) {
        let lead = _mm512_set1_epi32(PAIRS as i32 - 1);
        let mask = _mm512_set1_epi32((1 << FRACTION) - 1);
        let x = _mm512_sub_epi32(_mm512_srai_epi32::<FRACTION>(px), lead);
        let row = _mm512_sub_epi32(_mm512_srai_epi32::<FRACTION>(py), lead);
        let filter = Filter {
            pairs: packed::<PAIRS, QUADS>(weights::<PAIRS, TERMS>(
                _mm512_and_si512(px, mask),
                across,
            )),
            down: weights::<PAIRS, TERMS>(_mm512_and_si512(py, mask), self.taps.weights[1]),
        };
        let window = match start {
            Some(start) => self.window::<QUADS>(start, x, row),
            None => None,
        };
        let reach = match window {
            Some(window) => window,
            None => self.lanes(x, row),
        };
        let planes = self.taps.planes.iter().zip(self.taps.levels);
        for (tile, (plane, level)) in tiles.iter_mut().zip(planes) {
            let sums = match &reach {
                Reach::Window { base, index, is_tall: false } => {
                    self.flat::<PAIRS, QUADS>(plane, *base, *index, &filter)
                }
                Reach::Window { base, index, is_tall: true } => {
                    self.tall::<PAIRS, QUADS>(plane, *base, *index, &filter)
                }
                Reach::Lanes(starts) => self.loaded::<PAIRS, QUADS>(plane, starts, &filter),
            };
            // The weights across were integers.
            let gain = _mm512_set1_ps(level.gain / WEIGHT_ONE);
            let bias = _mm512_set1_ps(level.bias);
            let sums = _mm512_fmadd_ps(sums, gain, bias);
            let whole = _mm512_max_epi32(_mm512_cvtps_epi32(sums), _mm512_setzero_si512());
            store(tile, y, _mm512_cvtusepi32_epi8(whole));
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn window<const QUADS: usize>(
        &self,
        [left, top]: [i32; 2],
        x: __m512i,
        row: __m512i,
    ) -> Option<Reach> {
        let right = _mm512_sub_epi32(x, _mm512_set1_epi32(left));
        let below = _mm512_sub_epi32(row, _mm512_set1_epi32(top));
        let inside = _mm512_cmple_epu32_mask(right, _mm512_set1_epi32((WINDOW - 4 * QUADS) as i32))
            & _mm512_cmple_epu32_mask(below, _mm512_set1_epi32(3));
        let base = i64::from(top) * self.taps.stride as i64 + i64::from(left);
        if inside != 0xffff || base < 0 || base > self.last_window {
            return None;
        }
        let first = _mm512_add_epi32(_mm512_slli_epi32::<5>(below), right);
        let spread =
            _mm512_shuffle_epi8(first, _mm512_set4_epi32(0x0c0c_0c0c, 0x0808_0808, 0x0404_0404, 0));
        let index = _mm512_add_epi8(spread, _mm512_set1_epi32(0x0302_0100));
        let is_tall = _mm512_cmpgt_epi32_mask(below, _mm512_set1_epi32(1)) != 0;
        Some(Reach::Window { base: base as usize, index, is_tall })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn lanes(&self, x: __m512i, row: __m512i) -> Reach {
        let stride = _mm512_set1_epi32(self.taps.stride as i32);
        let first = _mm512_add_epi32(_mm512_mullo_epi32(row, stride), x);
        // As unsigned numbers, so that none is before the first sample either.
        let first = _mm512_min_epu32(first, _mm512_set1_epi32(self.last as i32));
        let mut starts = [0_u32; BLOCK_PX];
        #[expect(unsafe_code, reason = "a store through a pointer")]
        // SAFETY: `starts` has the 64 bytes that are written.
        unsafe {
            _mm512_storeu_si512(starts.as_mut_ptr().cast(), first);
        }
        Reach::Lanes(starts)
    }

    /// Two rows of a window.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn two_rows(&self, plane: &[u8], at: usize) -> __m512i {
        let (upper, lower) = (&plane[at..][..WINDOW], &plane[at + self.taps.stride..][..WINDOW]);
        #[expect(unsafe_code, reason = "loads through pointers")]
        // SAFETY: both slices have 32 samples.
        unsafe {
            let upper = _mm256_loadu_si256(upper.as_ptr().cast());
            let lower = _mm256_loadu_si256(lower.as_ptr().cast());
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(upper), lower)
        }
    }

    /// Sums in a window of which each lane needs at most two rows at a time.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn flat<const PAIRS: usize, const QUADS: usize>(
        &self,
        plane: &[u8],
        base: usize,
        index: __m512i,
        filter: &Filter,
    ) -> __m512 {
        self.prefetch::<PAIRS>(plane, base);
        let further = _mm512_add_epi8(index, _mm512_set1_epi8(4));
        let mut sum = _mm512_setzero_ps();
        for row in 0..2 * PAIRS {
            let rows = self.two_rows(plane, base + row * self.taps.stride);
            let near = _mm512_permutexvar_epi8(index, rows);
            let far = if QUADS > 1 { _mm512_permutexvar_epi8(further, rows) } else { near };
            sum = filter.add::<QUADS>(sum, [near, far], row);
        }
        sum
    }

    /// Sums in a window of which each lane needs one of four rows at a time.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn tall<const PAIRS: usize, const QUADS: usize>(
        &self,
        plane: &[u8],
        base: usize,
        index: __m512i,
        filter: &Filter,
    ) -> __m512 {
        self.prefetch::<PAIRS>(plane, base);
        let further = _mm512_add_epi8(index, _mm512_set1_epi8(4));
        let mut sum = _mm512_setzero_ps();
        for row in 0..2 * PAIRS {
            let upper = self.two_rows(plane, base + row * self.taps.stride);
            let lower = self.two_rows(plane, base + (row + 2) * self.taps.stride);
            let near = _mm512_permutex2var_epi8(upper, index, lower);
            let far =
                if QUADS > 1 { _mm512_permutex2var_epi8(upper, further, lower) } else { near };
            sum = filter.add::<QUADS>(sum, [near, far], row);
        }
        sum
    }

    /// The blocks after this one are further along the same rows, usually.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn prefetch<const PAIRS: usize>(&self, plane: &[u8], base: usize) {
        let ahead = plane.as_ptr().wrapping_add(base + 2 * PAIRS * self.taps.stride + 128);
        _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
    }

    /// Sums of taps that are loaded lane by lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    fn loaded<const PAIRS: usize, const QUADS: usize>(
        &self,
        plane: &[u8],
        starts: &[u32; BLOCK_PX],
        filter: &Filter,
    ) -> __m512 {
        let mut sum = _mm512_setzero_ps();
        for row in 0..2 * PAIRS {
            let below = row * self.taps.stride;
            let quads = if QUADS == 1 {
                let quads = self.four_samples(plane, below, starts);
                [quads, quads]
            } else {
                self.eight_samples(plane, below, starts)
            };
            sum = filter.add::<QUADS>(sum, quads, row);
        }
        sum
    }

    /// Four samples for each lane, `below` behind its first one.
    #[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    #[rustfmt::skip]
    fn four_samples(&self, plane: &[u8], below: usize, starts: &[u32; BLOCK_PX]) -> __m512i {
        let at = |lane: usize| {
            #[expect(unsafe_code, reason = "a load through a pointer")]
            // SAFETY: no start is behind `last`, behind which are the rows of all taps and eight
            // samples.
            unsafe { plane.as_ptr().add(starts[lane] as usize + below).cast::<i32>().read_unaligned() }
        };
        _mm512_setr_epi32(
            at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7),
            at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15),
        )
    }

    /// Eight samples for each lane, in two quads.
    #[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,fma")]
    #[rustfmt::skip]
    fn eight_samples(&self, plane: &[u8], below: usize, starts: &[u32; BLOCK_PX]) -> [__m512i; 2] {
        let at = |lane: usize| {
            #[expect(unsafe_code, reason = "a load through a pointer")]
            // SAFETY: as above.
            unsafe { plane.as_ptr().add(starts[lane] as usize + below).cast::<i64>().read_unaligned() }
        };
        let low = _mm512_setr_epi64(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
        let high = _mm512_setr_epi64(at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15));
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        [_mm512_permutex2var_epi32(low, even, high), _mm512_permutex2var_epi32(low, odd, high)]
    }
}
