//! Whether faces fit.

use std::f64::consts::{FRAC_PI_4, TAU};
use std::num::NonZeroU32;

use panofleet_projection::{CubeFace, Equirectangular, Face, Pixel, cube_seams};

use super::round_trip::{catmull_rom, side};
use crate::{Plane, PlaneView, RasterError, Sample};

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

/// Places along an edge that are looked at, at most.
const PLACES_MAX: usize = 256;

/// Points of a texel in each direction that are asked for what it should be, at most.
const POINTS_MAX: u32 = 4;

/// How much larger the gradient across the twelve edges of a cube is than beside them.
///
/// The mean difference of the two pixels at an edge, over the mean difference of each to the next one
/// inward; both by what the cube's geometry makes of them. With a `source`, over the same ratio in what the
/// faces were made of: its own pixels and its encoder's blocks often end just where faces do, and that is no
/// seam. Faces in [`Face::ALL`](panofleet_projection::Face::ALL)'s order; at most 256 places of each edge.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] unless the faces are squares of one size, of two pixels at least, and a
/// source is as large as its geometry.
pub fn seam_score<S: Sample>(
    faces: &[&Plane<S>; 6],
    source: Option<(PlaneView<'_, S>, &Equirectangular)>,
) -> Result<SeamScore, RasterError> {
    let face_px = side(faces)?;
    if face_px.get() < 2 {
        return Err(RasterError::UnequalPlanes);
    }
    let source =
        source.map(|(plane, geometry)| Source::new(plane, geometry, face_px)).transpose()?;
    let least = LEAST * f64::from(S::OPAQUE.to_f32());
    // Texels cover less of the sphere the nearer they are to an edge, and at `s` along it, in [−1, 1], the
    // step across it is √((2 + s²) / (2 + 2s²)) of the next one inward.
    let angle_to = |half_texels: f64| (1.0 - half_texels / f64::from(face_px.get())).atan();
    let step = 2.0 * (FRAC_PI_4 - angle_to(1.0)) / (angle_to(1.0) - angle_to(3.0));
    let (mut all, mut worst) = (Gradients::default(), 1.0_f64);
    for seam in cube_seams(face_px) {
        let inward = [0, 1].map(|side| inward(seam.pairs.iter().map(|pair| pair[side])));
        let mut edge = Gradients::default();
        let every = seam.pairs.len().div_ceil(PLACES_MAX);
        for (i, pair) in seam.pairs.iter().enumerate().skip(every / 2).step_by(every) {
            let along = ((2 * i + 1) as f64 / seam.pairs.len() as f64 - 1.0).powi(2);
            let shorter = step * ((2.0 + along) / (2.0 + 2.0 * along)).sqrt();
            let at = |side: usize, depth: f64| {
                let [x, y] = inward[side];
                Pixel::new(pair[side].x_px + x * depth, pair[side].y_px + y * depth)
            };
            let four = [(0, 1.0), (0, 0.0), (1, 0.0), (1, 1.0)]
                .map(|(side, depth)| (seam.faces[side], at(side, depth)));
            let texels = four.map(|(face, at)| {
                let row = faces[face as usize].row(at.y_px as usize);
                f64::from(row[at.x_px as usize].to_f32())
            });
            match &source {
                None => edge.add(&[texels, texels], shorter),
                Some(source) => {
                    let wanted = four.map(|(face, at)| source.texel(face, at));
                    if let [Some(a), Some(b), Some(c), Some(d)] = wanted {
                        edge.add(&[texels, [a, b, c, d]], shorter);
                    }
                }
            }
        }
        worst = worst.max(edge.score(least, source.is_some()));
        all.join(&edge);
    }
    Ok(SeamScore { overall: all.score(least, source.is_some()), worst })
}

/// Sums of differences across edges and beside them: of the faces, and of what they should be.
#[derive(Debug, Default)]
struct Gradients {
    across: [f64; 2],
    inside: [f64; 2],
    places: f64,
}

impl Gradients {
    /// Adds a place: the texels from one face's second to the other's, found and wanted.
    fn add(&mut self, texels: &[[f64; 4]; 2], shorter: f64) {
        for (i, [a, b, c, d]) in texels.iter().enumerate() {
            self.across[i] += (b - c).abs();
            self.inside[i] += shorter * f64::midpoint((a - b).abs(), (c - d).abs());
        }
        self.places += 1.0;
    }

    fn join(&mut self, other: &Self) {
        for i in 0..2 {
            self.across[i] += other.across[i];
            self.inside[i] += other.inside[i];
        }
        self.places += other.places;
    }

    fn score(&self, least: f64, is_relative: bool) -> f64 {
        let least = (least * self.places).max(f64::MIN_POSITIVE);
        let [found, wanted] = [0, 1].map(|i| (self.across[i] + least) / (self.inside[i] + least));
        if is_relative { found / wanted } else { found }
    }
}

/// What faces were made of.
struct Source<'a, S> {
    plane: PlaneView<'a, S>,
    geometry: &'a Equirectangular,
    face_px: NonZeroU32,
    /// Points of a texel in each direction.
    points: u32,
}

impl<'a, S: Sample> Source<'a, S> {
    fn new(
        plane: PlaneView<'a, S>,
        geometry: &'a Equirectangular,
        face_px: NonZeroU32,
    ) -> Result<Self, RasterError> {
        let size = geometry.size();
        if (size.width_px() as usize, size.height_px() as usize) != (plane.width, plane.height) {
            return Err(RasterError::UnequalPlanes);
        }
        // Beside an edge a texel is 1 / face_px rad.
        let source_px = geometry.full_width_px() / TAU / f64::from(face_px.get());
        let points = (2.0 * source_px).round().clamp(1.0, f64::from(POINTS_MAX)) as u32;
        Ok(Self { plane, geometry, face_px, points })
    }

    /// The mean of the source over a texel; `None` if it does not reach there.
    fn texel(&self, face: Face, centre: Pixel) -> Option<f64> {
        let mut sum = 0.0;
        let place = |i: u32| (f64::from(i) + 0.5) / f64::from(self.points) - 0.5;
        for (y, x) in (0..self.points).flat_map(|y| (0..self.points).map(move |x| (y, x))) {
            let at = Pixel::new(centre.x_px + place(x), centre.y_px + place(y));
            let ray = CubeFace { face, face_px: self.face_px }.ray(at);
            sum += f64::from(self.cubic(self.geometry.pixel(ray)?));
        }
        // Rounded as the faces' texels are: in a sky that hardly changes, steps are all there is.
        let mean = S::from_f32((sum / f64::from(self.points * self.points)) as f32);
        Some(f64::from(mean.to_f32()))
    }

    /// Catmull-Rom's cubic; no edge of a cube comes near a pole.
    fn cubic(&self, at: Pixel) -> f32 {
        let split = |px: f64| ((px - 0.5).floor(), (px - 0.5 - (px - 0.5).floor()) as f32);
        let ((left, across), (top, down)) = (split(at.x_px), split(at.y_px));
        let (across, down) = (catmull_rom(across), catmull_rom(down));
        let column = |tap: usize| {
            let x = left as isize - 1 + tap as isize;
            if self.geometry.wraps() {
                x.rem_euclid(self.plane.width as isize) as usize
            } else {
                x.clamp(0, self.plane.width as isize - 1) as usize
            }
        };
        let columns = [0, 1, 2, 3].map(column);
        let row = |tap: usize| {
            let y = (top as isize - 1 + tap as isize).clamp(0, self.plane.height as isize - 1);
            let row = self.plane.row(y as usize);
            columns.iter().zip(across).map(|(x, weight)| row[*x].to_f32() * weight).sum::<f32>()
        };
        (0..4).map(|tap| row(tap) * down[tap]).sum()
    }
}

/// The step away from an edge that runs through these pixels along the border of a face.
fn inward(mut edge: impl Iterator<Item = Pixel>) -> [f64; 2] {
    let (Some(first), Some(last)) = (edge.next(), edge.last()) else { return [0.0; 2] };
    let towards = |at: f64| if at < 1.0 { 1.0 } else { -1.0 };
    if (first.x_px - last.x_px).abs() < 0.5 {
        [towards(first.x_px), 0.0]
    } else {
        [0.0, towards(first.y_px)]
    }
}

const _: () = assert!(Face::Down as usize == 5, "faces index arrays in the order of ALL");

#[cfg(test)]
mod tests {
    use panofleet_projection::View;

    use super::*;
    use crate::{Panorama, Picture, Sampling, Size, reduce_cube, remap};

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
            let score = seam_score(&cube(px, |_, ray| wave(ray)).each_ref(), None).unwrap();
            assert!((0.96..1.04).contains(&score.overall), "{px}: {score:?}");
            assert!(score.worst < 1.1, "{px}: {score:?}");
        }
        let flat = seam_score(&cube(16, |_, _| 90.0).each_ref(), None).unwrap();
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
            let score = seam_score(&faces.each_ref(), None).unwrap();
            assert!(score.overall > 1.1 && score.worst > 1.3, "{name}: {score:?}");
        }
    }

    /// A source of noise in blocks that end where faces do, as an encoder's do: its faces have no seams.
    #[test]
    fn what_the_source_has_is_no_seam() {
        let size = Size::new(1_024, 512).unwrap();
        let geometry = Equirectangular::full(size);
        let samples = (0..size.area_px() as u32).map(|i| {
            let block = (i % 1_024 / 8, i / 1_024 / 8);
            let noise =
                |a: u32, b: u32| (a * 7_919 + b * 104_729).wrapping_mul(2_654_435_761) >> 26;
            (96 + 2 * noise(block.0, block.1) + noise(i, 3) / 4) as u8
        });
        let plane = Plane::new(size, samples.collect()).unwrap();
        let panorama = Panorama::full(Picture::from_planes(vec![plane.clone()]).unwrap());
        let mut faces = Face::ALL.map(|face| {
            let view = View::cube_face(face, NonZeroU32::new(336).unwrap());
            remap(&panorama, &view, &Sampling::default()).unwrap()
        });
        for bound in [0.05, 0.07] {
            let planes = faces.each_ref().map(|face| &face.planes()[0]);
            let alone = seam_score(&planes, None).unwrap();
            let score = seam_score(&planes, Some(((&plane).into(), &geometry))).unwrap();
            assert!((score.overall - 1.0).abs() < bound, "{score:?}, alone {alone:?}");
            assert!(alone.overall > 1.2, "{alone:?}");
            faces = reduce_cube(&faces).unwrap();
        }
    }

    #[test]
    fn unequal_faces_are_refused() {
        let [a, b] = [4, 5].map(|px| cube(px, |_, _| 0.0));
        let mixed = [&a[0], &a[1], &b[2], &a[3], &a[4], &a[5]];
        assert_eq!(seam_score(&mixed, None), Err(RasterError::UnequalPlanes));
        assert_eq!(
            seam_score(&cube(1, |_, _| 0.0).each_ref(), None),
            Err(RasterError::UnequalPlanes)
        );
    }
}
