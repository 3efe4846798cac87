//! Sources that are not equirectangular.

use panofleet_projection::{Equirectangular, Orientation, Rectilinear, View};
use panofleet_raster::{Panorama, Sampling, Size, remap};

use crate::scene;

/// Marks what no ray of the scene can be.
const BACKGROUND: f32 = 9.0;

/// A flat picture that was taken with a turned camera, on the sphere: where it shows something, and what.
#[test]
fn a_flat_picture_lies_where_its_camera_looked() {
    let size = Size::new(700, 500).unwrap();
    let (yaw_deg, pitch_deg, roll_deg, fov_deg) = (150.0, 30.0, 20.0, 100.0_f64);
    let axes = scene::camera(yaw_deg, pitch_deg, roll_deg);
    let flat = scene::rectilinear(size, fov_deg, axes);
    let source = View::new(
        Rectilinear::new(size, fov_deg.to_radians()).unwrap(),
        Orientation::from_degrees(yaw_deg, pitch_deg, roll_deg).unwrap(),
    );
    let panorama = Panorama::new(scene::picture::<f32>(size, flat), source).unwrap();
    let sphere = Size::new(800, 400).unwrap();
    let view = View::new(Equirectangular::full(sphere), Orientation::IDENTITY);
    let sampling = Sampling { background: [BACKGROUND; 4], ..scene::bicubic() };
    let found = scene::directions(&remap(&panorama, &view, &sampling).unwrap());
    let ray = scene::equirectangular(800, 400);
    let pixel = 2.0 * (fov_deg / 2.0).to_radians().tan() / 700.0;
    let mut seen = 0;
    for (index, found) in (0_u32..).zip(found) {
        let expected = ray(f64::from(index % 800) + 0.5, f64::from(index / 800) + 0.5);
        let [right, up, forward] =
            axes.map(|axis| axis.iter().zip(expected).map(|(a, b)| a * b).sum::<f64>());
        let x = (right / forward / pixel).abs();
        let y = (up / forward / pixel).abs();
        let margin = if forward > 0.0 { (350.0 - x).min(250.0 - y) } else { -1.0 };
        if margin.abs() > 0.01 {
            assert_eq!(f64::from(BACKGROUND) - found[0] < 1e-6, margin < 0.0, "{index} {margin}");
        }
        // Taps beyond the border see the repeated edge.
        if margin > 2.0 {
            seen += 1;
            let error_px = scene::distance(found, expected) / pixel;
            assert!(error_px < 0.03, "{index}: {error_px} px");
        }
    }
    assert!(seen > 20_000, "{seen}");
}
