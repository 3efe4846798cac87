//! From a picture to the same picture.

use panofleet_projection::{Equirectangular, Mapping, Orientation, Pixel, View};
use proptest::prelude::*;

use crate::every_projection::{all, size};

fn bits(pixel: Pixel) -> (u64, u64) {
    (pixel.x_px.to_bits(), pixel.y_px.to_bits())
}

proptest! {
    #[test]
    fn rotation_by_nothing_changes_no_bit(x in 0.0..1200.0, y in 0.0..600.0) {
        let pixel = Pixel::new(x, y);
        let turned = Orientation::new(0.4, -0.2, 3.0).unwrap();
        for orientation in [Orientation::IDENTITY, turned] {
            let view = View::new(Equirectangular::full(size(1200, 600)), orientation);
            let mapping = Mapping::new(view, view);
            prop_assert!(mapping.is_identity());
            prop_assert_eq!(mapping.pixel(pixel).map(bits), Some(bits(pixel)));
        }
    }

    /// Not only when it is known to be the identity: the maths itself goes there and back.
    #[test]
    fn the_way_there_and_back_is_exact_to_rounding(x in 0.0..8192.0, y in 1.0..4095.0) {
        let view = View::new(Equirectangular::full(size(8192, 4096)), Orientation::IDENTITY);
        let back = view.pixel(view.ray(Pixel::new(x, y)).unwrap()).unwrap();
        prop_assert!((back.x_px - x).abs() < 1e-11 && (back.y_px - y).abs() < 1e-11);
    }
}

#[test]
fn any_difference_is_no_identity() {
    let view = |width_px, yaw_rad| {
        let orientation = Orientation::new(yaw_rad, 0.0, 0.0).unwrap();
        View::new(Equirectangular::full(size(width_px, 600)), orientation)
    };
    for (from, to, expected) in [
        (view(1200, 0.0), view(1200, 0.0), true),
        (view(1200, 0.0), view(1200, -0.0), true),
        (view(1200, 0.0), view(1200, 1e-12), false),
        (view(1200, 0.0), view(1201, 0.0), false),
    ] {
        assert_eq!(Mapping::new(from, to).is_identity(), expected, "{from:?} {to:?}");
    }
}

#[test]
fn an_identity_has_pixels_where_there_are_rays() {
    for example in all() {
        let view = View::new(example.projection, Orientation::IDENTITY);
        let mapping = Mapping::new(view, view);
        for pixel in [Pixel::new(1.0, 1.0), view.size().centre(), Pixel::new(1e12, f64::NAN)] {
            let expected = view.ray(pixel).map(|_| pixel);
            assert_eq!(mapping.pixel(pixel), expected, "{example:?} {pixel:?}");
            assert_eq!(mapping.jacobian(pixel).is_some(), expected.is_some());
        }
    }
}
