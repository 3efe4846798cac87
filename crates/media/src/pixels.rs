//! The runner's pixel work, for 8-bit pictures.
//!
//! `panofleet-raster` is generic over its samples, and generic code is compiled where its types become
//! known. These functions make them known here: this crate is optimised in every profile, and no pixel
//! loop ends up in one that is not.

use std::num::NonZeroU32;

use panofleet_projection::{Face, View};
use panofleet_raster::{
    Edges, ExifOrientation, Geometry, Panorama, Picture, Plane, RasterError, Rect, Sampling, Size,
    StereoLayout, crop, join_stereo, orient, reduce_by_two, remap, resize,
};
use rayon::prelude::*;

use crate::depth::Depth;

mod depth;

pub use depth::PixelDepth;

/// Samples that a thread takes at once.
const CHUNK: usize = 64 * 1024;

/// A panorama ready to be sampled; takes the picture, so that it is in memory once.
///
/// # Errors
/// A geometry of another size, or a picture too large for its border.
pub fn panorama(
    picture: Picture<u8>,
    geometry: impl Into<Geometry>,
) -> Result<Panorama<u8>, RasterError> {
    Panorama::new(picture, geometry)
}

/// One opaque face of the cube around the viewer; `background` is where the panorama does not reach or
/// is transparent.
///
/// # Errors
/// A face too large for memory.
pub fn cube_face(
    panorama: &Panorama<u8>,
    face: Face,
    face_px: NonZeroU32,
    background: [u8; 3],
) -> Result<Picture<u8>, RasterError> {
    view(panorama, &View::cube_face(face, face_px), background)
}

/// Any opaque view; `background` is where the panorama does not reach or is transparent.
///
/// # Errors
/// A view too large for memory.
pub fn view(
    panorama: &Panorama<u8>,
    view: &View,
    background: [u8; 3],
) -> Result<Picture<u8>, RasterError> {
    opaque_view(panorama, view, background)
}

fn opaque_view<S: Depth>(
    panorama: &Panorama<S>,
    view: &View,
    background: [u8; 3],
) -> Result<Picture<S>, RasterError> {
    let none = S::of_eight(0);
    let [r, g, b] = background.map(S::of_eight);
    let transparent = panorama.channels().has_alpha();
    let behind = if transparent { [none; 4] } else { [r, g, b, none] };
    let sampling = Sampling { background: behind, ..Sampling::default() };
    opaque(remap(panorama, view, &sampling)?, background)
}

/// Both eyes in one picture.
///
/// # Errors
/// Eyes of different sizes, or a picture too large for memory.
pub fn join(eyes: [&Picture<u8>; 2], layout: StereoLayout) -> Result<Picture<u8>, RasterError> {
    join_stereo(eyes, layout)
}

/// Half the size, each pixel the mean of four.
pub fn halve(picture: &Picture<u8>) -> Picture<u8> {
    reduce_by_two(picture)
}

/// Another size, by a Lanczos filter that does not alias.
///
/// # Errors
/// A picture too large for memory.
pub fn scale(picture: &Picture<u8>, size: Size, edges: Edges) -> Result<Picture<u8>, RasterError> {
    resize(picture, size, edges)
}

/// A copy of a part.
///
/// # Errors
/// A part that is not inside.
pub fn part(picture: &Picture<u8>, rect: Rect) -> Result<Picture<u8>, RasterError> {
    crop(picture, rect)
}

/// The picture made upright, of one that was stored with this EXIF orientation; another number than 1 to 8 is 1.
pub fn upright(picture: Picture<u8>, orientation: u8) -> Picture<u8> {
    let orientation = ExifOrientation::from_tag(orientation.into());
    orient(picture, orientation.unwrap_or(ExifOrientation::Upright))
}

/// The samples of a part, interleaved for an encoder.
///
/// # Errors
/// A part that is not inside.
pub fn interleaved(picture: &Picture<u8>, rect: Rect) -> Result<Vec<u8>, RasterError> {
    picture.to_interleaved(rect)
}

/// The picture in front of a background of one colour, without alpha; an opaque one as it is.
///
/// # Errors
/// None that the planes of one picture can meet.
pub fn flatten(picture: Picture<u8>, background: [u8; 3]) -> Result<Picture<u8>, RasterError> {
    opaque(picture, background)
}

fn opaque<S: Depth>(picture: Picture<S>, background: [u8; 3]) -> Result<Picture<S>, RasterError> {
    if !picture.channels().has_alpha() {
        return Ok(picture);
    }
    let mut planes = picture.into_planes();
    let Some(alpha) = planes.pop() else { return Picture::from_planes(planes) };
    for (plane, behind) in planes.iter_mut().zip(background) {
        mix(plane, &alpha, S::of_eight(behind));
    }
    Picture::from_planes(planes)
}

/// In 32 bits, which products of two samples of 16 bits fit into.
fn mix<S: Depth>(plane: &mut Plane<S>, alpha: &Plane<S>, behind: S) {
    let most = S::LEVELS as u32 - 1;
    let behind = behind.number() as u32;
    let chunks = plane.samples_mut().par_chunks_mut(CHUNK).zip(alpha.samples().par_chunks(CHUNK));
    chunks.for_each(|(values, alphas)| {
        for (value, alpha) in values.iter_mut().zip(alphas) {
            let alpha = alpha.number() as u32;
            let sum = value.number() as u32 * alpha + behind * (most - alpha);
            *value = S::level(((sum + most / 2) / most) as usize);
        }
    });
}

#[cfg(test)]
mod tests {
    use panofleet_raster::Channels;

    use super::*;

    #[test]
    fn transparency_shows_the_background() {
        let size = Size::new(3, 1).unwrap();
        let samples = [200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 51];
        let picture = Picture::from_interleaved(Channels::RgbAlpha, size, &samples).unwrap();
        let flat = flatten(picture, [100, 100, 255]).unwrap();
        let expected = [200, 100, 0, 100, 100, 255, 120, 100, 204];
        assert_eq!(interleaved(&flat, Rect::whole(size)).unwrap(), expected);
    }
}
