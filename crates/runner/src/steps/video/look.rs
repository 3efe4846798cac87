//! A frame of a sphere, looked into.

use panofleet_job_schema::operation::{LookPlan, SphereWindow};
use panofleet_media::{pixels, video};
use panofleet_projection::{CroppedArea, Equirectangular, Orientation, Rectilinear, View};
use panofleet_raster::{Picture, Size};

use crate::error::StepError;

/// Whole numbers that a window's sides are counted in: so many that rounding moves nothing.
const FINE: f64 = 1_073_741_824.0;

/// The view of `size` that the plan asks for.
///
/// # Errors
/// A window that is not inside of the sphere, which no plan has.
pub(super) fn into(
    picture: Picture<u8>,
    plan: &LookPlan,
    size: Size,
) -> Result<Picture<u8>, StepError> {
    let geometry = geometry(plan.window, picture.size())?;
    let flat = Rectilinear::new(size, plan.hfov_deg.to_radians())?;
    let view = View::new(flat, Orientation::from_degrees(plan.yaw_deg, plan.pitch_deg, 0.0)?);
    let panorama = pixels::panorama(picture, geometry)?;
    Ok(video::look(&panorama, &view)?)
}

fn geometry(window: SphereWindow, size: Size) -> Result<Equirectangular, StepError> {
    let (width, height) = (f64::from(size.width_px()), f64::from(size.height_px()));
    let SphereWindow { full_width_px, full_height_px, left_px, top_px } = window;
    if (full_width_px - width).abs() < 0.01 && (full_height_px - height).abs() < 0.01 {
        return Ok(Equirectangular::full(size));
    }
    let span = |start: f64, length: f64, full: f64| {
        let fine = |part: f64| (part / full * FINE).round().clamp(0.0, FINE) as u32;
        let length = fine(length).max(1);
        (fine(start).min(FINE as u32 - length), length)
    };
    let (left, width) = span(left_px, width, full_width_px);
    let (top, height) = span(top_px, height, full_height_px);
    let area = CroppedArea {
        full_width_px: FINE as u32,
        full_height_px: FINE as u32,
        left_px: left,
        top_px: top,
        width_px: width,
        height_px: height,
    };
    Ok(Equirectangular::cropped(size, area)?)
}
