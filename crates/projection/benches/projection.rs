//! Throughput on one core: `cargo bench -p panofleet-projection`.
//!
//! What a map builder pays for an exact position: `ray` of every pixel of a picture, `pixel` of
//! rays all over the sphere, and both with the local scale. Each is bound by its trigonometric
//! functions, of which an equirectangular position needs four there and two back.

use divan::Bencher;
use divan::counter::ItemsCount;
use panofleet_projection::{
    Calibration, CubeLayout, Cubemap, Distortion, DualFisheye, Eac, Equirectangular, Fisheye, Lens,
    LensArrangement, LensCurve, LensOrder, Mapping, Mercator, Orientation, Pannini, Pixel,
    Projection, Rectilinear, Size, Stereographic, View,
};

const SIDE_PX: u32 = 256;

fn main() {
    divan::main();
}

const NAMES: [&str; 10] = [
    "equirectangular",
    "cubemap",
    "eac",
    "rectilinear",
    "stereographic",
    "pannini",
    "mercator",
    "fisheye",
    "fisheye, distorted",
    "dual_fisheye",
];

fn projection(name: &str) -> Projection {
    let size = Size::new(SIDE_PX, SIDE_PX).expect("not empty");
    let curve = LensCurve::Equidistant;
    let made = match name {
        "equirectangular" => Ok(Equirectangular::full(size).into()),
        "cubemap" => Cubemap::new(size, CubeLayout::ffmpeg(), 0.0).map(Into::into),
        "eac" => Eac::youtube(size).map(Into::into),
        "rectilinear" => Rectilinear::new(size, 1.5).map(Into::into),
        "stereographic" => Stereographic::new(size, 4.0).map(Into::into),
        "pannini" => Pannini::new(size, 2.5, 1.0, 0.0).map(Into::into),
        "mercator" => Mercator::new(size, std::f64::consts::TAU).map(Into::into),
        "fisheye" => Fisheye::inscribed(size, curve, 3.3).map(Into::into),
        "fisheye, distorted" => Lens::calibrated(Calibration {
            curve,
            focal_px: [80.0; 2],
            centre: size.centre(),
            distortion: Distortion {
                radial: [0.03, -0.012, 0.004, -0.0005],
                tangential: [0.0015, -0.0008],
            },
            field_of_view_rad: 3.3,
        })
        .map(|lens| Fisheye::new(size, lens).into()),
        _ => DualFisheye::back_to_back(
            size,
            LensArrangement::SideBySide,
            LensOrder::FrontFirst,
            curve,
            3.4,
        )
        .map(Into::into),
    };
    made.expect("a good projection")
}

fn pixels() -> impl Iterator<Item = Pixel> {
    (0..SIDE_PX).flat_map(|row| (0..SIDE_PX).map(move |column| Pixel::centre(column, row)))
}

fn count() -> ItemsCount {
    ItemsCount::new(SIDE_PX * SIDE_PX)
}

#[divan::bench(args = NAMES)]
fn ray(bencher: Bencher<'_, '_>, name: &str) {
    let projection = projection(name);
    bencher.counter(count()).bench_local(|| {
        pixels().for_each(|pixel| {
            divan::black_box(projection.ray(pixel));
        });
    });
}

#[divan::bench(args = NAMES)]
fn pixel(bencher: Bencher<'_, '_>, name: &str) {
    let projection = projection(name);
    let sphere = Projection::from(Equirectangular::full(projection.size()));
    let rays: Vec<_> = pixels().filter_map(|pixel| sphere.ray(pixel)).collect();
    bencher.counter(count()).bench_local(|| {
        rays.iter().for_each(|ray| {
            divan::black_box(projection.pixel(*ray));
        });
    });
}

#[divan::bench(args = ["rectilinear", "fisheye, distorted", "eac"])]
fn mapping_with_scale(bencher: Bencher<'_, '_>, name: &str) {
    let tilt = Orientation::new(0.3, -0.2, 0.1).expect("finite");
    let sphere = Equirectangular::full(Size::new(4096, 2048).expect("not empty"));
    let mapping =
        Mapping::new(View::new(projection(name), tilt), View::new(sphere, Orientation::IDENTITY));
    bencher.counter(count()).bench_local(|| {
        pixels().for_each(|pixel| {
            divan::black_box((mapping.pixel(pixel), mapping.jacobian(pixel)));
        });
    });
}
