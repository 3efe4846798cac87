//! What the tiles are worth, measured while their pixels are at hand.

use panofleet_job_schema::quality::{PanoQuality, Resolution};
use panofleet_media::measure;
use panofleet_projection::Equirectangular;
use panofleet_raster::{Plane, PlaneView, RasterError, Rect, Size};

use super::faces::Faces;

/// Pixels of the source that a round trip compares.
const ROUND_TRIP_POINTS: u32 = 1 << 18;

/// Measures the largest faces against the source's plane that they were made of; scores of seams follow level
/// by level.
///
/// # Errors
/// A geometry of another size than the plane's.
pub(super) fn of_faces(
    faces: &Faces,
    source: PlaneView<'_, u8>,
    geometry: &Equirectangular,
) -> Result<PanoQuality, RasterError> {
    let planes = faces.measured();
    let face_px = f64::from(faces.face_px());
    Ok(PanoQuality {
        eye: None,
        round_trip_ws_psnr_db: measure::round_trip_db(
            &planes,
            source,
            geometry,
            ROUND_TRIP_POINTS,
        )?,
        seam_scores: Vec::new(),
        source: resolution(
            geometry.full_width_px() / 360.0,
            measure::resolved_share(source, around_the_horizon(geometry))?,
        ),
        output: resolution(
            // A texel in the middle of a face is 2 / face_px rad.
            (face_px / 2.0).to_radians(),
            resolved_share_of(&planes[..4])?,
        ),
    })
}

fn resolution(px_per_deg: f64, share: Option<f64>) -> Resolution {
    Resolution { px_per_deg, resolved_px_per_deg: share.map(|share| share * px_per_deg) }
}

/// The rows within 30° of the horizon, where one pixel is about as wide as it is high; all if there are none.
fn around_the_horizon(geometry: &Equirectangular) -> Rect {
    let size = geometry.size();
    let third = geometry.full_height_px() / 3.0;
    let place =
        |px: f64| (px - geometry.corner().y_px).clamp(0.0, f64::from(size.height_px())) as u32;
    let (top, bottom) = (place(third), place(2.0 * third));
    match Size::new(size.width_px(), bottom.saturating_sub(top)) {
        Some(size) => Rect { left_px: 0, top_px: top, size },
        None => Rect::whole(size),
    }
}

/// The best that the middles of the side faces have.
fn resolved_share_of(faces: &[&Plane<u8>]) -> Result<Option<f64>, RasterError> {
    let mut best: Option<f64> = None;
    for face in faces {
        let px = face.size().width_px();
        let size = Size::new((px / 2).max(1), (px / 2).max(1)).unwrap_or(face.size());
        let middle = Rect { left_px: px / 4, top_px: px / 4, size };
        let share = measure::resolved_share((*face).into(), middle)?;
        best = share.map_or(best, |share| Some(best.map_or(share, |best| best.max(share))));
    }
    Ok(best)
}
