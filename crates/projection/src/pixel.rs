//! Positions and sizes in a picture.

use std::num::NonZeroU32;

/// A continuous position in a picture: `x` right, `y` down, pixel centres at .5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pixel {
    /// Distance from the left border, in pixels; inside the picture in [0, width].
    pub x_px: f64,
    /// Distance from the top border, in pixels; inside the picture in [0, height].
    pub y_px: f64,
}

impl Pixel {
    /// The position `(x_px, y_px)`.
    pub const fn new(x_px: f64, y_px: f64) -> Self {
        Self { x_px, y_px }
    }

    /// The centre of the pixel in column `column` and row `row`, both counted from 0.
    pub fn centre(column: u32, row: u32) -> Self {
        Self { x_px: f64::from(column) + 0.5, y_px: f64::from(row) + 0.5 }
    }
}

/// Width and height of a picture in whole pixels, neither of them 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    width: NonZeroU32,
    height: NonZeroU32,
}

impl Size {
    /// `width_px` × `height_px`, or `None` if either is 0.
    pub const fn new(width_px: u32, height_px: u32) -> Option<Self> {
        match (NonZeroU32::new(width_px), NonZeroU32::new(height_px)) {
            (Some(width), Some(height)) => Some(Self { width, height }),
            _ => None,
        }
    }

    /// A square of `side_px` × `side_px`.
    pub const fn square(side_px: NonZeroU32) -> Self {
        Self { width: side_px, height: side_px }
    }

    /// Width in pixels, at least 1.
    pub const fn width_px(self) -> u32 {
        self.width.get()
    }

    /// Height in pixels, at least 1.
    pub const fn height_px(self) -> u32 {
        self.height.get()
    }

    /// Number of pixels, at least 1.
    pub const fn area_px(self) -> u64 {
        self.width.get() as u64 * self.height.get() as u64
    }

    /// Half of each side, rounded up.
    #[must_use]
    pub const fn halved(self) -> Self {
        const TWO: NonZeroU32 = NonZeroU32::new(2).expect("not zero");
        Self { width: self.width.div_ceil(TWO), height: self.height.div_ceil(TWO) }
    }

    /// Height × width: the size after a quarter turn.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}
