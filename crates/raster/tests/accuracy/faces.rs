//! Cube faces.

use std::f64::consts::TAU;

use panofleet_projection::{Face, View};
use panofleet_raster::{Kernel, Panorama, Rect, Sampling, Size, crop, remap, remap_window};

use crate::scene::{self, Stored};

/// What [`remap`] promises.
const POSITION_ERROR_PX_MAX: f64 = 0.015;

fn check<S: Stored>(width_px: u32, height_px: u32, face_px: u32) {
    let source = scene::equirectangular(width_px, height_px);
    let size = Size::new(width_px, height_px).unwrap();
    let panorama = Panorama::full(scene::picture::<S>(size, source));
    let bound_px = POSITION_ERROR_PX_MAX + S::ROUNDING * 3.0_f64.sqrt() * f64::from(width_px) / TAU;
    assert!(bound_px < 0.02);
    for face in Face::ALL {
        let view = View::cube_face(face, face_px.try_into().unwrap());
        let found = remap(&panorama, &view, &scene::bicubic()).unwrap();
        let expected = scene::cube_face(face.letter(), face_px);
        let (worst_px, at) = scene::worst_px(&found, width_px, expected);
        assert!(worst_px < bound_px, "{worst_px} px at {at:?} of {face:?}, {width_px} → {face_px}");
    }
}

#[test]
fn every_pixel_of_every_face_is_where_it_belongs() {
    // About the panorama's resolution, coarser, finer, tiny, and odd sizes.
    for face_px in [656, 64, 1_500, 1, 331] {
        check::<f32>(2_048, 1_024, face_px);
    }
    check::<f32>(1_023, 511, 326);
    check::<f32>(8_192, 4_096, 2_624);
}

#[test]
fn sixteen_bits_are_as_accurate_as_their_steps() {
    check::<u16>(480, 240, 153);
}

/// Nearest is off by at most half a pixel in both directions, bilinear by the curvature of the
/// scene.
#[test]
fn other_kernels_have_no_shift() {
    let (width_px, face_px) = (1_024, 326);
    let source = scene::equirectangular(width_px, width_px / 2);
    let size = Size::new(width_px, width_px / 2).unwrap();
    let panorama = Panorama::full(scene::picture::<f32>(size, source));
    for (kernel, bound_px) in [(Kernel::Bilinear, 0.01), (Kernel::Nearest, 0.715)] {
        let sampling = Sampling { kernel, ..Sampling::default() };
        for face in Face::ALL {
            let view = View::cube_face(face, face_px.try_into().unwrap());
            let found = remap(&panorama, &view, &sampling).unwrap();
            let expected = scene::cube_face(face.letter(), face_px);
            let (worst_px, at) = scene::worst_px(&found, width_px, expected);
            assert!(worst_px < bound_px, "{kernel:?}: {worst_px} px at {at:?} of {face:?}");
        }
    }
}

#[test]
fn a_window_is_a_part_of_the_whole() {
    let size = Size::new(2_048, 1_024).unwrap();
    let panorama =
        Panorama::full(scene::picture::<u16>(size, scene::equirectangular(2_048, 1_024)));
    for face in [Face::Back, Face::Up] {
        let view = View::cube_face(face, 656.try_into().unwrap());
        let whole = remap(&panorama, &view, &scene::bicubic()).unwrap();
        for (left_px, top_px, width_px, height_px) in
            [(0, 0, 656, 33), (0, 623, 656, 33), (5, 320, 300, 40), (655, 655, 1, 1)]
        {
            let rect = Rect { left_px, top_px, size: Size::new(width_px, height_px).unwrap() };
            let window = remap_window(&panorama, &view, rect, &scene::bicubic()).unwrap();
            assert!(window == crop(&whole, rect).unwrap(), "{face:?} {rect:?}");
        }
    }
}
