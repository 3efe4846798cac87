//! Pixel → ray → pixel and ray → pixel → ray.

use std::collections::BTreeSet;
use std::f64::consts::{FRAC_PI_2, PI};

use panofleet_projection::{Orientation, Pixel, Projection, Ray, View};
use proptest::prelude::*;

use crate::every_projection::{Example, Own, all};

/// Of pictures up to 4,096 pixels wide. What is lost is the rounding of angles, 10⁻¹⁶ of a turn,
/// times the steepest slope of each projection.
const PIXEL_BOUND_PX: f64 = 1e-9;

const RAY_BOUND_RAD: f64 = 1e-12;

#[test]
fn every_name_has_an_example() {
    let names: BTreeSet<_> = all().iter().map(|example| example.projection.name()).collect();
    let expected = [
        "cube_face",
        "cubemap",
        "cylindrical",
        "cylindrical_equal_area",
        "dual_fisheye",
        "eac",
        "equirectangular",
        "fisheye",
        "gopro_max",
        "half_equirectangular",
        "mercator",
        "pannini",
        "rectilinear",
        "stereographic",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

fn at(projection: &Projection, x: f64, y: f64) -> Pixel {
    let size = projection.size();
    Pixel::new(x * f64::from(size.width_px()), y * f64::from(size.height_px()))
}

/// Near a pole a column of these has no width, so a position is only as good as its ray.
fn has_poles(projection: &Projection) -> bool {
    matches!(
        projection,
        Projection::Equirectangular(_)
            | Projection::HalfEquirectangular(_)
            | Projection::Mercator(_)
            | Projection::CylindricalEqualArea(_)
    )
}

fn check_pixel(example: &Example, view: &View, pixel: Pixel) -> Result<(), TestCaseError> {
    let Some(ray) = view.ray(pixel) else { return Ok(()) };
    if !example.own.holds(pixel) {
        return Ok(());
    }
    let back = view.pixel(ray);
    prop_assert!(back.is_some(), "{example:?} {pixel:?}");
    let back = back.unwrap();
    let again = view.ray(back).expect("a ray");
    prop_assert!(again.angle_rad(ray) < RAY_BOUND_RAD, "{example:?} {pixel:?} {back:?}");
    let own_ray = example.projection.ray(pixel).unwrap();
    if has_poles(&example.projection) && own_ray.pitch_rad().abs() > FRAC_PI_2 - 0.01 {
        return Ok(());
    }
    let width_px = f64::from(view.size().width_px());
    let apart_px = (back.x_px - pixel.x_px).abs();
    // Left and right border of a whole turn are the same meridian.
    let apart_px = apart_px.min((width_px - apart_px).abs());
    prop_assert!(apart_px < PIXEL_BOUND_PX, "{example:?} {pixel:?} {back:?}");
    let apart_px = (back.y_px - pixel.y_px).abs();
    prop_assert!(apart_px < PIXEL_BOUND_PX, "{example:?} {pixel:?} {back:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn pixel_of_ray_is_the_pixel(
        x in 0.0001..0.9999, y in 0.0001..0.9999,
        yaw in -4.0..4.0, pitch in -2.0..2.0, roll in -4.0..4.0,
    ) {
        for example in all() {
            let pixel = at(&example.projection, x, y);
            let turned = Orientation::new(yaw, pitch, roll).unwrap();
            for orientation in [Orientation::IDENTITY, turned] {
                check_pixel(&example, &View::new(example.projection, orientation), pixel)?;
            }
        }
    }

    #[test]
    fn ray_of_pixel_is_the_ray(yaw in -PI..PI, pitch in -FRAC_PI_2..FRAC_PI_2) {
        let ray = Ray::from_angles(yaw, pitch);
        for example in all() {
            let projection = example.projection;
            let Some(pixel) = projection.pixel(ray) else {
                prop_assert!(!example.is_whole, "{projection:?} {ray:?}");
                continue;
            };
            let size = projection.size();
            prop_assert!((0.0..=f64::from(size.width_px())).contains(&pixel.x_px));
            prop_assert!((0.0..=f64::from(size.height_px())).contains(&pixel.y_px));
            let back = projection.ray(pixel);
            prop_assert!(back.is_some(), "{projection:?} {ray:?} {pixel:?}");
            // The equal-area cylinder has no height left near its poles: half of the digits.
            let bound = if projection.name() == "cylindrical_equal_area" { 1e-8 } else { RAY_BOUND_RAD };
            prop_assert!(back.unwrap().angle_rad(ray) < bound, "{projection:?} {ray:?}");
        }
    }
}

/// The random test above skips what an example calls not its own; this holds that little is
/// skipped, and that the picture's own part is where it should be.
#[test]
fn pictures_have_rays_where_they_should() {
    for example in all() {
        let projection = example.projection;
        let (mut rays, mut own) = (0, 0);
        for (i, j) in (0..100).flat_map(|i| (0..100).map(move |j| (i, j))) {
            let pixel = at(&projection, (f64::from(i) + 0.5) / 100.0, (f64::from(j) + 0.5) / 100.0);
            rays += u32::from(projection.ray(pixel).is_some());
            own += u32::from(example.own.holds(pixel));
        }
        let expected = match (projection, example.own) {
            // Circles of some examples are small, those of others exceed the picture.
            (Projection::Fisheye(_), _) => 500..10_001,
            (Projection::DualFisheye(_), _) => 6_500..8_000,
            (Projection::Cubemap(cubemap), _)
                if cubemap.layout().grid().0 * cubemap.layout().grid().1 == 12 =>
            {
                4_900..5_101
            }
            _ => 10_000..10_001,
        };
        assert!(expected.contains(&rays), "{projection:?}: {rays}");
        let least = match example.own {
            Own::Everywhere => 10_000,
            Own::Circles(..) => 6_000,
            Own::Cells { .. } => 7_000,
            Own::Columns { .. } => 9_500,
        };
        assert!(own >= least, "{projection:?}: {own}");
    }
}
