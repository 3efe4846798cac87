//! `pano.spin`: where each frame looks, by `ffmpeg`'s word, against the scene in closed form.

use std::path::Path;

use serde_json::{Value, json};

use crate::child::Run;
use crate::footage::{ffprobe, program};
use crate::looks::{self, Direction};
use crate::renders::{Source, colour, run_one, sphere};

const SIZE: (usize, usize) = (160, 90);

/// The frames of a film as RGB.
fn frames(film: &Path) -> Vec<Vec<u8>> {
    let mut command = program("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i"]).arg(film);
    let output = command.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks(SIZE.0 * SIZE.1 * 3).map(<[u8]>::to_vec).collect()
}

fn film(source: &Source, mut output: Value) -> Run {
    let fields = output.as_object_mut().unwrap();
    fields.insert("op".into(), "pano.spin".into());
    for (name, value) in
        [("width_px", 160), ("height_px", 91), ("frame_rate", 12), ("crf", 10), ("hfov_deg", 100)]
    {
        fields.entry(name).or_insert(value.into());
    }
    run_one(&source.path(), &output).done()
}

/// Mean distance of a frame from what a camera that looks there sees.
fn off(frame: &[u8], (yaw, pitch): (f64, f64)) -> f64 {
    let axes = looks::camera(yaw, pitch, 0.0);
    let flat = looks::rectilinear((SIZE.0 as f64, SIZE.1 as f64), 100.0);
    let mut sum = 0.0;
    for (index, found) in frame.chunks(3).enumerate() {
        let (x, y) = ((index % SIZE.0) as f64 + 0.5, (index / SIZE.0) as f64 + 0.5);
        let look: Direction = looks::in_world(&axes, flat(x, y).unwrap());
        sum += found.iter().zip(colour(look)).map(|(a, b)| (f64::from(*a) - b).abs()).sum::<f64>();
    }
    sum / frame.len() as f64
}

/// Once around, evenly: each frame is that of its own direction and of no other, and the one after the last would be the
/// first.
#[test]
fn it_turns_around_once_and_begins_where_it_ends() {
    let run = film(&sphere(), json!({ "yaw_deg": 30, "pitch_deg": 10, "duration_s": 2 }));
    let shown = frames(&run.path("out", "spin.mp4"));
    assert_eq!(shown.len(), 24);
    for (number, frame) in shown.iter().enumerate() {
        let yaw = |number: usize| 30.0 + 360.0 * number as f64 / 24.0;
        let own = off(frame, (yaw(number), 10.0));
        assert!(own < 3.0, "{number}: {own}");
        for other in [number + 1, number + 23] {
            let other = off(frame, (yaw(other), 10.0));
            assert!(other > 2.0 * own, "{number}: {own} {other}");
        }
    }
    let said = ffprobe(&run.path("out", "spin.mp4"));
    let stream = &said[0];
    for (field, expected) in [
        ("codec_name", json!("h264")),
        ("pix_fmt", json!("yuv420p")),
        ("color_space", json!("bt709")),
        ("color_range", json!("tv")),
        ("chroma_location", json!("left")),
        ("width", json!(160)),
        ("height", json!(90)),
        ("r_frame_rate", json!("12/1")),
    ] {
        assert_eq!(stream[field], expected, "{field}");
    }
    assert_eq!(said.len(), 1);
    let duration: f64 = stream["duration"].as_str().unwrap().parse().unwrap();
    assert!((duration - 2.0).abs() < 0.01, "{duration}");
    let (entry_points, _) = run.summary("out");
    assert_eq!(entry_points["spin"], "spin.mp4");
}

/// A part of a sphere is looked over from end to end, as a pendulum: never beyond.
#[test]
fn what_does_not_go_around_is_swung_over() {
    let whole = looks::equirectangular((1024.0, 512.0));
    // 160° around 40° to the right, without the poles.
    let left = 512.0 + (40.0 - 80.0) / 360.0 * 1024.0;
    let source = Source::paint((455, 400), |x, y| whole(x + left, y + 56.0));
    let gpano = json!({ "haov_deg": 159.961, "vaov_deg": 140.625, "yaw_deg": 0, "duration_s": 2 });
    let run = film(&source, gpano);
    // The middle of what is shown is the middle of the picture: nobody said where it lies.
    for (number, frame) in frames(&run.path("out", "spin.mp4")).iter().enumerate() {
        let swing = 29.98 * (std::f64::consts::TAU * number as f64 / 24.0).sin();
        let own = off(frame, (40.0 + swing, 0.0));
        assert!(own < 3.0, "{number}: {own}");
    }
    let narrow = json!({ "op": "pano.spin", "haov_deg": 60, "vaov_deg": 52.75 });
    let refused = run_one(&source.path(), &narrow);
    assert_eq!(refused.failure().code, "nothing_to_turn_to");
}

/// Both eyes, each for itself; and a cube map, over the edges of its faces.
#[test]
fn eyes_and_cube_maps_are_turned_in_too() {
    let sphere = looks::equirectangular((512.0, 256.0));
    let back = looks::camera(180.0, 0.0, 0.0);
    let source = Source::paint((512, 512), |x, y| {
        if y < 256.0 {
            sphere(x, y)
        } else {
            sphere(x, y - 256.0).map(|look| looks::in_world(&back, look))
        }
    });
    let run = film(&source, json!({ "eye": "both", "duration_s": 1 }));
    for (file, yaw) in [("left/spin.mp4", 0.0), ("right/spin.mp4", 180.0)] {
        let shown = frames(&run.path("out", file));
        assert_eq!(shown.len(), 12);
        assert!(off(&shown[5], (yaw + 150.0, 0.0)) < 3.0);
    }
    let cube = looks::cube(&["rlu", "dfb"], 150.0, 0.0, false);
    let source = Source::paint((450, 300), cube);
    let run =
        film(&source, json!({ "projection": "cubemap-3x2", "pitch_deg": 40, "duration_s": 1 }));
    for (number, frame) in frames(&run.path("out", "spin.mp4")).iter().enumerate() {
        assert!(off(frame, (30.0 * number as f64, 40.0)) < 3.0, "{number}");
    }
}
