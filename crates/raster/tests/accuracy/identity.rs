//! Remapping a panorama to itself changes nothing.

use panofleet_projection::{CroppedArea, Equirectangular, Orientation, View};
use panofleet_raster::{Channels, Kernel, Panorama, Picture, Sample, Sampling, Size, remap};
use proptest::prelude::*;

fn check<S: Sample>(picture: &Picture<S>, geometry: Equirectangular) {
    let panorama = Panorama::new(picture.clone(), geometry).unwrap();
    let view = View::new(geometry, Orientation::IDENTITY);
    for kernel in
        [Kernel::Nearest, Kernel::Bilinear, Kernel::Bicubic, Kernel::Footprint, Kernel::Lanczos]
    {
        let sampling = Sampling { kernel, ..Sampling::default() };
        let found = remap(&panorama, &view, &sampling).unwrap();
        assert!(found == *picture, "{kernel:?}, {:?}", picture.size());
    }
}

/// Neighbours that differ as much as they can.
fn noise<S: Sample>(size: Size, channels: Channels, seed: u32, value: fn(u32) -> S) -> Picture<S> {
    let len = size.area_px() as u32 * channels.count() as u32;
    let hash = |i: u32| (i ^ seed).wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(40_503);
    let samples: Vec<S> = (0..len).map(|i| value(hash(i))).collect();
    Picture::from_interleaved(channels, size, &samples).unwrap()
}

#[test]
fn eight_and_sixteen_bits_are_copied_exactly() {
    for (width_px, height_px) in [(2_000, 1_000), (8_191, 300), (1, 1), (2, 1), (3, 7)] {
        let size = Size::new(width_px, height_px).unwrap();
        let full = Equirectangular::full(size);
        check(&noise(size, Channels::Rgb, 1, |hash| (hash >> 24) as u8), full);
        check(&noise(size, Channels::Gray, 2, |hash| (hash >> 16) as u16), full);
    }
}

proptest! {
    #[test]
    fn a_crop_is_copied_exactly(
        left in 0_u32..200, top in 0_u32..100, width in 1_u32..200, height in 1_u32..100,
        seed in any::<u32>(),
    ) {
        let area = CroppedArea {
            full_width_px: 400, full_height_px: 200, left_px: left, top_px: top, width_px: width,
            height_px: height,
        };
        let size = Size::new(width, height).unwrap();
        let geometry = Equirectangular::cropped(size, area).unwrap();
        check(&noise(size, Channels::Gray, seed, |hash| (hash >> 16) as u16), geometry);
    }

    /// Where alpha is above 0; below it a colour has no meaning.
    #[test]
    fn alpha_does_not_change_a_copy(seed in any::<u32>()) {
        let size = Size::new(64, 32).unwrap();
        let picture = noise(size, Channels::RgbAlpha, seed, |hash| (hash >> 24).max(1) as u8);
        check(&picture, Equirectangular::full(size));
    }
}
