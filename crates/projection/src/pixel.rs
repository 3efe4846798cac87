//! Positions and sizes in a picture.

use std::num::NonZeroU32;

/// How far outside of a picture, in sides, a position still counts as on its border. It covers the
/// rounding of a ray that was computed at the border, and nothing that can be seen.
const BORDER_TOLERANCE: f64 = 1e-11;

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

/// `position_px`, moved into [`start_px`, `end_px`] if rounding put it outside, or `None`.
pub(crate) fn hold(position_px: f64, start_px: f64, end_px: f64) -> Option<f64> {
    let tolerance_px = BORDER_TOLERANCE * end_px;
    (start_px - tolerance_px..=end_px + tolerance_px)
        .contains(&position_px)
        .then(|| position_px.clamp(start_px, end_px))
}

/// `position_px`, moved into [`start_px`, `end_px`): where pictures touch, the border is the next
/// one's, and a position in this one must not be on it.
pub(crate) fn keep_before(position_px: f64, start_px: f64, end_px: f64) -> f64 {
    position_px.max(start_px).min(end_px.next_down())
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

    /// The position in the middle.
    pub fn centre(self) -> Pixel {
        Pixel::new(f64::from(self.width_px()) / 2.0, f64::from(self.height_px()) / 2.0)
    }

    /// The position, moved onto the border if rounding put it outside, or `None` if it is outside
    /// of the picture or not a number.
    pub(crate) fn hold(self, pixel: Pixel) -> Option<Pixel> {
        Some(Pixel::new(
            hold(pixel.x_px, 0.0, f64::from(self.width_px()))?,
            hold(pixel.y_px, 0.0, f64::from(self.height_px()))?,
        ))
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
