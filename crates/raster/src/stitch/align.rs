//! How far lenses lie from where they are said to, found where they see the same.
//!
//! Four numbers: how the second lens is turned (about the axis between them, and about the two others), and a factor on
//! the focal lengths of both, because whoever guesses a field of view guesses it for both. The pictures cannot say which
//! of them is turned; the first is taken as right.
//!
//! Gauss-Newton (Levenberg's damping, Huber's weights) on the luma of points of the ring, from coarse pictures to fine
//! ones. The mean of each row of the ring is taken out first: that is vignetting, and exposure.

use std::f64::consts::{FRAC_PI_2, TAU};

use panofleet_projection::{Lens, Orientation, Pixel, Ray, Rotation, Size};
use rayon::prelude::*;

use super::LensPicture;
use super::ring::{around, axis, sample};
use crate::{Description, Edges, Picture, RasterError, resize, rgb_to_ycbcr};

/// Pixels for a degree of the pictures that are compared.
const PIXELS_PER_DEGREE: [f64; 4] = [1.0, 2.5, 6.0, 14.0];

/// Points of the ring that are compared, at most.
const POINTS_MAX: usize = 40_000;

/// Points that must be seen by both.
const POINTS_MIN: usize = 300;

const STEPS_MAX: u32 = 12;

/// More is not a lens that lies a little elsewhere.
const TURN_RAD_MAX: f64 = 0.06;
const SCALE_MAX: f64 = 0.04;

/// A picture tells nothing whose luma varies by less than this, from 0 to 255.
const NOISE: f64 = 1.0;

/// How far lenses lay from where they were said to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// What the second lens is turned by, in the camera, after what was said.
    pub turn: Orientation,
    /// What the focal lengths of both lenses were multiplied with.
    pub scale: f64,
}

impl Alignment {
    fn of([yaw, pitch, roll, scale]: [f64; 4]) -> Self {
        let turn = Orientation::new(yaw, pitch, roll).unwrap_or(Orientation::IDENTITY);
        Self { turn, scale: 1.0 + scale }
    }

    /// The lens with its focal length scaled; its circle stays, so it shows less where that grows.
    fn scaled(&self, lens: &Lens) -> Lens {
        let mut calibration = *lens.calibration();
        calibration.focal_px = calibration.focal_px.map(|focal_px| focal_px * self.scale);
        calibration.field_of_view_rad /= self.scale.max(1.0);
        Lens::calibrated(calibration).unwrap_or(*lens)
    }
}

/// The lenses where they lie, and how far that is from where they were said to; as they came if nothing better was
/// found.
///
/// # Errors
///
/// [`RasterError::TooLarge`] never for a picture that is one.
pub(super) fn aligned(
    lenses: [LensPicture; 2],
) -> Result<([LensPicture; 2], Option<Alignment>), RasterError> {
    let points = Points::new(&lenses);
    let mut found = [0.0; 4];
    for per_degree in PIXELS_PER_DEGREE {
        let small = [Small::new(&lenses[0], per_degree)?, Small::new(&lenses[1], per_degree)?];
        let points = points.thinned(per_degree);
        match (Search {
            lenses: &small,
            points: &points,
            step_rad: (0.5 / per_degree).to_radians(),
        })
        .run(found)
        {
            Some(better) => found = better,
            // Nothing to see at this scale, or nothing shared.
            None => return Ok((lenses, None)),
        }
    }
    let bounds = [TURN_RAD_MAX, TURN_RAD_MAX, TURN_RAD_MAX, SCALE_MAX];
    if found.iter().zip(bounds).any(|(value, bound)| value.abs() > bound) {
        return Ok((lenses, None));
    }
    let alignment = Alignment::of(found);
    let [first, second] = lenses;
    let first = LensPicture { lens: alignment.scaled(&first.lens), ..first };
    let second = LensPicture {
        lens: alignment.scaled(&second.lens),
        orientation: alignment.turn.compose(second.orientation),
        ..second
    };
    Ok(([first, second], Some(alignment)))
}

/// Rays of the ring, row by row.
struct Points {
    rotation: Rotation,
    half_rad: f64,
}

impl Points {
    fn new(lenses: &[LensPicture; 2]) -> Self {
        let shared_rad = lenses.iter().map(LensPicture::reach_rad).sum::<f64>() - 2.0 * FRAC_PI_2;
        // Lenses are worse towards their rims, and more of the ring tells nothing else.
        Self { rotation: axis(lenses).rotation(), half_rad: (shared_rad / 2.0).min(0.3) }
    }

    /// Rows of rays, a pixel apart if they are not too many.
    fn thinned(&self, per_degree: f64) -> Vec<Vec<Ray>> {
        let step_rad = (1.0 / per_degree).to_radians();
        let rows = (2.0 * self.half_rad / step_rad).floor().clamp(1.0, 40.0) as usize;
        let columns = ((TAU / step_rad) as usize).min(POINTS_MAX / rows);
        let ray = |column: usize, row: usize| {
            let share = (row as f64 + 0.5) / rows as f64;
            let away_rad = FRAC_PI_2 + (2.0 * share - 1.0) * self.half_rad;
            self.rotation.apply(around(away_rad, column as f64 / columns as f64 * TAU))
        };
        (0..rows).map(|row| (0..columns).map(|column| ray(column, row)).collect()).collect()
    }
}

/// The luma of what a lens saw, made smaller.
struct Small<'a> {
    full: &'a LensPicture,
    luma: Picture<u8>,
    scale: [f64; 2],
}

impl<'a> Small<'a> {
    fn new(full: &'a LensPicture, per_degree: f64) -> Result<Self, RasterError> {
        let size = full.picture.size();
        let half_rad = full.lens.calibration().field_of_view_rad / 2.0;
        let radius_px = full
            .lens
            .pixel(Ray::from_angles(half_rad.min(3.0), 0.0))
            .map_or(1.0, |at| (at.x_px - full.lens.calibration().centre.x_px).abs());
        let shrink = (per_degree * half_rad.to_degrees() / radius_px).min(1.0);
        let side = |side_px: u32| (f64::from(side_px) * shrink).round().max(1.0) as u32;
        let small = Size::new(side(size.width_px()), side(size.height_px())).unwrap_or(size);
        let resized = resize(&full.picture, small, Edges::Clamp)?;
        let scale = [
            f64::from(small.width_px()) / f64::from(size.width_px()),
            f64::from(small.height_px()) / f64::from(size.height_px()),
        ];
        Ok(Self { full, luma: luma(&resized)?, scale })
    }

    /// `None` outside of what is used.
    fn at(&self, lens: &Lens, ray: Ray) -> Option<f64> {
        let at = lens.pixel(ray)?;
        let size = self.full.picture.size();
        let inside = at.x_px >= 0.0
            && at.y_px >= 0.0
            && at.x_px <= f64::from(size.width_px())
            && at.y_px <= f64::from(size.height_px());
        let at = Pixel::new(at.x_px * self.scale[0], at.y_px * self.scale[1]);
        inside.then(|| f64::from(sample(&self.luma, at)[0]))
    }
}

fn luma(picture: &Picture<u8>) -> Result<Picture<u8>, RasterError> {
    let luma = match picture.planes() {
        [gray] | [gray, _] => gray.clone(),
        _ => {
            let [luma, ..] = rgb_to_ycbcr(picture, &Description::JPEG)?;
            luma
        }
    };
    Picture::from_planes(vec![luma])
}

/// One size of pictures.
struct Search<'a> {
    lenses: &'a [Small<'a>; 2],
    points: &'a [Vec<Ray>],
    /// How far numbers are moved to see what that does.
    step_rad: f64,
}

impl Search<'_> {
    /// Numbers that fit better than these, or the same; `None` if there is nothing to go by.
    fn run(&self, start: [f64; 4]) -> Option<[f64; 4]> {
        let (mut found, mut damping) = (start, 1e-3);
        let mut residuals = self.residuals(found)?;
        for _ in 0..STEPS_MAX {
            let width = spread(&residuals);
            let (matrix, vector) = self.normal(found, &residuals, width);
            let Some(step) = solved(matrix, vector, damping) else { break };
            let next: [f64; 4] = std::array::from_fn(|i| found[i] - step[i]);
            let better =
                self.residuals(next).filter(|next| cost(next, width) < cost(&residuals, width));
            let Some(better) = better else {
                damping *= 10.0;
                if damping > 1e3 {
                    break;
                }
                continue;
            };
            (found, residuals, damping) = (next, better, (damping / 10.0).max(1e-6));
            if step.iter().all(|step| step.abs() < self.step_rad * 0.004) {
                break;
            }
        }
        Some(found)
    }

    /// How the lenses differ at each point, row means taken out; `None` points are seen by one only.
    fn residuals(&self, numbers: [f64; 4]) -> Option<Vec<Option<f64>>> {
        let alignment = Alignment::of(numbers);
        let [first, second] = self.lenses;
        let lenses = [first, second].map(|small| alignment.scaled(&small.full.lens));
        let rotations = [
            first.full.orientation.rotation(),
            alignment.turn.compose(second.full.orientation).rotation(),
        ];
        let pair = |ray: &Ray| {
            let one = first.at(&lenses[0], rotations[0].apply_inverse(*ray))?;
            Some([one, second.at(&lenses[1], rotations[1].apply_inverse(*ray))?])
        };
        let rows: Vec<Vec<Option<[f64; 2]>>> =
            self.points.par_iter().map(|row| level(row.iter().map(pair).collect())).collect();
        let pairs: Vec<Option<[f64; 2]>> = rows.into_iter().flatten().collect();
        let seen = pairs.iter().flatten();
        let (both, other, count) =
            seen.fold((0.0, 0.0, 0), |(both, square, count), [one, other]| {
                (both + one * other, square + other * other, count + 1)
            });
        if count < POINTS_MIN || other < NOISE * NOISE * count as f64 {
            return None;
        }
        let gain = (both / other).clamp(0.25, 4.0);
        // Differences are told as the mean of both would have them, so that no gain makes them small.
        let unit = gain.sqrt();
        Some(
            pairs.iter().map(|pair| pair.map(|[one, other]| (one - gain * other) / unit)).collect(),
        )
    }

    /// The normal equations of a step: the matrix, and the vector beside it.
    fn normal(
        &self,
        at: [f64; 4],
        residuals: &[Option<f64>],
        width: f64,
    ) -> ([[f64; 4]; 4], [f64; 4]) {
        let moved: Vec<_> = (0..4)
            .map(|number| {
                let mut moved = at;
                moved[number] += self.step_rad;
                self.residuals(moved).unwrap_or_else(|| residuals.to_vec())
            })
            .collect();
        let (mut matrix, mut vector) = ([[0.0; 4]; 4], [0.0; 4]);
        for (index, residual) in residuals.iter().enumerate() {
            let Some(residual) = residual else { continue };
            let slope = |number: usize| {
                moved[number][index].map(|value| (value - residual) / self.step_rad)
            };
            let [Some(a), Some(b), Some(c), Some(d)] = [0, 1, 2, 3].map(slope) else { continue };
            let slopes = [a, b, c, d];
            let weight = if residual.abs() <= width { 1.0 } else { width / residual.abs() };
            for (row, along) in slopes.iter().enumerate() {
                vector[row] += weight * along * residual;
                for (value, across) in matrix[row].iter_mut().zip(slopes) {
                    *value += weight * along * across;
                }
            }
        }
        (matrix, vector)
    }
}

/// A row with the mean of each lens taken out.
fn level(row: Vec<Option<[f64; 2]>>) -> Vec<Option<[f64; 2]>> {
    let count = row.iter().flatten().count().max(1) as f64;
    let sums =
        row.iter().flatten().fold([0.0; 2], |sums, pair| [sums[0] + pair[0], sums[1] + pair[1]]);
    let level = |pair: [f64; 2]| [pair[0] - sums[0] / count, pair[1] - sums[1] / count];
    row.into_iter().map(|pair| pair.map(level)).collect()
}

/// Beyond this a difference is not noise: Huber's 1.345 standard deviations, by the median.
fn spread(residuals: &[Option<f64>]) -> f64 {
    let mut sizes: Vec<f64> = residuals.iter().flatten().map(|residual| residual.abs()).collect();
    if sizes.is_empty() {
        return NOISE;
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f64::total_cmp);
    (1.345 * 1.4826 * *median).max(NOISE)
}

/// The mean of Huber's function.
fn cost(residuals: &[Option<f64>], width: f64) -> f64 {
    let each = |residual: f64| {
        let size = residual.abs();
        if size <= width { size * size / 2.0 } else { width * (size - width / 2.0) }
    };
    let (sum, count) = residuals
        .iter()
        .flatten()
        .fold((0.0, 0.0), |(sum, count), residual| (sum + each(*residual), count + 1.0));
    sum / f64::max(count, 1.0)
}

/// The step of damped normal equations, by Gauss; `None` where nothing depends on a number.
fn solved(mut matrix: [[f64; 4]; 4], mut vector: [f64; 4], damping: f64) -> Option<[f64; 4]> {
    for (number, row) in matrix.iter_mut().enumerate() {
        row[number] *= 1.0 + damping;
    }
    for column in 0..4 {
        let pivot = (column..4).max_by(|one, other| {
            matrix[*one][column].abs().total_cmp(&matrix[*other][column].abs())
        })?;
        matrix.swap(column, pivot);
        vector.swap(column, pivot);
        if matrix[column][column].abs() < 1e-9 {
            return None;
        }
        for row in column + 1..4 {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            matrix[row].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            vector[row] -= factor * vector[column];
        }
    }
    let mut step = [0.0; 4];
    for row in (0..4).rev() {
        let rest: f64 = (row + 1..4).map(|column| matrix[row][column] * step[column]).sum();
        step[row] = (vector[row] - rest) / matrix[row][row];
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let matrix = [
            [4.0, 1.0, 0.0, 0.5],
            [1.0, 3.0, 0.2, 0.0],
            [0.0, 0.2, 2.0, 0.1],
            [0.5, 0.0, 0.1, 1.0],
        ];
        let expected = [1.0, -2.0, 3.0, 0.5];
        let vector = std::array::from_fn(|row| {
            (0..4).map(|column| matrix[row][column] * expected[column]).sum()
        });
        let found = solved(matrix, vector, 0.0).unwrap();
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert_eq!(solved([[0.0; 4]; 4], [1.0; 4], 0.1), None);
    }
}
