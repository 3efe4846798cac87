//! Resizing and halving keep positions.

use panofleet_projection::{Face, View};
use panofleet_raster::{Edges, Panorama, Picture, Rect, Size, crop, reduce_by_two, remap, resize};

use crate::scene;

/// The rows of a picture further than `margin_px` from its top and bottom.
fn without_caps(picture: &Picture<f32>, margin_px: u32) -> Picture<f32> {
    let (width_px, height_px) = (picture.size().width_px(), picture.size().height_px());
    let size = Size::new(width_px, height_px - 2 * margin_px).unwrap();
    crop(picture, Rect { left_px: 0, top_px: margin_px, size }).unwrap()
}

#[test]
fn a_resized_panorama_is_not_shifted() {
    let source = Size::new(1_024, 512).unwrap();
    let picture = scene::picture::<f32>(source, scene::equirectangular(1_024, 512));
    for (width_px, height_px) in [(512, 256), (300, 150), (1_500, 750), (256, 700)] {
        let size = Size::new(width_px, height_px).unwrap();
        let resized = resize(&picture, size, Edges::WrapColumns).unwrap();
        // At the top and bottom a repeated row is not what lies beyond the pole.
        let margin_px = 3 * height_px.div_ceil(512) + 3;
        let found = without_caps(&resized, margin_px);
        let expected = scene::equirectangular(width_px, height_px);
        let (worst_px, at) =
            scene::worst_px(&found, 1_024, |x, y| expected(x, y + f64::from(margin_px)));
        // A normalised Lanczos-3 is off by up to 0.012 of a source pixel on a ramp in each
        // direction; low-pass filtering takes the rest.
        assert!(worst_px < 0.03, "{worst_px} px at {at:?}, {size:?}");
    }
}

#[test]
fn a_parent_level_is_not_shifted() {
    let size = Size::new(1_024, 512).unwrap();
    let panorama = Panorama::full(scene::picture::<f32>(size, scene::equirectangular(1_024, 512)));
    for face in Face::ALL {
        let view = View::cube_face(face, 336.try_into().unwrap());
        let parent = reduce_by_two(&remap(&panorama, &view, &scene::bicubic()).unwrap());
        let expected = scene::cube_face(face.letter(), 168);
        let (worst_px, at) = scene::worst_px(&parent, 1_024, expected);
        assert!(worst_px < 0.02, "{worst_px} px at {at:?} of {face:?}");
    }
}
