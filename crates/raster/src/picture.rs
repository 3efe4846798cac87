//! One to four planes that belong together.

use panofleet_projection::Size;

use crate::plane::check_size;
use crate::{Plane, RasterError, Rect, Sample};

/// What the planes of a picture mean, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Gray.
    Gray,
    /// Gray, alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    RgbAlpha,
}

impl Channels {
    /// Number of planes, 1 to 4.
    pub const fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::RgbAlpha => 4,
        }
    }

    /// The channels of a picture of `count` planes, or `None` unless that is 1 to 4.
    pub const fn from_count(count: usize) -> Option<Self> {
        match count {
            1 => Some(Self::Gray),
            2 => Some(Self::GrayAlpha),
            3 => Some(Self::Rgb),
            4 => Some(Self::RgbAlpha),
            _ => None,
        }
    }

    /// Whether the last plane is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::RgbAlpha)
    }
}

/// A picture in memory: [`Channels`] planes of one size, planar; alpha is straight.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture<S> {
    channels: Channels,
    planes: Vec<Plane<S>>,
}

impl<S: Sample> Picture<S> {
    /// A picture of one (gray) to four (RGB and alpha) planes.
    ///
    /// # Errors
    ///
    /// [`RasterError::UnequalPlanes`] if the planes differ in size or are too few or many.
    pub fn from_planes(planes: Vec<Plane<S>>) -> Result<Self, RasterError> {
        let channels = Channels::from_count(planes.len()).ok_or(RasterError::UnequalPlanes)?;
        if planes.iter().all(|plane| plane.size() == planes[0].size()) {
            Ok(Self { channels, planes })
        } else {
            Err(RasterError::UnequalPlanes)
        }
    }

    /// A picture from samples in the order `height × width × channels`.
    ///
    /// # Errors
    ///
    /// [`RasterError::TooLarge`] or [`RasterError::BufferLength`].
    pub fn from_interleaved(
        channels: Channels,
        size: Size,
        samples: &[S],
    ) -> Result<Self, RasterError> {
        check_size(size)?;
        let count = channels.count();
        let expected = size.area_px() as usize * count;
        if samples.len() != expected {
            return Err(RasterError::BufferLength { expected, found: samples.len() });
        }
        let plane = |channel| {
            Plane::new(size, samples.iter().skip(channel).step_by(count).copied().collect())
        };
        Ok(Self { channels, planes: (0..count).map(plane).collect::<Result<_, _>>()? })
    }

    /// The samples inside `rect` in the order `height × width × channels`: a tile, ready to encode.
    ///
    /// # Errors
    ///
    /// [`RasterError::OutsidePicture`].
    pub fn to_interleaved(&self, rect: Rect) -> Result<Vec<S>, RasterError> {
        rect.check_inside(self.size())?;
        let count = self.channels.count();
        let mut samples = vec![S::default(); rect.size.area_px() as usize * count];
        let row_len = rect.size.width_px() as usize * count;
        for (y, interleaved) in rect.rows().zip(samples.chunks_exact_mut(row_len)) {
            for (channel, plane) in self.planes.iter().enumerate() {
                let row = &plane.row(y)[rect.columns()];
                for (to, from) in interleaved.iter_mut().skip(channel).step_by(count).zip(row) {
                    *to = *from;
                }
            }
        }
        Ok(samples)
    }

    /// The size that all planes share.
    pub fn size(&self) -> Size {
        self.planes[0].size()
    }

    /// What the planes mean.
    pub const fn channels(&self) -> Channels {
        self.channels
    }

    /// All planes; alpha, if there is one, is the last.
    pub fn planes(&self) -> &[Plane<S>] {
        &self.planes
    }

    /// The planes, given up.
    pub fn into_planes(self) -> Vec<Plane<S>> {
        self.planes
    }

    /// The alpha plane, if there is one.
    pub fn alpha(&self) -> Option<&Plane<S>> {
        self.planes.last().filter(|_| self.channels.has_alpha())
    }

    /// The picture whose planes are `of` each of these; sizes must come out equal.
    pub(crate) fn map<T: Sample>(&self, of: impl FnMut(&Plane<S>) -> Plane<T>) -> Picture<T> {
        let planes: Vec<_> = self.planes.iter().map(of).collect();
        debug_assert!(planes.iter().all(|plane| plane.size() == planes[0].size()));
        Picture { channels: self.channels, planes }
    }

    /// A picture of zeroes; the size must have been checked.
    pub(crate) fn blank(channels: Channels, size: Size) -> Self {
        Self { channels, planes: (0..channels.count()).map(|_| Plane::blank(size)).collect() }
    }

    pub(crate) fn planes_mut(&mut self) -> &mut [Plane<S>] {
        &mut self.planes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interleaved_samples_become_planes() {
        let size = Size::new(2, 1).unwrap();
        let picture =
            Picture::from_interleaved(Channels::Rgb, size, &[1_u8, 2, 3, 4, 5, 6]).unwrap();
        let planes: Vec<_> = picture.planes().iter().map(Plane::samples).collect();
        assert_eq!(planes, [[1, 4], [2, 5], [3, 6]]);
        assert_eq!(picture.alpha(), None);
    }

    #[test]
    fn a_tile_is_cut_and_interleaved() {
        let size = Size::new(3, 2).unwrap();
        let samples: Vec<u16> = (0..12).collect();
        let picture = Picture::from_interleaved(Channels::GrayAlpha, size, &samples).unwrap();
        let tile = Rect { left_px: 1, top_px: 1, size: Size::new(2, 1).unwrap() };
        assert_eq!(picture.to_interleaved(tile).unwrap(), [8, 9, 10, 11]);
        let outside = Rect { left_px: 2, ..tile };
        assert_eq!(
            picture.to_interleaved(outside),
            Err(RasterError::OutsidePicture { rect: outside, size })
        );
    }

    #[test]
    fn planes_must_agree() {
        let plane = |width_px| Plane::filled(Size::new(width_px, 1).unwrap(), 0_u8).unwrap();
        let unequal = Err(RasterError::UnequalPlanes);
        assert_eq!(Picture::from_planes(vec![plane(1), plane(2)]), unequal);
        assert_eq!(Picture::<u8>::from_planes(vec![]), unequal);
        assert_eq!(Picture::from_planes(vec![plane(1); 5]), unequal);
    }

    proptest! {
        #[test]
        fn interleaving_round_trips(width in 1_u32..20, height in 1_u32..20, count in 1_usize..=4) {
            let channels = Channels::from_count(count).unwrap();
            let size = Size::new(width, height).unwrap();
            let samples: Vec<u16> =
                (0..size.area_px() as usize * count).map(|i| i as u16).collect();
            let picture = Picture::from_interleaved(channels, size, &samples).unwrap();
            prop_assert_eq!(picture.to_interleaved(Rect::whole(size)).unwrap(), samples);
        }
    }
}
