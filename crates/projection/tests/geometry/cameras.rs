//! Lenses, pairs of lenses, and the strips of a GoPro MAX.

use std::f64::consts::{FRAC_PI_2, PI};

use panofleet_projection::{
    Calibration, Distortion, DualFisheye, Eac, Fisheye, GeometryError, GoproMax, Lens,
    LensArrangement, LensCurve, LensOrder, Pixel, Ray,
};
use proptest::prelude::*;

use crate::every_projection::{CURVES, size};

fn calibration(curve: LensCurve, distortion: Distortion) -> Calibration {
    Calibration {
        curve,
        focal_px: [300.0, 300.0],
        centre: Pixel::new(500.0, 500.0),
        distortion,
        field_of_view_rad: PI,
    }
}

#[track_caller]
fn check(lens: &Lens, ray: Ray, x_px: f64, y_px: f64) {
    let found = lens.pixel(ray).expect("inside of the field of view");
    let apart_px = (found.x_px - x_px).hypot(found.y_px - y_px);
    assert!(apart_px < 1e-9, "{found:?} instead of {x_px}, {y_px}");
}

#[test]
fn a_half_sphere_fills_its_circle() {
    let fisheye = Fisheye::inscribed(size(1000, 1200), LensCurve::Equidistant, PI).unwrap();
    let lens = fisheye.lens();
    check(lens, Ray::FORWARD, 500.0, 600.0);
    check(lens, Ray::from_angles(FRAC_PI_2, 0.0), 1000.0, 600.0);
    check(lens, Ray::from_angles(FRAC_PI_2 / 2.0, 0.0), 750.0, 600.0);
    check(lens, Ray::from_angles(0.0, FRAC_PI_2), 500.0, 100.0);
    assert_eq!(fisheye.pixel(Ray::from_angles(1.58, 0.0)), None);
    assert_eq!(fisheye.ray(Pixel::new(500.0, 99.0)), None);
    assert!((lens.margin_rad(Ray::from_angles(1.0, 0.0)) - (FRAC_PI_2 - 1.0)).abs() < 1e-15);
}

/// Worked by hand from the models' definitions.
#[test]
fn distortion_as_opencv_defines_it() {
    // cv::fisheye: θd = θ·(1 + k1·θ² + k2·θ⁴) at θ = 1.
    let distortion = Distortion { radial: [0.1, 0.01, 0.0, 0.0], tangential: [0.0; 2] };
    let lens = Lens::calibrated(calibration(LensCurve::Equidistant, distortion)).unwrap();
    check(&lens, Ray::from_angles(1.0, 0.0), 500.0 + 300.0 * 1.11, 500.0);
    check(&lens, Ray::from_angles(0.0, -1.0), 500.0, 500.0 + 300.0 * 1.11);
    // cv::omnidir with ξ = 1: the ray to the right lies at (1, 0) before distortion, the one down
    // at (0, 1); p1 and p2 move it by (3·p2, p1) and (p2, 3·p1).
    let distortion = Distortion { radial: [0.2, 0.0, 0.0, 0.0], tangential: [0.01, 0.02] };
    let curve = LensCurve::UnifiedSphere { offset: 1.0 };
    let lens = Lens::calibrated(calibration(curve, distortion)).unwrap();
    let (right, down) = (Ray::from_angles(FRAC_PI_2, 0.0), Ray::from_angles(0.0, -FRAC_PI_2));
    check(&lens, right, 500.0 + 300.0 * (1.2 + 0.06), 500.0 + 300.0 * 0.01);
    check(&lens, down, 500.0 + 300.0 * 0.02, 500.0 + 300.0 * (1.2 + 0.03));
}

#[test]
fn distortion_that_folds_is_refused() {
    let folds = |radial, tangential, field_of_view_rad| {
        let distortion = Distortion { radial, tangential };
        let calibration = calibration(LensCurve::Equidistant, distortion);
        Lens::calibrated(Calibration { field_of_view_rad, ..calibration }).map(|_| ())
    };
    // With one coefficient k of the power 2n, 1 + (2n + 1)·k·θ^2n is 0 at the fold.
    for (index, power) in [(0, 2), (1, 4), (2, 6), (3, 8)] {
        let mut radial = [0.0; 4];
        radial[index] = -0.5;
        let fold_rad = (1.0 / (f64::from(power + 1) * 0.5)).powf(1.0 / f64::from(power));
        assert_eq!(folds(radial, [0.0; 2], 2.0 * 0.99 * fold_rad), Ok(()));
        let refused = folds(radial, [0.0; 2], 2.0 * 1.01 * fold_rad);
        assert_eq!(refused, Err(GeometryError::DistortionFolds), "{radial:?}");
    }
    // It folds in between, though not at either end: 1 − 3·θ² + 2·θ⁴… is negative around θ = 0.85.
    let inner = [-1.0, 0.4, 0.0, 0.0];
    assert_eq!(folds(inner, [0.0; 2], PI), Err(GeometryError::DistortionFolds));
    assert_eq!(folds([0.0; 4], [0.2, 0.0], PI), Err(GeometryError::DistortionFolds));
    assert_eq!(folds([f64::NAN, 0.0, 0.0, 0.0], [0.0; 2], PI), Err(GeometryError::DistortionFolds));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Every distortion that is accepted can be undone, up to the border: 10⁻⁹ px where the scale
    /// is at least a thousandth of the centre's.
    #[test]
    fn what_is_accepted_can_be_undone(
        curve in proptest::sample::select(&CURVES[..]),
        k1 in -0.3..0.5, k2 in -0.2..0.3, k3 in -0.1..0.1, k4 in -0.02..0.02,
        p1 in -0.05..0.05, p2 in -0.05..0.05, field in 0.2_f64..3.1,
        off_axis in 0.0_f64..=1.0, around in -PI..PI,
    ) {
        let distortion = Distortion { radial: [k1, k2, k3, k4], tangential: [p1, p2] };
        let calibration = calibration(curve, distortion);
        let lens = Lens::calibrated(Calibration { field_of_view_rad: field, ..calibration });
        let Ok(lens) = lens else { return Ok(()) };
        let (sin, cos) = (off_axis * field / 2.0_f64).sin_cos();
        let ray = Ray::through([sin * around.cos(), sin * around.sin(), cos]).unwrap();
        let pixel = lens.pixel(ray).expect("inside of the field of view");
        let back = lens.ray(pixel).expect("its own ray");
        // The orthographic curve lies flat at its border, where half of the digits are left.
        prop_assert!(back.angle_rad(ray) < 1e-9, "{:?} {:?}", lens, ray);
        let again = lens.pixel(back).unwrap();
        prop_assert!((again.x_px - pixel.x_px).hypot(again.y_px - pixel.y_px) < 1e-9);
    }
}

/// The test above would hold if everything were refused.
#[test]
fn lenses_as_calibrated_are_accepted() {
    for (curve, radial, tangential, field_deg) in [
        (LensCurve::Equidistant, [0.045, -0.012, 0.004, -0.001], [0.0, 0.0], 200.0_f64),
        (LensCurve::UnifiedSphere { offset: 1.8 }, [-0.08, 0.15, -0.06, 0.0], [2e-4, -3e-4], 205.0),
        (LensCurve::UnifiedSphere { offset: 2.1 }, [0.3, 0.9, -0.5, 0.0], [1e-3, 1e-3], 200.0),
        (LensCurve::Equisolid, [-0.02, 0.003, 0.0, 0.0], [1e-3, -2e-3], 190.0),
    ] {
        let lens = Lens::calibrated(Calibration {
            field_of_view_rad: field_deg.to_radians(),
            ..calibration(curve, Distortion { radial, tangential })
        });
        assert!(lens.is_ok(), "{curve:?} {lens:?}");
    }
}

fn pair(arrangement: LensArrangement, order: LensOrder) -> DualFisheye {
    let size = match arrangement {
        LensArrangement::SideBySide => size(2000, 1000),
        LensArrangement::Stacked => size(1000, 2000),
    };
    let field_rad = 200.0_f64.to_radians();
    DualFisheye::back_to_back(size, arrangement, order, LensCurve::Equidistant, field_rad).unwrap()
}

#[test]
fn each_lens_has_its_half() {
    let (side, stacked) = (LensArrangement::SideBySide, LensArrangement::Stacked);
    let (front, back) = (LensOrder::FrontFirst, LensOrder::BackFirst);
    for (arrangement, order, forward, backward) in [
        (side, front, (500.0, 500.0), (1500.0, 500.0)),
        (side, back, (1500.0, 500.0), (500.0, 500.0)),
        (stacked, front, (500.0, 500.0), (500.0, 1500.0)),
        (stacked, back, (500.0, 1500.0), (500.0, 500.0)),
    ] {
        let pair = pair(arrangement, order);
        for (ray, (x_px, y_px)) in [(Ray::FORWARD, forward), (Ray::from_angles(PI, 0.0), backward)]
        {
            let found = pair.pixel(ray).unwrap();
            assert!((found.x_px - x_px).hypot(found.y_px - y_px) < 1e-9, "{order:?} {found:?}");
        }
        // To the right of the viewer is right in the front circle and left in the back one; up is
        // up in both.
        let beside = |yaw_rad| pair.pixel(Ray::from_angles(yaw_rad, 0.1)).unwrap();
        assert!(beside(0.3).x_px > forward.0 && beside(PI - 0.3).x_px < backward.0);
        assert!(beside(0.3).y_px < forward.1 && beside(PI - 0.3).y_px < backward.1);
    }
}

#[test]
fn both_lenses_see_the_seam() {
    let pair = pair(LensArrangement::SideBySide, LensOrder::FrontFirst);
    let degrees = f64::to_radians;
    for (yaw_deg, best, margins_deg) in
        [(85.0, 0, (15.0, Some(5.0))), (96.0, 1, (16.0, Some(4.0))), (70.0, 0, (30.0, None))]
    {
        let ray = Ray::from_angles(degrees(yaw_deg), 0.0);
        let [first, second] = pair.sightings(ray);
        let first = first.unwrap();
        assert_eq!(first.lens, best, "{yaw_deg}");
        assert!((first.margin_rad.to_degrees() - margins_deg.0).abs() < 1e-9);
        assert_eq!(second.is_some(), margins_deg.1.is_some(), "{yaw_deg}");
        if let (Some(second), Some(margin_deg)) = (second, margins_deg.1) {
            assert_eq!(second.lens, 1 - best);
            assert!((second.margin_rad.to_degrees() - margin_deg).abs() < 1e-9);
            // Both places show the ray.
            for sighting in [first, second] {
                assert!(pair.ray(sighting.pixel).unwrap().angle_rad(ray) < 1e-12);
            }
        }
    }
    assert_eq!(pair.ray(Pixel::new(3.0, 3.0)), None);
    assert_eq!(pair.ray(Pixel::new(-1.0, 500.0)), None);
}

#[test]
fn only_the_cameras_sizes_are_its_frames() {
    assert!(GoproMax::new(size(4096, 2688)).is_ok() && GoproMax::new(size(2272, 1472)).is_ok());
    for size in [size(4096, 1344), size(4096, 2687), size(3840, 1920)] {
        assert_eq!(GoproMax::new(size), Err(GeometryError::CameraFrame));
    }
}

/// The published formulas: with `duv = blend/side`, `uL = 2·(½ − duv)·u`,
/// `uR = 2·(½ − duv)·(u − ½) + ½ + duv`, and the share of the right half
/// `(uL − ½ + 2·duv) / (2·duv)`.
#[test]
fn the_halves_of_an_outer_face_overlap_as_published() {
    for (width, height, side, blend) in [(4096, 2688, 1376.0, 32.0), (2272, 1472, 768.0, 16.0)] {
        let max = GoproMax::new(size(width, height)).unwrap();
        let duv = blend / side;
        for step in 1..400 {
            let u = f64::from(step) / 400.0;
            // The left face, upright: u = ½ + ½·(4/π)·atan(p), from its left to its right.
            let p = ((u - 0.5) * FRAC_PI_2).tan();
            let (left, right) = max.shares(Ray::through([-1.0, 0.2, p]).unwrap());
            let u_left = 2.0 * (0.5 - duv) * u;
            let u_right = 2.0 * (0.5 - duv) * (u - 0.5) + 0.5 + duv;
            let alpha = ((u_left - 0.5 + 2.0 * duv) / (2.0 * duv)).clamp(0.0, 1.0);
            let first = if alpha < 1.0 { u_left } else { u_right };
            assert!((left.pixel.x_px - first * side).abs() < 1e-9, "{u}: {left:?}");
            let is_blended = alpha > 1e-9 && alpha < 1.0 - 1e-9;
            assert_eq!(right.is_some(), is_blended, "{u} {alpha}");
            if let Some(right) = right {
                assert!((right.pixel.x_px - u_right * side).abs() < 1e-9, "{u}: {right:?}");
                assert!(
                    (right.share - alpha).abs() < 1e-9 && (left.share + alpha - 1.0).abs() < 1e-9
                );
                let ray = max.ray(right.pixel).unwrap();
                assert!(ray.angle_rad(max.ray(left.pixel).unwrap()) < 1e-12);
            }
        }
    }
}

/// Besides the overlaps it is YouTube's layout: the same rows, and the same columns in the middle.
#[test]
fn the_strips_are_turned_as_in_an_equi_angular_cube() {
    let max = GoproMax::new(size(4096, 2688)).unwrap();
    let cube = Eac::youtube(size(3 * 1344, 2688)).unwrap();
    for yaw in -30..30 {
        for pitch in -15..15 {
            let ray = Ray::from_angles(f64::from(yaw) / 10.0, f64::from(pitch) / 10.0);
            let (found, expected) = (max.pixel(ray).unwrap(), cube.pixel(ray).unwrap());
            assert!((found.y_px - expected.y_px).abs() < 1e-9, "{ray:?}");
            if (1344.0..2.0 * 1344.0).contains(&expected.x_px) {
                assert!((found.x_px - expected.x_px - 32.0).abs() < 1e-9, "{ray:?}");
            }
        }
    }
}
