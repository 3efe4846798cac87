//! The scene whose value is the direction, and closed-form rays of every projection.

use std::f64::consts::{PI, TAU};

use panofleet_raster::{Channels, Kernel, Picture, Rect, Sample, Sampling, Size};

pub(crate) type Direction = [f64; 3];

/// A kernel that reproduces quadratics, so that what is left is the error of positions. The default
/// one low-passes a scene that is finer than what is made of it.
pub(crate) fn bicubic<S: Sample>() -> Sampling<S> {
    Sampling { kernel: Kernel::Bicubic, background: [S::default(); 4] }
}

/// How a sample type stores a coordinate in [−1, 1].
pub(crate) trait Stored: Sample {
    /// The largest error that storing a value in a source pixel and in the result can make.
    const ROUNDING: f64;
    fn store(coordinate: f64) -> Self;
    fn restore(self) -> f64;
}

impl Stored for f32 {
    const ROUNDING: f64 = 1e-6;

    fn store(coordinate: f64) -> Self {
        coordinate as Self
    }

    fn restore(self) -> f64 {
        f64::from(self)
    }
}

impl Stored for u16 {
    // Half a step in the source, widened by the negative lobes of a cubic, and half in the result.
    const ROUNDING: f64 = 1.1 * 2.0 / 60_000.0;

    fn store(coordinate: f64) -> Self {
        (coordinate * 30_000.0 + 32_768.0).round() as Self
    }

    fn restore(self) -> f64 {
        (f64::from(self) - 32_768.0) / 30_000.0
    }
}

/// The scene as an RGB picture whose pixel `(x, y)`, at the centre, looks along `ray(x, y)`.
pub(crate) fn picture<S: Stored>(size: Size, ray: impl Fn(f64, f64) -> Direction) -> Picture<S> {
    let mut samples = Vec::with_capacity(size.area_px() as usize * 3);
    for row in 0..size.height_px() {
        for column in 0..size.width_px() {
            let direction = ray(f64::from(column) + 0.5, f64::from(row) + 0.5);
            samples.extend(direction.map(S::store));
        }
    }
    Picture::from_interleaved(Channels::Rgb, size, &samples).unwrap()
}

/// The directions that a picture of the scene holds, row by row.
pub(crate) fn directions<S: Stored>(picture: &Picture<S>) -> Vec<Direction> {
    let samples = picture.to_interleaved(Rect::whole(picture.size())).unwrap();
    samples.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]].map(Stored::restore)).collect()
}

pub(crate) fn distance(a: Direction, b: Direction) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    squares.sqrt()
}

/// The worst error of a picture of the scene, in pixels of a panorama `full_width_px` wide, and
/// the pixel where it is.
pub(crate) fn worst_px<S: Stored>(
    found: &Picture<S>,
    full_width_px: u32,
    ray: impl Fn(f64, f64) -> Direction,
) -> (f64, (u32, u32)) {
    let width_px = found.size().width_px();
    let mut worst = (0.0, (0, 0));
    for (index, found) in (0_u32..).zip(directions(found)) {
        let (column, row) = (index % width_px, index / width_px);
        let expected = ray(f64::from(column) + 0.5, f64::from(row) + 0.5);
        let error_px = distance(found, expected) * f64::from(full_width_px) / TAU;
        if error_px > worst.0 {
            worst = (error_px, (column, row));
        }
    }
    worst
}

/// A panorama of the whole sphere.
pub(crate) fn equirectangular(width_px: u32, height_px: u32) -> impl Fn(f64, f64) -> Direction {
    let (width, height) = (f64::from(width_px), f64::from(height_px));
    move |x, y| {
        // Measured from the seam and from the zenith.
        let (azimuth, polar) = (TAU * x / width, PI * y / height);
        [-polar.sin() * azimuth.sin(), polar.cos(), -polar.sin() * azimuth.cos()]
    }
}

/// A face of the cube, from the points of the cube at its top left corner and along its borders.
pub(crate) fn cube_face(letter: char, face_px: u32) -> impl Fn(f64, f64) -> Direction {
    let (top_left, rightward, downward): ([f64; 3], [f64; 3], [f64; 3]) = match letter {
        'f' => ([-1.0, 1.0, 1.0], [2.0, 0.0, 0.0], [0.0, -2.0, 0.0]),
        'r' => ([1.0, 1.0, 1.0], [0.0, 0.0, -2.0], [0.0, -2.0, 0.0]),
        'b' => ([1.0, 1.0, -1.0], [-2.0, 0.0, 0.0], [0.0, -2.0, 0.0]),
        'l' => ([-1.0, 1.0, -1.0], [0.0, 0.0, 2.0], [0.0, -2.0, 0.0]),
        'u' => ([-1.0, 1.0, -1.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]),
        'd' => ([-1.0, -1.0, 1.0], [2.0, 0.0, 0.0], [0.0, 0.0, -2.0]),
        _ => panic!("no face {letter}"),
    };
    let side = f64::from(face_px);
    move |x, y| {
        unit(std::array::from_fn(|i| {
            top_left[i] + rightward[i] * x / side + downward[i] * y / side
        }))
    }
}

/// The camera's right, up and forward axes.
pub(crate) fn camera(yaw_deg: f64, pitch_deg: f64, roll_deg: f64) -> [Direction; 3] {
    let (yaw, pitch, roll) = (yaw_deg.to_radians(), pitch_deg.to_radians(), roll_deg.to_radians());
    let forward = [pitch.cos() * yaw.sin(), pitch.sin(), pitch.cos() * yaw.cos()];
    let level = [yaw.cos(), 0.0, -yaw.sin()];
    let upright = [-pitch.sin() * yaw.sin(), pitch.cos(), -pitch.sin() * yaw.cos()];
    // Clockwise as the viewer sees it: up leans to the right.
    let up = std::array::from_fn(|i| roll.cos() * upright[i] + roll.sin() * level[i]);
    let right = std::array::from_fn(|i| roll.cos() * level[i] - roll.sin() * upright[i]);
    [right, up, forward]
}

/// `direction` as a camera with these axes has it, in the world.
pub(crate) fn in_world(axes: &[Direction; 3], direction: Direction) -> Direction {
    std::array::from_fn(|i| (0..3).map(|axis| axes[axis][i] * direction[axis]).sum())
}

/// A flat view.
pub(crate) fn rectilinear(
    size: Size,
    fov_deg: f64,
    axes: [Direction; 3],
) -> impl Fn(f64, f64) -> Direction {
    let (width, height) = (f64::from(size.width_px()), f64::from(size.height_px()));
    let half_width = (fov_deg / 2.0).to_radians().tan();
    let pixel = 2.0 * half_width / width;
    move |x, y| unit(in_world(&axes, [(x - width / 2.0) * pixel, (height / 2.0 - y) * pixel, 1.0]))
}

fn unit(direction: Direction) -> Direction {
    let length = distance(direction, [0.0; 3]);
    direction.map(|coordinate| coordinate / length)
}
