//! Local scale, against differences taken the other way around.

use panofleet_projection::{
    CubeFace, Equirectangular, Face, Jacobian, LensCurve, Mapping, Mercator, Orientation, Pixel,
    Projection, Ray, Stereographic, View,
};
use proptest::prelude::*;

use crate::every_projection::{CURVES, all, distorted_lens, size};

/// Radians between the rays that a difference is taken of.
const STEP_RAD: f64 = 1e-5;

/// Pixels per radian east and north of `ray`, from `pixel` alone.
fn difference(view: &View, ray: Ray) -> Option<Jacobian> {
    let [x, y, z] = ray.components();
    let across = x.hypot(z);
    let east = [z / across, 0.0, -x / across];
    let north = [-y * x / across, across, -y * z / across];
    let beside = |direction: [f64; 3], step: f64| {
        let [x, y, z] = std::array::from_fn(|i| ray.components()[i] + step * direction[i]);
        view.pixel(Ray::through([x, y, z])?)
    };
    let mut columns = [[0.0; 2]; 2];
    for (column, direction) in columns.iter_mut().zip([east, north]) {
        let (plus, minus) = (beside(direction, STEP_RAD)?, beside(direction, -STEP_RAD)?);
        let per = 1.0 / (2.0 * STEP_RAD);
        *column = [(plus.x_px - minus.x_px) * per, (plus.y_px - minus.y_px) * per];
    }
    let [[a, b], [c, d]] = columns;
    Some(Jacobian::new([[a, c], [b, d]]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Within 10⁻⁴ of the larger scale, which is what a difference is worth; seams, where it is
    /// worth nothing, show as a jump of many pixels and are left out.
    #[test]
    fn the_jacobian_is_the_slope_of_pixel(
        x in 0.01..0.99, y in 0.01..0.99, yaw in -4.0..4.0, pitch in -1.0..1.0,
    ) {
        for example in all() {
            let view = View::new(example.projection, Orientation::new(yaw, pitch, 0.4).unwrap());
            let size = view.size();
            let pixel = Pixel::new(x * f64::from(size.width_px()), y * f64::from(size.height_px()));
            let Some(ray) = view.ray(pixel) else { continue };
            let Some(jacobian) = view.jacobian(pixel) else { continue };
            // Where the scale changes within a step, at a pole or a border, differences are rough.
            let own = example.projection.ray(pixel).unwrap();
            if !example.own.holds(pixel) || own.pitch_rad().abs() > 1.3 || own.z() < -0.98 {
                continue;
            }
            let Some(expected) = difference(&view, ray) else { continue };
            let scale = jacobian.scales()[0];
            if expected.scales()[0] > 10.0 * scale {
                continue;
            }
            for (found, expected) in jacobian.rows().iter().flatten().zip(expected.rows().iter().flatten()) {
                prop_assert!((found - expected).abs() < 1e-4 * scale, "{example:?} {pixel:?} {found} {expected}");
            }
        }
    }
}

/// Nothing above is left out for the wrong reason: in the middle of every picture that has a ray
/// there, there is a scale and it agrees.
#[test]
fn the_middle_has_a_scale() {
    let mut checked = 0;
    for example in all() {
        let view = View::new(example.projection, Orientation::new(0.2, 0.3, 0.4).unwrap());
        let middle = view.size().centre();
        // Beside the middle, which in some layouts is the border of two cells.
        let pixel = Pixel::new(middle.x_px + 11.3, middle.y_px - 13.7);
        let Some(ray) = view.ray(pixel).filter(|_| example.own.holds(pixel)) else { continue };
        let (found, expected) = (view.jacobian(pixel).unwrap(), difference(&view, ray).unwrap());
        for (a, b) in found.rows().iter().flatten().zip(expected.rows().iter().flatten()) {
            assert!((a - b).abs() < 1e-4 * found.scales()[0], "{example:?} {a} {b}");
        }
        checked += 1;
    }
    assert!(checked > 35, "{checked}");
}

#[test]
fn an_equirectangular_pixel_is_stretched_by_the_secant() {
    let panorama = Projection::from(Equirectangular::full(size(3600, 1800)));
    for pitch_deg in [0.0, 30.0, -60.0, 89.0] {
        let pixel = Pixel::new(777.0, (90.0 - pitch_deg) * 10.0);
        let [[xe, xn], [ye, yn]] = panorama.jacobian(pixel).unwrap().rows();
        let per_rad = 10.0_f64.to_degrees();
        let expected = per_rad / pitch_deg.to_radians().cos();
        assert!((xe / expected - 1.0).abs() < 1e-12, "{pitch_deg}: {xe}");
        assert!((yn / -per_rad - 1.0).abs() < 1e-12, "{pitch_deg}: {yn}");
        assert!(xn.abs() < 1e-9 && ye.abs() < 1e-9);
    }
}

#[test]
fn conformal_projections_scale_alike_in_all_directions() {
    let stereographic = Projection::from(Stereographic::new(size(800, 800), 5.0).unwrap());
    let mercator = Projection::from(Mercator::new(size(800, 800), 6.0).unwrap());
    for projection in [stereographic, mercator] {
        for (x_px, y_px) in [(3.0, 790.0), (400.0, 400.0), (500.0, 11.0)] {
            let [most, least] = projection.jacobian(Pixel::new(x_px, y_px)).unwrap().scales();
            assert!((most / least - 1.0).abs() < 1e-11, "{projection:?} {most} {least}");
        }
    }
}

/// A fisheye's scale along the radius is the slope of its curve, around it `curve(θ)/sin θ`.
#[test]
fn a_lens_scales_by_its_curve() {
    let slopes = |curve, angle: f64| match curve {
        LensCurve::Equidistant => (angle, 1.0),
        LensCurve::Equisolid => (2.0 * (angle / 2.0).sin(), (angle / 2.0).cos()),
        LensCurve::Orthographic => (angle.sin(), angle.cos()),
        LensCurve::Stereographic => (2.0 * (angle / 2.0).tan(), 1.0 + (angle / 2.0).tan().powi(2)),
        LensCurve::UnifiedSphere { offset } => {
            let below = angle.cos() + offset;
            (angle.sin() / below, (1.0 + offset * angle.cos()) / (below * below))
        }
    };
    for curve in CURVES {
        let lens = panofleet_projection::Fisheye::inscribed(size(1000, 1000), curve, 2.8).unwrap();
        let focal_px = lens.lens().calibration().focal_px[0];
        let projection = Projection::from(lens);
        for angle_rad in [1e-9, 0.3, 1.0, 1.39] {
            let (radius, along) = slopes(curve, angle_rad);
            let pixel =
                Pixel::new(500.0 - 0.6 * radius * focal_px, 500.0 + 0.8 * radius * focal_px);
            let around = radius / angle_rad.sin();
            let expected = [along.max(around), along.min(around)].map(|scale| scale * focal_px);
            let found = projection.jacobian(pixel).unwrap().scales();
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found / expected - 1.0).abs() < 1e-6,
                    "{curve:?} {angle_rad}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn a_mapping_scales_by_both_views() {
    // The centre of a face of W/π has the panorama's own resolution, by W/(2π) over face/2.
    let panorama = View::new(Equirectangular::full(size(4096, 2048)), Orientation::IDENTITY);
    let face = View::new(
        CubeFace { face: Face::Right, face_px: 1024.try_into().unwrap() },
        Orientation::IDENTITY,
    );
    let expected = 4096.0 / std::f64::consts::TAU / 512.0;
    let [[xx, xy], [yx, yy]] =
        Mapping::new(face, panorama).jacobian(Pixel::new(512.0, 512.0)).unwrap().rows();
    assert!((xx - expected).abs() < 1e-12 && (yy - expected).abs() < 1e-12, "{xx} {yy}");
    assert!(xy.abs() < 1e-12 && yx.abs() < 1e-12);
    // And against differences, where the face is far from its centre and turned.
    let turned = View::new(*face.projection(), Orientation::new(0.5, 0.6, 0.7).unwrap());
    let mapping = Mapping::new(turned, panorama);
    let at = Pixel::new(100.0, 900.0);
    let jacobian = mapping.jacobian(at).unwrap().rows();
    let step_px = 1e-3;
    for (column, (dx, dy)) in [(step_px, 0.0), (0.0, step_px)].into_iter().enumerate() {
        let plus = mapping.pixel(Pixel::new(at.x_px + dx, at.y_px + dy)).unwrap();
        let minus = mapping.pixel(Pixel::new(at.x_px - dx, at.y_px - dy)).unwrap();
        let found = [(plus.x_px - minus.x_px) / 2e-3, (plus.y_px - minus.y_px) / 2e-3];
        for row in 0..2 {
            assert!((found[row] - jacobian[row][column]).abs() < 1e-6, "{found:?} {jacobian:?}");
        }
    }
}

/// The centre of a lens, where its formulas divide by the radius, is no exception.
#[test]
fn the_centre_of_a_lens_is_smooth() {
    for curve in CURVES {
        let lens = panofleet_projection::Fisheye::new(size(1000, 1000), distorted_lens(curve));
        let centre = lens.lens().calibration().centre;
        let projection = Projection::from(lens);
        let at = |away_px: f64| {
            projection.jacobian(Pixel::new(centre.x_px + away_px, centre.y_px)).unwrap().scales()
        };
        for away_px in [1e-14, 1e-11, 1e-9, 1e-6] {
            for (a, b) in at(0.0).iter().zip(at(away_px)) {
                assert!((a / b - 1.0).abs() < 1e-6, "{curve:?} {away_px}: {a} {b}");
            }
        }
    }
}
