//! Solid angles of pixels: closed forms pixel by pixel, and sums over the sphere.

use std::f64::consts::{FRAC_PI_4, PI, TAU};

use panofleet_projection::{
    CubeLayout, Cubemap, Cylindrical, CylindricalEqualArea, DualFisheye, Eac, Equirectangular,
    Fisheye, GoproMax, HalfEquirectangular, LensArrangement, LensCurve, LensOrder, Mercator,
    Pannini, Pixel, Projection, Rectilinear, Stereographic,
};

use crate::every_projection::size;

fn sum_sr(projection: impl Into<Projection>) -> f64 {
    let projection = projection.into();
    let size = projection.size();
    let row = |row| (0..size.width_px()).map(move |column| Pixel::centre(column, row));
    (0..size.height_px()).flat_map(row).map(|pixel| projection.weight_sr(pixel)).sum()
}

/// The sum over pixel centres differs from the integral by the square of a pixel's angle, and by
/// the pixels that a circle cuts.
#[track_caller]
fn check_sum(projection: impl Into<Projection>, expected_sr: f64, tolerance: f64) {
    let found_sr = sum_sr(projection);
    assert!(
        (found_sr / expected_sr - 1.0).abs() < tolerance,
        "{found_sr} instead of {expected_sr}"
    );
}

#[test]
fn pictures_of_the_whole_sphere_add_up_to_four_pi() {
    let whole_sr = 4.0 * PI;
    check_sum(Equirectangular::full(size(1000, 500)), whole_sr, 2e-6);
    check_sum(Eac::youtube(size(600, 400)).unwrap(), whole_sr, 1e-5);
    check_sum(Eac::youtube(size(853, 300)).unwrap(), whole_sr, 1e-4);
    for layout in [CubeLayout::ffmpeg(), CubeLayout::google(), CubeLayout::youtube()] {
        check_sum(Cubemap::new(size(600, 400), layout, 0.0).unwrap(), whole_sr, 1e-5);
        check_sum(Cubemap::new(size(600, 400), layout, 8.0).unwrap(), whole_sr, 1e-5);
        check_sum(Eac::new(size(600, 400), layout, 8.0).unwrap(), whole_sr, 1e-5);
    }
    check_sum(
        Cubemap::new(size(800, 600), CubeLayout::horizontal_cross(), 0.0).unwrap(),
        whole_sr,
        1e-5,
    );
    check_sum(GoproMax::new(size(2272, 1472)).unwrap(), whole_sr, 1e-5);
    let equal_area = CylindricalEqualArea::new(size(628, 200), TAU).unwrap();
    check_sum(equal_area, whole_sr, 1e-3);
    let field_rad = 200.0_f64.to_radians();
    for order in [LensOrder::FrontFirst, LensOrder::BackFirst] {
        let pair = DualFisheye::back_to_back(
            size(1000, 500),
            LensArrangement::SideBySide,
            order,
            LensCurve::Equidistant,
            field_rad,
        );
        check_sum(pair.unwrap(), whole_sr, 2e-3);
    }
}

#[test]
fn pictures_of_a_part_add_up_to_its_solid_angle() {
    check_sum(HalfEquirectangular::new(size(500, 500)), 2.0 * PI, 1e-5);
    // A pyramid of 2 × 1.5 at distance 1: 4·asin(sin(a/2)·sin(b/2)) for its angles a and b.
    let pyramid_sr = 4.0 * (FRAC_PI_4.sin() * 0.75_f64.atan().sin()).asin();
    check_sum(Rectilinear::new(size(400, 300), PI / 2.0).unwrap(), pyramid_sr, 1e-5);
    check_sum(Pannini::new(size(400, 300), PI / 2.0, 0.0, 0.0).unwrap(), pyramid_sr, 1e-5);
    // A belt from −φ to φ has 2·sin φ per radian of yaw.
    let top_rad = (300.0_f64 / 2.0 / (400.0 / 2.0)).atan();
    check_sum(Cylindrical::new(size(400, 300), 2.0).unwrap(), 4.0 * top_rad.sin(), 1e-5);
    let top_rad = 0.75_f64.sinh().atan();
    check_sum(Mercator::new(size(400, 300), 2.0).unwrap(), 4.0 * top_rad.sin(), 1e-5);
    // A cone of half angle α has 2π·(1 − cos α).
    for (curve, field_rad) in [
        (LensCurve::Equidistant, 3.8),
        (LensCurve::Equisolid, 3.8),
        (LensCurve::Orthographic, 3.0),
        (LensCurve::Stereographic, 3.8),
        (LensCurve::UnifiedSphere { offset: 1.5 }, 3.8),
    ] {
        let fisheye = Fisheye::inscribed(size(800, 800), curve, field_rad).unwrap();
        check_sum(fisheye, TAU * (1.0 - (field_rad / 2.0_f64).cos()), 3e-3);
    }
}

#[track_caller]
fn check_each(projection: impl Into<Projection>, expected_sr: impl Fn(f64, f64) -> f64) {
    let projection = projection.into();
    for (column, row) in [(0, 0), (3, 1), (40, 40), (17, 61), (63, 63), (31, 32)] {
        let pixel = Pixel::centre(column, row);
        let expected_sr = expected_sr(pixel.x_px, pixel.y_px);
        let found_sr = projection.weight_sr(pixel);
        assert!((found_sr / expected_sr - 1.0).abs() < 1e-11, "{pixel:?} {found_sr} {expected_sr}");
    }
}

/// The weights of WS-PSNR, each times the solid angle of a pixel where the weight is 1.
#[test]
fn weights_of_ws_psnr() {
    let n = 64.0;
    // Equirectangular: cos((j + ½ − H/2)·π/H).
    let erp = Equirectangular::full(size(128, 64));
    check_each(erp, |_, y| ((y - n / 2.0) * PI / n).cos() * (TAU / 128.0) * (PI / n));
    check_each(HalfEquirectangular::new(size(64, 64)), |_, y| {
        ((y - n / 2.0) * PI / n).cos() * (PI / n) * (PI / n)
    });
    // Cube: (1 + d²/r²)^(−3/2), d from the face's centre, r half of its side.
    let cube = Cubemap::new(size(192, 128), CubeLayout::ffmpeg(), 0.0).unwrap();
    let r = n / 2.0;
    check_each(cube, |x, y| {
        let square = (x - r).powi(2) + (y - r).powi(2);
        (1.0 + square / (r * r)).powf(-1.5) / (r * r)
    });
    // Equi-angular: (π/4)²·(1 + p²)·(1 + q²) / (1 + p² + q²)^(3/2).
    check_each(Eac::youtube(size(192, 128)).unwrap(), |x, y| {
        let p = ((x / r - 1.0) * FRAC_PI_4).tan();
        let q = ((y / r - 1.0) * FRAC_PI_4).tan();
        let (pp, qq) = (p * p, q * q);
        FRAC_PI_4 * FRAC_PI_4 * (1.0 + pp) * (1.0 + qq) / (1.0 + pp + qq).powf(1.5) / (r * r)
    });
    // Equidistant fisheye: sin θ / θ.
    let fisheye = Fisheye::inscribed(size(128, 128), LensCurve::Equidistant, 6.0).unwrap();
    let focal_px = 64.0 / 3.0;
    let projection = Projection::from(fisheye);
    for (column, row) in [(64, 64), (20, 64), (100, 33)] {
        let pixel = Pixel::centre(column, row);
        let angle_rad = (pixel.x_px - 64.0).hypot(pixel.y_px - 64.0) / focal_px;
        let expected_sr = angle_rad.sin() / angle_rad / (focal_px * focal_px);
        assert!((projection.weight_sr(pixel) / expected_sr - 1.0).abs() < 1e-11);
    }
    assert_eq!(projection.weight_sr(Pixel::centre(0, 0)), 0.0);
}

#[test]
fn an_equal_area_cylinder_has_equal_areas() {
    let lambert = CylindricalEqualArea::new(size(64, 64), 32.0 / 7.0).unwrap();
    let each_sr = (32.0_f64 / 7.0 / 64.0).powi(2);
    check_each_in(lambert.into(), each_sr);
    // Equisolid lenses too.
    let fisheye = Fisheye::inscribed(size(64, 64), LensCurve::Equisolid, TAU).unwrap();
    check_each_in(fisheye.into(), (2.0_f64 / 32.0).powi(2));
}

fn check_each_in(projection: Projection, each_sr: f64) {
    let mut checked = 0;
    for (column, row) in (0..64).flat_map(|x| (0..64).map(move |y| (x, y))) {
        if let Some(found_sr) = projection.solid_angle_sr(Pixel::centre(column, row)) {
            assert!((found_sr / each_sr - 1.0).abs() < 1e-9, "{column} {row} {found_sr} {each_sr}");
            checked += 1;
        }
    }
    assert!(checked > 1500, "{checked}");
}

/// Seen from its far side the sphere's plane has (1 + tan²(θ/2))⁻² of its area.
#[test]
fn stereographic_areas() {
    let view = Stereographic::new(size(64, 64), PI).unwrap();
    check_each(view, |x, y| {
        let square = ((x - 32.0).powi(2) + (y - 32.0).powi(2)) / (32.0 * 32.0);
        4.0 / (1.0 + square).powi(2) / (32.0 * 32.0)
    });
}
