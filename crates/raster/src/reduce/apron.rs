//! Faces with what lies around them.

use std::num::NonZeroU32;

use panofleet_projection::{Pixel, Size};

use super::cube::Cube;
use crate::{Picture, Plane, RasterError, Sample};

/// The six faces in the order of [`Face::ALL`](panofleet_projection::Face::ALL), each with `apron_px` texels more on
/// every side: what its neighbours show along the rays of its own plane, linear between their texels.
///
/// A filter that reads such a face sees no edge: its plane goes on, as a rectilinear view of `face_px + 2 · apron_px`
/// pixels and `2 · atan((face_px + 2 · apron_px) / face_px)`.
///
/// # Errors
///
/// [`RasterError::UnequalPlanes`] unless the faces are opaque squares of one size and kind;
/// [`RasterError::TooLarge`].
pub fn with_apron<S: Sample>(
    faces: &[Picture<S>; 6],
    apron_px: u32,
) -> Result<[Picture<S>; 6], RasterError> {
    let (size, channels) = (faces[0].size(), faces[0].channels());
    let fits = size.width_px() == size.height_px()
        && !channels.has_alpha()
        && faces.iter().all(|face| face.size() == size && face.channels() == channels);
    let face_px = NonZeroU32::new(size.width_px()).filter(|_| fits);
    let face_px = face_px.ok_or(RasterError::UnequalPlanes)?;
    let cube = Cube { faces, face_px };
    let side = face_px.get() as usize;
    let apron = apron_px as usize;
    let wide_px = face_px.saturating_add(apron_px.saturating_mul(2));
    let wide = Size::square(wide_px);
    let plane = |index: usize, channel: usize| {
        let mut plane = Plane::filled(wide, S::default())?;
        let width = plane.width();
        for (y, row) in plane.samples_mut().chunks_exact_mut(width).enumerate() {
            let inside = (apron..apron + side).contains(&y);
            if inside {
                let own = faces[index].planes()[channel].row(y - apron);
                row[apron..apron + side].copy_from_slice(own);
            }
            for (x, value) in row.iter_mut().enumerate() {
                if !inside || !(apron..apron + side).contains(&x) {
                    let place = |at: usize| at as f64 + 0.5 - f64::from(apron_px);
                    let beyond = cube.beyond(index, channel, Pixel::new(place(x), place(y)));
                    *value = S::from_f32(beyond);
                }
            }
        }
        Ok(plane)
    };
    let picture = |index: usize| {
        let planes: Result<Vec<_>, _> = (0..channels.count()).map(|of| plane(index, of)).collect();
        Picture::from_planes(planes?)
    };
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(picture);
    Ok([a?, b?, c?, d?, e?, f?])
}

#[cfg(test)]
mod tests {
    use panofleet_projection::{CubeFace, Face};

    use super::*;
    use crate::Channels;

    /// A smooth function of the direction goes on beyond every edge and corner.
    #[test]
    fn the_scene_goes_on_around_each_face() {
        let scene = |[x, y, z]: [f64; 3]| (100.0 * x + 70.0 * y * z + 50.0 * z) as f32;
        let face_px = NonZeroU32::new(40).unwrap();
        let ray = |face, x: f64, y: f64| CubeFace { face, face_px }.ray(Pixel::new(x, y));
        let faces = Face::ALL.map(|face| {
            let samples = (0..1_600_u32).map(|i| {
                scene(ray(face, f64::from(i % 40) + 0.5, f64::from(i / 40) + 0.5).components())
            });
            let samples: Vec<f32> = samples.collect();
            Picture::from_interleaved(Channels::Gray, Size::square(face_px), &samples).unwrap()
        });
        for (face, found) in Face::ALL.into_iter().zip(with_apron(&faces, 4).unwrap()) {
            assert_eq!(found.size().width_px(), 48);
            for (i, found) in (0..).zip(found.planes()[0].samples()) {
                let (x, y) = (f64::from(i % 48) - 3.5, f64::from(i / 48) - 3.5);
                let expected = scene(ray(face, x, y).components());
                // Half a texel is missing at the neighbours' own edges.
                assert!((found - expected).abs() < 2.0, "{face:?} {x} {y}: {found} {expected}");
            }
        }
    }
}
