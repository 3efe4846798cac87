//! The part of an equirectangular picture that a turned source fills.

use panofleet_projection::{
    CroppedArea, Equirectangular, Orientation, Pixel, Projection, Ray, View,
};
use panofleet_raster::{Geometry, Size};

/// Points along a side of the source that are looked at.
const POINTS: u32 = 256;

/// `whole`, which is a sphere by longitude and latitude, cut to the smallest part that holds everything that a
/// source shows when it is seen by a camera turned by `turn`. A source that shows everything, and a projection of
/// another kind, is left as it is.
pub(super) fn cut(source: &Geometry, turn: Orientation, whole: &Projection) -> Projection {
    let Projection::Equirectangular(sphere) = whole else { return *whole };
    let rays = rays(source, turn);
    let size = sphere.size();
    let Some((top_px, bottom_px)) = rows(source, turn, sphere, &rays) else { return *whole };
    let (left_px, right_px) = if top_px == 0 || bottom_px == size.height_px() {
        // Around a pole a picture is seen at every longitude.
        (0, size.width_px())
    } else {
        columns(sphere, &rays)
    };
    let (width_px, height_px) = (right_px - left_px, bottom_px - top_px);
    let area = CroppedArea {
        full_width_px: size.width_px(),
        full_height_px: size.height_px(),
        left_px,
        top_px,
        width_px,
        height_px,
    };
    let part = Size::new(width_px, height_px);
    match part.map(|part| Equirectangular::cropped(part, area)) {
        Some(Ok(part)) => part.into(),
        _ => *whole,
    }
}

/// The directions of points all over a source, its border among them.
fn rays(source: &Geometry, turn: Orientation) -> Vec<Ray> {
    let view = match source {
        Geometry::Equirectangular(part) => View::new(*part, Orientation::IDENTITY),
        Geometry::View(view) => *view,
    };
    let back = turn.rotation();
    let [width, height] = [view.size().width_px(), view.size().height_px()].map(f64::from);
    let steps = move |side: f64| (0..=POINTS).map(move |i| f64::from(i) * side / f64::from(POINTS));
    steps(height)
        .flat_map(|y| steps(width).map(move |x| Pixel::new(x, y)))
        .filter_map(|at| view.ray(at))
        .map(|ray| back.apply_inverse(ray))
        .collect()
}

/// First row, and the one behind the last.
fn rows(
    source: &Geometry,
    turn: Orientation,
    sphere: &Equirectangular,
    rays: &[Ray],
) -> Option<(u32, u32)> {
    let turn = turn.rotation();
    let shows = |up: f64| {
        Ray::through([0.0, up, 0.0]).is_some_and(|pole| source.position(turn.apply(pole)).is_some())
    };
    let height_px = sphere.size().height_px();
    let at = rays.iter().map(|ray| sphere.full_pixel(*ray).y_px);
    let (first, last) = at.fold(None, |bounds: Option<(f64, f64)>, y| {
        let (first, last) = bounds.unwrap_or((y, y));
        Some((first.min(y), last.max(y)))
    })?;
    let top_px = if shows(1.0) { 0 } else { before(first) };
    let bottom_px = if shows(-1.0) { height_px } else { behind(last).min(height_px) };
    (top_px < bottom_px).then_some((top_px, bottom_px))
}

/// A border that a turn has moved by less than this lies where it lay.
const ROUNDING_PX: f64 = 1e-6;

/// The border of pixels at or before a position.
fn before(at_px: f64) -> u32 {
    (at_px + ROUNDING_PX).floor().max(0.0) as u32
}

/// The border of pixels at or behind a position.
fn behind(at_px: f64) -> u32 {
    (at_px - ROUNDING_PX).ceil() as u32
}

/// First column, and the one behind the last; all of them for a source that reaches over the seam.
fn columns(sphere: &Equirectangular, rays: &[Ray]) -> (u32, u32) {
    let width_px = sphere.size().width_px();
    let mut at: Vec<f64> = rays.iter().map(|ray| sphere.full_pixel(*ray).x_px).collect();
    at.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (at.first(), at.last()) else { return (0, width_px) };
    (before(*first), behind(*last).clamp(1, width_px))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(turned_deg: (f64, f64, f64)) -> Option<(u32, u32, u32, u32)> {
        let area = CroppedArea {
            full_width_px: 3600,
            full_height_px: 1800,
            left_px: 1500,
            top_px: 800,
            width_px: 600,
            height_px: 200,
        };
        let source = Equirectangular::cropped(Size::new(600, 200).unwrap(), area).unwrap();
        let (yaw_deg, pitch_deg, roll_deg) = turned_deg;
        let turn = Orientation::from_degrees(yaw_deg, pitch_deg, roll_deg).unwrap();
        let whole = Equirectangular::full(Size::new(360, 180).unwrap()).into();
        let Projection::Equirectangular(found) = cut(&source.into(), turn, &whole) else {
            return None;
        };
        let (corner, size) = (found.corner(), found.size());
        Some((corner.x_px as u32, corner.y_px as u32, size.width_px(), size.height_px()))
    }

    /// 60° × 20° around the middle.
    #[test]
    fn a_part_keeps_its_place() {
        assert_eq!(part((0.0, 0.0, 0.0)), Some((150, 80, 60, 20)));
        // The camera looks 20° to the right: what was ahead lies left.
        assert_eq!(part((20.0, 0.0, 0.0)), Some((130, 80, 60, 20)));
        // It looks down: what was ahead lies up. The corners of the part bend down.
        let (_, top_px, _, height_px) = part((0.0, -30.0, 0.0)).unwrap();
        assert!(top_px == 50 && (20..30).contains(&height_px), "{top_px} {height_px}");
        // Upright. Its corners lie at yaw atan(tan 10° / cos 30°) = 11.5°.
        let (_, _, width_px, height_px) = part((0.0, 0.0, 90.0)).unwrap();
        assert_eq!((width_px, height_px), (24, 60));
    }

    #[test]
    fn a_part_over_a_pole_or_the_seam_is_all_around() {
        assert_eq!(part((0.0, -90.0, 0.0)), Some((0, 0, 360, 32)));
        assert_eq!(part((180.0, 0.0, 0.0)), Some((0, 80, 360, 20)));
    }
}
