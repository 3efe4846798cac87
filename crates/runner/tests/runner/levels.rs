//! Levelling: the camera's pose comes out of the pixels, and the metadata follow. Each sign has a scene of its own that
//! the other sign does not fit.

use std::path::PathBuf;

use panofleet_job_schema::PictureFormat;
use panofleet_job_schema::media_info::GPano;
use panofleet_media::{Embedded, Encoder, gpano};
use panofleet_raster::Size;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::Run;
use crate::looks;
use crate::renders::{check, colour, made, picture, run_one};

const SIZE: (u32, u32) = (800, 400);

/// A picture of the part from `left` and `top` on, of `size`, that a camera took in this pose, with GPano fields that
/// say so, as PNG.
struct Taken {
    folder: TempDir,
}

impl Taken {
    fn new(pose: (f64, f64), part: (u32, u32, u32, u32), gpano: &GPano) -> Self {
        let axes = looks::camera(0.0, pose.0, pose.1);
        let sphere = looks::equirectangular((SIZE.0.into(), SIZE.1.into()));
        let (left, top, width, height) = part;
        let mut rgb = Vec::new();
        for (y, x) in (top..top + height).flat_map(|y| (left..left + width).map(move |x| (y, x))) {
            let look = sphere(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap();
            rgb.extend(colour(looks::in_world(&axes, look)).map(|value| value.round() as u8));
        }
        let embedded = Embedded { xmp: gpano::write(gpano), ..Embedded::default() };
        let mut encoder = Encoder::new(PictureFormat::Png, 90, embedded).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let size = Size::new(width, height).unwrap();
        std::fs::write(folder.path().join("taken.png"), encoder.encode(&rgb, size).unwrap())
            .unwrap();
        Self { folder }
    }

    fn whole(pitch_deg: f64, roll_deg: f64, heading_deg: Option<f64>) -> Self {
        let gpano = GPano {
            pose_heading_deg: heading_deg,
            pose_pitch_deg: Some(pitch_deg),
            pose_roll_deg: Some(roll_deg),
            initial_heading_deg: Some(50.0),
            initial_pitch_deg: Some(-7.0),
            stitching_software: Some("a stitcher".into()),
            ..GPano::whole_sphere(SIZE.0, SIZE.1)
        };
        Self::new((pitch_deg, roll_deg), (0, 0, SIZE.0, SIZE.1), &gpano)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("taken.png")
    }
}

fn written(run: &Run, file: &str) -> GPano {
    panofleet_media::probe(&run.path("out", file)).unwrap().gpano.unwrap()
}

#[test]
fn each_pose_comes_out_level() {
    for (pitch, roll) in
        [(20.0, 0.0), (-20.0, 0.0), (0.0, 30.0), (0.0, -30.0), (15.0, -100.0), (-70.0, 50.0)]
    {
        let taken = Taken::whole(pitch, roll, Some(350.0));
        let run = run_one(
            &taken.path(),
            &json!({ "op": "pano.level", "format": "png", "metadata": "keep" }),
        )
        .done();
        check(&picture(&run, "panorama.png"), looks::equirectangular((800.0, 400.0)));
        let gpano = written(&run, "panorama.png");
        assert_eq!(
            (gpano.pose_pitch_deg, gpano.pose_roll_deg),
            (Some(0.0), Some(0.0)),
            "{pitch} {roll}"
        );
        assert_eq!(gpano.pose_heading_deg, Some(350.0), "{pitch} {roll}");
        // Counted from north and from the horizon, so it is where it was.
        assert_eq!((gpano.initial_heading_deg, gpano.initial_pitch_deg), (Some(50.0), Some(-7.0)));
        assert_eq!(gpano.stitching_software.as_deref(), Some("a stitcher"));
        assert_eq!(run.summary("out").1, Vec::<String>::new());
    }
}

/// By the words of GPano: as roll increases, the horizon turns counter-clockwise in the picture; pitch is up.
#[test]
fn the_scene_has_the_signs_of_gpano() {
    // The horizon (no green but the sine's) right of the middle: turned counter-clockwise it is higher there.
    let height_of_horizon = |pitch: f64, roll: f64, x: f64| -> f64 {
        let axes = looks::camera(0.0, pitch, roll);
        let sphere = looks::equirectangular((800.0, 400.0));
        let up = |y: f64| looks::in_world(&axes, sphere(x, y).unwrap())[1];
        (0..399)
            .map(f64::from)
            .find(|y| up(*y) >= 0.0 && up(y + 1.0) < 0.0)
            .map_or(400.0, |y| 400.0 - y)
    };
    assert!(height_of_horizon(0.0, 10.0, 500.0) > 205.0);
    assert!(height_of_horizon(0.0, 10.0, 300.0) < 195.0);
    // A camera that looks up has the horizon below the middle.
    assert!(height_of_horizon(10.0, 0.0, 400.0) < 195.0);
}

#[test]
fn a_yaw_moves_the_heading_and_without_north_the_view() {
    let axes = looks::camera(90.0, 0.0, 0.0);
    let sphere = looks::equirectangular((800.0, 400.0));
    let output = json!({ "op": "pano.level", "yaw_deg": 90, "format": "png" });
    for (heading, expected, initial) in [(Some(350.0), Some(80.0), 50.0), (None, None, 320.0)] {
        let run = run_one(&Taken::whole(10.0, 20.0, heading).path(), &output).done();
        check(&picture(&run, "panorama.png"), |x, y| {
            sphere(x, y).map(|look| looks::in_world(&axes, look))
        });
        let gpano = written(&run, "panorama.png");
        assert_eq!((gpano.pose_heading_deg, gpano.initial_heading_deg), (expected, Some(initial)));
    }
}

/// Of a part: 120° × 60° at the right, tilted. It is cut to what it shows.
#[test]
fn a_part_is_cut_to_what_it_shows() {
    let part = (400, 150, 300, 120);
    let (left, top, width, height) = part;
    let said = GPano {
        pose_pitch_deg: Some(10.0),
        pose_roll_deg: Some(5.0),
        ..GPano::whole_sphere(SIZE.0, SIZE.1)
    };
    let part_rect = panofleet_job_schema::operation::PixelRect {
        left_px: left,
        top_px: top,
        width_px: width,
        height_px: height,
    };
    let taken = Taken::new((10.0, 5.0), part, &said.cropped(part_rect));
    let output = json!({ "op": "pano.level", "format": "png", "background": "#336699" });
    let run = run_one(&taken.path(), &output).done();
    let (found, gpano) = (picture(&run, "panorama.png"), written(&run, "panorama.png"));
    let [left, top, width, height] = [
        gpano.cropped_left_px,
        gpano.cropped_top_px,
        gpano.cropped_width_px,
        gpano.cropped_height_px,
    ]
    .map(|px| f64::from(px.unwrap()));
    assert_eq!((gpano.full_width_px, gpano.full_height_px), (Some(800), Some(400)));
    assert_eq!((width, height), (found.size().width_px().into(), found.size().height_px().into()));
    assert!(
        (300.0..360.0).contains(&width) && (120.0..190.0).contains(&height),
        "{width}×{height}"
    );
    let (axes, sphere) = (looks::camera(0.0, 10.0, 5.0), looks::equirectangular((800.0, 400.0)));
    check(&found, |x, y| {
        let look = sphere(left + x, top + y)?;
        // Where the camera had it.
        let [a, b, c] = axes.map(|axis| axis.iter().zip(look).map(|(a, b)| a * b).sum::<f64>());
        let column = a.atan2(c) / std::f64::consts::TAU * 800.0 + 400.0;
        let row = 200.0 - b.asin() / std::f64::consts::PI * 400.0;
        ((400.0..700.0).contains(&column) && (150.0..270.0).contains(&row)).then_some(look)
    });
}

#[test]
fn a_view_can_be_level_too() {
    let taken = Taken::whole(15.0, -25.0, None);
    let (axes, flat) = (looks::camera(60.0, 5.0, 0.0), looks::rectilinear((300.0, 200.0), 90.0));
    let view = json!({ "yaw_deg": 60, "pitch_deg": 5, "width_px": 300, "height_px": 200, "pose": "level" });
    let found = made(&taken.path(), "pano.view", view, "view.png");
    check(&found, |x, y| flat(x, y).map(|look| looks::in_world(&axes, look)));
    let kept = json!({ "op": "pano.view", "width_px": 30, "height_px": 20 });
    let warnings = run_one(&taken.path(), &kept).done().summary("out").1;
    assert!(warnings[0].contains("pitch 15") && warnings[0].contains("`level`"), "{warnings:?}");
}

/// A turned panorama keeps its pose true: what a viewer makes upright is upright.
#[test]
fn what_is_turned_says_how_it_stands() {
    let taken = Taken::whole(10.0, 0.0, Some(30.0));
    let run = |fields: Value| {
        let mut output = json!({ "op": "pano.convert", "format": "png" });
        output.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        written(&run_one(&taken.path(), &output).done(), "panorama.png")
    };
    let up = run(json!({ "pitch_deg": 5 }));
    assert_eq!(
        (up.pose_heading_deg, up.pose_pitch_deg, up.pose_roll_deg),
        (Some(30.0), Some(15.0), Some(0.0))
    );
    // Half around, what was tilted up is tilted down.
    let back = run(json!({ "yaw_deg": 180 }));
    assert_eq!((back.pose_heading_deg, back.pose_pitch_deg), (Some(210.0), Some(-10.0)));
    // To the side, pitch becomes roll: the right side is where the camera's tilt lifts.
    let side = run(json!({ "yaw_deg": 90 }));
    let (pitch, roll) = (side.pose_pitch_deg.unwrap(), side.pose_roll_deg.unwrap());
    assert!(pitch.abs() < 1e-6 && (roll.abs() - 10.0).abs() < 1e-6, "{pitch} {roll}");
}
