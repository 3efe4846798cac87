//! Values that are published, or that follow from a projection's definition by hand.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

use panofleet_projection::{
    CroppedArea, Cylindrical, CylindricalEqualArea, Equirectangular, HalfEquirectangular, Mercator,
    Orientation, Pannini, Pixel, Projection, Ray, Rectilinear, Stereographic, View,
};
use proptest::prelude::*;

use crate::every_projection::size;

#[track_caller]
fn check(projection: impl Into<Projection>, ray: Ray, x_px: f64, y_px: f64) {
    let found = projection.into().pixel(ray).expect("inside of the picture");
    let apart_px = (found.x_px - x_px).hypot(found.y_px - y_px);
    assert!(apart_px < 1e-9, "{found:?} instead of {x_px}, {y_px}");
}

#[test]
fn stereographic_radius_is_twice_the_tangent_of_half_the_angle() {
    // 180° across 800 px: 2f·tan(45°) = 400, so f = 200.
    let view = Stereographic::new(size(800, 800), PI).unwrap();
    check(view, Ray::FORWARD, 400.0, 400.0);
    check(view, Ray::from_angles(FRAC_PI_2, 0.0), 800.0, 400.0);
    check(view, Ray::from_angles(0.0, 1.0), 400.0, 400.0 - 400.0 * 0.5_f64.tan());
    check(view, Ray::from_angles(-0.7, 0.0), 400.0 - 400.0 * 0.35_f64.tan(), 400.0);
    let wide = Stereographic::new(size(800, 800), 5.0).unwrap();
    assert_eq!(wide.pixel(Ray::from_angles(PI, 0.0)), None);
}

#[test]
fn a_little_planet_has_the_nadir_in_its_middle_and_the_front_on_top() {
    let down = Orientation::new(0.0, -FRAC_PI_2, 0.0).unwrap();
    let planet = View::new(Stereographic::new(size(1000, 1000), 4.0).unwrap(), down);
    let horizon_px = 500.0 / 1.0_f64.tan();
    for (ray, x_px, y_px) in [
        (Ray::from_angles(0.0, -FRAC_PI_2), 500.0, 500.0),
        (Ray::FORWARD, 500.0, 500.0 - horizon_px),
        (Ray::from_angles(FRAC_PI_2, 0.0), 500.0 + horizon_px, 500.0),
        (Ray::from_angles(PI, 0.0), 500.0, 500.0 + horizon_px),
    ] {
        let found = planet.pixel(ray).unwrap();
        assert!((found.x_px - x_px).hypot(found.y_px - y_px) < 1e-9, "{ray:?} {found:?}");
    }
    assert_eq!(planet.pixel(Ray::from_angles(0.0, FRAC_PI_2)), None);
}

#[test]
fn mercator_reaches_85_degrees_and_agrees_with_snyder() {
    let map = Mercator::new(size(1000, 1000), TAU).unwrap();
    // A square of a full turn, as on web maps.
    let top = map.ray(Pixel::new(500.0, 0.0));
    assert!((top.pitch_rad().to_degrees() - 85.051_128_779_806_6).abs() < 1e-11);
    // Snyder's worked example (USGS 1395, p. 266): 35° N, 105° from the centre, on a unit sphere.
    let radius_px = 1000.0 / TAU;
    let at = map.pixel(Ray::from_angles(105.0_f64.to_radians(), 35.0_f64.to_radians())).unwrap();
    assert!(((at.x_px - 500.0) / radius_px - 1.832_595_7).abs() < 5e-8);
    assert!(((500.0 - at.y_px) / radius_px - 0.652_836_6).abs() < 5e-8);
}

#[test]
fn a_cylinder_sees_the_tangent_and_an_equal_area_one_the_sine() {
    let (yaw_rad, pitch_rad) = (-0.4, 0.6);
    let ray = Ray::from_angles(yaw_rad, pitch_rad);
    let radius_px = 1000.0 / 2.0;
    let x_px = 500.0 + radius_px * yaw_rad;
    let cylinder = Cylindrical::new(size(1000, 1000), 2.0).unwrap();
    check(cylinder, ray, x_px, 500.0 - radius_px * pitch_rad.tan());
    check(cylinder.with_horizon(777.0).unwrap(), ray, x_px, 777.0 - radius_px * pitch_rad.tan());
    let lambert = CylindricalEqualArea::new(size(1000, 1000), 2.0).unwrap();
    check(lambert, ray, x_px, 500.0 - radius_px * pitch_rad.sin());
    check(lambert, Ray::from_angles(0.0, FRAC_PI_2), 500.0, 0.0);
    assert!(
        !cylinder.wraps()
            && Cylindrical::new(size(10, 10), 360.0_f64.to_radians()).unwrap().wraps()
    );
    // The meridian at the back is the left border of a full turn, as everywhere.
    let back = Ray::through([0.0, 0.0, -1.0]).unwrap();
    check(Cylindrical::new(size(1000, 500), TAU).unwrap(), back, 0.0, 250.0);
    check(Mercator::new(size(1000, 500), TAU).unwrap(), back, 0.0, 250.0);
    // One step above the zenith there is nothing.
    let tall = CylindricalEqualArea::new(size(1000, 1100), 2.0).unwrap();
    assert_eq!(tall.ray(Pixel::new(500.0, 49.0)), None);
    assert!(tall.ray(Pixel::new(500.0, 51.0)).is_some());
}

#[test]
fn half_of_the_sphere_is_a_crop_of_the_whole() {
    let half = HalfEquirectangular::new(size(500, 400));
    let area = CroppedArea {
        full_width_px: 1000,
        full_height_px: 400,
        left_px: 250,
        top_px: 0,
        width_px: 500,
        height_px: 400,
    };
    let crop = Equirectangular::cropped(size(500, 400), area).unwrap();
    for (x_px, y_px) in [(0.0, 200.0), (500.0, 200.0), (13.5, 7.5), (499.5, 399.5), (250.0, 0.0)] {
        let pixel = Pixel::new(x_px, y_px);
        assert!(half.ray(pixel).angle_rad(crop.ray(pixel)) < 1e-15);
    }
    check(half, Ray::from_angles(FRAC_PI_2, 0.0), 500.0, 200.0);
    check(half, Ray::from_angles(-FRAC_PI_2, -FRAC_PI_4), 0.0, 300.0);
    check(half, Ray::from_angles(0.0, FRAC_PI_2), 250.0, 0.0);
    assert_eq!(half.pixel(Ray::from_angles(1.6, 0.0)), None);
    assert_eq!(half.pixel(Ray::from_angles(PI, 0.5)), None);
}

#[test]
fn classic_pannini() {
    // d = 1: x = 2f·tan(λ/2), y = f·tan φ / cos²(λ/2). 180° across 1000 px: f = 250.
    let view = Pannini::new(size(1000, 2000), PI, 1.0, 0.0).unwrap();
    check(view, Ray::FORWARD, 500.0, 1000.0);
    check(view, Ray::from_angles(FRAC_PI_2, FRAC_PI_4), 1000.0, 1000.0 - 500.0);
    check(view, Ray::from_angles(0.0, FRAC_PI_4), 500.0, 1000.0 - 250.0);
    let (yaw_rad, pitch_rad) = (-1.1_f64, -0.8_f64);
    check(
        view,
        Ray::from_angles(yaw_rad, pitch_rad),
        500.0 + 500.0 * (yaw_rad / 2.0).tan(),
        1000.0 - 250.0 * pitch_rad.tan() / (yaw_rad / 2.0).cos().powi(2),
    );
    // Wider than half a turn: 240°, f = 500 / (2·tan 60°).
    let wide = Pannini::new(size(1000, 1000), 240.0_f64.to_radians(), 1.0, 0.0).unwrap();
    check(wide, Ray::from_angles(120.0_f64.to_radians(), 0.0), 1000.0, 500.0);
    assert_eq!(wide.pixel(Ray::from_angles(PI, 0.0)), None);
}

#[test]
fn pannini_limits() {
    let make = |fov_deg: f64, d, s| Pannini::new(size(900, 500), fov_deg.to_radians(), d, s);
    // acos(−½) = 120°, acos(−1/2) = 120°, and 90° for anything straightened.
    for (fov_deg, d, s, is_possible) in [
        (179.9, 0.0, 0.0, true),
        (180.0, 0.0, 0.0, false),
        (239.9, 0.5, 0.0, true),
        (240.1, 0.5, 0.0, false),
        (239.9, 2.0, 0.0, true),
        (240.1, 2.0, 0.0, false),
        (359.9, 1.0, 0.0, true),
        (179.9, 1.0, 0.3, true),
        (180.1, 1.0, 0.3, false),
        (90.0, 1.0, 1.01, false),
        (90.0, 1001.0, 0.0, false),
    ] {
        assert_eq!(make(fov_deg, d, s).is_ok(), is_possible, "{fov_deg} {d} {s}");
    }
}

proptest! {
    #[test]
    fn pannini_without_distance_is_rectilinear(
        fov in 0.1..3.0, s in 0.0..=1.0, x in 0.0..900.0, y in 0.0..500.0,
    ) {
        let pannini = Pannini::new(size(900, 500), fov, 0.0, s).unwrap();
        let flat = Rectilinear::new(size(900, 500), fov).unwrap();
        let pixel = Pixel::new(x, y);
        let ray = pannini.ray(pixel).unwrap();
        prop_assert!(ray.angle_rad(flat.ray(pixel)) < 1e-14);
    }

    /// A line across the view, at height `h` on a wall in front, is a row of the picture.
    #[test]
    fn straightened_pannini_keeps_lines_across(d in 0.0..5.0, h in -1.0_f64..1.0, across in -3.0_f64..3.0) {
        let view = Pannini::new(size(1000, 1000), 2.6, d, 1.0).unwrap();
        let beside = view.pixel(Ray::through([across, h, 1.0]).unwrap());
        let ahead = view.pixel(Ray::through([0.0, h, 1.0]).unwrap());
        if let (Some(beside), Some(ahead)) = (beside, ahead) {
            prop_assert!((beside.y_px - ahead.y_px).abs() < 1e-9);
        }
    }

    /// Radial lines through the centre and upright ones stay straight, whatever the distance.
    #[test]
    fn pannini_keeps_upright_and_radial_lines(d in 0.0..5.0, x in -2.0_f64..2.0, y in -2.0_f64..2.0) {
        let view = Pannini::new(size(4000, 8000), 2.4, d, 0.0).unwrap();
        let (centre_x_px, centre_y_px) = (2000.0, 4000.0);
        let pixel = |point: [f64; 3]| view.pixel(Ray::through(point).unwrap());
        if let (Some(a), Some(b)) = (pixel([x, y, 1.0]), pixel([x, 0.3 * y, 1.0])) {
            prop_assert!((a.x_px - b.x_px).abs() < 1e-8);
        }
        if let (Some(a), Some(b)) = (pixel([x, y, 1.0]), pixel([0.5 * x, 0.5 * y, 1.0])) {
            let cross = (a.x_px - centre_x_px) * (b.y_px - centre_y_px)
                - (b.x_px - centre_x_px) * (a.y_px - centre_y_px);
            prop_assert!(cross.abs() < 1e-6 * (1.0 + (a.x_px - centre_x_px).hypot(a.y_px - centre_y_px)).powi(2));
        }
    }
}
