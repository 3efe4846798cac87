//! Stereo pictures that hold both eyes.

use panofleet_projection::Size;

use crate::{Picture, Plane, RasterError, Rect, Sample, crop};

/// Where the eyes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StereoLayout {
    /// Left eye on top (`st3d` mode 1).
    TopBottom,
    /// Left eye on the left (`st3d` mode 2).
    LeftRight,
}

/// One of the two eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Eye {
    /// The one that is shown where only one is.
    Left,
    /// The other.
    Right,
}

/// A copy of one eye. After this no filter can reach across the divider.
///
/// # Errors
///
/// [`RasterError::UnequalEyes`] if the divided side is odd.
pub fn split_stereo<S: Sample>(
    picture: &Picture<S>,
    layout: StereoLayout,
    eye: Eye,
) -> Result<Picture<S>, RasterError> {
    let size = picture.size();
    let (columns, rows) = match layout {
        StereoLayout::TopBottom => (1, 2),
        StereoLayout::LeftRight => (2, 1),
    };
    let (width_px, height_px) = (size.width_px(), size.height_px());
    let half = Size::new(width_px / columns, height_px / rows)
        .filter(|_| width_px.is_multiple_of(columns) && height_px.is_multiple_of(rows))
        .ok_or(RasterError::UnequalEyes(size))?;
    let (left_px, top_px) = match (eye, layout) {
        (Eye::Left, _) => (0, 0),
        (Eye::Right, StereoLayout::TopBottom) => (0, half.height_px()),
        (Eye::Right, StereoLayout::LeftRight) => (half.width_px(), 0),
    };
    crop(picture, Rect { left_px, top_px, size: half })
}

/// Both eyes in one picture: what [`split_stereo`] takes apart.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] if the eyes differ in size or channels, [`RasterError::TooLarge`] if
/// the whole is.
pub fn join_stereo<S: Sample>(
    [left, right]: [&Picture<S>; 2],
    layout: StereoLayout,
) -> Result<Picture<S>, RasterError> {
    if (left.size(), left.channels()) != (right.size(), right.channels()) {
        return Err(RasterError::UnequalPlanes);
    }
    let (width_px, height_px) = (left.size().width_px(), left.size().height_px());
    let size = match layout {
        StereoLayout::TopBottom => Size::new(width_px, height_px.saturating_mul(2)),
        StereoLayout::LeftRight => Size::new(width_px.saturating_mul(2), height_px),
    };
    let size = size.unwrap_or(left.size());
    let planes = left.planes().iter().zip(right.planes()).map(|(left, right)| {
        let samples = match layout {
            StereoLayout::TopBottom => [left.samples(), right.samples()].concat(),
            StereoLayout::LeftRight => {
                let rows = (0..left.height()).flat_map(|y| [left.row(y), right.row(y)]);
                rows.flatten().copied().collect()
            }
        };
        Plane::new(size, samples)
    });
    Picture::from_planes(planes.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    fn eye(width_px: u32, layout: StereoLayout, eye: Eye) -> Result<Vec<u8>, RasterError> {
        let size = Size::new(width_px, 2).unwrap();
        let samples: Vec<u8> = (0..width_px as u8 * 2).collect();
        let picture = Picture::from_interleaved(Channels::Gray, size, &samples)?;
        Ok(split_stereo(&picture, layout, eye)?.planes()[0].samples().to_vec())
    }

    #[test]
    fn each_eye_of_each_layout() {
        assert_eq!(eye(4, StereoLayout::TopBottom, Eye::Left).unwrap(), [0, 1, 2, 3]);
        assert_eq!(eye(4, StereoLayout::TopBottom, Eye::Right).unwrap(), [4, 5, 6, 7]);
        assert_eq!(eye(4, StereoLayout::LeftRight, Eye::Left).unwrap(), [0, 1, 4, 5]);
        assert_eq!(eye(4, StereoLayout::LeftRight, Eye::Right).unwrap(), [2, 3, 6, 7]);
    }

    #[test]
    fn joined_eyes_are_split_again() {
        let size = Size::new(3, 2).unwrap();
        let eyes = [0, 100].map(|first| {
            let samples: Vec<u8> = (first..first + 12).collect();
            Picture::from_interleaved(Channels::GrayAlpha, size, &samples).unwrap()
        });
        for layout in [StereoLayout::TopBottom, StereoLayout::LeftRight] {
            let joined = join_stereo([&eyes[0], &eyes[1]], layout).unwrap();
            for (expected, eye) in eyes.iter().zip([Eye::Left, Eye::Right]) {
                assert_eq!(split_stereo(&joined, layout, eye).as_ref(), Ok(expected));
            }
        }
        let other = crop(&eyes[1], Rect::whole(Size::new(1, 1).unwrap())).unwrap();
        let refused = join_stereo([&eyes[0], &other], StereoLayout::TopBottom);
        assert_eq!(refused, Err(RasterError::UnequalPlanes));
    }

    #[test]
    fn an_odd_side_has_no_halves() {
        for width_px in [1, 3] {
            let size = Size::new(width_px, 2).unwrap();
            let refused = eye(width_px, StereoLayout::LeftRight, Eye::Left);
            assert_eq!(refused, Err(RasterError::UnequalEyes(size)));
        }
    }
}
