//! The picture of a link, and what is refused.

use serde_json::{Value, json};

use crate::child::fixture;
use crate::looks;
use crate::renders::{Source, check, colour, made, pixel, run_one, sphere};

/// Gray but for stripes 30° wide around one direction: that is where the picture looks.
#[test]
fn it_looks_where_there_is_most_to_see() {
    for striped_deg in [0.0_f64, 100.0, -135.0, 180.0] {
        let source = Source::of((720, 360), |x, y| {
            let away = (x / 2.0 - 180.0 - striped_deg + 540.0).rem_euclid(360.0) - 180.0;
            let striped = away.abs() < 15.0 && (y - 180.0).abs() < 40.0;
            // The nadir is busier and not in sight.
            let below = y > 320.0;
            let light = if striped && (x as u32 / 4).is_multiple_of(2)
                || below && (y as u32).is_multiple_of(2)
            {
                220.0
            } else {
                60.0
            };
            [light; 3]
        });
        let found = made(&source.path(), "pano.social", json!({ "hfov_deg": 60 }), "social.png");
        assert_eq!((found.size().width_px(), found.size().height_px()), (1200, 630));
        let bright: Vec<u32> = (0..1200).filter(|x| pixel(&found, *x, 315)[0] > 200.0).collect();
        assert!(!bright.is_empty(), "{striped_deg}");
        // All of the stripes, and about in the middle.
        let (first, last) = (bright[0], bright[bright.len() - 1]);
        assert!(first > 100 && last < 1100, "{striped_deg}: {first} to {last}");
    }
}

/// GPano's initial view goes first: −30°, 10° up of the fixture, whose part of the sphere lies there.
#[test]
fn it_looks_where_viewers_start() {
    let output = json!({ "op": "pano.social", "format": "png", "hfov_deg": 40, "width_px": 300, "height_px": 200 });
    let run = run_one(&fixture("partial-attributes.jpg"), &output).done();
    let found = crate::renders::picture(&run, "social.png");
    let axes = looks::camera(-30.0, 10.0, 0.0);
    let expected = crate::scene::colour(looks::in_world(&axes, [0.0, 0.0, 1.0]));
    let found = pixel(&found, 150, 100);
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 8.0), "{found:?} {expected:?}");
}

#[test]
fn what_is_said_goes_first() {
    let fields = json!({ "yaw_deg": 70, "pitch_deg": -20, "width_px": 300, "height_px": 200 });
    let found = made(&sphere().path(), "pano.social", fields, "social.png");
    let (axes, flat) = (looks::camera(70.0, -20.0, 0.0), looks::rectilinear((300.0, 200.0), 90.0));
    check(&found, |x, y| flat(x, y).map(|look| looks::in_world(&axes, look)));
}

#[test]
fn what_cannot_be_made_says_what_to_do() {
    let square = Source::of((300, 200), |_, _| colour([0.0, 0.0, 1.0]));
    let refused = |output: Value, code: &str, words: &[&str]| {
        let run = run_one(&square.path(), &output);
        let failure = run.failure();
        assert_eq!(failure.code, code, "{}", failure.message);
        for word in words {
            assert!(failure.message.contains(word), "{word}: {}", failure.message);
        }
    };
    let view = |fields: Value| {
        let mut output = json!({ "op": "pano.view" });
        output.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        output
    };
    refused(view(json!({})), "panorama_extent_unknown", &["300×200", "haov_deg", "stereo"]);
    refused(view(json!({ "projection": "rectilinear" })), "panorama_extent_unknown", &["haov_deg"]);
    refused(
        view(json!({ "projection": "rectilinear", "haov_deg": 200 })),
        "panorama_extent_invalid",
        &["200", "175"],
    );
    refused(view(json!({ "projection": "cubemap-6x1" })), "cubemap_shape", &["6 × 1", "300×200"]);
    refused(
        view(json!({ "projection": "eac", "haov_deg": 90 })),
        "parameter_unused",
        &["haov_deg", "eac"],
    );
    refused(
        view(json!({ "projection": "fisheye", "lens_order": "back_first" })),
        "parameter_unused",
        &["lens_order"],
    );
    refused(
        json!({ "op": "pano.level", "projection": "half-equirectangular" }),
        "pose_unknown",
        &["PosePitchDegrees", "pose_roll_deg"],
    );
    refused(
        json!({ "op": "pano.convert", "projection": "cubemap-3x2", "format": "webp", "width_px": 20_000 }),
        "output_too_large",
        &["20000×10000", "16383"],
    );
    refused(
        json!({ "op": "pano.convert", "projection": "cubemap-3x2", "to": "cubemap-3x2", "width_px": 100 }),
        "projection_unfit",
        &["3 × 2", "width_px"],
    );
}
