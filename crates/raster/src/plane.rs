//! One channel of a picture.

use std::fmt;

use panofleet_projection::Size;

use crate::{RasterError, Sample};

/// Longest side of a picture.
pub const SIDE_PX_MAX: u32 = 131_072;

/// Most pixels in a plane: 65,536 × 32,768. With its borders a plane can still be indexed by `u32`.
pub const PLANE_PX_MAX: u64 = 1 << 31;

/// `height × width` samples, row-major, without padding.
#[derive(Clone, PartialEq)]
pub struct Plane<S> {
    size: Size,
    samples: Vec<S>,
}

/// The size without the samples, of which there may be a billion.
impl<S> fmt::Debug for Plane<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<S: Sample> Plane<S> {
    /// A plane from its samples.
    ///
    /// # Errors
    ///
    /// [`RasterError::TooLarge`] or [`RasterError::BufferLength`].
    pub fn new(size: Size, samples: Vec<S>) -> Result<Self, RasterError> {
        check_size(size)?;
        let expected = size.area_px() as usize;
        if samples.len() == expected {
            Ok(Self { size, samples })
        } else {
            Err(RasterError::BufferLength { expected, found: samples.len() })
        }
    }

    /// A plane of one value.
    ///
    /// # Errors
    ///
    /// [`RasterError::TooLarge`].
    pub fn filled(size: Size, value: S) -> Result<Self, RasterError> {
        check_size(size)?;
        Ok(Self { size, samples: vec![value; size.area_px() as usize] })
    }

    /// A plane of zeroes; the size must have been checked.
    pub(crate) fn blank(size: Size) -> Self {
        Self { size, samples: vec![S::default(); size.area_px() as usize] }
    }

    /// The plane of what `of` makes of each sample.
    pub(crate) fn map<T: Sample>(&self, of: impl FnMut(&S) -> T) -> Plane<T> {
        Plane { size: self.size, samples: self.samples.iter().map(of).collect() }
    }

    /// Width and height.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Width in samples, which is also the distance between rows.
    pub const fn width(&self) -> usize {
        self.size.width_px() as usize
    }

    /// Number of rows.
    pub const fn height(&self) -> usize {
        self.size.height_px() as usize
    }

    /// All samples, row by row.
    pub fn samples(&self) -> &[S] {
        &self.samples
    }

    /// The samples for writing.
    pub fn samples_mut(&mut self) -> &mut [S] {
        &mut self.samples
    }

    /// Row `y`, counted from 0 at the top.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row(&self, y: usize) -> &[S] {
        &self.samples[y * self.width()..][..self.width()]
    }
}

/// A plane that somebody else holds, such as one of a decoded video frame.
#[derive(Clone, Copy)]
pub struct PlaneView<'a, S> {
    pub(crate) samples: &'a [S],
    pub(crate) stride: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<S> fmt::Debug for PlaneView<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = (self.width, self.height);
        f.debug_struct("PlaneView")
            .field("size", &size)
            .field("stride", &self.stride)
            .finish_non_exhaustive()
    }
}

impl<'a, S: Sample> PlaneView<'a, S> {
    /// Rows of `size`'s width that begin `stride` samples apart.
    ///
    /// # Errors
    ///
    /// [`RasterError::TooLarge`]; [`RasterError::BufferLength`] if the samples do not reach to the
    /// end of the last row, or rows overlap.
    pub fn new(size: Size, stride: usize, samples: &'a [S]) -> Result<Self, RasterError> {
        check_size(size)?;
        let (width, height) = (size.width_px() as usize, size.height_px() as usize);
        let expected = stride.max(width).saturating_mul(height - 1).saturating_add(width);
        let fits = stride >= width && samples.len() >= expected && expected <= MAX_SAMPLES;
        if fits {
            Ok(Self { samples, stride, width, height })
        } else {
            Err(RasterError::BufferLength { expected, found: samples.len() })
        }
    }

    /// A copy without gaps between rows.
    ///
    /// # Errors
    ///
    /// [`RasterError::TooLarge`].
    pub fn to_plane(&self) -> Result<Plane<S>, RasterError> {
        let size = Size::new(self.width as u32, self.height as u32);
        let mut samples = Vec::with_capacity(self.width * self.height);
        (0..self.height).for_each(|y| samples.extend_from_slice(self.row(y)));
        Plane::new(size.ok_or(RasterError::UnequalPlanes)?, samples)
    }

    /// Row `y`, counted from 0 at the top.
    pub(crate) fn row(&self, y: usize) -> &'a [S] {
        &self.samples[y * self.stride..][..self.width]
    }
}

impl<'a, S: Sample> From<&'a Plane<S>> for PlaneView<'a, S> {
    fn from(plane: &'a Plane<S>) -> Self {
        Self {
            samples: &plane.samples,
            stride: plane.width(),
            width: plane.width(),
            height: plane.height(),
        }
    }
}

/// Kernels index samples by `u32`.
const MAX_SAMPLES: usize = u32::MAX as usize;

/// Refuses what cannot be indexed or is larger than any picture we serve.
pub(crate) fn check_size(size: Size) -> Result<(), RasterError> {
    let fits = size.width_px() <= SIDE_PX_MAX
        && size.height_px() <= SIDE_PX_MAX
        && size.area_px() <= PLANE_PX_MAX;
    if fits { Ok(()) } else { Err(RasterError::TooLarge(size)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        for (width_px, height_px, fits) in [
            (65_536, 32_768, true),
            (65_536, 32_769, false),
            (SIDE_PX_MAX, 1, true),
            (SIDE_PX_MAX + 1, 1, false),
            (1, u32::MAX, false),
        ] {
            let size = Size::new(width_px, height_px).unwrap();
            assert_eq!(check_size(size).is_ok(), fits, "{size:?}");
        }
    }

    #[test]
    fn a_buffer_of_another_length_is_refused() {
        let size = Size::new(3, 2).unwrap();
        let refused = Plane::new(size, vec![0_u8; 5]);
        assert_eq!(refused, Err(RasterError::BufferLength { expected: 6, found: 5 }));
    }
}
