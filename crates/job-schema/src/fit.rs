//! How a picture comes into a box.

use serde::{Deserialize, Serialize};

use crate::operations::shared::PixelRect;

/// How a picture fits a box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of it, in its shape, no side longer than the box's.
    #[default]
    Inside,
    /// The middle of it that has the shape of the box.
    Cover,
    /// All of it in the shape of the box.
    Stretch,
}

impl Fit {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["inside", "cover", "stretch"];
}

/// Whether a picture may be made larger than it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enlarge {
    /// A smaller box of the same shape is taken instead.
    #[default]
    Never,
    /// It is.
    Allowed,
}

impl Enlarge {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["never", "allowed"];
}

/// A side that is given, or not.
type Sides = (Option<u32>, Option<u32>);

/// The middle of `part` that has the shape of a box, when it is turned so that its sides are `swapped`, or not.
pub(crate) fn covering(
    part: PixelRect,
    swapped: bool,
    (width_px, height_px): (u32, u32),
) -> PixelRect {
    let (box_width, box_height) =
        if swapped { (height_px, width_px) } else { (width_px, height_px) };
    let scaled = |side: u32, by: u32, over: u32| {
        let rounded = (u64::from(side) * u64::from(by) + u64::from(over) / 2) / u64::from(over);
        u32::try_from(rounded.max(1)).unwrap_or(u32::MAX)
    };
    let cut_width = scaled(part.height_px, box_width, box_height).min(part.width_px);
    let cut_height = scaled(part.width_px, box_height, box_width).min(part.height_px);
    PixelRect {
        left_px: part.left_px + (part.width_px - cut_width) / 2,
        top_px: part.top_px + (part.height_px - cut_height) / 2,
        width_px: cut_width,
        height_px: cut_height,
    }
}

/// The size that a picture of `from` gets in a box.
pub(crate) fn size_in(from: (u32, u32), within: Sides, fit: Fit, enlarge: Enlarge) -> (u32, u32) {
    let (width, height) = (f64::from(from.0), f64::from(from.1));
    let side = |px: f64, scale: f64| (px * scale).round().max(1.0) as u32;
    let most = if enlarge == Enlarge::Allowed { f64::INFINITY } else { 1.0 };
    let by_width = within.0.map(|px| f64::from(px) / width);
    let by_height = within.1.map(|px| f64::from(px) / height);
    match (fit, by_width, by_height) {
        (_, None, None) => from,
        (_, Some(scale), None) | (_, None, Some(scale)) => {
            (side(width, scale.min(most)), side(height, scale.min(most)))
        }
        (Fit::Inside, Some(by_width), Some(by_height)) => {
            let scale = by_width.min(by_height).min(most);
            (side(width, scale), side(height, scale))
        }
        (Fit::Cover | Fit::Stretch, Some(by_width), Some(by_height)) => {
            let scale = (most / by_width.max(by_height)).min(1.0);
            (side(width * by_width, scale), side(height * by_height, scale))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_a_box() {
        use Enlarge::{Allowed, Never};
        use Fit::{Cover, Inside, Stretch};
        for (from, within, fit, enlarge, expected) in [
            ((8192, 4096), (Some(1024), None), Inside, Never, (1024, 512)),
            ((8192, 4096), (Some(1024), Some(256)), Inside, Never, (512, 256)),
            ((640, 480), (Some(1024), None), Inside, Never, (640, 480)),
            ((640, 480), (Some(1280), None), Inside, Allowed, (1280, 960)),
            ((10_000, 3), (Some(100), None), Inside, Never, (100, 1)),
            ((640, 480), (None, None), Stretch, Never, (640, 480)),
            ((640, 480), (Some(300), Some(300)), Stretch, Never, (300, 300)),
            // Too small for the box: one of the same shape.
            ((640, 480), (Some(2000), Some(500)), Stretch, Never, (640, 160)),
            ((640, 480), (Some(2000), Some(500)), Stretch, Allowed, (2000, 500)),
            ((480, 480), (Some(300), Some(300)), Cover, Never, (300, 300)),
            ((480, 480), (Some(600), Some(600)), Cover, Never, (480, 480)),
        ] {
            assert_eq!(size_in(from, within, fit, enlarge), expected, "{from:?} {within:?}");
        }
    }

    #[test]
    fn the_middle_of_the_right_shape() {
        let rect = |left_px, top_px, width_px, height_px| PixelRect {
            left_px,
            top_px,
            width_px,
            height_px,
        };
        let part = rect(10, 20, 600, 400);
        assert_eq!(covering(part, false, (100, 100)), rect(110, 20, 400, 400));
        assert_eq!(covering(part, false, (300, 100)), rect(10, 120, 600, 200));
        // Turned by a quarter, the box is 100 wide and 300 high in the picture.
        assert_eq!(covering(part, true, (300, 100)), rect(243, 20, 133, 400));
        assert_eq!(covering(rect(0, 0, 3, 1), false, (1, 1000)), rect(1, 0, 1, 1));
    }
}
