//! What is turned by nothing is not touched, and what is turned there and back comes back.

use panofleet_media::decode;
use serde_json::json;

use crate::looks;
use crate::renders::{Source, colour, made, run_one, sphere};

/// Neighbours that differ as much as they can.
fn noise(size: (u32, u32)) -> Source {
    let hash = |i: u32| i.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(40_503) >> 24;
    Source::of(size, |x, y| {
        let place = y as u32 * 4096 + x as u32;
        [0, 1, 2].map(|channel| f64::from(hash(3 * place + channel)))
    })
}

#[test]
fn the_same_projection_and_size_are_the_same_pixels() {
    for (size, fields) in [
        ((512, 256), json!({})),
        ((511, 256), json!({ "width_px": 511, "height_px": 256 })),
        (
            (512, 256),
            json!({ "to": "equirectangular", "yaw_deg": 0.0, "pitch_deg": -0.0, "pose": "level" }),
        ),
        ((300, 200), json!({ "projection": "cubemap-3x2", "to": "cubemap-3x2" })),
        ((90, 540), json!({ "to": "cubemap-1x6" })),
        ((300, 200), json!({ "projection": "eac", "to": "eac" })),
        (
            (200, 200),
            json!({ "projection": "fisheye", "to": "fisheye", "haov_deg": 180, "fov_deg": 180 }),
        ),
        (
            (200, 100),
            json!({ "projection": "mercator", "to": "mercator", "width_px": 200, "height_px": 100 }),
        ),
    ] {
        let source = noise(size);
        let found = made(&source.path(), "pano.convert", fields.clone(), "panorama.png");
        let expected = decode(&source.path()).unwrap().picture;
        assert!(found == expected, "{fields}: {:?}", found.size());
    }
    let source = noise((512, 256));
    let output = json!({ "pose_pitch_deg": 0, "pose_roll_deg": 0 });
    let found = made(&source.path(), "pano.level", output, "panorama.png");
    assert!(found == decode(&source.path()).unwrap().picture);
}

/// A quarter turn of an equirectangular picture is whole columns.
#[test]
fn a_turn_of_whole_columns_moves_them() {
    let source = noise((512, 256));
    let found = made(&source.path(), "pano.convert", json!({ "yaw_deg": 90 }), "panorama.png");
    let expected = decode(&source.path()).unwrap().picture;
    for (found, expected) in found.planes().iter().zip(expected.planes()) {
        for y in 0..256 {
            let moved: Vec<u8> = (0..512).map(|x| expected.row(y)[(x + 128) % 512]).collect();
            assert_eq!(found.row(y), moved, "row {y}");
        }
    }
}

#[test]
fn there_and_back_is_where_it_was() {
    let source = sphere();
    let there = json!({ "op": "pano.convert", "to": "cubemap-3x2", "padding_px": 0, "format": "png", "pitch_deg": 30 });
    let run = run_one(&source.path(), &there).done();
    // Turned back: what was 30° up is ahead, so 30° down is where it was.
    let back = json!({ "projection": "cubemap-3x2", "pitch_deg": -30, "width_px": 512 });
    let found = made(&run.path("out", "panorama.png"), "pano.convert", back, "panorama.png");
    let sphere = looks::equirectangular((512.0, 256.0));
    for (x, y) in [(10, 100), (256, 128), (400, 60), (300, 200), (128, 128)] {
        let expected = colour(sphere(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap());
        let found = crate::renders::pixel(&found, x, y);
        assert!(
            found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 3.0),
            "{x} {y}: {found:?} {expected:?}"
        );
    }
}
