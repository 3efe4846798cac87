//! Cutting a rectangle out.

use panofleet_projection::Size;

use crate::{Picture, Plane, PlaneView, RasterError, Rect, Sample};

/// A copy of the pixels inside `rect`.
///
/// # Errors
///
/// [`RasterError::OutsidePicture`].
pub fn crop<S: Sample>(picture: &Picture<S>, rect: Rect) -> Result<Picture<S>, RasterError> {
    rect.check_inside(picture.size())?;
    let planes = picture.planes().iter().map(|plane| {
        let mut samples = Vec::with_capacity(rect.size.area_px() as usize);
        rect.rows().for_each(|y| samples.extend_from_slice(&plane.row(y)[rect.columns()]));
        Plane::new(rect.size, samples)
    });
    Picture::from_planes(planes.collect::<Result<_, _>>()?)
}

/// The pixels inside `rect`, in place.
///
/// # Errors
///
/// [`RasterError::OutsidePicture`].
pub fn crop_view<S: Sample>(
    view: PlaneView<'_, S>,
    rect: Rect,
) -> Result<PlaneView<'_, S>, RasterError> {
    let size =
        Size::new(view.width as u32, view.height as u32).ok_or(RasterError::UnequalPlanes)?;
    rect.check_inside(size)?;
    let first = rect.rows().start * view.stride + rect.columns().start;
    PlaneView::new(rect.size, view.stride, &view.samples[first..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    #[test]
    fn keeps_what_is_inside() {
        let size = Size::new(4, 3).unwrap();
        let samples: Vec<u8> = (0..12).collect();
        let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
        let rect = Rect { left_px: 1, top_px: 1, size: Size::new(2, 2).unwrap() };
        assert_eq!(crop(&picture, rect).unwrap().planes()[0].samples(), [5, 6, 9, 10]);
        assert_eq!(crop(&picture, Rect::whole(size)).unwrap(), picture);
        let view = crop_view((&picture.planes()[0]).into(), rect).unwrap();
        assert_eq!(view.to_plane().unwrap().samples(), [5, 6, 9, 10]);
        for (left_px, top_px) in [(3, 0), (0, 2), (u32::MAX, u32::MAX)] {
            let rect = Rect { left_px, top_px, size: Size::new(2, 2).unwrap() };
            assert_eq!(crop(&picture, rect), Err(RasterError::OutsidePicture { rect, size }));
        }
    }
}
