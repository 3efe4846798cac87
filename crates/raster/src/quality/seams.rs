//! Whether faces fit.

use std::f64::consts::FRAC_PI_4;

use panofleet_projection::{Face, Pixel, cube_seams};

use super::round_trip::side;
use crate::{Plane, RasterError, Sample};

/// A gradient that cannot be told from rounding, as a share of the whole range.
const LEAST: f64 = 0.25 / 255.0;

/// How well faces fit: about 1 where they do, whatever they show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeamScore {
    /// All edges together.
    pub overall: f64,
    /// The edge that fits least.
    pub worst: f64,
}

/// How much larger the gradient across the twelve edges of a cube is than beside them.
///
/// The mean difference of the two pixels at an edge, over the mean difference of each to the next one
/// inward. Noise moves the score of one edge of `n` pixels by about `1/√n`, and that of all by less than a
/// third of it. Faces in [`Face::ALL`](panofleet_projection::Face::ALL)'s order.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] unless the faces are squares of one size, of two pixels at least.
pub fn seam_score<S: Sample>(faces: &[&Plane<S>; 6]) -> Result<SeamScore, RasterError> {
    let face_px = side(faces)?;
    if face_px.get() < 2 {
        return Err(RasterError::UnequalPlanes);
    }
    let least = LEAST * f64::from(S::OPAQUE.to_f32()) * f64::from(face_px.get());
    let score = |across: f64, inside: f64, least: f64| (across + least) / (inside + least);
    // Texels cover less of the sphere the nearer they are to an edge, and at `s` along it, in [−1, 1], the
    // step across it is √((2 + s²) / (2 + 2s²)) of the next one inward.
    let angle_to = |half_texels: f64| (1.0 - half_texels / f64::from(face_px.get())).atan();
    let step = 2.0 * (FRAC_PI_4 - angle_to(1.0)) / (angle_to(1.0) - angle_to(3.0));
    let (mut all, mut worst) = ([0.0; 2], 0.0_f64);
    for seam in cube_seams(face_px) {
        let sides = seam.faces.map(|face| faces[face as usize]);
        let inward = [0, 1].map(|side| inward(seam.pairs.iter().map(|pair| pair[side])));
        let (mut across, mut inside) = (0.0, 0.0);
        for (i, pair) in seam.pairs.iter().enumerate() {
            let along = ((2 * i + 1) as f64 / seam.pairs.len() as f64 - 1.0).powi(2);
            let shorter = ((2.0 + along) / (2.0 + 2.0 * along)).sqrt();
            let at = |side: usize, depth| value(sides[side], pair[side], inward[side], depth);
            let edge = [at(0, 0), at(1, 0)];
            across += (edge[0] - edge[1]).abs();
            let inward = ((edge[0] - at(0, 1)).abs() + (edge[1] - at(1, 1)).abs()) / 2.0;
            inside += shorter * inward;
        }
        inside *= step;
        worst = worst.max(score(across, inside, least));
        all = [all[0] + across, all[1] + inside];
    }
    Ok(SeamScore { overall: score(all[0], all[1], 12.0 * least), worst })
}

/// The step away from an edge that runs through these pixels along the border of a face.
fn inward(mut edge: impl Iterator<Item = Pixel>) -> [isize; 2] {
    let (Some(first), Some(last)) = (edge.next(), edge.last()) else { return [0; 2] };
    let towards = |at: f64| if at < 1.0 { 1 } else { -1 };
    if (first.x_px - last.x_px).abs() < 0.5 {
        [towards(first.x_px), 0]
    } else {
        [0, towards(first.y_px)]
    }
}

fn value<S: Sample>(face: &Plane<S>, at: Pixel, step: [isize; 2], depth: isize) -> f64 {
    let place = |px: f64, step: isize| (px as usize).wrapping_add_signed(step * depth);
    f64::from(face.row(place(at.y_px, step[1]))[place(at.x_px, step[0])].to_f32())
}

const _: () = assert!(Face::Down as usize == 5, "faces index arrays in the order of ALL");

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use panofleet_projection::CubeFace;

    use super::*;
    use crate::Size;

    fn cube(px: u32, value: impl Fn(Face, [f64; 3]) -> f64) -> [Plane<u8>; 6] {
        let face_px = NonZeroU32::new(px).unwrap();
        Face::ALL.map(|face| {
            let samples = (0..px * px).map(|i| {
                let ray = CubeFace { face, face_px }.ray(Pixel::centre(i % px, i / px));
                value(face, ray.components()).round() as u8
            });
            Plane::new(Size::square(face_px), samples.collect()).unwrap()
        })
    }

    fn wave([x, y, z]: [f64; 3]) -> f64 {
        let waves = [7.0 * x + 3.0 * y, 9.0 * y - 5.0 * z, 8.0 * z + 6.0 * x, 13.0 * x - 11.0 * y];
        waves.into_iter().map(|phase| 127.5 / 4.0 * (1.0 + (2.0 * phase).sin())).sum()
    }

    #[test]
    fn a_picture_without_seams_has_none() {
        for px in [200, 256, 512] {
            let score = seam_score(&cube(px, |_, ray| wave(ray)).each_ref()).unwrap();
            assert!((0.96..1.04).contains(&score.overall), "{px}: {score:?}");
            assert!(score.worst < 1.1, "{px}: {score:?}");
        }
        let flat = seam_score(&cube(16, |_, _| 90.0).each_ref()).unwrap();
        assert_eq!(flat, SeamScore { overall: 1.0, worst: 1.0 });
    }

    #[test]
    fn a_face_that_does_not_fit_shows() {
        for (name, wrong) in [("brighter", 12.0), ("shifted", 0.0)] {
            let faces = cube(256, |face, [x, y, z]| match face {
                Face::Up if wrong > 0.0 => (wave([x, y, z]) + wrong).min(255.0),
                Face::Up => wave([x + 3.0 / 256.0, y, z + 3.0 / 256.0]),
                _ => wave([x, y, z]),
            });
            let score = seam_score(&faces.each_ref()).unwrap();
            assert!(score.overall > 1.1 && score.worst > 1.3, "{name}: {score:?}");
        }
    }

    #[test]
    fn unequal_faces_are_refused() {
        let [a, b] = [4, 5].map(|px| cube(px, |_, _| 0.0));
        let mixed = [&a[0], &a[1], &b[2], &a[3], &a[4], &a[5]];
        assert_eq!(seam_score(&mixed), Err(RasterError::UnequalPlanes));
        assert_eq!(seam_score(&cube(1, |_, _| 0.0).each_ref()), Err(RasterError::UnequalPlanes));
    }
}
