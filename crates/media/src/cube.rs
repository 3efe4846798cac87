//! Six faces as pictures of their own, for 8-bit samples; compiled here for the reason that
//! [`pixels`](crate::pixels) gives.

use std::num::NonZeroU32;

use panofleet_projection::{Face, GeometryError, Orientation, Projection, Rectilinear, View};
use panofleet_raster::{
    Kernel, Panorama, Picture, RasterError, Sampling, Size, reduce_cube, remap, with_apron,
};

/// Texels around each face that filters may read.
const APRON_PX: u32 = 8;

/// Six faces at half their size, by a filter that reaches over their edges.
///
/// # Errors
/// Faces that do not form a cube, or of an odd side.
pub fn halve_cube(faces: &[Picture<u8>; 6]) -> Result<[Picture<u8>; 6], RasterError> {
    reduce_cube(faces)
}

/// The six faces of an opaque cube map in one picture, cut out and upright, in the order of [`Face::ALL`].
///
/// # Errors
/// A projection of another size.
pub fn cut_faces(
    picture: Picture<u8>,
    cubemap: Projection,
    face_px: NonZeroU32,
) -> Result<[Picture<u8>; 6], RasterError> {
    let cubemap = Panorama::new(picture, View::new(cubemap, Orientation::IDENTITY))?;
    // Pixels of the view are those of the cell.
    let sampling = Sampling { kernel: Kernel::Nearest, ..Sampling::default() };
    each(|face| remap(&cubemap, &View::cube_face(face, face_px), &sampling))
}

/// Six faces at another size, by a filter that reads over their edges.
///
/// # Errors
/// Faces that do not form a cube, or too large for memory.
pub fn resized_cube(
    faces: &[Picture<u8>; 6],
    face_px: NonZeroU32,
) -> Result<[Picture<u8>; 6], RasterError> {
    let own_px = faces[0].size().width_px();
    let wide = with_apron(faces, APRON_PX)?;
    let size = wide[0].size();
    each(|face| {
        let view = apron_view(face, size, own_px).map_err(|_error| RasterError::TooLarge(size))?;
        let panorama = Panorama::new(wide[face as usize].clone(), view)?;
        remap(&panorama, &View::cube_face(face, face_px), &Sampling::default())
    })
}

/// What a face of `own_px` with its apron shows.
fn apron_view(face: Face, size: Size, own_px: u32) -> Result<View, GeometryError> {
    let hfov_rad = 2.0 * (f64::from(size.width_px()) / f64::from(own_px)).atan();
    let (yaw_deg, pitch_deg) = match face {
        Face::Front => (0.0, 0.0),
        Face::Right => (90.0, 0.0),
        Face::Back => (180.0, 0.0),
        Face::Left => (-90.0, 0.0),
        Face::Up => (0.0, 90.0),
        Face::Down => (0.0, -90.0),
    };
    let lens = Rectilinear::new(size, hfov_rad)?;
    Ok(View::new(lens, Orientation::from_degrees(yaw_deg, pitch_deg, 0.0)?))
}

fn each(
    of: impl Fn(Face) -> Result<Picture<u8>, RasterError>,
) -> Result<[Picture<u8>; 6], RasterError> {
    let [a, b, c, d, e, f] = Face::ALL.map(of);
    Ok([a?, b?, c?, d?, e?, f?])
}
