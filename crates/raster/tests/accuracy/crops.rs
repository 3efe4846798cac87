//! Partial panoramas.

use panofleet_projection::{CroppedArea, Equirectangular, Face, View};
use panofleet_raster::{Panorama, Sampling, Size, remap};

use crate::scene;

const FULL_WIDTH_PX: u32 = 1_024;

/// Marks what no ray of the scene can be.
const BACKGROUND: f32 = 9.0;

/// Checks every pixel of every face: inside the area it is where it belongs, outside it is
/// background. Within two pixels of a border that does not wrap, taps see the repeated edge, so
/// only the presence of the picture is checked there.
fn check(area: CroppedArea, size: Size) {
    let full = scene::equirectangular(area.full_width_px, area.full_height_px);
    let (left, top) = (f64::from(area.left_px), f64::from(area.top_px));
    let x_scale = f64::from(area.width_px) / f64::from(size.width_px());
    let y_scale = f64::from(area.height_px) / f64::from(size.height_px());
    let picture = scene::picture(size, |x, y| full(left + x * x_scale, top + y * y_scale));
    let geometry = Equirectangular::cropped(size, area).unwrap();
    let panorama = Panorama::<f32>::new(picture, geometry).unwrap();
    let sampling = Sampling { background: [BACKGROUND; 4], ..scene::bicubic() };

    for face in Face::ALL {
        let view = View::cube_face(face, 200.try_into().unwrap());
        let found = scene::directions(&remap(&panorama, &view, &sampling).unwrap());
        let ray = scene::cube_face(face.letter(), 200);
        for (index, found) in (0_u32..).zip(found) {
            let [x, y, z] = ray(f64::from(index % 200) + 0.5, f64::from(index / 200) + 0.5);
            // Where the ray is in the area, by its angles: columns east and rows down.
            let turn = (-x).atan2(-z).rem_euclid(std::f64::consts::TAU) / std::f64::consts::TAU;
            let column = (turn * f64::from(area.full_width_px) - left) / x_scale;
            let drop = y.acos() / std::f64::consts::PI;
            let row = (drop * f64::from(area.full_height_px) - top) / y_scale;
            let column_margin = column.min(f64::from(size.width_px()) - column);
            let row_margin = row.min(f64::from(size.height_px()) - row);
            let is_background = (found[0] - f64::from(BACKGROUND)).abs() < 1e-6;

            let all_columns = area.width_px == area.full_width_px;
            let all_rows = area.height_px == area.full_height_px && all_columns;
            let margin = match (all_columns, all_rows) {
                (true, true) => f64::INFINITY,
                (true, false) => row_margin,
                (false, _) => column_margin.min(row_margin),
            };
            if margin.abs() > 0.01 {
                assert_eq!(is_background, margin < 0.0, "{face:?} {index} {column} {row} {area:?}");
            }
            if margin > 2.0 {
                let error = scene::distance(found, [x, y, z]);
                let error_px = error * f64::from(FULL_WIDTH_PX) / std::f64::consts::TAU;
                assert!(error_px < 0.02, "{face:?} {index}: {error_px} px, {area:?}");
            }
        }
    }
}

#[test]
fn a_part_shows_what_it_holds_and_background_elsewhere() {
    let full = CroppedArea {
        full_width_px: FULL_WIDTH_PX,
        full_height_px: FULL_WIDTH_PX / 2,
        left_px: 0,
        top_px: 0,
        width_px: FULL_WIDTH_PX,
        height_px: FULL_WIDTH_PX / 2,
    };
    let window = CroppedArea { left_px: 300, top_px: 100, width_px: 500, height_px: 200, ..full };
    let up_to_the_seam = CroppedArea { left_px: 700, width_px: 324, ..window };
    let ring = CroppedArea { left_px: 0, width_px: FULL_WIDTH_PX, ..window };
    for area in [full, window, up_to_the_seam, ring] {
        check(area, Size::new(area.width_px, area.height_px).unwrap());
        // The same area in a picture that was scaled after it was cropped.
        check(area, Size::new(area.width_px * 3 / 4, area.height_px * 2).unwrap());
    }
}
