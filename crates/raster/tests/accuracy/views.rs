//! Flat views and turned panoramas.

use panofleet_projection::{Equirectangular, Orientation, Rectilinear, View};
use panofleet_raster::{Panorama, Size, remap};

use crate::scene;

/// What [`remap`] promises.
const POSITION_ERROR_PX_MAX: f64 = 0.015;

const WIDTH_PX: u32 = 1_024;

fn panorama() -> Panorama<f32> {
    let size = Size::new(WIDTH_PX, WIDTH_PX / 2).unwrap();
    Panorama::full(scene::picture(size, scene::equirectangular(WIDTH_PX, WIDTH_PX / 2)))
}

/// Ahead, on the seam, at both poles, just beside a pole, over it, and rolled.
const ORIENTATIONS_DEG: [(f64, f64, f64); 9] = [
    (0.0, 0.0, 0.0),
    (180.0, 0.0, 0.0),
    (-179.9, 10.0, 0.0),
    (30.0, 90.0, 0.0),
    (-120.0, -90.0, 45.0),
    (77.0, 89.7, 0.0),
    (10.0, 120.0, 0.0),
    (-40.0, 25.0, 160.0),
    (0.0, 0.0, -90.0),
];

#[test]
fn flat_views_look_where_they_are_turned() {
    let panorama = panorama();
    for (yaw_deg, pitch_deg, roll_deg) in ORIENTATIONS_DEG {
        for (width_px, height_px, fov_deg) in
            [(640, 360, 90.0_f64), (201, 333, 150.0), (500, 20, 10.0)]
        {
            let size = Size::new(width_px, height_px).unwrap();
            let view = View::new(
                Rectilinear::new(size, fov_deg.to_radians()).unwrap(),
                Orientation::from_degrees(yaw_deg, pitch_deg, roll_deg).unwrap(),
            );
            let found = remap(&panorama, &view, &scene::bicubic()).unwrap();
            let axes = scene::camera(yaw_deg, pitch_deg, roll_deg);
            let expected = scene::rectilinear(size, fov_deg, axes);
            let (worst_px, at) = scene::worst_px(&found, WIDTH_PX, expected);
            assert!(
                worst_px < POSITION_ERROR_PX_MAX,
                "{worst_px} px at {at:?}: {yaw_deg} {pitch_deg} {roll_deg}, {fov_deg}"
            );
        }
    }
}

#[test]
fn a_panorama_can_be_turned() {
    let panorama = panorama();
    for (yaw_deg, pitch_deg, roll_deg) in ORIENTATIONS_DEG {
        let size = Size::new(700, 350).unwrap();
        let orientation = Orientation::from_degrees(yaw_deg, pitch_deg, roll_deg).unwrap();
        let view = View::new(Equirectangular::full(size), orientation);
        let found = remap(&panorama, &view, &scene::bicubic()).unwrap();
        let axes = scene::camera(yaw_deg, pitch_deg, roll_deg);
        let upright = scene::equirectangular(700, 350);
        let expected = |x, y| scene::in_world(&axes, upright(x, y));
        let (worst_px, at) = scene::worst_px(&found, WIDTH_PX, expected);
        assert!(
            worst_px < POSITION_ERROR_PX_MAX,
            "{worst_px} px at {at:?}: {yaw_deg} {pitch_deg} {roll_deg}"
        );
    }
}
