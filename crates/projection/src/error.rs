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
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CropOutsidePanorama => "cropped area is empty or outside the full panorama",
            Self::AngleNotFinite => "angle is not finite",
            Self::FieldOfView => "horizontal field of view is not between 0 and 180 degrees",
        })
    }
}

impl std::error::Error for GeometryError {}
