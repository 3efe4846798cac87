//! Pictures of 16 bits: nothing on the way has fewer.

use panofleet_job_schema::runner_protocol::Frame;
use panofleet_media::decode_deep;
use panofleet_raster::Picture;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::Run;
use crate::looks::{self, Direction};
use crate::renders::{colour, run_one};
use crate::scene;

/// The scene in 16 bits: 65,535 where 8 bits have 255.
fn deep(towards: Direction) -> [f64; 3] {
    colour(towards).map(|value| value * 257.0)
}

/// A PNG of 16 bits in a folder that lives as long as it.
fn source((width, height): (u32, u32)) -> (TempDir, std::path::PathBuf) {
    let look = looks::equirectangular((f64::from(width), f64::from(height)));
    let picture =
        image::ImageBuffer::<image::Rgb<u16>, Vec<u16>>::from_fn(width, height, |x, y| {
            let towards = look(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap();
            image::Rgb(deep(towards).map(|value| value.round() as u16))
        });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("source.png");
    picture.save(&path).unwrap();
    (folder, path)
}

fn picture(run: &Run, file: &str) -> Picture<u16> {
    decode_deep(&run.path("out", file)).unwrap().picture
}

/// Every pixel is the scene's, to a hundredth of a step of 8 bits in the mean and a quarter of one at most.
fn check(found: &Picture<u16>, look: impl Fn(f64, f64) -> Option<Direction>) {
    let (width, height) = (found.size().width_px(), found.size().height_px());
    let (mut sum, mut count) = (0.0, 0.0);
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let expected = deep(look(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap());
        for (plane, expected) in found.planes().iter().zip(expected) {
            let off = (f64::from(plane.row(y as usize)[x as usize]) - expected).abs();
            assert!(off < 64.0, "{x} {y}: {off}");
            sum += off;
            count += 1.0;
        }
    }
    assert!(sum / count < 2.57, "{}", sum / count);
}

#[test]
fn what_is_turned_has_sixteen_bits() {
    let (_folder, path) = source((1024, 512));
    let axes = looks::camera(-150.0, 25.0, 30.0);
    let sphere = looks::equirectangular((600.0, 300.0));
    for (format, file) in [("png", "panorama.png"), ("tiff", "panorama.tif")] {
        let output = json!({ "op": "pano.convert", "format": format, "depth_bits": 16, "width_px": 600,
            "yaw_deg": -150, "pitch_deg": 25, "roll_deg": 30 });
        let run = run_one(&path, &output).done();
        let found = picture(&run, file);
        check(&found, |x, y| sphere(x, y).map(|look| looks::in_world(&axes, look)));
        let media = panofleet_media::probe(&run.path("out", file)).unwrap();
        assert_eq!(media.picture.unwrap().bits_per_sample, 16);
    }
}

#[test]
fn what_is_not_turned_is_the_same_bit_by_bit() {
    let (_folder, path) = source((400, 200));
    let output = json!({ "op": "pano.convert", "format": "png", "depth_bits": 16 });
    let run = run_one(&path, &output).done();
    assert_eq!(picture(&run, "panorama.png"), decode_deep(&path).unwrap().picture);
}

/// Faces, beside an output of 8 bits of the same job; and from a cube map, whose faces get borders first.
#[test]
fn faces_have_sixteen_bits() {
    let (_folder, path) = source((1024, 512));
    let cubemap = |layout: &str| -> Value {
        json!({ "op": "pano.cubemap", "layout": layout, "format": "png", "depth_bits": 16, "face_px": 150 })
    };
    let outputs =
        json!({ "out": cubemap("files"), "eight": { "op": "pano.view", "format": "png" } });
    let run = crate::child::run(&path, &outputs.to_string()).done();
    for letter in "frblud".chars() {
        let place = |at: f64| 2.0 * at / 150.0 - 1.0;
        check(&picture(&run, &format!("{letter}.png")), |x, y| {
            Some(scene::face_direction(letter, place(x), -place(y)))
        });
    }
    let eight = panofleet_media::probe(&run.path("eight", "view.png")).unwrap();
    assert_eq!(eight.picture.unwrap().bits_per_sample, 8);
    let run = run_one(&path, &cubemap("3x2")).done();
    let output = json!({ "op": "pano.convert", "projection": "cubemap-3x2", "format": "png", "depth_bits": 16, "width_px": 256 });
    let run = run_one(&run.path("out", "cubemap.png"), &output).done();
    let found = picture(&run, "panorama.png");
    // Some of the scene's steps are between those of 8 bits.
    let fine = found.planes()[0]
        .samples()
        .iter()
        .filter(|value| *value % 257 > 32 && *value % 257 < 225)
        .count();
    assert!(fine > 256 * 128 / 2, "{fine}");
}

/// Two outputs of one job, the second of them in the source's own colours: neither takes the pixels from the other.
#[test]
fn the_source_is_decoded_once_for_all() {
    let (_folder, path) = source((400, 200));
    let copy =
        |icc: &str| json!({ "op": "pano.convert", "format": "png", "depth_bits": 16, "icc": icc });
    let outputs = json!({ "a": copy("srgb"), "b": copy("keep"), "c": copy("srgb") });
    let run = crate::child::run(&path, &outputs.to_string()).done();
    for output in ["a", "b", "c"] {
        let found = decode_deep(&run.path(output, "panorama.png")).unwrap().picture;
        assert_eq!(found, decode_deep(&path).unwrap().picture, "{output}");
    }
    let Some(Frame::Done { steps }) = run.frames.last() else { panic!("no last frame") };
    assert_eq!(steps.iter().filter(|step| step.step == "decode").count(), 1, "{steps:?}");
}

#[test]
fn a_format_of_eight_bits_is_refused() {
    let (_folder, path) = source((64, 32));
    let refused = run_one(&path, &json!({ "op": "pano.convert", "depth_bits": 16 }));
    assert_eq!(refused.failure().code, "depth_unsupported");
}
