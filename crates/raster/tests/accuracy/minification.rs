//! Views that are coarser than the panorama: nothing folds, and what fits stays.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use panofleet_projection::{Face, View};
use panofleet_raster::{Channels, Kernel, Panorama, Picture, Sampling, Size, remap};

use crate::scene;

/// A wave through space along a direction drawn at test time.
struct Wave {
    along: scene::Direction,
    phase: f64,
}

impl Wave {
    fn new() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        println!("seed {seed}");
        let angle =
            |shift: u32| f64::from((seed >> shift) as u16) / 65_536.0 * std::f64::consts::TAU;
        let (up, across) = angle(0).sin_cos();
        let (right, forward) = angle(16).sin_cos();
        Self { along: [across * right, up, across * forward], phase: angle(32) }
    }

    fn at(&self, [x, y, z]: scene::Direction, frequency: f64) -> f64 {
        let [a, b, c] = self.along;
        (frequency * (a * x + b * y + c * z) + self.phase).cos()
    }

    /// How fast the wave changes across a direction, as a share of its frequency.
    fn slant(&self, ray: scene::Direction) -> f64 {
        let along: f64 = self.along.iter().zip(ray).map(|(a, b)| a * b).sum();
        (1.0 - along * along).max(0.0).sqrt()
    }
}

/// What a face of `face_px` holds of a wave of so many radians a radian, beside the wave itself:
/// the share of it that is there, and the root mean square of what should not be.
fn found(wave: &Wave, frequency: f64, face_px: u32, kernel: Kernel, slant_min: f64) -> (f64, f64) {
    let (width_px, height_px) = (2_048, 1_024);
    let ray = scene::equirectangular(width_px, height_px);
    let size = Size::new(width_px, height_px).unwrap();
    let samples: Vec<f32> = (0..height_px)
        .flat_map(|y| (0..width_px).map(move |x| (f64::from(x) + 0.5, f64::from(y) + 0.5)))
        .map(|(x, y)| wave.at(ray(x, y), frequency) as f32)
        .collect();
    let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
    let panorama = Panorama::full(picture);
    let (mut product, mut power, mut total, mut count) = (0.0, 0.0, 0.0, 0.0);
    for face in Face::ALL {
        let view = View::cube_face(face, face_px.try_into().unwrap());
        let sampling = Sampling { kernel, ..Sampling::default() };
        let face_of = scene::cube_face(face.letter(), face_px);
        let remapped = remap(&panorama, &view, &sampling).unwrap();
        for (index, value) in (0_u32..).zip(remapped.planes()[0].samples()) {
            let ray = face_of(f64::from(index % face_px) + 0.5, f64::from(index / face_px) + 0.5);
            if wave.slant(ray) < slant_min {
                continue;
            }
            let expected = wave.at(ray, frequency);
            product += expected * f64::from(*value);
            power += expected * expected;
            total += f64::from(*value).powi(2);
            count += 1.0;
        }
    }
    let share = product / power;
    (share, ((total - share * product).max(0.0) / count).sqrt())
}

/// A face of 64 pixels has π/2 / 64 radians a pixel on the mean and 2/64 in its middle: waves
/// above 128 radians a radian do not fit anywhere.
#[test]
fn what_is_too_fine_is_gone() {
    let wave = Wave::new();
    for kernel in [Kernel::Footprint, Kernel::Lanczos] {
        for frequency in [320.0, 640.0] {
            let (share, rest) = found(&wave, frequency, 64, kernel, 0.8);
            assert!(share.abs() < 0.05 && rest < 0.05, "{kernel:?} {frequency}: {share} {rest}");
        }
    }
    // The same wave by a kernel that does not look at its footprint: the test can fail.
    let (share, _) = found(&wave, 640.0, 64, Kernel::Bicubic, 0.8);
    assert!(share > 0.5, "{share}");
}

#[test]
fn what_fits_stays() {
    let wave = Wave::new();
    for kernel in [Kernel::Footprint, Kernel::Lanczos] {
        for (face_px, frequency) in [(64, 20.0), (200, 60.0), (480, 150.0)] {
            let (share, rest) = found(&wave, frequency, face_px, kernel, 0.0);
            assert!((share - 1.0).abs() < 0.08, "{kernel:?} {face_px}: {share}");
            assert!(rest < 0.06, "{kernel:?} {face_px}: {rest}");
        }
    }
}

/// Towards a pole a panorama's rows are finer than any view of it.
#[test]
fn poles_do_not_fold() {
    let size = Size::new(2_048, 1_024).unwrap();
    // A wave of the row, the finest there is: on the sphere it is far too fine near the poles.
    let samples: Vec<f32> =
        (0..2_048 * 1_024).map(|i| if i % 2_048 % 4 < 2 { 1.0 } else { -1.0 }).collect();
    let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
    let panorama = Panorama::full(picture);
    let rest = |kernel| {
        let view = View::cube_face(Face::Up, 512.try_into().unwrap());
        let face = remap(&panorama, &view, &Sampling { kernel, ..Sampling::default() }).unwrap();
        // Within a quarter of the face from the pole: the wave has less than two pixels a period.
        let near = (0..512_usize * 512).filter(|i| {
            let (x, y) = ((i % 512) as f64 - 255.5, (i / 512) as f64 - 255.5);
            x.hypot(y) < 128.0
        });
        let values: Vec<f64> =
            near.map(|i| f64::from(face.planes()[0].samples()[i]).powi(2)).collect();
        (values.iter().sum::<f64>() / values.len() as f64).sqrt()
    };
    assert!(rest(Kernel::Bicubic) > 0.5, "{}", rest(Kernel::Bicubic));
    for kernel in [Kernel::Footprint, Kernel::Lanczos] {
        assert!(rest(kernel) < 0.1, "{kernel:?} {}", rest(kernel));
    }
}
