//! What a viewer shows before the first tile is there, as texts in its manifest.
//!
//! Sources: Pannellum after 2.5, `utils/multires/generate.py` and `src/js/libpannellum.js`: a hash of spherical harmonics up to
//! degree 5, and a small equirectangular JPEG as a data URI. Viewers that know neither pass over them.

use std::f64::consts::{PI, TAU};
use std::num::NonZeroU32;

use base64::Engine as _;
use panofleet_job_schema::PictureFormat;
use panofleet_media::{Embedded, Encoder};
use panofleet_projection::{Face, Pixel, Ray, Size, View};

use super::faces::Faces;
use crate::error::StepError;

/// Highest degree; the viewer has tables up to this one.
const DEGREE_MAX: usize = 5;

/// Side of the faces that previews are made of.
const FACE_PX: NonZeroU32 = NonZeroU32::new(96).expect("not zero");

/// Size of the thumbnail: a power of two wide, for old graphics.
const THUMBNAIL_PX: (u32, u32) = (64, 32);
const THUMBNAIL_QUALITY: u8 = 75;

/// Digits of the hash.
const DIGITS: &[u8; 83] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/// A number in so many digits, the highest first.
pub(super) fn digits(number: usize, count: usize) -> String {
    let digit = |place: usize| char::from(DIGITS[number / 83_usize.pow(place as u32) % 83]);
    (0..count).rev().map(digit).collect()
}

/// Previews of a whole sphere.
#[derive(Debug)]
pub(super) struct Previews {
    /// 74 letters.
    pub(super) hash: String,
    /// A data URI.
    pub(super) thumbnail: String,
}

impl Previews {
    /// # Errors
    /// None that faces of a pyramid can meet.
    pub(super) fn of(faces: &Faces) -> Result<Self, StepError> {
        let scaled =
            if faces.face_px() > FACE_PX.get() { Some(faces.scaled(FACE_PX)?) } else { None };
        let faces = scaled.as_ref().unwrap_or(faces);
        let side_px = NonZeroU32::new(faces.face_px()).ok_or(StepError::EmptySize)?;
        let small = Small { side_px, colours: faces.colours() };
        Ok(Self { hash: small.hash(), thumbnail: small.thumbnail()? })
    }
}

/// The colours of six small faces, each row by row, from 0 to 255.
struct Small {
    side_px: NonZeroU32,
    colours: [Vec<[f64; 3]>; 6],
}

impl Small {
    fn hash(&self) -> String {
        let coefficients = self.harmonics();
        let largest = coefficients.iter().flatten().copied().fold(1.0, f64::max);
        let coarse = |value: f64, steps: f64| {
            let root = value.signum() * value.abs().sqrt();
            (root * steps + steps).round_ties_even().clamp(0.0, 2.0 * steps) as usize
        };
        let mut hash =
            digits(DEGREE_MAX, 1) + &digits(coarse(2.0 * largest / 255.0 - 1.0, 41.0), 1);
        for colour in coefficients {
            hash += &digits(
                colour.iter().fold(0, |sum, value| sum * 19 + coarse(value / largest, 9.0)),
                2,
            );
        }
        hash
    }

    /// Coefficients of real spherical harmonics whose mean square is 1, without the Condon-Shortley phase; longitude grows
    /// from the left border of the equirectangular picture. First those of cosines, degree by degree, then those of sines.
    fn harmonics(&self) -> [[f64; 3]; 36] {
        let mut sums = [[0.0; 3]; 36];
        let side = f64::from(self.side_px.get());
        for (face, colours) in Face::ALL.into_iter().zip(&self.colours) {
            let view = View::cube_face(face, self.side_px);
            for (index, colour) in (0..).zip(colours) {
                let (x, y) = (index % self.side_px, index / self.side_px);
                let Some(ray) = view.ray(Pixel::centre(x, y)) else { continue };
                let out = [x, y].map(|at| (2.0 * f64::from(at) + 1.0) / side - 1.0);
                let solid =
                    (1.0 + out[0] * out[0] + out[1] * out[1]).powf(-1.5) * (2.0 / side).powi(2);
                for (sum, value) in sums.iter_mut().zip(basis(ray)) {
                    for (sum, colour) in sum.iter_mut().zip(colour) {
                        *sum += colour * value * solid / (4.0 * PI);
                    }
                }
            }
        }
        sums
    }

    fn thumbnail(&self) -> Result<String, StepError> {
        /// Rays across and down a pixel.
        const RAYS: u32 = 4;

        let (width, height) = THUMBNAIL_PX;
        let size = Size::new(width, height).ok_or(StepError::EmptySize)?;
        let place = |at: u32, ray: u32| f64::from(at) + (f64::from(ray) + 0.5) / f64::from(RAYS);
        let rgb = |x: u32, y: u32| {
            let mut mean = [0.0; 3];
            for (down, across) in
                (0..RAYS).flat_map(|down| (0..RAYS).map(move |across| (down, across)))
            {
                let yaw = (place(x, across) / f64::from(width) - 0.5) * TAU;
                let pitch = (0.5 - place(y, down) / f64::from(height)) * PI;
                let colour = self.colour(Ray::from_angles(yaw, pitch));
                mean.iter_mut().zip(colour).for_each(|(mean, value)| *mean += value);
            }
            mean.map(|sum| (sum / f64::from(RAYS * RAYS)).round().clamp(0.0, 255.0) as u8)
        };
        let rgb: Vec<u8> =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| rgb(x, y))).collect();
        let mut encoder =
            Encoder::new(PictureFormat::Jpeg, THUMBNAIL_QUALITY, Embedded::default())?;
        let body = base64::engine::general_purpose::STANDARD.encode(encoder.encode(&rgb, size)?);
        Ok(format!("data:image/jpeg;base64,{body}"))
    }

    /// Of the pixel that a ray meets.
    fn colour(&self, ray: Ray) -> [f64; 3] {
        let meets = |(face, colours): (Face, &Vec<[f64; 3]>)| {
            let at = View::cube_face(face, self.side_px).pixel(ray)?;
            let last = self.side_px.get() - 1;
            let [x, y] = [at.x_px, at.y_px].map(|px| (px as u32).min(last));
            colours.get((y * self.side_px.get() + x) as usize).copied()
        };
        Face::ALL.into_iter().zip(&self.colours).find_map(meets).unwrap_or([0.0; 3])
    }
}

/// Each harmonic at a ray, in the order of the hash.
fn basis(ray: Ray) -> [f64; 36] {
    let [x, y, z] = ray.components();
    // Longitude is yaw and half a turn.
    let longitude = (-x).atan2(-z);
    let (sine, cosine) = (y, x.hypot(z));
    let legendre = legendre(sine, cosine);
    let mut values = [0.0; 36];
    let mut places = values.iter_mut();
    for (first, function) in [(0, f64::cos as fn(f64) -> f64), (1, f64::sin)] {
        for (degree, of_degree) in legendre.iter().enumerate().skip(first) {
            for (order, value) in of_degree.iter().enumerate().take(degree + 1).skip(first) {
                if let Some(place) = places.next() {
                    *place = value * function(order as f64 * longitude);
                }
            }
        }
    }
    values
}

/// Associated Legendre functions of the sine of a latitude, by degree and order, with the factor that makes the mean square
/// of a harmonic 1.
fn legendre(sine: f64, cosine: f64) -> [[f64; DEGREE_MAX + 1]; DEGREE_MAX + 1] {
    let mut plain = [[0.0; DEGREE_MAX + 1]; DEGREE_MAX + 1];
    plain[0][0] = 1.0;
    for degree in 1..=DEGREE_MAX {
        let l = degree as f64;
        let last = plain[degree - 1];
        let before = if degree > 1 { plain[degree - 2] } else { [0.0; DEGREE_MAX + 1] };
        for (order, value) in plain[degree].iter_mut().enumerate().take(degree) {
            let m = order as f64;
            *value =
                ((2.0 * l - 1.0) * sine * last[order] - (l + m - 1.0) * before[order]) / (l - m);
        }
        plain[degree][degree] = (2.0 * l - 1.0) * cosine * last[degree - 1];
    }
    for (degree, row) in plain.iter_mut().enumerate() {
        for (order, value) in row.iter_mut().enumerate().take(degree + 1) {
            let between = (degree - order + 1..=degree + order).map(|factor| factor as f64);
            let twice = if order == 0 { 1.0 } else { 2.0 };
            *value *= (twice * (2 * degree + 1) as f64 / between.product::<f64>()).sqrt();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means over the sphere of products of two harmonics are 1 for the same, 0 for others.
    #[test]
    fn harmonics_are_orthonormal() {
        let side_px = NonZeroU32::new(48).unwrap();
        for (index, other) in [(0, 0), (1, 1), (2, 2), (20, 20), (35, 35), (2, 21), (7, 12), (0, 9)]
        {
            let colours = Face::ALL.map(|face| {
                let view = View::cube_face(face, side_px);
                let at = |index: u32| view.ray(Pixel::centre(index % 48, index / 48)).unwrap();
                (0..48 * 48).map(|pixel| [basis(at(pixel))[index]; 3]).collect()
            });
            let found = Small { side_px, colours }.harmonics()[other][0];
            let expected = if index == other { 1.0 } else { 0.0 };
            assert!((found - expected).abs() < 2e-3, "{index} {other}: {found}");
        }
    }

    /// Degree 1 is the direction: up, and forward (which is half a turn from the left border).
    #[test]
    fn signs_and_places_of_the_first_harmonics() {
        let root = 3.0_f64.sqrt();
        let up = basis(Ray::from_angles(0.0, PI / 2.0));
        let forward = basis(Ray::FORWARD);
        let right = basis(Ray::from_angles(PI / 2.0, 0.0));
        assert!((up[1] - root).abs() < 1e-12 && (forward[2] + root).abs() < 1e-12);
        assert!((right[21] + root).abs() < 1e-12);
    }
}
