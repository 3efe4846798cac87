//! What a picture's file says of the sphere.

use panofleet_job_schema::media_info::GPano;
use panofleet_job_schema::operation::{Angles, PixelRect};
use panofleet_projection::{Orientation, Projection, View};

use crate::steps::geometry;

/// GPano fields that are true of `view`, which is turned by `turn` in a source with these fields; `None` where the
/// view is not a part of an equirectangular picture.
///
/// Where the source knows how its camera stood, or `tilt` was given as that, the pose follows: of a levelled
/// picture pitch and roll are 0. Where nobody knows how it stood, a turn is somebody's correction and no pose is
/// written, because a viewer would undo it. The initial view is counted from north and from the horizon, so it stays; where
/// north is not known it is counted from the middle, and moves with that.
pub(crate) fn metadata(
    view: &View,
    turn: Orientation,
    tilt: Option<Angles>,
    source: Option<&GPano>,
) -> Option<GPano> {
    let place = place(view.projection())?;
    let source = source.cloned().unwrap_or_default();
    let north_deg = source.pose_heading_deg;
    let known = tilt.is_some() || source.pose_pitch_deg.or(source.pose_roll_deg).is_some();
    let tilt = tilt.unwrap_or(Angles {
        yaw_deg: 0.0,
        pitch_deg: source.pose_pitch_deg.unwrap_or(0.0),
        roll_deg: source.pose_roll_deg.unwrap_or(0.0),
    });
    let pose = geometry::orientation(Angles { yaw_deg: north_deg.unwrap_or(0.0), ..tilt }).ok()?;
    let pose = pose.compose(turn);
    let heading_deg = heading(pose.yaw_rad().to_degrees());
    let angle = |radians: f64| known.then(|| rounded(radians.to_degrees()));
    Some(GPano {
        pose_heading_deg: north_deg.map(|_| heading_deg),
        pose_pitch_deg: angle(pose.pitch_rad()),
        pose_roll_deg: angle(pose.roll_rad()),
        initial_heading_deg: source.initial_heading_deg.map(|initial_deg| {
            if north_deg.is_some() { initial_deg } else { heading(initial_deg - heading_deg) }
        }),
        initial_pitch_deg: source.initial_pitch_deg,
        initial_roll_deg: source.initial_roll_deg,
        initial_hfov_deg: source.initial_hfov_deg,
        capture_software: source.capture_software,
        stitching_software: source.stitching_software,
        source_photos: source.source_photos,
        first_photo_date: source.first_photo_date,
        last_photo_date: source.last_photo_date,
        exposure_locked: source.exposure_locked,
        ..place
    })
}

/// The six sizes; `None` for what is not a part of an equirectangular picture.
fn place(projection: &Projection) -> Option<GPano> {
    match projection {
        Projection::Equirectangular(part) => {
            let size = part.size();
            let [full_width_px, full_height_px, left_px, top_px] = [
                part.full_width_px(),
                part.full_height_px(),
                part.corner().x_px,
                part.corner().y_px,
            ]
            .map(|px| px.round() as u32);
            let (width_px, height_px) = (size.width_px(), size.height_px());
            Some(GPano::whole_sphere(full_width_px, full_height_px).cropped(PixelRect {
                left_px,
                top_px,
                width_px,
                height_px,
            }))
        }
        Projection::HalfEquirectangular(half) => {
            let (width_px, height_px) = (half.size().width_px(), half.size().height_px());
            // A quarter of the whole on either side, to the pixel.
            let part = PixelRect { left_px: width_px / 2, top_px: 0, width_px, height_px };
            Some(GPano::whole_sphere(2 * width_px, height_px).cropped(part))
        }
        _ => None,
    }
}

/// [0, 360).
fn heading(degrees: f64) -> f64 {
    rounded(degrees).rem_euclid(360.0)
}

/// To a billionth of a degree, so that what was turned there and back is what it was.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e9).round() / 1e9 + 0.0
}
