//! Any `f64` gets an answer, and soon.

use std::f64::consts::PI;

use panofleet_projection::{
    Calibration, CubeLayout, Cubemap, Cylindrical, CylindricalEqualArea, Distortion, Eac, Fisheye,
    GeometryError, GoproMax, Lens, LensCurve, Mercator, Orientation, Pannini, Pixel, Projection,
    Ray, Rectilinear, Stereographic, View,
};
use proptest::prelude::*;

use crate::every_projection::{CURVES, all, size};

const ODD: [f64; 16] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    -0.0,
    0.0,
    1e-300,
    1e300,
    -1e18,
    8_589_934_592.0,
    8_589_934_593.0,
    PI,
    0.5,
];

fn is_unit(ray: Ray) -> bool {
    let [x, y, z] = ray.components();
    ((x * x + y * y + z * z).sqrt() - 1.0).abs() < 1e-12
}

fn ask(projection: Projection, pixel: Pixel) {
    let orientation = Orientation::new(0.3, 1.0, -2.0).unwrap();
    let view = View::new(projection, orientation);
    for ray in [projection.ray(pixel), view.ray(pixel)].into_iter().flatten() {
        assert!(is_unit(ray), "{projection:?} {pixel:?} {ray:?}");
    }
    if let Some(jacobian) = view.jacobian(pixel) {
        assert!(jacobian.rows().iter().flatten().all(|entry| entry.is_finite()));
    }
    let weight_sr = projection.weight_sr(pixel);
    assert!(weight_sr.is_finite() && weight_sr >= 0.0, "{projection:?} {pixel:?}");
}

#[test]
fn every_projection_answers_every_pixel() {
    for example in all() {
        for (x, y) in ODD.iter().flat_map(|x| ODD.map(|y| (*x, y))) {
            ask(example.projection, Pixel::new(x, y));
        }
        for x in ODD {
            for pixel in [Pixel::new(x, f64::NAN), Pixel::new(f64::NAN, x)] {
                assert_eq!(example.projection.ray(pixel), None, "{:?}", example.projection);
            }
        }
    }
}

#[test]
fn every_projection_answers_every_ray() {
    for example in all() {
        for (yaw, pitch) in ODD.iter().flat_map(|x| ODD.map(|y| (*x, y))) {
            let ray = Ray::from_angles(yaw, pitch);
            if let Some(pixel) = example.projection.pixel(ray) {
                assert!(pixel.x_px.is_finite() && pixel.y_px.is_finite());
            }
        }
        for axis in 0..3 {
            for (length, other) in [(1.0, 0.0), (1.0, -0.0), (1.0, 1e-300), (1.0, 5e-324)] {
                for sign in [1.0, -1.0] {
                    let mut point = [other; 3];
                    point[axis] = sign * length;
                    let ray = Ray::through(point).unwrap();
                    let pixel = example.projection.pixel(ray);
                    assert!(pixel.is_some() || !example.is_whole, "{example:?} {ray:?}");
                    if let Some(pixel) = pixel {
                        ask(example.projection, pixel);
                    }
                }
            }
        }
    }
}

/// Whatever a constructor is given, it refuses or makes something that answers.
fn try_all(a: f64, b: f64, c: f64, d: f64) {
    let size = size(640, 480);
    let mut made: Vec<Projection> = Vec::new();
    made.extend(Rectilinear::new(size, a).map(Projection::from));
    made.extend(Stereographic::new(size, a).map(Projection::from));
    made.extend(Pannini::new(size, a, b, c).map(Projection::from));
    made.extend(Cylindrical::new(size, a).and_then(|it| it.with_horizon(b)).map(Projection::from));
    made.extend(
        CylindricalEqualArea::new(size, a).and_then(|it| it.with_horizon(b)).map(Projection::from),
    );
    made.extend(Mercator::new(size, a).and_then(|it| it.with_horizon(b)).map(Projection::from));
    made.extend(Cubemap::new(size, CubeLayout::ffmpeg(), a).map(Projection::from));
    made.extend(Cubemap::expanded(size, a).map(Projection::from));
    made.extend(Eac::new(size, CubeLayout::youtube(), a).map(Projection::from));
    for curve in CURVES.into_iter().chain([LensCurve::UnifiedSphere { offset: d }]) {
        made.extend(Fisheye::inscribed(size, curve, a).map(Projection::from));
        let calibration = Calibration {
            curve,
            focal_px: [b, c],
            centre: Pixel::new(d, a),
            distortion: Distortion { radial: [c, d, a, b], tangential: [d, b] },
            field_of_view_rad: a,
        };
        for distortion in [
            calibration.distortion,
            Distortion::NONE,
            Distortion { radial: [0.0; 4], tangential: [1e-3, c] },
        ] {
            let lens = Lens::calibrated(Calibration { distortion, ..calibration });
            made.extend(lens.map(|lens| Projection::from(Fisheye::new(size, lens))));
        }
    }
    for projection in made {
        for pixel in
            [Pixel::new(0.5, 0.5), Pixel::new(320.0, 240.0), Pixel::new(a, b), Pixel::new(1e9, c)]
        {
            ask(projection, pixel);
        }
        for ray in [Ray::FORWARD, Ray::from_angles(1.0, 0.7), Ray::from_angles(PI, 0.0)] {
            assert!(projection.pixel(ray).is_none_or(|pixel| pixel.x_px.is_finite()));
        }
    }
}

#[test]
fn constructors_answer_odd_parameters() {
    for (a, b) in ODD.iter().flat_map(|a| ODD.map(|b| (*a, b))) {
        for (c, d) in [(0.5, 0.25), (f64::NAN, 1.0), (a, b), (1e300, -1e300), (b, 700.0)] {
            try_all(a, b, c, d);
        }
    }
}

proptest! {
    #[test]
    fn constructors_answer_any_parameters(
        a in any::<f64>(), b in any::<f64>(), c in any::<f64>(), d in any::<f64>(),
        field in 0.0..7.0, focal in 1.0..2000.0, k in -2.0_f64..2.0, small in -0.2_f64..0.2,
    ) {
        try_all(a, b, c, d);
        try_all(field, focal, focal + k, small);
        try_all(field, k.abs(), small.abs(), focal);
    }
}

#[test]
fn refusals_say_why() {
    let size = size(640, 480);
    let refused = |found: Result<Projection, GeometryError>| found.expect_err("bad").to_string();
    for (found, expected) in [
        (
            refused(Stereographic::new(size, 2.0 * PI).map(Into::into)),
            "field of view is not one that stereographic can show",
        ),
        (
            refused(Cylindrical::new(size, 6.3).map(Into::into)),
            "field of view is not one that cylindrical can show",
        ),
        (
            refused(Pannini::new(size, 2.0 * PI, 1.0, 0.0).map(Into::into)),
            "field of view is not one that pannini can show",
        ),
        (
            refused(Pannini::new(size, 3.2, 1.0, 0.1).map(Into::into)),
            "field of view is not one that pannini can show",
        ),
        (
            refused(Pannini::new(size, 1.0, -0.1, 0.0).map(Into::into)),
            "compression is not between 0 and 1000, or straightening not between 0 and 1",
        ),
        (
            refused(Cubemap::new(size, CubeLayout::ffmpeg(), 60.0).map(Into::into)),
            "padding is negative, or a quarter of a face or more",
        ),
        (
            refused(GoproMax::new(size).map(Into::into)),
            "picture has no size that this camera writes",
        ),
        (
            refused(Fisheye::inscribed(size, LensCurve::Orthographic, 3.2).map(Into::into)),
            "field of view is not one that an orthographic lens can show",
        ),
        (
            refused(
                Fisheye::inscribed(size, LensCurve::UnifiedSphere { offset: -1.0 }, 1.0)
                    .map(Into::into),
            ),
            "sphere offset of a lens is not between 0 and 1000",
        ),
    ] {
        assert_eq!(found, expected);
    }
}
