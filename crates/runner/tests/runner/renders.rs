//! Views, planets, cube maps and other projections, against the scene in closed form.

use std::path::{Path, PathBuf};

use panofleet_media::decode;
use panofleet_raster::Picture;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::{Run, run};
use crate::looks::{self, Direction};
use crate::scene;

/// What a sample may be off by: rounding in the source and in the result, and what a kernel does to the scene.
const BOUND: f64 = 2.0;

const BACKGROUND: &str = "#336699";

/// A picture of the scene in a folder that lives as long as it.
pub(crate) struct Source {
    folder: TempDir,
    name: String,
}

impl Source {
    /// Paints the scene as its pixels look; gray where they look nowhere.
    pub(crate) fn paint(size: (u32, u32), look: impl Fn(f64, f64) -> Option<Direction>) -> Self {
        Self::of(size, |x, y| look(x, y).map_or([128.0; 3], colour))
    }

    /// Paints any picture.
    pub(crate) fn of((width, height): (u32, u32), colour: impl Fn(f64, f64) -> [f64; 3]) -> Self {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            let colour = colour(f64::from(x) + 0.5, f64::from(y) + 0.5);
            image::Rgb(colour.map(|value| value.round() as u8))
        });
        let folder = tempfile::tempdir().unwrap();
        picture.save(folder.path().join("source.png")).unwrap();
        Self { folder, name: "source.png".into() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }
}

/// The whole sphere, 1024×512.
pub(crate) fn sphere() -> Source {
    Source::paint((1024, 512), looks::equirectangular((1024.0, 512.0)))
}

/// Runs one output, named `out`.
pub(crate) fn run_one(source: &Path, output: &Value) -> Run {
    run(source, &json!({ "out": output }).to_string())
}

/// Runs an operation without loss on a background, and gives its picture.
pub(crate) fn made(source: &Path, op: &str, mut output: Value, file: &str) -> Picture<u8> {
    let fields = output.as_object_mut().unwrap();
    fields.insert("op".into(), op.into());
    fields.insert("format".into(), "png".into());
    fields.insert("background".into(), BACKGROUND.into());
    picture(&run_one(source, &output).done(), file)
}

pub(crate) fn picture(run: &Run, file: &str) -> Picture<u8> {
    decode(&run.path("out", file)).unwrap().picture
}

pub(crate) fn pixel(picture: &Picture<u8>, x: u32, y: u32) -> [f64; 3] {
    let width = picture.size().width_px();
    std::array::from_fn(|channel| {
        f64::from(picture.planes()[channel].samples()[(y * width + x) as usize])
    })
}

/// The colour of every direction: no two are alike, so that what is mirrored, turned or moved shows. Smooth, so that
/// every pixel can be asked.
pub(crate) fn colour(towards: Direction) -> [f64; 3] {
    let length = towards.iter().map(|v| v * v).sum::<f64>().sqrt();
    let [x, y, z] = towards.map(|v| v / length);
    [
        125.0 + 90.0 * x + 15.0 * (3.0 * y).sin(),
        125.0 + 90.0 * y + 15.0 * (3.0 * z).sin(),
        125.0 + 90.0 * z + 15.0 * (3.0 * x).sin(),
    ]
}

/// Checks pixels all over a picture, its borders among them. Where `look` says nothing there must be background;
/// within three pixels of the border between both nothing is asked.
#[track_caller]
pub(crate) fn check(found: &Picture<u8>, look: impl Fn(f64, f64) -> Option<Direction>) {
    check_where(found, &look, |x, y| {
        let shown = look(x, y).is_some();
        let around = [-3.0, 0.0, 3.0].map(|dy| [-3.0, 0.0, 3.0].map(|dx| look(x + dx, y + dy)));
        around.iter().flatten().all(|there| there.is_some() == shown)
    });
}

/// The same where `asked` says so.
#[track_caller]
pub(crate) fn check_where(
    found: &Picture<u8>,
    look: impl Fn(f64, f64) -> Option<Direction>,
    asked: impl Fn(f64, f64) -> bool,
) {
    let (width, height) = (found.size().width_px(), found.size().height_px());
    let steps = |side: u32| (0..side).step_by(side.div_ceil(97) as usize).chain([side - 1]);
    let (mut count, mut all) = (0, 0);
    for (x, y) in steps(height).flat_map(|y| steps(width).map(move |x| (x, y))) {
        all += 1;
        let at = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        if !asked(at.0, at.1) {
            continue;
        }
        count += 1;
        let expected = look(at.0, at.1).map_or([51.0, 102.0, 153.0], colour);
        let found = pixel(found, x, y);
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off <= BOUND, "at {x}, {y} of {width}×{height}: {found:?} for {expected:?}");
    }
    assert!(count > all / 2, "{count} of {all}");
}

/// Ahead, on the seam, at both poles, beside one, leaning.
const TURNS: [(f64, f64, f64); 7] = [
    (0.0, 0.0, 0.0),
    (180.0, 0.0, 0.0),
    (-90.0, 20.0, 0.0),
    (30.0, 90.0, 0.0),
    (-120.0, -89.0, 45.0),
    (60.0, -35.0, 160.0),
    (10.0, 120.0, -70.0),
];

#[test]
fn views_look_where_they_are_turned() {
    let source = sphere();
    for (yaw, pitch, roll) in TURNS {
        let output = json!({ "yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": roll, "hfov_deg": 100,
            "width_px": 400, "height_px": 300 });
        let found = made(&source.path(), "pano.view", output, "view.png");
        let (axes, flat) =
            (looks::camera(yaw, pitch, roll), looks::rectilinear((400.0, 300.0), 100.0));
        check(&found, |x, y| flat(x, y).map(|look| looks::in_world(&axes, look)));
    }
}

#[test]
fn a_little_planet_looks_down_and_its_top_is_ahead() {
    let source = sphere();
    for (fields, (yaw, pitch, roll)) in [
        (json!({}), (0.0, -90.0, 0.0)),
        (json!({ "yaw_deg": 90, "roll_deg": 20 }), (90.0, -90.0, 20.0)),
        (json!({ "pitch_deg": 90 }), (0.0, 90.0, 0.0)),
    ] {
        let mut output = json!({ "width_px": 500, "height_px": 400 });
        output.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let found = made(&source.path(), "pano.little_planet", output, "planet.png");
        let (axes, ball) =
            (looks::camera(yaw, pitch, roll), looks::stereographic((500.0, 400.0), 250.0));
        check(&found, |x, y| ball(x, y).map(|look| looks::in_world(&axes, look)));
    }
    // By the words of the documentation: ahead is above the middle, the right is right of it.
    let found = made(
        &source.path(),
        "pano.little_planet",
        json!({ "width_px": 500, "height_px": 500 }),
        "planet.png",
    );
    let horizon =
        250.0 / (250.0_f64 / 4.0).to_radians().tan() * (90.0_f64 / 2.0).to_radians().tan();
    for (x, y, towards) in [
        (250.0, 250.0 - horizon, [0.0, 0.0, 1.0]),
        (250.0 + horizon, 250.0, [1.0, 0.0, 0.0]),
        (250.0, 250.0, [0.0, -1.0, 0.0]),
    ] {
        let (found, expected) = (pixel(&found, x as u32, y as u32), colour(towards));
        assert!(
            found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 4.0),
            "{found:?} {expected:?}"
        );
    }
}

#[test]
fn cube_faces_are_those_that_viewers_expect() {
    let source = sphere();
    for padding in [0, 10] {
        let output =
            json!({ "op": "pano.cubemap", "face_px": 150, "padding_px": padding, "format": "png" });
        let run = run_one(&source.path(), &output).done();
        assert_eq!(
            run.files("out"),
            ["b", "d", "f", "l", "r", "u"].map(|face| format!("{face}.png")).into()
        );
        for face in ["f", "r", "b", "l", "u", "d"] {
            let found = picture(&run, &format!("{face}.png"));
            let letter = face.chars().next().unwrap();
            let padding = f64::from(padding);
            assert_eq!(f64::from(found.size().width_px()), 150.0 + 2.0 * padding);
            let place = move |at: f64| 2.0 * (at - padding) / 150.0 - 1.0;
            check(&found, |x, y| Some(scene::face_direction(letter, place(x), -place(y))));
        }
    }
    // Turned, the whole cube turns.
    let axes = looks::camera(40.0, 10.0, -20.0);
    let output = json!({ "op": "pano.cubemap", "face_px": 150, "format": "png", "yaw_deg": 40, "pitch_deg": 10,
        "roll_deg": -20 });
    let run = run_one(&source.path(), &output).done();
    for face in ["f", "r", "b", "l", "u", "d"] {
        let letter = face.chars().next().unwrap();
        let place = |at: f64| 2.0 * at / 150.0 - 1.0;
        check(&picture(&run, &format!("{face}.png")), |x, y| {
            Some(looks::in_world(&axes, scene::face_direction(letter, place(x), -place(y))))
        });
    }
    // As many pixels as lose nothing: 1024 / π, to the next even number.
    let run = run_one(&source.path(), &json!({ "op": "pano.cubemap", "format": "png" })).done();
    assert_eq!(picture(&run, "u.png").size().width_px(), 326);
}

/// Rows of cells of each layout in one file.
pub(crate) const LAYOUTS: [(&str, &str, &[&str], bool); 5] = [
    ("3x2", "cubemap-3x2", &["rlu", "dfb"], false),
    ("6x1", "cubemap-6x1", &["rludfb"], false),
    ("1x6", "cubemap-1x6", &["r", "l", "u", "d", "f", "b"], false),
    ("cross", "cubemap-cross", &[".u..", "lfrb", ".d.."], false),
    ("eac", "eac", &["lfr", "DBU"], true),
];

#[test]
fn six_faces_in_one_file() {
    let source = sphere();
    let axes = looks::camera(40.0, 10.0, -20.0);
    for (layout, _, rows, equi_angular) in LAYOUTS {
        for padding in [0, 8] {
            let output = json!({ "layout": layout, "face_px": 120, "padding_px": padding,
                "yaw_deg": 40, "pitch_deg": 10, "roll_deg": -20 });
            let found = made(&source.path(), "pano.cubemap", output, "cubemap.png");
            let side = 120.0 + 2.0 * f64::from(padding);
            let expected = (rows[0].len() as f64 * side, rows.len() as f64 * side);
            let size = found.size();
            assert_eq!((f64::from(size.width_px()), f64::from(size.height_px())), expected);
            let cube = looks::cube(rows, side, padding.into(), equi_angular);
            check(&found, |x, y| cube(x, y).map(|look| looks::in_world(&axes, look)));
        }
    }
}
