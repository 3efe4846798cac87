//! What two lenses that look away from each other both see: a strip around the axis between them.

use std::f64::consts::{FRAC_PI_2, TAU};
use std::ops::RangeInclusive;

use panofleet_projection::{Orientation, Pixel, Ray, Rotation, Size};
use rayon::prelude::*;

use super::LensPicture;
use super::exposure::Gains;
use crate::Picture;

/// Finer strips are not needed: what is smaller is cut, not blended.
const COLUMNS_MAX: u32 = 4096;

/// A strip reaches this far to either side at most, however much the lenses overlap.
const HALF_RAD_MAX: f64 = 0.35;

/// Rows from the first lens to the second, columns around the axis. The middle row is at a right angle to the axis.
pub(super) struct Ring {
    rotation: Rotation,
    columns: usize,
    rows: usize,
    top_rad: f64,
    step_rad: f64,
    /// For each column, the first and the last row that both lenses see; the first behind the last where there is none.
    shared: Vec<(usize, usize)>,
}

impl Ring {
    pub(super) fn new(lenses: &[LensPicture; 2], size: Size) -> Self {
        let columns = size.width_px().clamp(64, COLUMNS_MAX) as usize;
        let rotation = axis(lenses).rotation();
        let step_rad = TAU / columns as f64;
        // As far as a lens could reach that leans towards either side.
        let lean_rad = lenses
            .iter()
            .map(|lens| {
                let [_, _, along] = turned(&rotation, lens.forward());
                along.abs().min(1.0).acos()
            })
            .fold(0.0, f64::max);
        let half_rad = lenses
            .iter()
            .map(|lens| lens.reach_rad() - FRAC_PI_2 + lean_rad)
            .fold(0.0, f64::max)
            .min(HALF_RAD_MAX);
        let half_rows = (half_rad / step_rad).ceil() as usize + 2;
        let mut ring = Self {
            rotation,
            columns,
            rows: 2 * half_rows,
            top_rad: FRAC_PI_2 - half_rows as f64 * step_rad,
            step_rad,
            shared: Vec::new(),
        };
        ring.shared =
            (0..columns).into_par_iter().map(|column| ring.seen(lenses, column)).collect();
        ring
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// The first and the last row of a column that both lenses see; the first behind the last where there is none.
    pub(super) fn shared(&self, column: usize) -> (usize, usize) {
        self.shared[column]
    }

    /// The same as an interval, which may be empty.
    pub(super) fn shared_rows(&self, column: usize) -> RangeInclusive<usize> {
        let (first, last) = self.shared[column];
        first..=last
    }

    pub(super) fn mean_overlap_rad(&self) -> f64 {
        let rows: usize = (0..self.columns).map(|column| self.shared_rows(column).count()).sum();
        rows as f64 / self.columns as f64 * self.step_rad
    }

    /// The ray through the middle of a sample.
    pub(super) fn ray(&self, column: usize, row: usize) -> Ray {
        let around_rad = (column as f64 + 0.5) * self.step_rad;
        let away_rad = self.top_rad + (row as f64 + 0.5) * self.step_rad;
        self.rotation.apply(around(away_rad, around_rad))
    }

    /// Where a ray lies in the strip: column in [0, columns), and row, of samples whose middles are at .5.
    pub(super) fn place(&self, ray: Ray) -> (f64, f64) {
        let [right, up, along] = self.rotation.apply_inverse(ray).components();
        let column = up.atan2(right).rem_euclid(TAU) / self.step_rad;
        let row = (right.hypot(up).atan2(along) - self.top_rad) / self.step_rad;
        (column.min(self.columns as f64 - 1e-9), row)
    }

    /// What each lens sees of the strip.
    pub(super) fn strips(&self, lenses: &[LensPicture; 2]) -> Strips {
        let channels = lenses[0].picture.channels().count();
        let strip = |lens: &LensPicture| -> Vec<Field> {
            let row = |row: usize| -> Vec<[f32; 4]> {
                (0..self.columns)
                    .map(|column| {
                        let at = lens.position(self.ray(column, row));
                        at.map_or([0.0; 4], |at| sample(&lens.picture, at))
                    })
                    .collect()
            };
            let rows: Vec<Vec<[f32; 4]>> = (0..self.rows).into_par_iter().map(row).collect();
            (0..channels)
                .map(|channel| Field {
                    columns: self.columns,
                    values: rows.iter().flatten().map(|sample| sample[channel]).collect(),
                })
                .collect()
        };
        Strips { lenses: [strip(&lenses[0]), strip(&lenses[1])] }
    }

    fn seen(&self, lenses: &[LensPicture; 2], column: usize) -> (usize, usize) {
        let sees =
            |lens: usize, row: &usize| lenses[lens].position(self.ray(column, *row)).is_some();
        // From its own side on, the first lens sees everything up to some row; likewise the second.
        let last = (0..self.rows).take_while(|row| sees(0, row)).last();
        let first = (0..self.rows).rev().take_while(|row| sees(1, row)).last();
        (first.unwrap_or(self.rows), last.unwrap_or(0))
    }
}

/// What each lens sees of a strip, a field for each channel.
pub(super) struct Strips {
    pub(super) lenses: [Vec<Field>; 2],
}

impl Strips {
    /// How much the first lens differs from the second, for each channel; beyond what both see it goes on as it ends.
    pub(super) fn difference(self, gains: &Gains, ring: &Ring) -> Vec<Field> {
        let [first, second] = self.lenses;
        let each = |(channel, (mut first, second)): (usize, (Field, Field))| {
            for (value, other) in first.values.iter_mut().zip(&second.values) {
                *value -= gains.apply_between(channel, *other);
            }
            for column in 0..ring.columns() {
                let (from, to) = ring.shared(column);
                let at = |row: usize| {
                    if from > to { 0.0 } else { first.at(column, row.clamp(from, to)) }
                };
                let line: Vec<f32> = (0..ring.rows()).map(at).collect();
                line.into_iter().enumerate().for_each(|(row, value)| first.set(column, row, value));
            }
            first
        };
        first.into_iter().zip(second).enumerate().map(each).collect()
    }
}

/// Values of a strip, row by row.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) columns: usize,
    pub(super) values: Vec<f32>,
}

impl Field {
    pub(super) fn at(&self, column: usize, row: usize) -> f32 {
        self.values[row * self.columns + column]
    }

    pub(super) fn set(&mut self, column: usize, row: usize, value: f32) {
        self.values[row * self.columns + column] = value;
    }

    /// Between samples, whose middles are at .5; around the strip it goes on, above and below it ends.
    pub(super) fn between(&self, column: f64, row: f64) -> f32 {
        let rows = self.values.len() / self.columns;
        let (left, right, across) = neighbours(column, self.columns);
        let y = (row - 0.5).clamp(0.0, (rows - 1) as f64);
        let top = y.floor() as usize;
        let (across, down) = (across as f32, y.fract() as f32);
        let bottom = (top + 1).min(rows - 1);
        let line = |row: usize| {
            let from = self.at(left, row);
            from + (self.at(right, row) - from) * across
        };
        line(top) + (line(bottom) - line(top)) * down
    }
}

/// The two samples around the strip that a place lies between, and how far it is from the first to the second. Their
/// middles are at .5.
pub(super) fn neighbours(at: f64, count: usize) -> (usize, usize, f64) {
    let at = at - 0.5;
    let before = at.floor();
    let first = (before as isize).rem_euclid(count as isize) as usize;
    let second = if first + 1 == count { 0 } else { first + 1 };
    (first, second, at - before)
}

/// The axis from the second lens to the first, as the orientation of who looks along it.
pub(super) fn axis(lenses: &[LensPicture; 2]) -> Orientation {
    let (first, second) = (lenses[0].forward(), lenses[1].forward());
    let along = Ray::through(std::array::from_fn(|i| first[i] - second[i]));
    let along = along.unwrap_or(Ray::FORWARD);
    Orientation::new(along.yaw_rad(), along.pitch_rad(), 0.0).unwrap_or(Orientation::IDENTITY)
}

/// A ray at an angle from forward, in a direction around it from the right over up.
pub(super) fn around(away_rad: f64, around_rad: f64) -> Ray {
    let (sin, cos) = away_rad.sin_cos();
    let (up, right) = around_rad.sin_cos();
    Ray::through([sin * right, sin * up, cos]).unwrap_or(Ray::FORWARD)
}

fn turned(rotation: &Rotation, direction: [f64; 3]) -> [f64; 3] {
    Ray::through(direction).map_or(direction, |ray| rotation.apply_inverse(ray).components())
}

/// The value of each channel at a position inside of a picture, between its four nearest pixels.
pub(super) fn sample(picture: &Picture<u8>, at: Pixel) -> [f32; 4] {
    let size = picture.size();
    let taps = |at_px: f64, side_px: u32| {
        let from = (at_px - 0.5).clamp(0.0, f64::from(side_px - 1));
        let first = from.floor();
        (first as usize, (first as usize + 1).min(side_px as usize - 1), (from - first) as f32)
    };
    let (left, right, across) = taps(at.x_px, size.width_px());
    let (top, bottom, down) = taps(at.y_px, size.height_px());
    let mut values = [0.0; 4];
    for (value, plane) in values.iter_mut().zip(picture.planes()) {
        let line = |row: &[u8]| {
            let from = f32::from(row[left]);
            from + (f32::from(row[right]) - from) * across
        };
        let (above, below) = (line(plane.row(top)), line(plane.row(bottom)));
        *value = above + (below - above) * down;
    }
    values
}

#[cfg(test)]
mod tests {
    use panofleet_projection::LensCurve;

    use super::*;

    /// Perfect lenses of 200° in pictures of one colour, the second turned from straight back.
    pub(in crate::stitch) fn lenses(second_deg: (f64, f64, f64)) -> [LensPicture; 2] {
        let size = Size::new(200, 200).unwrap();
        let lens = |orientation| {
            let fov_rad = 200_f64.to_radians();
            let lens = panofleet_projection::Lens::ideal(
                LensCurve::Equidistant,
                size.centre(),
                100.0,
                fov_rad,
            );
            let picture =
                Picture::from_interleaved(crate::Channels::Gray, size, &[9; 40_000]).unwrap();
            LensPicture { picture, lens: lens.unwrap(), orientation }
        };
        let (yaw, pitch, roll) = second_deg;
        [
            lens(Orientation::IDENTITY),
            lens(Orientation::from_degrees(180.0 + yaw, pitch, roll).unwrap()),
        ]
    }

    #[test]
    fn places_of_rays_are_those_of_samples() {
        let ring = Ring::new(&lenses((3.0, 2.0, 1.0)), Size::new(720, 360).unwrap());
        assert_eq!(ring.columns(), 720);
        for (column, row) in [(0, 0), (719, 3), (300, ring.rows() - 1)] {
            let (x, y) = ring.place(ring.ray(column, row));
            assert!(
                (x - column as f64 - 0.5).abs() < 1e-6 && (y - row as f64 - 0.5).abs() < 1e-6,
                "{x} {y}"
            );
        }
        assert!((ring.place(ring.ray(0, 0)).1 - 0.5).abs() < 1e-9);
        assert!(
            (FRAC_PI_2 - (ring.top_rad + ring.rows as f64 / 2.0 * ring.step_rad)).abs() < 1e-12
        );
    }

    /// Lenses of 200° share 20°, less the rims: 6 pixels of 1° on each side, as angles at most.
    #[test]
    fn what_both_see_is_known_for_each_column() {
        let ring = Ring::new(&lenses((0.0, 0.0, 0.0)), Size::new(360, 180).unwrap());
        for column in 0..360 {
            let (first, last) = ring.shared(column);
            let width = last + 1 - first;
            assert!((6..=14).contains(&width), "{width}");
            assert!((first + last + 1).abs_diff(ring.rows()) <= 1);
        }
        // Leaning by 4°, it is where the lens that leans sees less.
        let ring = Ring::new(&lenses((8.0, 0.0, 0.0)), Size::new(360, 180).unwrap());
        let widths: Vec<usize> =
            [0, 90, 180, 270].map(|column| ring.shared_rows(column).count()).into();
        assert!(
            widths[1].abs_diff(widths[3]) <= 1 && widths[0].abs_diff(widths[2]) >= 12,
            "{widths:?}"
        );
    }

    #[test]
    fn fields_go_on_around_the_strip() {
        let field = Field { columns: 4, values: vec![0.0, 1.0, 2.0, 8.0, 10.0, 11.0, 12.0, 18.0] };
        assert_eq!(field.between(0.5, 0.5), 0.0);
        assert_eq!(field.between(0.0, 0.5), 4.0);
        assert_eq!(field.between(4.0, 1.5), 14.0);
        assert_eq!(field.between(1.5, 1.0), 6.0);
        assert_eq!(field.between(1.5, -3.0), 1.0);
    }
}
