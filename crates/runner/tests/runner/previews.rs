//! What viewers show before tiles are there, against the scene in closed form.

use panofleet_raster::Size;
use serde_json::json;

use crate::child::run;
use crate::looks::{self, Direction};
use crate::renders::Source;

const DIGITS: &str =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

/// The harmonics of degrees 0 to 2 in Cartesian form, each with mean square 1, where longitude is counted from straight
/// behind: their place in the hash, and their value.
fn harmonics([right, y, forward]: Direction) -> [(usize, f64); 9] {
    let (x, z) = (-forward, -right);
    let (three, five, fifteen) = (3_f64.sqrt(), 5_f64.sqrt(), 15_f64.sqrt());
    [
        (0, 1.0),
        (1, three * y),
        (2, three * x),
        (21, three * z),
        (3, five / 2.0 * (3.0 * y * y - 1.0)),
        (4, fifteen * x * y),
        (5, fifteen / 2.0 * (x * x - z * z)),
        (22, fifteen * z * y),
        (23, fifteen * x * z),
    ]
}

fn unit([x, y, z]: Direction) -> Direction {
    let length = (x * x + y * y + z * z).sqrt();
    [x / length, y / length, z / length]
}

/// Of degree 2 at most, so that a hash of degree 5 holds all of it.
fn colour(towards: Direction) -> [f64; 3] {
    let [x, y, z] = unit(towards);
    [
        120.0 + 70.0 * x + 40.0 * y * z,
        120.0 + 70.0 * y + 40.0 * x * z,
        120.0 + 70.0 * z + 40.0 * x * y,
    ]
}

/// The number that a place of the hash stands for: Pannellum's `shtDecodeFloat`.
fn decoded(steps: f64, number: f64) -> f64 {
    let share = (number - steps) / steps;
    share * share.abs()
}

#[test]
fn a_hash_and_a_thumbnail_show_the_sphere() {
    let sphere = looks::equirectangular((512.0, 256.0));
    let source = Source::of((512, 256), |x, y| colour(sphere(x, y).unwrap()));
    for format in ["png", "jpeg"] {
        let output = json!({ "tiles": { "op": "pano.tiles", "format": format } });
        let run = run(&source.path(), &output.to_string()).done();
        let config = run.json("tiles", "config.json");
        let hash = config["multiRes"]["shtHash"].as_str().unwrap();
        let digit = |at: usize| DIGITS.find(hash.as_bytes()[at] as char).unwrap();
        assert_eq!((hash.len(), digit(0)), (74, 5));
        let largest = (decoded(41.0, digit(1) as f64) + 1.0) * 255.0 / 2.0;
        let coefficients: Vec<[f64; 3]> = (0..36)
            .map(|place| {
                let number = digit(2 + 2 * place) * 83 + digit(3 + 2 * place);
                [number / 361, number / 19 % 19, number % 19]
                    .map(|part| decoded(9.0, part as f64) * largest)
            })
            .collect();
        let look = |x: u32, y: u32| {
            unit(
                looks::equirectangular((24.0, 12.0))(f64::from(x) + 0.5, f64::from(y) + 0.5)
                    .unwrap(),
            )
        };
        for (x, y) in (0..12).flat_map(|y| (0..24).map(move |x| (x, y))) {
            let expected = colour(look(x, y));
            for channel in 0..3 {
                let shown: f64 = harmonics(look(x, y))
                    .iter()
                    .map(|(place, value)| coefficients[*place][channel] * value)
                    .sum();
                // Coefficients are told in steps, the coarsest of which is a ninth of the mean.
                assert!(
                    (shown - expected[channel]).abs() < 16.0,
                    "{format} {x} {y}: {shown} {expected:?}"
                );
            }
        }
        // What the scene does not have is nothing.
        assert!(
            [9, 14, 20, 30, 35].iter().all(|place| coefficients[*place] == [0.0; 3]),
            "{coefficients:?}"
        );
        check_thumbnail(config["multiRes"]["equirectangularThumbnail"].as_str().unwrap());
    }
}

fn check_thumbnail(uri: &str) {
    let body = unbase64(uri.strip_prefix("data:image/jpeg;base64,").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thumbnail.jpg");
    std::fs::write(&path, body).unwrap();
    let shown = panofleet_media::decode(&path).unwrap().picture;
    assert_eq!(shown.size(), Size::new(64, 32).unwrap());
    let sphere = looks::equirectangular((64.0, 32.0));
    for (x, y) in (0..32).flat_map(|y| (0..64).map(move |x| (x, y))) {
        let expected = colour(sphere(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap());
        let found = crate::renders::pixel(&shown, x, y);
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 20.0, "{x} {y}: {found:?} {expected:?}");
    }
}

/// RFC 4648.
fn unbase64(text: &str) -> Vec<u8> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').chars() {
        bits = (bits << 6 | LETTERS.find(letter).unwrap() as u32) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A tile is said to be missing only if its file shows nothing but background, and it is not below another one.
#[test]
fn tiles_that_are_missing_show_nothing() {
    let source = Source::of((800, 200), |_, _| [200.0, 100.0, 50.0]);
    let output = json!({ "tiles": { "op": "pano.tiles", "format": "png", "background": "#00ff00", "haov_deg": 90,
        "vaov_deg": 22.5, "center_pitch_deg": 20 } });
    let run = run(&source.path(), &output.to_string()).done();
    let config = run.json("tiles", "config.json");
    let multi = &config["multiRes"];
    assert_eq!((multi.get("shtHash"), multi.get("equirectangularThumbnail")), (None, None));
    let mut count = 0;
    for face in multi["missingTiles"].as_str().unwrap().split('!').skip(1) {
        let (letter, levels) = face.split_at(1);
        for level in levels.split('>').skip(1) {
            let (number, tiles) = level.split_at(1);
            let tiles: Vec<usize> = if tiles.is_empty() {
                vec![0, 0]
            } else {
                tiles.chars().map(|digit| DIGITS.find(digit).unwrap()).collect()
            };
            for tile in tiles.chunks(2) {
                let path = format!("{number}/{letter}{}_{}.png", tile[1], tile[0]);
                let shown = panofleet_media::decode(&run.path("tiles", &path)).unwrap().picture;
                let background =
                    shown.planes().iter().zip([0, 255, 0]).all(|(plane, value)| {
                        plane.samples().iter().all(|sample| *sample == value)
                    });
                assert!(background, "{path}");
                count += 1;
            }
        }
    }
    // Four whole faces at least, and the lower half of the front.
    assert!(count >= 6, "{multi}");
}
