//! Pictures without any smoothness, against a plain `f64` reference of the bicubic kernel.

use std::f64::consts::{PI, TAU};

use panofleet_projection::{Face, View};
use panofleet_raster::{Channels, Panorama, Picture, Sample, Size, remap};

use crate::scene;

/// Small enough that every position is computed, none interpolated.
const FACE_PX: u32 = 24;

/// What rounding a position to 1/4,096 pixel can make of noise between 0 and 1: half a step in both
/// directions, where the kernel's slope is at most 3 a pixel in each.
const POSITION_STEP_ERROR: f64 = 2.0 * 3.0 / 8_192.0;

const WIDTH: i64 = 256;
const HEIGHT: i64 = 128;

fn noise(i: i64) -> u32 {
    (i as u32).wrapping_mul(2_654_435_761).rotate_left(11).wrapping_mul(2_246_822_519)
}

/// The pixel at any column and row: beyond a pole it is across the pole, beyond the seam around.
fn at(column: i64, row: i64) -> i64 {
    let (column, row) = match row {
        ..0 => (column + WIDTH / 2, -1 - row),
        HEIGHT.. => (column + WIDTH / 2, 2 * HEIGHT - 1 - row),
        _ => (column, row),
    };
    row * WIDTH + column.rem_euclid(WIDTH)
}

/// Keys' cubic with a = −½, by its piecewise definition.
fn keys(distance: f64) -> f64 {
    let d = distance.abs();
    if d < 1.0 {
        1.5 * d.powi(3) - 2.5 * d.powi(2) + 1.0
    } else if d < 2.0 {
        -0.5 * d.powi(3) + 2.5 * d.powi(2) - 4.0 * d + 2.0
    } else {
        0.0
    }
}

fn reference([x, y, z]: scene::Direction, value: impl Fn(i64) -> f64) -> f64 {
    let column = ((-x).atan2(-z).rem_euclid(TAU)) / TAU * WIDTH as f64 - 0.5;
    let row = (x.hypot(z)).atan2(y) / PI * HEIGHT as f64 - 0.5;
    let mut sum = 0.0;
    for r in row.floor() as i64 - 1..=row.floor() as i64 + 2 {
        for c in column.floor() as i64 - 1..=column.floor() as i64 + 2 {
            sum += keys(row - r as f64) * keys(column - c as f64) * value(at(c, r));
        }
    }
    sum
}

fn check<S: Sample>(store: fn(u32) -> S, tolerance: f64) {
    let size = Size::new(WIDTH as u32, HEIGHT as u32).unwrap();
    let samples: Vec<S> = (0..WIDTH * HEIGHT).map(|i| store(noise(i))).collect();
    let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
    let panorama = Panorama::full(picture);
    for face in Face::ALL {
        let view = View::cube_face(face, FACE_PX.try_into().unwrap());
        let found = remap(&panorama, &view, &scene::bicubic()).unwrap();
        let ray = scene::cube_face(face.letter(), FACE_PX);
        for (index, found) in (0_u32..).zip(found.planes()[0].samples()) {
            let direction = ray(f64::from(index % FACE_PX) + 0.5, f64::from(index / FACE_PX) + 0.5);
            let expected = reference(direction, |i| f64::from(samples[i as usize].to_f32()));
            // Values beyond the interval of an integer are clamped, as the engine must.
            let expected = f64::from(S::from_f32(expected as f32).to_f32());
            let error = (f64::from(found.to_f32()) - expected).abs();
            assert!(error <= tolerance, "{error} at {index} of {face:?}");
        }
    }
}

#[test]
fn eight_bits_are_the_reference_within_one() {
    check(|hash| (hash >> 24) as u8, 1.0);
}

#[test]
fn sixteen_bits_are_the_reference_within_a_step_of_positions() {
    check(|hash| (hash >> 16) as u16, 65_535.0 * POSITION_STEP_ERROR + 1.0);
}

#[test]
fn floats_are_the_reference_within_a_step_of_positions() {
    check(|hash| (hash >> 8) as f32 / 16_777_216.0, POSITION_STEP_ERROR);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let size = Size::new(WIDTH as u32, HEIGHT as u32).unwrap();
    let samples: Vec<u8> = (0..WIDTH * HEIGHT).map(|i| (noise(i) >> 24) as u8).collect();
    let picture = Picture::from_interleaved(Channels::Gray, size, &samples).unwrap();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let view = View::cube_face(Face::Up, 700.try_into().unwrap());
            remap(&Panorama::full(picture.clone()), &view, &scene::bicubic()).unwrap()
        })
    };
    assert!(with_threads(1) == with_threads(3));
}

#[test]
fn what_is_transparent_does_not_bleed() {
    let size = Size::new(WIDTH as u32, HEIGHT as u32).unwrap();
    let samples: Vec<u8> = (0..WIDTH * HEIGHT)
        .flat_map(|i| if (i / 16) % 2 == 0 { [100, 255] } else { [(noise(i) >> 24) as u8, 0] })
        .collect();
    let picture = Picture::from_interleaved(Channels::GrayAlpha, size, &samples).unwrap();
    let view = View::cube_face(Face::Front, 300.try_into().unwrap());
    let found = remap(&Panorama::full(picture), &view, &scene::bicubic()).unwrap();
    let [colour, alpha] = [0, 1].map(|channel| found.planes()[channel].samples());
    assert!([0, 255].iter().all(|end| alpha.contains(end)));
    assert!(alpha.iter().any(|alpha| (1..255).contains(alpha)));
    for (colour, alpha) in colour.iter().zip(alpha) {
        assert!(*alpha == 0 || *colour == 100, "{colour} where alpha is {alpha}");
    }
}
