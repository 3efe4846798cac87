//! What of a source is left in faces: they are looked at from where the source's pixels lie.

use std::num::NonZeroU32;

use panofleet_projection::{CubeFace, Equirectangular, Face, Pixel, Ray};
use rayon::prelude::*;

use crate::{Plane, PlaneView, RasterError, Sample};

/// Pixels beside the border of a partial panorama that are not compared: the faces mix them with what
/// lies outside.
const MARGIN_PX: u32 = 4;

/// How faces differ from the panorama that they were made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrip {
    /// Mean squared difference, each pixel weighed by its solid angle.
    pub mse: f64,
    /// Pixels that were compared.
    pub points: u64,
}

/// Compares pixels of `source` with what the faces show in their directions, through Catmull-Rom's cubic,
/// over the faces' edges where it has to.
///
/// The pixels lie on a square lattice of an odd step, so that it has no beat with blocks of 8 × 8, and
/// are about `points` many; with 2¹⁸ of a photo the error of the mean is below 0.1 dB.
/// `None` if the picture has none that can be compared. Faces in [`Face::ALL`]'s order.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] unless the faces are squares of one size and the geometry is for the
/// source's.
pub fn round_trip<S: Sample>(
    faces: &[&Plane<S>; 6],
    source: PlaneView<'_, S>,
    geometry: &Equirectangular,
    points: u32,
) -> Result<Option<RoundTrip>, RasterError> {
    let cube = CubePlane { faces: *faces, face_px: side(faces)? };
    let size = geometry.size();
    if (size.width_px() as usize, size.height_px() as usize) != (source.width, source.height) {
        return Err(RasterError::UnequalPlanes);
    }
    let step = (size.area_px() as f64 / f64::from(points.max(1))).sqrt().ceil() as u32 | 1;
    let lattice = |length: u32, free: [bool; 2]| {
        let [before, after] = free.map(|free| if free { 0 } else { MARGIN_PX });
        (before + step / 2..length.saturating_sub(after)).step_by(step as usize)
    };
    let rows = lattice(size.height_px(), [geometry.reaches_top(), geometry.reaches_bottom()]);
    let columns = lattice(size.width_px(), [geometry.wraps(); 2]);
    let sums = rows.collect::<Vec<u32>>().into_par_iter().map(|row| {
        let values = source.row(row as usize);
        let mut sums = (0.0, 0.0, 0);
        for column in columns.clone() {
            let ray = geometry.ray(Pixel::centre(column, row));
            let weight = (1.0 - ray.y() * ray.y()).max(0.0).sqrt();
            let off = f64::from(cube.cubic(ray) - values[column as usize].to_f32());
            sums = (sums.0 + weight * off * off, sums.1 + weight, sums.2 + 1);
        }
        sums
    });
    // In order, so that the sum does not depend on the number of threads.
    let sums: Vec<_> = sums.collect();
    let (sum, weight, points) =
        sums.iter().fold((0.0, 0.0, 0), |all, of| (all.0 + of.0, all.1 + of.1, all.2 + of.2));
    Ok((points > 0).then(|| RoundTrip { mse: sum / weight, points }))
}

/// The side of six square planes of one size.
pub(super) fn side<S: Sample>(faces: &[&Plane<S>; 6]) -> Result<NonZeroU32, RasterError> {
    let size = faces[0].size();
    let fits = size.width_px() == size.height_px() && faces.iter().all(|face| face.size() == size);
    NonZeroU32::new(size.width_px()).filter(|_| fits).ok_or(RasterError::UnequalPlanes)
}

/// One channel of six faces, read along rays.
struct CubePlane<'a, S> {
    faces: [&'a Plane<S>; 6],
    face_px: NonZeroU32,
}

impl<S: Sample> CubePlane<'_, S> {
    /// The value along a ray: 4 × 4 texels, those beyond an edge from the neighbouring face.
    fn cubic(&self, ray: Ray) -> f32 {
        let face = Face::of(ray);
        let Some(at) = (CubeFace { face, face_px: self.face_px }).pixel(ray) else { return 0.0 };
        let plane = self.faces[face as usize];
        let split =
            |px: f64| ((px - 0.5).floor() as isize - 1, (px - 0.5 - (px - 0.5).floor()) as f32);
        let ((left, across), (top, down)) = (split(at.x_px), split(at.y_px));
        let (across, down) = (catmull_rom(across), catmull_rom(down));
        let last = self.face_px.get() as isize - 4;
        if (0..=last).contains(&left) && (0..=last).contains(&top) {
            let row = |y: usize| {
                let four = &plane.row(top as usize + y)[left as usize..][..4];
                four.iter().zip(across).map(|(value, weight)| value.to_f32() * weight).sum::<f32>()
            };
            return (0..4).map(|y| row(y) * down[y]).sum();
        }
        let mut sum = 0.0;
        for (y, down) in (top..).zip(down) {
            for (x, across) in (left..).zip(across) {
                sum += self.texel(face, x, y) * across * down;
            }
        }
        sum
    }

    /// The texel in a column and row of a face, which may lie beyond its edge.
    fn texel(&self, face: Face, column: isize, row: isize) -> f32 {
        let inside = 0..self.face_px.get() as isize;
        if inside.contains(&column) && inside.contains(&row) {
            return self.faces[face as usize].row(row as usize)[column as usize].to_f32();
        }
        let beyond = Pixel::new(column as f64 + 0.5, row as f64 + 0.5);
        self.linear(CubeFace { face, face_px: self.face_px }.ray(beyond))
    }

    /// The value along a ray, linear between texels of the face that it meets.
    fn linear(&self, ray: Ray) -> f32 {
        let face = Face::of(ray);
        let Some(at) = (CubeFace { face, face_px: self.face_px }).pixel(ray) else { return 0.0 };
        let last = self.face_px.get() as usize - 1;
        let split = |px: f64| {
            let place = (px - 0.5).clamp(0.0, last as f64);
            (place as usize, (place as usize + 1).min(last), place.fract() as f32)
        };
        let ((left, right, across), (upper, lower, down)) = (split(at.x_px), split(at.y_px));
        let value = |x: usize, y: usize| self.faces[face as usize].row(y)[x].to_f32();
        let row = |y| value(left, y) + (value(right, y) - value(left, y)) * across;
        row(upper) + (row(lower) - row(upper)) * down
    }
}

/// Weights of the samples at −1, 0, 1 and 2 for a place `t` in [0, 1].
pub(super) fn catmull_rom(t: f32) -> [f32; 4] {
    let before = t * (t * (1.0 - 0.5 * t) - 0.5);
    let right = t * (t * (2.0 - 1.5 * t) + 0.5);
    let after = t * t * (0.5 * t - 0.5);
    [before, 1.0 - before - right - after, right, after]
}

#[cfg(test)]
mod tests {
    use panofleet_projection::View;

    use super::*;
    use crate::{Channels, Panorama, Picture, Sampling, Size, remap};

    fn scene([x, y, z]: [f64; 3]) -> f64 {
        let waves = [17.0 * x + 3.0 * y, 9.0 * y - 15.0 * z, 8.0 * z + 16.0 * x];
        waves.into_iter().map(|phase| 40.0 * (1.0 + phase.sin())).sum()
    }

    fn cube(px: u32, value: impl Fn([f64; 3]) -> f64) -> [Plane<f32>; 6] {
        let face_px = NonZeroU32::new(px).unwrap();
        Face::ALL.map(|face| {
            let samples = (0..px * px).map(|i| {
                let ray = CubeFace { face, face_px }.ray(Pixel::centre(i % px, i / px));
                value(ray.components()) as f32
            });
            Plane::new(Size::square(face_px), samples.collect()).unwrap()
        })
    }

    fn panorama(width: u32, value: impl Fn([f64; 3]) -> f64) -> (Plane<f32>, Equirectangular) {
        let size = Size::new(width, width / 2).unwrap();
        let geometry = Equirectangular::full(size);
        let samples = (0..size.area_px() as u32)
            .map(|i| value(geometry.ray(Pixel::centre(i % width, i / width)).components()) as f32);
        (Plane::new(size, samples.collect()).unwrap(), geometry)
    }

    /// Faces that are the scene itself differ by what the cubic cannot hold, edges and corners included; a
    /// known error is found as it is.
    #[test]
    fn what_is_left_is_measured() {
        let (source, geometry) = panorama(512, scene);
        for (added, low, high) in [(0.0, 0.0, 2e-3), (3.0, 8.99, 9.02)] {
            let faces = cube(192, |ray| scene(ray) + added);
            let found =
                round_trip(&faces.each_ref(), (&source).into(), &geometry, u32::MAX).unwrap();
            let found = found.unwrap();
            assert_eq!(found.points, 512 * 256);
            assert!((low..high).contains(&found.mse), "{found:?}");
        }
    }

    /// A part of the pixels says what all of them say.
    #[test]
    fn a_lattice_is_a_fair_sample() {
        let (source, geometry) = panorama(512, scene);
        let faces =
            cube(192, |[x, y, z]| scene([x, y, z]) + 5.0 * (31.0 * x).sin() * (27.0 * y).cos());
        let mse = |points| {
            round_trip(&faces.each_ref(), (&source).into(), &geometry, points).unwrap().unwrap().mse
        };
        assert!((10.0 * (mse(6_000) / mse(u32::MAX)).log10()).abs() < 0.2);
    }

    /// A remap at the source's own resolution loses little; one at a quarter of it loses detail.
    #[test]
    fn a_remap_is_told_from_a_coarse_one() {
        let fine = |[x, y, z]: [f64; 3]| scene([3.0 * x, 3.0 * y, 3.0 * z]);
        let (source, geometry) = panorama(1024, fine);
        let picture = Picture::from_planes(vec![source.clone()]).unwrap();
        assert_eq!(picture.channels(), Channels::Gray);
        let whole = Panorama::full(picture);
        let mse = |px: u32| {
            let face_px = NonZeroU32::new(px).unwrap();
            let faces = Face::ALL.map(|face| {
                let view = View::cube_face(face, face_px);
                remap(&whole, &view, &Sampling::default()).unwrap().into_planes().remove(0)
            });
            round_trip(&faces.each_ref(), (&source).into(), &geometry, 1 << 18)
                .unwrap()
                .unwrap()
                .mse
        };
        let (own, quarter) = (mse(328), mse(82));
        assert!(own < 0.5, "{own}");
        assert!(quarter > 10.0 * own, "{quarter} {own}");
    }

    #[test]
    fn other_sizes_are_refused() {
        let (source, _) = panorama(64, scene);
        let other = Equirectangular::full(Size::new(32, 16).unwrap());
        let faces = cube(8, scene);
        let refused = round_trip(&faces.each_ref(), (&source).into(), &other, 100);
        assert_eq!(refused, Err(RasterError::UnequalPlanes));
    }
}
