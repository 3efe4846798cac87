//! Rectangles of whole pixels.

use panofleet_projection::Size;

use crate::RasterError;

/// A rectangle of whole pixels in a picture; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Columns left of it.
    pub left_px: u32,
    /// Rows above it.
    pub top_px: u32,
    /// Its size.
    pub size: Size,
}

impl Rect {
    /// All of a picture of `size`.
    pub const fn whole(size: Size) -> Self {
        Self { left_px: 0, top_px: 0, size }
    }

    /// Its columns as indices.
    pub(crate) fn columns(self) -> std::ops::Range<usize> {
        self.left_px as usize..self.left_px as usize + self.size.width_px() as usize
    }

    /// Its rows as indices.
    pub(crate) fn rows(self) -> std::ops::Range<usize> {
        self.top_px as usize..self.top_px as usize + self.size.height_px() as usize
    }

    /// `Ok` if it lies inside a picture of `size`.
    pub(crate) fn check_inside(self, size: Size) -> Result<(), RasterError> {
        let inside = self.columns().end <= size.width_px() as usize
            && self.rows().end <= size.height_px() as usize;
        if inside { Ok(()) } else { Err(RasterError::OutsidePicture { rect: self, size }) }
    }
}
