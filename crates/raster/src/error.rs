//! What can be wrong with a request; all of it is bad input, so a retry cannot help.

use panofleet_projection::Size;

use crate::{PLANE_PX_MAX, Rect, SIDE_PX_MAX};

/// Why a picture could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RasterError {
    /// Beyond [`SIDE_PX_MAX`] or [`PLANE_PX_MAX`].
    #[error(
        "picture of {}×{} is larger than {SIDE_PX_MAX} on a side or {PLANE_PX_MAX} pixels",
        .0.width_px(), .0.height_px()
    )]
    TooLarge(Size),
    /// A buffer does not have one sample for each pixel and channel.
    #[error("buffer has {found} samples, the picture needs {expected}")]
    BufferLength {
        /// Samples that the size and channels ask for.
        expected: usize,
        /// Samples that were given.
        found: usize,
    },
    /// Planes of one picture differ in size, or there are not one to four of them.
    #[error("planes do not form a picture")]
    UnequalPlanes,
    /// A rectangle reaches beyond the picture.
    #[error("rectangle {rect:?} is outside of the {}×{} picture", .size.width_px(), .size.height_px())]
    OutsidePicture {
        /// What was asked for.
        rect: Rect,
        /// Size of the picture.
        size: Size,
    },
    /// The geometry describes a picture of another size.
    #[error(
        "geometry is for {}×{}, the picture has {}×{}",
        .geometry.width_px(), .geometry.height_px(), .picture.width_px(), .picture.height_px()
    )]
    GeometrySize {
        /// Size that the geometry describes.
        geometry: Size,
        /// Size of the picture.
        picture: Size,
    },
    /// Frames whose matrix, transfer, primaries or alpha a remap would have to convert.
    #[error("frames differ in what a remap does not convert")]
    OtherColours,
    /// A stereo picture whose two eyes cannot have the same size.
    #[error("stereo picture of {}×{} has no equal halves", .0.width_px(), .0.height_px())]
    UnequalEyes(Size),
}
