//! Neighbouring faces continue each other.

use std::collections::HashMap;
use std::f64::consts::TAU;

use panofleet_projection::{Face, View};
use panofleet_raster::{Panorama, Size, remap};

use crate::scene::{self, Direction};

const FACE_PX: u32 = 128;

/// Continues three values a half step beyond the first, by a parabola.
fn beyond(values: [Direction; 3]) -> Direction {
    let [near, next, far] = values;
    std::array::from_fn(|i| (15.0 * near[i] - 10.0 * next[i] + 3.0 * far[i]) / 8.0)
}

/// Each face's four borders, continued to the cube's edge: the point of the cube, and the value.
fn borders(letter: char, pixels: &[Direction]) -> Vec<([i64; 3], Direction)> {
    let ray = scene::cube_face(letter, FACE_PX);
    let last = FACE_PX - 1;
    let side = f64::from(FACE_PX);
    let mut borders = Vec::new();
    for along in 0..FACE_PX {
        let centre = f64::from(along) + 0.5;
        let inward = |pixel: fn(u32, u32, u32) -> (u32, u32)| {
            beyond([0, 1, 2].map(|depth| {
                let (x, y) = pixel(along, depth, last);
                pixels[(y * FACE_PX + x) as usize]
            }))
        };
        for ((x, y), value) in [
            ((0.0, centre), inward(|along, depth, _| (depth, along))),
            ((side, centre), inward(|along, depth, last| (last - depth, along))),
            ((centre, 0.0), inward(|along, depth, _| (along, depth))),
            ((centre, side), inward(|along, depth, last| (along, last - depth))),
        ] {
            let direction = ray(x, y);
            let largest = direction.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
            let point = direction.map(|value| (value / largest * 1e6).round() as i64);
            borders.push((point, value));
        }
    }
    borders
}

#[test]
fn faces_agree_along_their_shared_edges() {
    let width_px = 512;
    let size = Size::new(width_px, width_px / 2).unwrap();
    let source = scene::equirectangular(width_px, width_px / 2);
    let panorama = Panorama::full(scene::picture::<f32>(size, source));
    let mut edges: HashMap<[i64; 3], Vec<Direction>> = HashMap::new();
    for face in Face::ALL {
        let view = View::cube_face(face, FACE_PX.try_into().unwrap());
        let pixels = scene::directions(&remap(&panorama, &view, &scene::bicubic()).unwrap());
        for (point, value) in borders(face.letter(), &pixels) {
            edges.entry(point).or_default().push(value);
        }
    }
    assert_eq!(edges.len(), 12 * FACE_PX as usize);
    for (point, values) in edges {
        assert_eq!(values.len(), 2, "{point:?}");
        let apart_px = scene::distance(values[0], values[1]) * f64::from(width_px) / TAU;
        assert!(apart_px < 0.02, "{apart_px} px at {point:?}");
    }
}
