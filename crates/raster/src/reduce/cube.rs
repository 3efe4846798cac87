//! Halving six faces together.

use std::num::NonZeroU32;

use panofleet_projection::{CubeFace, Face, Pixel};
use rayon::prelude::*;

use crate::band::bands;
use crate::sample::sealed::Quads;
use crate::{Picture, Plane, RasterError, Sample};

/// Rows of a band.
const BAND_ROWS: usize = 16;

/// Sixteenths that the two inner and the two outer of four texels count. Beside the mean of two it
/// folds less: at ⅜ of the source's frequency it leaves 0.23 of a wave, the mean 0.38.
const INNER: f32 = 7.0 / 16.0;
const OUTER: f32 = 1.0 / 16.0;

/// The six faces in the order of [`Face::ALL`] at half their size, by a filter of 4 × 4 texels that
/// reaches over the edges into the neighbouring faces: parents of a pyramid whose faces meet.
///
/// What lies beyond an edge is the neighbour's value along the same ray, linear between its texels.
/// Alpha weighs colour.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] unless the faces are squares of one even size and kind.
pub fn reduce_cube<S: Sample>(faces: &[Picture<S>; 6]) -> Result<[Picture<S>; 6], RasterError> {
    let size = faces[0].size();
    let side = size.width_px();
    let fits = side == size.height_px()
        && side.is_multiple_of(2)
        && faces.iter().all(|face| face.size() == size && face.channels() == faces[0].channels());
    let face_px = NonZeroU32::new(side).filter(|_| fits).ok_or(RasterError::UnequalPlanes)?;
    let cube = Cube { faces, face_px };
    let mut reduced = faces.each_ref().map(|face| Picture::blank(face.channels(), size.halved()));
    for (index, picture) in reduced.iter_mut().enumerate() {
        cube.reduce(index, picture);
    }
    Ok(reduced)
}

pub(super) struct Cube<'a, S> {
    pub(super) faces: &'a [Picture<S>; 6],
    pub(super) face_px: NonZeroU32,
}

/// The texels just beyond a face's four edges, corners included, weighed by alpha where there is
/// any: `side + 2` values each.
struct Rim {
    top: Vec<f32>,
    bottom: Vec<f32>,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Rim {
    /// Top, bottom, left and right as samples.
    fn rounded<S: Sample>(&self) -> [Vec<S>; 4] {
        [&self.top, &self.bottom, &self.left, &self.right]
            .map(|values| values.iter().map(|value| S::from_f32(*value)).collect())
    }
}

/// The four rows around row `y` of the result, and what lies left and right of them.
fn quads<'a, S: Sample>(plane: &'a Plane<S>, rim: &'a [Vec<S>; 4], y: usize) -> Quads<'a, S> {
    let side = plane.width();
    let [top, bottom, left, right] = rim;
    let four = [0, 1, 2, 3].map(|row| (2 * y + row).checked_sub(1));
    let of = |row: Option<usize>| match row {
        None => (&top[1..=side], top[0], top[side + 1]),
        Some(row) if row < side => (plane.row(row), left[row + 1], right[row + 1]),
        Some(_) => (&bottom[1..=side], bottom[0], bottom[side + 1]),
    };
    let four = four.map(of);
    Quads {
        rows: four.map(|(row, ..)| row),
        before: four.map(|(_, before, _)| before),
        after: four.map(|(.., after)| after),
    }
}

impl<S: Sample> Cube<'_, S> {
    fn reduce(&self, index: usize, to: &mut Picture<S>) {
        let face = &self.faces[index];
        let count = face.planes().len();
        let rims: Vec<Rim> = (0..count).map(|channel| self.rim(index, channel)).collect();
        let width = to.size().width_px() as usize;
        if S::HALVES && face.alpha().is_none() {
            let rims: Vec<[Vec<S>; 4]> = rims.iter().map(Rim::rounded).collect();
            bands(to, BAND_ROWS).into_par_iter().for_each(|band| {
                let mut sums = Vec::new();
                for ((plane, rim), to) in face.planes().iter().zip(&rims).zip(band.planes) {
                    for (y, row) in (band.top..).zip(to.chunks_exact_mut(width)) {
                        S::halve(&quads(plane, rim, y), &mut sums, row);
                    }
                }
            });
            return;
        }
        bands(to, BAND_ROWS).into_par_iter().for_each(|band| {
            let mut rows = vec![vec![0.0_f32; width]; count];
            let mut column = vec![0.0_f32; 2 * width + 2];
            let mut planes = band.planes;
            for y in 0..planes[0].len() / width {
                for channel in 0..count {
                    self.column_sums(index, (channel, &rims[channel]), band.top + y, &mut column);
                    for (to, four) in rows[channel].iter_mut().zip(column.windows(4).step_by(2)) {
                        *to = INNER * (four[1] + four[2]) + OUTER * (four[0] + four[3]);
                    }
                }
                if face.alpha().is_some() {
                    let (colours, alpha) = rows.split_at_mut(count - 1);
                    for (value, alpha) in
                        colours.iter_mut().flat_map(|colour| colour.iter_mut().zip(&alpha[0]))
                    {
                        *value = if *alpha > 0.0 { *value / alpha } else { 0.0 };
                    }
                }
                for (plane, row) in planes.iter_mut().zip(&rows) {
                    for (to, value) in plane[y * width..][..width].iter_mut().zip(row) {
                        *to = S::from_f32(*value);
                    }
                }
            }
        });
    }

    /// The four rows around row `y` of the result, summed down, one texel more at both ends.
    fn column_sums(&self, index: usize, (channel, rim): (usize, &Rim), y: usize, to: &mut [f32]) {
        let face = &self.faces[index];
        let side = self.face_px.get() as usize;
        to.fill(0.0);
        let weights = [OUTER, INNER, INNER, OUTER];
        for (row, weight) in (2 * y as isize - 1..).zip(weights) {
            let (first, last) = (row < 0, row >= side as isize);
            if first || last {
                let beyond = if first { &rim.top } else { &rim.bottom };
                to.iter_mut().zip(beyond).for_each(|(to, value)| *to += weight * value);
                continue;
            }
            let row = row as usize;
            to[0] += weight * rim.left[row + 1];
            to[side + 1] += weight * rim.right[row + 1];
            let values = face.planes()[channel].row(row);
            let to = &mut to[1..=side];
            match face.alpha().filter(|_| channel + 1 < face.planes().len()) {
                Some(alpha) => {
                    for ((to, value), alpha) in to.iter_mut().zip(values).zip(alpha.row(row)) {
                        *to += weight * value.to_f32() * alpha.to_f32();
                    }
                }
                None => {
                    for (to, value) in to.iter_mut().zip(values) {
                        *to += weight * value.to_f32();
                    }
                }
            }
        }
    }

    fn rim(&self, index: usize, channel: usize) -> Rim {
        let side = f64::from(self.face_px.get());
        let along = |at: &dyn Fn(f64) -> Pixel| {
            (0..self.face_px.get() + 2)
                .map(|i| self.beyond(index, channel, at(f64::from(i) - 0.5)))
                .collect()
        };
        Rim {
            top: along(&|x| Pixel::new(x, -0.5)),
            bottom: along(&|x| Pixel::new(x, side + 0.5)),
            left: along(&|y| Pixel::new(-0.5, y)),
            right: along(&|y| Pixel::new(side + 0.5, y)),
        }
    }

    /// The value at a position outside of a face, from the face that its ray meets.
    pub(super) fn beyond(&self, index: usize, channel: usize, pixel: Pixel) -> f32 {
        let ray = CubeFace { face: Face::ALL[index], face_px: self.face_px }.ray(pixel);
        let met = Face::of(ray);
        let other = Face::ALL.iter().position(|face| *face == met).unwrap_or(index);
        let Some(at) = (CubeFace { face: met, face_px: self.face_px }).pixel(ray) else {
            return 0.0;
        };
        let picture = &self.faces[other];
        let alpha = picture.alpha().filter(|_| channel + 1 < picture.planes().len());
        let last = self.face_px.get() as usize - 1;
        let value = |column: usize, row: usize| {
            let value = picture.planes()[channel].row(row)[column].to_f32();
            value * alpha.map_or(1.0, |alpha| alpha.row(row)[column].to_f32())
        };
        let split = |position: f64| {
            let place = (position - 0.5).clamp(0.0, last as f64);
            (place as usize, (place as usize + 1).min(last), place.fract() as f32)
        };
        let ((left, right, across), (upper, lower, down)) = (split(at.x_px), split(at.y_px));
        let row = |row| value(left, row) + (value(right, row) - value(left, row)) * across;
        row(upper) + (row(lower) - row(upper)) * down
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Rect, Size};

    fn faces<S: Sample>(
        side: u32,
        channels: Channels,
        value: impl Fn(Face, u32, u32) -> Vec<S>,
    ) -> [Picture<S>; 6] {
        Face::ALL.map(|face| {
            let samples: Vec<S> =
                (0..side * side).flat_map(|i| value(face, i % side, i / side)).collect();
            let size = Size::new(side, side).unwrap();
            Picture::from_interleaved(channels, size, &samples).unwrap()
        })
    }

    /// Integers are summed as what they are; this is the filter's definition.
    #[test]
    fn bytes_are_halved_as_any_numbers_are() {
        let of = |face: Face, x: u32, y: u32| {
            let hash = (x * 7_919 + y * 104_729 + face as u32 * 31).wrapping_mul(2_654_435_761);
            (hash >> 24) as u8
        };
        for side in [2, 4, 34, 70] {
            let bytes = faces(side, Channels::Gray, |face, x, y| vec![of(face, x, y)]);
            let floats = faces(side, Channels::Gray, |face, x, y| vec![f32::from(of(face, x, y))]);
            let found = reduce_cube(&bytes).unwrap();
            let expected = reduce_cube(&floats).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                let [found, expected]: [Vec<f32>; 2] = [
                    found.planes()[0].samples().iter().map(|value| f32::from(*value)).collect(),
                    expected.planes()[0].samples().to_vec(),
                ];
                let width = side as usize / 2;
                for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let (x, y) = (i % width, i / width);
                    let inside = [x, y].iter().all(|place| (1..width - 1).contains(place));
                    // What lies beyond an edge is rounded before it is summed, too.
                    let bound = if inside { 0.5 } else { 0.57 };
                    assert!((found - expected).abs() <= bound, "{found} {expected} at {x}, {y}");
                }
            }
        }
    }

    /// The right face is white, the others black: sixteenths cross its edges and no others.
    #[test]
    fn edges_take_their_share_of_the_neighbours() {
        let of = |face, _, _| vec![if face == Face::Right { 255_u8 } else { 0 }];
        let reduced = reduce_cube(&faces(8, Channels::Gray, of)).unwrap();
        let row = |face: Face, y: usize| {
            let index = Face::ALL.iter().position(|of| *of == face).unwrap();
            reduced[index].planes()[0].row(y).to_vec()
        };
        assert_eq!(row(Face::Front, 1), [0, 0, 0, 16]);
        assert_eq!(row(Face::Back, 1), [16, 0, 0, 0]);
        assert_eq!(row(Face::Left, 1), [0; 4]);
        assert_eq!(row(Face::Up, 2), [0, 0, 0, 16]);
        assert_eq!(row(Face::Right, 1), [239, 255, 255, 239]);
    }

    /// The direction itself as the scene: every parent texel looks where it should, edges and
    /// corners included.
    #[test]
    fn parents_are_not_shifted() {
        let (side, parent) = (128, 64);
        for (axis, bound_px) in [(0, 0.02), (1, 0.02), (2, 0.02)] {
            let at = |face, px: u32, x: u32, y: u32| {
                let face_px = NonZeroU32::new(px).unwrap();
                CubeFace { face, face_px }.ray(Pixel::centre(x, y)).components()[axis] as f32
            };
            let reduced =
                reduce_cube(&faces(side, Channels::Gray, |face, x, y| vec![at(face, side, x, y)]));
            for (face, found) in Face::ALL.into_iter().zip(reduced.unwrap()) {
                let found = found.to_interleaved(Rect::whole(found.size())).unwrap();
                for (i, found) in (0..).zip(found) {
                    let expected = at(face, parent, i % parent, i / parent);
                    // A texel of the parent is 2/64 in the middle of a face.
                    let error_px = f64::from((found - expected).abs()) * 32.0;
                    assert!(error_px < bound_px, "{error_px} px at {i} of {face:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_transparent_does_not_bleed() {
        let of = |_, x: u32, _| if x % 5 < 2 { vec![100_u8, 255] } else { vec![7, 0] };
        for face in reduce_cube(&faces(20, Channels::GrayAlpha, of)).unwrap() {
            let [colour, alpha] = [0, 1].map(|channel| face.planes()[channel].samples());
            for (colour, alpha) in colour.iter().zip(alpha) {
                assert!(*alpha == 0 || *colour == 100, "{colour} where alpha is {alpha}");
            }
        }
    }

    #[test]
    fn unequal_or_odd_faces_are_refused() {
        let odd = faces(3, Channels::Gray, |_, _, _| vec![0_u8]);
        assert_eq!(reduce_cube(&odd).unwrap_err(), RasterError::UnequalPlanes);
        let mut unequal = faces(4, Channels::Gray, |_, _, _| vec![0_u8]);
        unequal[3] = faces(8, Channels::Gray, |_, _, _| vec![0_u8])[3].clone();
        assert_eq!(reduce_cube(&unequal).unwrap_err(), RasterError::UnequalPlanes);
    }
}
