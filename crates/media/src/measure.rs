//! How good faces are, for 8-bit samples; compiled here for the reason that [`pixels`](crate::pixels) gives.

use panofleet_projection::Equirectangular;
use panofleet_raster::{Plane, PlaneView, RasterError, Rect, psnr_db, round_trip};

/// WS-PSNR of a source in the directions of its own pixels, in decibels of 255; `None` if nothing can be
/// compared, or nothing differs. See [`round_trip`].
///
/// # Errors
/// Faces that do not form a cube; a geometry of another size.
pub fn round_trip_db(
    faces: &[&Plane<u8>; 6],
    source: PlaneView<'_, u8>,
    geometry: &Equirectangular,
    points: u32,
) -> Result<Option<f64>, RasterError> {
    let found = round_trip(faces, source, geometry, points)?;
    Ok(found.filter(|found| found.mse > 0.0).map(|found| psnr_db(found.mse, 255.0)))
}

/// How well the faces fit: [`seam_score`](panofleet_raster::seam_score) of all edges together,
/// beside what the source has there.
///
/// # Errors
/// Faces that do not form a cube; a geometry of another size.
pub fn seam_score(
    faces: &[&Plane<u8>; 6],
    source: (PlaneView<'_, u8>, &Equirectangular),
) -> Result<f64, RasterError> {
    Ok(panofleet_raster::seam_score(faces, Some(source))?.overall)
}

/// The share of the finest detail that is there: [`resolved_share`](panofleet_raster::resolved_share).
///
/// # Errors
/// A part that is not inside.
pub fn resolved_share(plane: PlaneView<'_, u8>, part: Rect) -> Result<Option<f64>, RasterError> {
    panofleet_raster::resolved_share(plane, part)
}
