//! `pano.blur` and `pano.patch`: what is inside of a region, by angles on the sphere, and nothing else.

use panofleet_media::decode;
use panofleet_raster::Picture;
use serde_json::{Value, json};

use crate::looks::{self, Direction};
use crate::renders::{Source, colour, made, picture, pixel, run_one};

/// The scene with every second column dark: detail that has to go.
fn striped(size: (u32, u32), look: impl Fn(f64, f64) -> Option<Direction>) -> Source {
    Source::of(size, |x, y| {
        let dark = if (x as u32).is_multiple_of(2) { 0.6 } else { 1.0 };
        look(x, y).map_or([128.0; 3], colour).map(|value| value * dark)
    })
}

/// Angle between directions.
fn apart_deg(a: Direction, b: Direction) -> f64 {
    let (dot, lengths): (f64, f64) = (0..3).fold((0.0, 0.0), |(dot, _), i| {
        let length = |v: Direction| v.iter().map(|c| c * c).sum::<f64>().sqrt();
        (dot + a[i] * b[i], length(a) * length(b))
    });
    (dot / lengths).clamp(-1.0, 1.0).acos().to_degrees()
}

/// Checks that pixels within `radius` of a direction are as `inside` says and all others the source's, byte by byte;
/// those within a pixel or so of the border may be either. Gives how many were inside.
fn check(
    found: &Picture<u8>,
    source: &Source,
    look: impl Fn(f64, f64) -> Option<Direction>,
    (middle, radius_deg): (Direction, f64),
    inside: impl Fn([f64; 3], Direction) -> bool,
) -> u32 {
    let expected = decode(&source.path()).unwrap().picture;
    let (width, height) = (found.size().width_px(), found.size().height_px());
    let mut count = 0;
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let towards = look(f64::from(x) + 0.5, f64::from(y) + 0.5);
        let away_deg = towards.map_or(180.0, |towards| apart_deg(towards, middle));
        let pixel_found = pixel(found, x, y);
        if away_deg > radius_deg + 0.01 {
            assert_eq!(pixel_found, pixel(&expected, x, y), "{x}, {y}, {away_deg}° away");
        } else if let Some(towards) = towards.filter(|_| away_deg < radius_deg - 0.01) {
            count += 1;
            assert!(inside(pixel_found, towards), "{x}, {y}, {away_deg}° away: {pixel_found:?}");
        }
    }
    count
}

fn disc(yaw: f64, pitch: f64, across: f64) -> Value {
    json!([{ "yaw_deg": yaw, "pitch_deg": pitch, "width_deg": across, "height_deg": across }])
}

fn towards(yaw: f64, pitch: f64) -> Direction {
    looks::camera(yaw, pitch, 0.0)[2]
}

/// Ahead, over the seam, over a pole.
const PLACES: [(f64, f64); 4] = [(20.0, 10.0), (180.0, -20.0), (0.0, 90.0), (-75.0, -80.0)];

#[test]
fn nothing_is_left_of_a_blurred_region_but_its_mean_colours() {
    let sphere = looks::equirectangular((512.0, 256.0));
    let source = striped((512, 256), &sphere);
    for effect in ["blur", "pixelate"] {
        for (yaw, pitch) in PLACES {
            let output = json!({ "regions": disc(yaw, pitch, 24.0), "effect": effect });
            let found = made(&source.path(), "pano.blur", output, "panorama.png");
            // A cell is 5°: the scene changes by 10 or so over one, its stripes by 50 from pixel to pixel.
            let count =
                check(&found, &source, &sphere, (towards(yaw, pitch), 12.0), |found, look| {
                    found.iter().zip(colour(look)).all(|(a, b)| (a - 0.8 * b).abs() < 14.0)
                });
            assert!(count > 800, "{count}");
        }
    }
}

#[test]
fn hard_cells_are_few() {
    let sphere = looks::equirectangular((512.0, 256.0));
    let source = striped((512, 256), &sphere);
    let output = json!({ "regions": disc(0.0, 0.0, 40.0), "effect": "pixelate", "cells": 3 });
    let found = made(&source.path(), "pano.blur", output, "panorama.png");
    let mut colours = std::collections::BTreeSet::new();
    for (y, x) in (0..256).flat_map(|y| (0..512).map(move |x| (y, x))) {
        if apart_deg(sphere(f64::from(x) + 0.5, f64::from(y) + 0.5).unwrap(), towards(0.0, 0.0))
            < 19.9
        {
            colours.insert(pixel(&found, x, y).map(|value| value as u8));
        }
    }
    assert!((4..=16).contains(&colours.len()), "{}", colours.len());
}

/// The same in a cube map, where a region lies on two faces, and of both eyes of a stereo picture.
#[test]
fn regions_lie_right_in_any_projection_and_eye() {
    let cube = looks::cube(&["rlu", "dfb"], 100.0, 0.0, false);
    let source = striped((300, 200), &cube);
    let output = json!({ "projection": "cubemap-3x2", "regions": disc(45.0, 20.0, 30.0), "effect": "color",
        "color": "#ff00ff" });
    let found = made(&source.path(), "pano.blur", output, "panorama.png");
    let count = check(&found, &source, &cube, (towards(45.0, 20.0), 15.0), |found, _| {
        found == [255.0, 0.0, 255.0]
    });
    assert!(count > 500, "{count}");

    let sphere = looks::equirectangular((256.0, 128.0));
    let both = |x: f64, y: f64| sphere(x, y % 128.0);
    let source = striped((256, 256), both);
    let output = json!({ "eye": "both", "join": "top-bottom", "regions": disc(0.0, -90.0, 30.0), "effect": "color",
        "color": "#ff00ff" });
    let found = made(&source.path(), "pano.blur", output, "panorama.png");
    check(&found, &source, both, (towards(0.0, -90.0), 15.0), |found, _| {
        found == [255.0, 0.0, 255.0]
    });
}

/// 40° across and 10° high, upright where it is.
#[test]
fn an_ellipse_is_as_wide_and_as_high_as_it_is_said() {
    let source = Source::of((720, 360), |_, _| [10.0, 200.0, 10.0]);
    let regions = json!([{ "yaw_deg": 90, "pitch_deg": 30, "width_deg": 40, "height_deg": 10 }]);
    let output = json!({ "regions": regions, "effect": "color", "color": "#ffffff" });
    let found = made(&source.path(), "pano.blur", output, "panorama.png");
    let axes = looks::camera(90.0, 30.0, 0.0);
    for (right_deg, up_deg, covered) in [
        (0.0, 0.0, true),
        (19.0, 0.0, true),
        (-19.0, 0.0, true),
        (21.0, 0.0, false),
        (0.0, 4.2, true),
        (0.0, -4.2, true),
        (0.0, 5.8, false),
        (0.0, -5.8, false),
        (17.0, 4.0, false),
    ] {
        let (right, up): (f64, f64) = (f64::to_radians(right_deg), f64::to_radians(up_deg));
        let [x, y, z] = looks::in_world(&axes, [right.tan(), up.tan(), 1.0]);
        let column = (x.atan2(z).to_degrees() + 180.0) * 2.0;
        let row = (90.0 - y.atan2(x.hypot(z)).to_degrees()) * 2.0;
        let white = pixel(&found, column as u32, row as u32) == [255.0; 3];
        assert_eq!(white, covered, "{right_deg} {up_deg}");
    }
}

/// A black tripod below the camera goes; what comes is what lies around it, and where the scene is smooth it is the
/// scene.
#[test]
fn a_film_hides_what_is_below() {
    let sphere = looks::equirectangular((512.0, 256.0));
    for (pole, pitch) in [("nadir", -90.0), ("zenith", 90.0)] {
        let middle = towards(0.0, pitch);
        let scene = |x: f64, y: f64| {
            let look = sphere(x, y).unwrap();
            if apart_deg(look, middle) < 18.0 { [0.0; 3] } else { colour(look) }
        };
        let source = Source::of((512, 256), scene);
        let output = json!({ "pole": pole, "radius_deg": 20, "feather_deg": 1 });
        let found = made(&source.path(), "pano.patch", output, "panorama.png");
        let count = check(&found, &source, &sphere, (middle, 20.0), |found, look| {
            found.iter().zip(colour(look)).all(|(a, b)| (a - b).abs() < 14.0)
        });
        assert!(count > 10_000, "{count}");
    }
    let source = Source::of((512, 256), |x, y| colour(sphere(x, y).unwrap()));
    let output = json!({ "pole": "both", "radius_deg": 10, "feather_deg": 0, "fill": "color", "color": "#102030" });
    let found = made(&source.path(), "pano.patch", output, "panorama.png");
    for (y, covered) in [(0, true), (13, true), (16, false), (239, false), (242, true), (255, true)]
    {
        assert_eq!(pixel(&found, 100, y) == [16.0, 32.0, 48.0], covered, "{y}");
    }
}

#[test]
fn metadata_stay_and_no_region_is_said() {
    let source = crate::child::fixture("partial-attributes.jpg");
    let output = json!({ "op": "pano.blur", "format": "png", "regions": disc(-40.0, 10.0, 10.0) });
    let run = run_one(&source, &output).done();
    let before = run.media().gpano.clone().unwrap();
    let after = panofleet_media::probe(&run.path("out", "panorama.png")).unwrap().gpano.unwrap();
    assert_eq!(
        (after.cropped_left_px, after.full_width_px),
        (before.cropped_left_px, before.full_width_px)
    );
    assert_eq!(after.initial_heading_deg, before.initial_heading_deg);
    assert_eq!(picture(&run, "panorama.png").size(), decode(&source).unwrap().picture.size());
    let refused = run_one(&source, &json!({ "op": "pano.blur" }));
    assert_eq!(refused.failure().code, "nothing_to_blur");
}
