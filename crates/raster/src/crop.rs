//! Cutting a rectangle out.

use crate::{Picture, Plane, RasterError, Rect, Sample};

/// A copy of the pixels inside `rect`.
///
/// # Errors
///
/// [`RasterError::OutsidePicture`].
pub fn crop<S: Sample>(picture: &Picture<S>, rect: Rect) -> Result<Picture<S>, RasterError> {
    rect.check_inside(picture.size())?;
    let planes = picture.planes().iter().map(|plane| {
        let samples = rect.rows().flat_map(|y| &plane.row(y)[rect.columns()]).copied().collect();
        Plane::new(rect.size, samples)
    });
    Picture::from_planes(planes.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Size};

    #[test]
    fn keeps_what_is_inside() {
        let size = Size::new(4, 3).unwrap();
        let samples: Vec<u8> = (0..12).collect();
        let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
        let rect = Rect { left_px: 1, top_px: 1, size: Size::new(2, 2).unwrap() };
        assert_eq!(crop(&picture, rect).unwrap().planes()[0].samples(), [5, 6, 9, 10]);
        assert_eq!(crop(&picture, Rect::whole(size)).unwrap(), picture);
        for (left_px, top_px) in [(3, 0), (0, 2), (u32::MAX, u32::MAX)] {
            let rect = Rect { left_px, top_px, size: Size::new(2, 2).unwrap() };
            assert_eq!(crop(&picture, rect), Err(RasterError::OutsidePicture { rect, size }));
        }
    }
}
