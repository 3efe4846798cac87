//! Rows of flat pictures.

/// A row of a rectilinear picture: the point at `x` is `start + x · step`.
///
/// On a flat image plane a row is a straight line in space, at distance 1 or more from the viewer.
/// A remapper uses that to compute a few exact points of a row and to bound what it interpolates
/// between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StraightRow {
    /// The point at the picture's left border.
    pub start: [f64; 3],
    /// From one pixel to the next.
    pub step: [f64; 3],
}

impl StraightRow {
    /// The point at `x_px` from the left border; its direction is the pixel's ray.
    pub fn point(&self, x_px: f64) -> [f64; 3] {
        std::array::from_fn(|i| self.start[i] + x_px * self.step[i])
    }
}
