//! Where there is most to see.

use panofleet_job_schema::operation::{PicturePlan, PictureProjection};
use panofleet_media::pixels;
use panofleet_projection::{Equirectangular, Orientation, Pixel, Size, View};
use panofleet_raster::{Panorama, Picture};

use crate::error::StepError;

/// A pixel for each degree.
const SIZE_PX: (u32, u32) = (360, 180);

/// Directions that are compared, all around.
const DIRECTIONS: u32 = 72;

/// The direction at `pitch_deg` in which a flat picture holds the most detail.
///
/// Detail is how much the luma of neighbouring pixels of a degree differs, to the right and down, weighted by the
/// area that such a pixel has on the sphere (the cosine of its pitch), summed over the field of view; what the
/// source does not show counts nothing. The first of several equal ones wins, from the middle outwards.
///
/// # Errors
/// None that a plan can meet.
pub(super) fn most_detail(
    panorama: &Panorama<u8>,
    turn: Orientation,
    picture: &PicturePlan,
    pitch_deg: f64,
) -> Result<Orientation, StepError> {
    let (width_px, height_px) = SIZE_PX;
    let size = Size::new(width_px, height_px).ok_or(StepError::EmptySize)?;
    let view = View::new(Equirectangular::full(size), turn);
    let small = pixels::view(panorama, &view, [0; 3])?;
    let luma = luma(&small);
    let seen = |x: u32, y: u32| {
        let ray = view.ray(Pixel::centre(x % width_px, y));
        ray.is_some_and(|ray| panorama.geometry().position(ray).is_some())
    };
    let (half_width_deg, half_height_deg) = half_angles_deg(picture);
    let columns: Vec<f64> = (0..width_px)
        .map(|x| {
            let rows = (0..height_px - 1).filter(|y| {
                let row_pitch_deg = 89.5 - f64::from(*y);
                (row_pitch_deg - pitch_deg).abs() <= half_height_deg && seen(x, *y)
            });
            rows.map(|y| {
                let at = |x: u32, y: u32| luma[(y * width_px + x % width_px) as usize];
                let differ = |x2: u32, y2: u32| {
                    if seen(x2, y2) { (at(x2, y2) - at(x, y)).abs() } else { 0.0 }
                };
                let area = (89.5 - f64::from(y)).to_radians().cos();
                area * (differ(x + 1, y) + differ(x, y + 1))
            })
            .sum()
        })
        .collect();
    let detail = |yaw_deg: f64| -> f64 {
        let inside = |x: &u32| {
            let away = (f64::from(*x) + 0.5 - 180.0 - yaw_deg + 180.0).rem_euclid(360.0) - 180.0;
            away.abs() <= half_width_deg
        };
        (0..width_px).filter(inside).map(|x| columns[x as usize]).sum()
    };
    let step_deg = 360.0 / f64::from(DIRECTIONS);
    // 0, 1, −1, 2, −2 …
    let outwards = (0..DIRECTIONS).map(|i| {
        let steps = f64::from(i.div_ceil(2)) * step_deg;
        if i % 2 == 1 { steps } else { -steps }
    });
    let (mut best_deg, mut most) = (0.0, f64::NEG_INFINITY);
    for yaw_deg in outwards {
        let found = detail(yaw_deg);
        // Sums of the same values in another order differ in their last digits.
        if found > most + 1e-6 {
            (best_deg, most) = (yaw_deg, found);
        }
    }
    Ok(Orientation::from_degrees(best_deg, pitch_deg, 0.0)?)
}

/// Half of the field of view, across and down.
fn half_angles_deg(picture: &PicturePlan) -> (f64, f64) {
    let hfov_deg = match picture.projection {
        PictureProjection::Rectilinear { hfov_deg } => hfov_deg,
        _ => 90.0,
    };
    let half_width = (hfov_deg / 2.0).to_radians().tan();
    let shape = f64::from(picture.height_px) / f64::from(picture.width_px);
    (hfov_deg / 2.0, (half_width * shape).atan().to_degrees())
}

/// Of each pixel, by BT.601.
fn luma(picture: &Picture<u8>) -> Vec<f64> {
    match picture.planes() {
        [r, g, b, ..] => r
            .samples()
            .iter()
            .zip(g.samples())
            .zip(b.samples())
            .map(|((r, g), b)| {
                0.299 * f64::from(*r) + 0.587 * f64::from(*g) + 0.114 * f64::from(*b)
            })
            .collect(),
        planes => {
            planes.iter().take(1).flat_map(|gray| gray.samples()).map(|v| f64::from(*v)).collect()
        }
    }
}
