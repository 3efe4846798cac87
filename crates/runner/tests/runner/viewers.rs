//! What viewers show of tiles, in a real browser, beside our own rendering of the source.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use panofleet_media::{decode, pixels};
use panofleet_projection::{Orientation, Rectilinear, View};
use panofleet_raster::{Edges, Panorama, Picture, Rect, Sampling, Size, remap};
use serde_json::{Value, json};

use crate::child::{Run, run};
use crate::tiles::large_source;

const WIDTH_PX: u32 = 600;
const HEIGHT_PX: u32 = 400;
/// Tiles are JPEG and the browser filters on its own: further away than this is another view.
const RMS_MAX: f64 = 6.0;

/// Takes pictures of a run's tiles in a viewer, into `folder`.
#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
fn open(viewer: &str, run: &Run, folder: &Path, views: &Value) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser/open.mjs");
    let mut node = Command::new("node")
        .args([script, viewer])
        .arg(run.path("tiles", ""))
        .args([WIDTH_PX.to_string(), HEIGHT_PX.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there; ./dev test brings it and the browser");
    node.stdin.take().unwrap().write_all(views.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("it said: {said}"));
    assert!(output.status.success(), "{viewer}: {report}");
    assert_eq!(report, json!({ "errors": [] }), "{viewer}");
}

fn samples(picture: &Picture<u8>) -> Vec<u8> {
    pixels::interleaved(picture, Rect::whole(picture.size())).unwrap()
}

/// Root of the mean squared difference of samples.
fn rms(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: f64 = one.iter().zip(other).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    (sum / one.len() as f64).sqrt()
}

/// The screenshot is what is expected, and its mirror image is not.
fn check(folder: &Path, name: &str, expected: &Picture<u8>) {
    let shown = decode(&folder.join(format!("{name}.png"))).unwrap().picture;
    assert_eq!(shown.size(), expected.size());
    let opaque = Picture::from_planes(shown.into_planes().into_iter().take(3).collect()).unwrap();
    let difference = rms(&samples(&opaque), &samples(expected));
    if difference >= RMS_MAX {
        let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        std::fs::copy(folder.join(format!("{name}.png")), &kept).unwrap();
        panic!("{name} differs by {difference:.2} (limit {RMS_MAX}); see {}", kept.display());
    }
    let mut mirrored = samples(expected);
    for row in mirrored.chunks_mut(3 * WIDTH_PX as usize) {
        let pixels: Vec<[u8; 3]> = row.as_chunks().0.to_vec();
        row.copy_from_slice(pixels.iter().rev().flatten().copied().collect::<Vec<_>>().as_slice());
    }
    let mirrored = rms(&samples(&opaque), &mirrored);
    assert!(mirrored > 2.0 * RMS_MAX, "{name}: its mirror image differs by {mirrored:.2} only");
}

/// Never at a right angle to a tile's corner, which lies at infinity then: browsers' software renderers drop the tile.
/// Straight on, over the seam, a side face, both poles, a corner of the cube, and closer than a tile.
#[test]
fn marzipano_shows_what_the_source_shows() {
    const VIEWS: [(&str, f64, f64, f64); 7] = [
        ("front", 0.0, 0.0, 90.0),
        ("seam", 180.0, 8.0, 80.0),
        ("right", 80.0, -12.0, 90.0),
        ("zenith", 20.0, 80.0, 90.0),
        ("nadir", -30.0, -80.0, 90.0),
        ("corner", 45.0, 35.0, 70.0),
        ("close", -100.0, 5.0, 30.0),
    ];
    let folder = tempfile::tempdir().unwrap();
    let source = large_source(folder.path());
    let run = run(&source, r#"{"tiles": {"op": "pano.tiles", "quality": 95}}"#).done();
    let views: Vec<Value> = VIEWS
        .iter()
        .map(|(name, yaw, pitch, hfov)| json!({ "name": name, "yaw": yaw, "pitch": pitch, "hfov": hfov }))
        .collect();
    open("marzipano", &run, folder.path(), &json!(views));
    let panorama = Panorama::full(decode(&source).unwrap().picture);
    for (name, yaw, pitch, hfov) in VIEWS {
        let size = Size::new(WIDTH_PX, HEIGHT_PX).unwrap();
        let lens = Rectilinear::new(size, hfov.to_radians()).unwrap();
        let view = View::new(lens, Orientation::from_degrees(yaw, pitch, 0.0).unwrap());
        check(folder.path(), name, &remap(&panorama, &view, &Sampling::default()).unwrap());
    }
}

/// Deep Zoom in `OpenSeadragon`: a coarse level, a middle one, and the picture's own pixels at a corner.
#[test]
fn openseadragon_shows_the_picture() {
    flat_picture_is_shown(
        "deepzoom",
        r#"{"tiles": {"op": "pano.tiles", "layout": "dzi", "quality": 95}}"#,
    );
}

/// An image service in the same viewer, which asks for each tile by its canonical URI.
#[test]
fn openseadragon_shows_an_image_service() {
    let outputs = r#"{"tiles": {"op": "pano.tiles", "layout": "iiif", "quality": 95,
        "base_url": "https://tiles.example/reef/"}}"#;
    flat_picture_is_shown("iiif", outputs);
}

fn flat_picture_is_shown(viewer: &str, outputs: &str) {
    const VIEWS: [(&str, f64, f64, f64); 3] =
        [("half", 0.25, 0.05, 0.6), ("part", 0.3, 0.1, 0.25), ("close", 0.8, 0.35, 0.125)];
    let folder = tempfile::tempdir().unwrap();
    let source = large_source(folder.path());
    let run = run(&source, outputs).done();
    let views: Vec<Value> = VIEWS
        .iter()
        .map(|(name, x, y, width)| json!({ "name": name, "x": x, "y": y, "width": width }))
        .collect();
    open(viewer, &run, folder.path(), &json!(views));
    let picture = decode(&source).unwrap().picture;
    let width_px = f64::from(picture.size().width_px());
    for (name, x, y, width) in VIEWS {
        let place = |share: f64| (share * width_px).round() as u32;
        let shape = f64::from(HEIGHT_PX) / f64::from(WIDTH_PX);
        let size = Size::new(place(width), place(width * shape)).unwrap();
        let part = Rect { left_px: place(x), top_px: place(y), size };
        let part = pixels::part(&picture, part).unwrap();
        let shown = Size::new(WIDTH_PX, HEIGHT_PX).unwrap();
        check(folder.path(), name, &pixels::scale(&part, shown, Edges::Clamp).unwrap());
    }
}
