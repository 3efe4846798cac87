//! The tile pyramid of a cube map.

use std::f64::consts::PI;
use std::num::NonZeroU32;

/// Most tiles along a side of a face: Photo Sphere Viewer's cubemap-tiles adapter accepts no more.
pub const TILES_PER_SIDE_MAX: u32 = 1 << LEVELS_ABOVE_FIRST_MAX;

const LEVELS_ABOVE_FIRST_MAX: u32 = 4;

/// Tiles are at most this large until [`TILES_PER_SIDE_MAX`] is reached.
const TILE_PX_TARGET_MAX: u32 = 768;

/// Tiles are a multiple of this: whole 4:2:0 JPEG blocks, and the smallest tile.
const TILE_PX_STEP: NonZeroU32 = NonZeroU32::new(16).expect("not zero");

const TWO: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// A pyramid whose levels are `tile_px · 2^i`, so that every tile of every level is full and
/// square and every level is exactly half of the next.
///
/// One set of such tiles satisfies Pannellum, Photo Sphere Viewer, Marzipano and krpano: no viewer
/// has to know how a generator rounds a fractional level. With `need = width / π`, the face size
/// at which the centre of a face has the panorama's own resolution:
///
/// - `k` = the smallest with `need / 2^k ≤ 768`, but at most 4;
/// - `tile_px` = `need / 2^k`, rounded up to a multiple of 16; `face_px` = `tile_px · 2^k`.
///
/// | panorama | tile | face | levels |
/// |---:|---:|---:|---:|
/// | 4,096 | 656 | 1,312 | 2 |
/// | 8,192 | 656 | 2,624 | 3 |
/// | 12,000 | 480 | 3,840 | 4 |
/// | 16,384 | 656 | 5,248 | 4 |
///
/// Above a width of 38,603 there are 16 tiles a side and the tiles grow (65,536: 1,312 px). The
/// smallest pyramid, for a panorama narrower than 51 px, is one tile of 16 px.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pyramid {
    tile_px: NonZeroU32,
    levels_above_first: u32,
}

/// One level of a [`Pyramid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// 1 for the smallest level, as in Pannellum; subtract 1 for Marzipano's `{z}`.
    pub number: u32,
    /// Side of a face, in pixels.
    pub face_px: NonZeroU32,
    /// Tiles along each side of a face: `2^(number − 1)`.
    pub tiles_per_side: u32,
}

impl Pyramid {
    /// The pyramid of a panorama whose *full* 360° are `full_width_px` wide.
    pub fn new(full_width_px: NonZeroU32) -> Self {
        let need_px = f64::from(full_width_px.get()) / PI;
        let levels_above_first = levels_above_first(need_px);
        let tile_px_min = need_px / f64::from(1_u32 << levels_above_first);
        let steps = (tile_px_min / f64::from(TILE_PX_STEP.get())).ceil();
        // At most 2^32 / π / 2^4 / 16, so the conversion is exact.
        Self { tile_px: tile_px(steps as u32), levels_above_first }
    }

    /// The same, with no face larger than `face_px_max`; less than 16 is taken as 16.
    pub fn bounded(full_width_px: NonZeroU32, face_px_max: NonZeroU32) -> Self {
        let pyramid = Self::new(full_width_px);
        if pyramid.face_px() <= face_px_max {
            return pyramid;
        }
        let levels_above_first = levels_above_first(f64::from(face_px_max.get()));
        let tile_px_max = face_px_max.get() >> levels_above_first;
        Self { tile_px: tile_px(tile_px_max / TILE_PX_STEP), levels_above_first }
    }

    /// Side of a tile, in pixels: a multiple of 16, the same on every level.
    pub const fn tile_px(&self) -> NonZeroU32 {
        self.tile_px
    }

    /// Side of a face on the largest level, in pixels.
    pub const fn face_px(&self) -> NonZeroU32 {
        self.tile_px.saturating_mul(TWO.saturating_pow(self.levels_above_first))
    }

    /// Number of levels, 1 to 5.
    pub const fn level_count(&self) -> u32 {
        self.levels_above_first + 1
    }

    /// The levels, smallest first.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = Level> + DoubleEndedIterator + use<> {
        let tile_px = self.tile_px;
        (1..self.level_count() + 1).map(move |number| {
            let tiles_per_side = TWO.saturating_pow(number - 1);
            Level {
                number,
                face_px: tile_px.saturating_mul(tiles_per_side),
                tiles_per_side: tiles_per_side.get(),
            }
        })
    }
}

/// A tile of so many steps, at least one.
fn tile_px(steps: u32) -> NonZeroU32 {
    TILE_PX_STEP.saturating_mul(NonZeroU32::new(steps).unwrap_or(NonZeroU32::MIN))
}

/// How often a face of `face_px` must be halved to fit a tile.
fn levels_above_first(face_px: f64) -> u32 {
    (0..LEVELS_ABOVE_FIRST_MAX)
        .find(|halvings| face_px <= f64::from(TILE_PX_TARGET_MAX << halvings))
        .unwrap_or(LEVELS_ABOVE_FIRST_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn width(width_px: u32) -> NonZeroU32 {
        NonZeroU32::new(width_px).unwrap()
    }

    fn check(pyramid: &Pyramid, tile_px: u32, face_px: u32, levels: u32) {
        let found = (pyramid.tile_px().get(), pyramid.face_px().get(), pyramid.level_count());
        assert_eq!(found, (tile_px, face_px, levels));
    }

    #[test]
    fn worked_values() {
        for (width_px, tile_px, face_px, levels) in [
            (8_192, 656, 2_624, 3),
            (16_384, 656, 5_248, 4),
            (12_000, 480, 3_840, 4),
            (4_096, 656, 1_312, 2),
            (2_412, 768, 768, 1),
            (2_413, 400, 800, 2),
            (64, 32, 32, 1),
            (50, 16, 16, 1),
            (1, 16, 16, 1),
            (38_603, 768, 12_288, 5),
            (38_604, 784, 12_544, 5),
            (65_536, 1_312, 20_992, 5),
        ] {
            check(&Pyramid::new(width(width_px)), tile_px, face_px, levels);
        }
    }

    #[test]
    fn a_bound_rounds_down() {
        for (face_px_max, tile_px, face_px, levels) in [
            (4_000, 656, 2_624, 3),
            (2_624, 656, 2_624, 3),
            (2_623, 640, 2_560, 3),
            (1_024, 512, 1_024, 2),
            (800, 400, 800, 2),
            (799, 384, 768, 2),
            (100, 96, 96, 1),
            (5, 16, 16, 1),
        ] {
            check(&Pyramid::bounded(width(8_192), width(face_px_max)), tile_px, face_px, levels);
        }
    }

    #[test]
    fn levels_of_an_8k_panorama() {
        let levels: Vec<_> = Pyramid::new(width(8_192))
            .levels()
            .map(|level| (level.number, level.face_px.get(), level.tiles_per_side))
            .collect();
        assert_eq!(levels, [(1, 656, 1), (2, 1_312, 2), (3, 2_624, 4)]);
    }

    proptest! {
        #[test]
        fn enough_pixels_and_not_many_more(width_px in 1_u32..) {
            let pyramid = Pyramid::new(width(width_px));
            let need_px = f64::from(width_px) / PI;
            let face_px = f64::from(pyramid.face_px().get());
            prop_assert!(face_px >= need_px);
            prop_assert!(face_px < need_px + f64::from(TILE_PX_STEP.get() * TILES_PER_SIDE_MAX));
            prop_assert_eq!(pyramid.tile_px().get() % TILE_PX_STEP, 0);
            let last = pyramid.levels().last().unwrap();
            prop_assert_eq!(last.face_px, pyramid.face_px());
            prop_assert!(last.tiles_per_side <= TILES_PER_SIDE_MAX);
        }

        #[test]
        fn a_bound_holds(width_px in 1_u32..200_000, face_px_max in 16_u32..100_000) {
            let pyramid = Pyramid::bounded(width(width_px), width(face_px_max));
            prop_assert!(pyramid.face_px().get() <= face_px_max);
            prop_assert!(pyramid.face_px() <= Pyramid::new(width(width_px)).face_px());
        }
    }
}
