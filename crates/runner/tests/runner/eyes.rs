//! Stereo pictures: each eye on its own, and both again.

use panofleet_raster::Picture;
use serde_json::{Value, json};

use crate::looks;
use crate::renders::{Source, check, colour, made, picture, pixel, run_one};

/// The left eye sees the scene, the right eye one colour that no direction has.
const RIGHT: [f64; 3] = [250.0, 5.0, 250.0];

/// Eyes of the shape that a 2:1 eye is squeezed to in a picture of one side.
fn stereo((width, height): (u32, u32), top_bottom: bool) -> Source {
    let (eye_width, eye_height) =
        if top_bottom { (width, height / 2) } else { (width / 2, height) };
    let sphere = looks::equirectangular((eye_width.into(), eye_height.into()));
    Source::of((width, height), |x, y| {
        let second =
            if top_bottom { y >= f64::from(eye_height) } else { x >= f64::from(eye_width) };
        if second { RIGHT } else { sphere(x, y).map_or(RIGHT, colour) }
    })
}

fn is_right(picture: &Picture<u8>) -> bool {
    picture
        .planes()
        .iter()
        .zip(RIGHT)
        .all(|(plane, value)| plane.samples().iter().all(|v| f64::from(*v) == value))
}

/// The lower pole of the upper eye and the seam of the left one lie on the divider: nothing of the other eye comes in,
/// and a squeezed eye is the whole sphere.
#[test]
fn no_filter_reaches_over_the_divider() {
    for (size, stereo_word, top_bottom) in [
        ((512, 512), "auto", true),
        ((512, 256), "top-bottom", true),
        ((1024, 256), "auto", false),
        ((512, 256), "left-right", false),
    ] {
        let source = stereo(size, top_bottom);
        for (yaw, pitch) in [(0.0, -90.0), (180.0, 0.0), (0.0, 90.0)] {
            let view = |eye: &str| {
                json!({ "stereo": stereo_word, "eye": eye, "yaw_deg": yaw, "pitch_deg": pitch, "width_px": 200,
                    "height_px": 200 })
            };
            let left = made(&source.path(), "pano.view", view("left"), "view.png");
            let (axes, flat) =
                (looks::camera(yaw, pitch, 0.0), looks::rectilinear((200.0, 200.0), 90.0));
            check(&left, |x, y| flat(x, y).map(|look| looks::in_world(&axes, look)));
            let right = made(&source.path(), "pano.view", view("right"), "view.png");
            assert!(is_right(&right), "{size:?} {stereo_word} {yaw} {pitch}");
        }
    }
}

#[test]
fn half_a_sphere_for_each_eye() {
    let half = looks::half_equirectangular((256.0, 256.0));
    let source =
        Source::of(
            (512, 256),
            |x, y| if x < 256.0 { half(x, y).map_or(RIGHT, colour) } else { RIGHT },
        );
    let view = json!({ "projection": "half-equirectangular", "hfov_deg": 120, "width_px": 200, "height_px": 200 });
    let left = made(&source.path(), "pano.view", view, "view.png");
    check(&left, looks::rectilinear((200.0, 200.0), 120.0));
}

#[test]
fn both_eyes_are_written_apart_or_together() {
    let source = stereo((512, 512), true);
    let run = |join: &str, op: &str| -> crate::child::Run {
        let output = json!({ "op": op, "eye": "both", "join": join, "format": "png" });
        run_one(&source.path(), &output).done()
    };
    let apart = run("separate", "pano.convert");
    assert_eq!(
        apart.files("out"),
        ["left/panorama.png", "right/panorama.png"].map(str::to_owned).into()
    );
    let (entry_points, warnings) = apart.summary("out");
    assert_eq!(entry_points["panorama"], "left/panorama.png");
    assert_eq!(entry_points["panorama_right"], "right/panorama.png");
    assert!(warnings[0].contains("top-bottom"), "{warnings:?}");
    let left = picture(&apart, "left/panorama.png");
    assert!(is_right(&picture(&apart, "right/panorama.png")));

    for (join, size, second) in
        [("top-bottom", (512, 512), (0, 256)), ("left-right", (1024, 256), (512, 0))]
    {
        let together = picture(&run(join, "pano.convert"), "panorama.png");
        assert_eq!((together.size().width_px(), together.size().height_px()), size);
        for (x, y) in [(0, 0), (511, 255), (100, 30)] {
            assert_eq!(pixel(&together, x, y), pixel(&left, x, y), "{join}");
            assert_eq!(pixel(&together, second.0 + x, second.1 + y), RIGHT, "{join}");
        }
    }
    let faces = run("left-right", "pano.cubemap");
    assert_eq!(faces.files("out").len(), 6);
    let down = picture(&faces, "d.png");
    assert_eq!(down.size().width_px(), 2 * down.size().height_px());
    let middle = down.size().height_px();
    assert_eq!(pixel(&down, middle, middle / 2), RIGHT);
    let gpano = |run: &crate::child::Run, file: &str| -> Value {
        serde_json::to_value(panofleet_media::probe(&run.path("out", file)).unwrap().gpano).unwrap()
    };
    // GPano has no words for two eyes in one picture.
    assert_eq!(gpano(&run("top-bottom", "pano.convert"), "panorama.png"), Value::Null);
    assert_eq!(gpano(&apart, "right/panorama.png")["full_width_px"], 512);
}
