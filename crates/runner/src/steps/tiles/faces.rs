//! Six faces of one level, in the samples that the encoder takes.

use std::num::NonZeroU32;

use panofleet_media::{Encoder, cut_faces, halve_cube, pixels, resized_cube, stored_face};
use panofleet_projection::{Face, Projection};
use panofleet_raster::{Edges, Frame, Geometry, Panorama, Picture, Plane, RasterError, Rect, Size};
use rayon::prelude::*;

use crate::error::StepError;

/// Six faces, in the order of [`Face::ALL`].
#[derive(Debug)]
pub(super) enum Faces {
    /// Red, green and blue.
    Rgb(Box<[Picture<u8>; 6]>),
    /// Luma, and blue and red difference of half the size: what a 4:2:0 JPEG stores.
    Stored(Box<[[Picture<u8>; 6]; 3]>),
}

impl Faces {
    /// # Errors
    /// Faces too large for memory.
    pub(super) fn of_panorama(
        panorama: &Panorama<u8>,
        face_px: NonZeroU32,
        background: [u8; 3],
    ) -> Result<Self, RasterError> {
        let faces = Face::ALL.map(|face| pixels::cube_face(panorama, face, face_px, background));
        Ok(Self::Rgb(Box::new(all(faces)?)))
    }

    /// # Errors
    /// Faces too large for memory.
    pub(super) fn of_frame(
        frame: &Frame<'_, u8>,
        geometry: Geometry,
        face_px: NonZeroU32,
        background: [u8; 3],
    ) -> Result<Self, RasterError> {
        let faces = Face::ALL.map(|face| stored_face(frame, geometry, (face, face_px), background));
        let mut planes: [Vec<Picture<u8>>; 3] = [const { Vec::new() }; 3];
        for face in all(faces)? {
            for (planes, picture) in planes.iter_mut().zip(face) {
                planes.push(picture);
            }
        }
        let six = |planes: Vec<_>| planes.try_into().map_err(|_planes| RasterError::UnequalPlanes);
        Ok(Self::Stored(Box::new(all(planes.map(six))?)))
    }

    /// Faces of a cube map in one picture.
    ///
    /// # Errors
    /// A projection of another size; faces too large for memory.
    pub(super) fn of_cubemap(
        picture: Picture<u8>,
        cubemap: Projection,
        own_px: NonZeroU32,
        face_px: NonZeroU32,
    ) -> Result<Self, RasterError> {
        let own = cut_faces(picture, cubemap, own_px)?;
        let faces = if own_px == face_px { own } else { resized_cube(&own, face_px)? };
        Ok(Self::Rgb(Box::new(faces)))
    }

    /// Side of a face.
    pub(super) fn face_px(&self) -> u32 {
        self.parts()[0][0].size().width_px()
    }

    fn parts(&self) -> &[[Picture<u8>; 6]] {
        match self {
            Self::Rgb(faces) => std::slice::from_ref(faces),
            Self::Stored(planes) => &planes[..],
        }
    }

    /// What is measured: luma, or green.
    pub(super) fn measured(&self) -> [&Plane<u8>; 6] {
        let channel = if matches!(self, Self::Rgb(_)) { 1 } else { 0 };
        self.parts()[0].each_ref().map(|face| &face.planes()[channel])
    }

    /// The next smaller level, reduced over the faces' edges.
    ///
    /// # Errors
    /// None that faces of an even side can meet.
    pub(super) fn halved(&self) -> Result<Self, RasterError> {
        self.with(halve_cube)
    }

    /// The same at another size, each face for itself.
    ///
    /// # Errors
    /// A size that is odd, or too large for memory.
    pub(super) fn scaled(&self, side_px: NonZeroU32) -> Result<Self, RasterError> {
        let own_px = self.face_px();
        self.with(|faces| {
            let part_px = NonZeroU32::new(faces[0].size().width_px() * side_px.get() / own_px);
            let size = Size::square(part_px.unwrap_or(NonZeroU32::MIN));
            all(faces.each_ref().map(|face| pixels::scale(face, size, Edges::Clamp)))
        })
    }

    fn with(
        &self,
        of: impl Fn(&[Picture<u8>; 6]) -> Result<[Picture<u8>; 6], RasterError> + Send + Sync,
    ) -> Result<Self, RasterError> {
        match self {
            Self::Rgb(faces) => Ok(Self::Rgb(Box::new(of(faces)?))),
            Self::Stored(planes) => {
                let parts: Result<Vec<_>, _> = planes.par_iter().map(of).collect();
                let parts = parts?.try_into().map_err(|_planes| RasterError::UnequalPlanes)?;
                Ok(Self::Stored(Box::new(parts)))
            }
        }
    }

    /// The colours of each face, row by row, from 0 to 255: for small faces.
    pub(super) fn colours(&self) -> [Vec<[f64; 3]>; 6] {
        std::array::from_fn(|face| match self {
            Self::Rgb(faces) => {
                let planes = faces[face].planes();
                let pixel = |index: usize| {
                    [0, 1, 2].map(|channel| f64::from(planes[channel].samples()[index]))
                };
                (0..planes[0].samples().len()).map(pixel).collect()
            }
            Self::Stored(planes) => {
                let [luma, blue, red] = planes.each_ref().map(|faces| &faces[face].planes()[0]);
                let pixel = |index: usize| {
                    let (x, y) = (index % luma.width(), index / luma.width());
                    let chroma = |plane: &Plane<u8>| {
                        let [x, y] = [x / 2, y / 2].map(|at| at.min(plane.width() - 1));
                        f64::from(plane.row(y)[x]) - 128.0
                    };
                    // JFIF: BT.601, full range.
                    let (luma, blue, red) =
                        (f64::from(luma.samples()[index]), chroma(blue), chroma(red));
                    [
                        luma + 1.402 * red,
                        luma - 0.344_136 * blue - 0.714_136 * red,
                        luma + 1.772 * blue,
                    ]
                };
                (0..luma.samples().len()).map(pixel).collect()
            }
        })
    }

    /// Faces in one column, as a file.
    ///
    /// # Errors
    /// What the encoder says.
    pub(super) fn encode_column(
        &self,
        encoder: &mut Encoder,
        order: [Face; 6],
    ) -> Result<Vec<u8>, StepError> {
        let side = self.face_px();
        let size = Size::new(side, 6 * side).ok_or(StepError::EmptySize)?;
        match self {
            Self::Rgb(faces) => {
                let rgb = order.map(|face| {
                    let face = &faces[face as usize];
                    pixels::interleaved(face, Rect::whole(face.size()))
                });
                Ok(encoder.encode(&all(rgb)?.concat(), size)?)
            }
            Self::Stored(planes) => {
                let columns = planes.each_ref().map(|faces| {
                    let side = faces[0].size().width_px();
                    let size = Size::new(side, 6 * side).ok_or(RasterError::UnequalPlanes)?;
                    let samples = order.map(|face| faces[face as usize].planes()[0].samples());
                    Plane::new(size, samples.concat())
                });
                let columns = all(columns)?;
                Ok(encoder.encode_stored(columns.each_ref(), Rect::whole(size))?)
            }
        }
    }

    /// A part of a face as a file.
    ///
    /// # Errors
    /// What the encoder says; a part that is not inside.
    pub(super) fn encode(
        &self,
        encoder: &mut Encoder,
        face: Face,
        rect: Rect,
    ) -> Result<Vec<u8>, StepError> {
        let index = face as usize;
        match self {
            Self::Rgb(faces) => {
                let rgb = pixels::interleaved(&faces[index], rect)?;
                Ok(encoder.encode(&rgb, rect.size)?)
            }
            Self::Stored(planes) => {
                let planes = planes.each_ref().map(|faces| &faces[index].planes()[0]);
                Ok(encoder.encode_stored(planes, rect)?)
            }
        }
    }
}

/// All of them, or the first error.
fn all<T, const N: usize>(results: [Result<T, RasterError>; N]) -> Result<[T; N], RasterError> {
    let all: Result<Vec<T>, _> = results.into_iter().collect();
    all?.try_into().map_err(|_planes| RasterError::UnequalPlanes)
}
