//! A panorama made ready to be sampled.

use std::fmt;

use panofleet_projection::{Equirectangular, Size};
use rayon::prelude::*;

use crate::{Channels, PLANE_PX_MAX, Picture, Plane, RasterError, SIDE_PX_MAX, Sample};

/// Pixels around a panorama that continue it: enough for six taps around any position inside.
pub(crate) const BORDER_PX: usize = 3;

/// An equirectangular picture with a border that continues it, so that sampling needs no case for
/// the seam or the poles.
///
/// - Left and right the picture wraps around if it covers all 360°, otherwise its edge repeats.
/// - Above and below it goes on over the pole if it covers that pole and all 360°: row −1 is row 0
///   turned by half a circle. With an odd width the half turn falls between two pixels and their
///   mean is taken. Otherwise the edge repeats.
///
/// It holds one copy of the picture's samples, plus the border.
#[derive(Debug)]
pub struct Panorama<S> {
    geometry: Equirectangular,
    channels: Channels,
    planes: Vec<Bordered<S>>,
}

/// Footprints index a plane by `u32`, border included. A plane of the largest area has the longest
/// border when one of its sides is the longest.
const _: () = {
    let long = SIDE_PX_MAX as u64 + 2 * BORDER_PX as u64;
    let short = PLANE_PX_MAX / SIDE_PX_MAX as u64 + 2 * BORDER_PX as u64;
    assert!(long * short <= u32::MAX as u64);
};

/// A plane with its border.
pub(crate) struct Bordered<S> {
    /// Distance between rows.
    pub(crate) stride: usize,
    /// Rows of the plane, each `BORDER_PX` longer at both ends, and `BORDER_PX` rows above and
    /// below.
    pub(crate) samples: Vec<S>,
}

impl<S> fmt::Debug for Bordered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bordered").field("stride", &self.stride).finish_non_exhaustive()
    }
}

impl<S: Sample> Panorama<S> {
    /// A picture of the whole sphere.
    pub fn full(picture: Picture<S>) -> Self {
        let geometry = Equirectangular::full(picture.size());
        Self::with_border(picture, geometry)
    }

    /// A picture of the part of the sphere that `geometry` says. The picture's planes are given up
    /// one by one, so at most one of them is in memory twice.
    ///
    /// # Errors
    ///
    /// [`RasterError::GeometrySize`] if the geometry is for another size.
    pub fn new(picture: Picture<S>, geometry: Equirectangular) -> Result<Self, RasterError> {
        let size = picture.size();
        if geometry.size() != size {
            return Err(RasterError::GeometrySize { geometry: geometry.size(), picture: size });
        }
        Ok(Self::with_border(picture, geometry))
    }

    fn with_border(picture: Picture<S>, geometry: Equirectangular) -> Self {
        let channels = picture.channels();
        let planes =
            picture.into_planes().into_iter().map(|plane| bordered(&plane, &geometry)).collect();
        Self { geometry, channels, planes }
    }

    /// Which part of the sphere it shows.
    pub const fn geometry(&self) -> &Equirectangular {
        &self.geometry
    }

    /// Size without the border.
    pub const fn size(&self) -> Size {
        self.geometry.size()
    }

    /// What its planes mean.
    pub const fn channels(&self) -> Channels {
        self.channels
    }

    pub(crate) fn planes(&self) -> &[Bordered<S>] {
        &self.planes
    }

    /// Whether some rays miss it.
    pub(crate) const fn is_partial(&self) -> bool {
        let geometry = &self.geometry;
        !(geometry.wraps() && geometry.reaches_top() && geometry.reaches_bottom())
    }
}

fn bordered<S: Sample>(plane: &Plane<S>, geometry: &Equirectangular) -> Bordered<S> {
    let stride = plane.width() + 2 * BORDER_PX;
    let mut samples = vec![S::default(); stride * (plane.height() + 2 * BORDER_PX)];
    samples.par_chunks_exact_mut(stride).enumerate().for_each(|(index, row)| {
        let y = index as isize - BORDER_PX as isize;
        let (source, over_pole) = source_row(y, plane.height(), geometry);
        let inner = &mut row[BORDER_PX..][..plane.width()];
        if over_pole {
            turn_half(plane.row(source), inner);
        } else {
            inner.copy_from_slice(plane.row(source));
        }
        continue_sideways(row, geometry.wraps());
    });
    Bordered { stride, samples }
}

/// The row that stands at `y`, which may lie outside, and whether it is seen over a pole.
fn source_row(y: isize, height: usize, geometry: &Equirectangular) -> (usize, bool) {
    let last = height as isize - 1;
    let inside = y.clamp(0, last);
    let beyond = (y - inside).abs();
    if beyond == 0 {
        return (y as usize, false);
    }
    let (reaches_pole, reflected) = if y < 0 {
        (geometry.reaches_top(), (beyond - 1).min(last))
    } else {
        (geometry.reaches_bottom(), (last - (beyond - 1)).max(0))
    };
    if geometry.wraps() && reaches_pole {
        (reflected as usize, true)
    } else {
        (inside as usize, false)
    }
}

/// Turns a row by 180°.
fn turn_half<S: Sample>(row: &[S], turned: &mut [S]) {
    let half = row.len() / 2;
    if row.len().is_multiple_of(2) {
        turned.copy_from_slice(row);
        turned.rotate_left(half);
    } else {
        for (x, to) in turned.iter_mut().enumerate() {
            let (left, right) = (row[(x + half) % row.len()], row[(x + half + 1) % row.len()]);
            *to = S::mean([left, left, right, right]);
        }
    }
}

/// Fills both ends of a row whose inner samples are there.
fn continue_sideways<S: Sample>(row: &mut [S], wraps: bool) {
    let width = row.len() - 2 * BORDER_PX;
    for distance in 0..BORDER_PX {
        let (before, after) =
            if wraps { (width - 1 - distance % width, distance % width) } else { (0, width - 1) };
        row[BORDER_PX - 1 - distance] = row[BORDER_PX + before];
        row[BORDER_PX + width + distance] = row[BORDER_PX + after];
    }
}

#[cfg(test)]
mod tests {
    use panofleet_projection::CroppedArea;

    use super::*;

    fn gray(width_px: u32, samples: &[u8]) -> Picture<u8> {
        let size = Size::new(width_px, samples.len() as u32 / width_px).unwrap();
        Picture::from_interleaved(Channels::Gray, size, samples).unwrap()
    }

    fn rows(panorama: &Panorama<u8>) -> Vec<Vec<u8>> {
        let plane = &panorama.planes[0];
        plane.samples.chunks(plane.stride).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_full_panorama_wraps_and_goes_over_the_poles() {
        let found = rows(&Panorama::full(gray(4, &[1, 2, 3, 4, 5, 6, 7, 8])));
        let upright_top = [2, 3, 4, 1, 2, 3, 4, 1, 2, 3];
        let turned_top = [4, 1, 2, 3, 4, 1, 2, 3, 4, 1];
        let upright_bottom = upright_top.map(|value| value + 4);
        let turned_bottom = turned_top.map(|value| value + 4);
        // Two rows above the first is the second, seen over the pole; a third one is not there
        // and the last repeats.
        let expected = [
            turned_bottom,
            turned_bottom,
            turned_top,
            upright_top,
            upright_bottom,
            turned_bottom,
            turned_top,
            turned_top,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_crop_repeats_its_edges() {
        let area = CroppedArea {
            full_width_px: 8,
            full_height_px: 4,
            left_px: 2,
            top_px: 0,
            width_px: 2,
            height_px: 1,
        };
        let picture = gray(2, &[1, 2]);
        let geometry = Equirectangular::cropped(picture.size(), area).unwrap();
        let found = rows(&Panorama::new(picture, geometry).unwrap());
        assert_eq!(found, [[1, 1, 1, 1, 2, 2, 2, 2]; 7]);
    }

    #[test]
    fn an_odd_width_turns_by_the_mean_of_neighbours() {
        let mut turned = [0_u8; 3];
        turn_half(&[10, 20, 60], &mut turned);
        assert_eq!(turned, [40, 35, 15]);
        let mut alone = [0_u8; 1];
        turn_half(&[7], &mut alone);
        assert_eq!(alone, [7]);
    }

    #[test]
    fn a_geometry_of_another_size_is_refused() {
        let geometry = Equirectangular::full(Size::new(8, 4).unwrap());
        let refused = Panorama::new(gray(4, &[0; 8]), geometry).unwrap_err();
        let sizes = (Size::new(8, 4).unwrap(), Size::new(4, 2).unwrap());
        assert_eq!(refused, RasterError::GeometrySize { geometry: sizes.0, picture: sizes.1 });
    }
}
