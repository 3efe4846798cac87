//! Why a geometry cannot be built; once built, every mapping is total.

use std::fmt;

/// A geometry that describes no picture. All of these are bad input: retrying cannot help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// The cropped area is empty or reaches beyond the full panorama.
    CropOutsidePanorama,
    /// An angle is infinite or not a number.
    AngleNotFinite,
    /// The horizontal field of view is not inside (0, π).
    FieldOfView,
    /// The field of view is not positive, or is wider than this projection can show.
    FieldOfViewBeyond {
        /// The projection's name.
        projection: &'static str,
    },
    /// A position or a length in pixels is infinite or not a number.
    PositionNotFinite,
    /// A Pannini view's distance is not in [0, 1000], or its straightening not in [0, 1].
    Compression,
    /// A lens's focal length or radius is not between a millionth of a pixel and 10⁹ pixels.
    FocalLength,
    /// The ξ of a unified sphere is not in [0, 1000].
    SphereOffset,
    /// A lens's distortion puts two rays of its field of view on one pixel, or nearly so.
    DistortionFolds,
    /// Padding that is negative, not finite, or a quarter of a face or more.
    Padding,
    /// A cube map's faces are not each named once.
    FaceOrder,
    /// A picture that is not one of the sizes that this camera writes.
    CameraFrame,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CropOutsidePanorama => "cropped area is empty or outside the full panorama",
            Self::AngleNotFinite => "angle is not finite",
            Self::FieldOfView => "horizontal field of view is not between 0 and 180 degrees",
            Self::FieldOfViewBeyond { projection } => {
                return write!(f, "field of view is not one that {projection} can show");
            }
            Self::Compression => {
                "compression is not between 0 and 1000, or straightening not between 0 and 1"
            }
            Self::FocalLength => {
                "focal length or radius of a lens is not between 1e-6 and 1e9 pixels"
            }
            Self::SphereOffset => "sphere offset of a lens is not between 0 and 1000",
            Self::DistortionFolds => "distortion of a lens folds within its field of view",
            Self::Padding => "padding is negative, or a quarter of a face or more",
            Self::FaceOrder => "faces of a cube map are not each named once",
            Self::CameraFrame => "picture has no size that this camera writes",
            Self::PositionNotFinite => "position in pixels is not finite",
        })
    }
}

impl std::error::Error for GeometryError {}
