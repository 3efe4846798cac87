//! `image.convert`: which pixels, where, how large, and what the file says of them.

use panofleet_job_schema::PictureFormat;
use panofleet_job_schema::media_info::GPano;
use panofleet_media::{Embedded, Encoder, decode, gpano, probe};
use panofleet_raster::{Picture, Size};
use serde_json::{Value, json};

use crate::child::{Run, fixture};
use crate::renders::{Source, pixel, run_one};

/// Red grows with the column, green with the row: 60×40.
fn ramp() -> Source {
    Source::of((60, 40), |x, y| [4.0 * x.floor(), 6.0 * y.floor(), 77.0])
}

fn converted(source: &std::path::Path, mut fields: Value) -> Run {
    let output = fields.as_object_mut().unwrap();
    output.insert("op".into(), "image.convert".into());
    output.entry("format").or_insert("png".into());
    run_one(source, &fields).done()
}

fn only(run: &Run) -> Picture<u8> {
    decode(&run.path("out", "picture.png")).unwrap().picture
}

/// Column and row of the source that a pixel shows.
fn origin(picture: &Picture<u8>, x: u32, y: u32) -> (f64, f64) {
    let [red, green, blue] = pixel(picture, x, y);
    assert!((blue - 77.0).abs() < 1.0);
    (red / 4.0, green / 6.0)
}

/// Each turn and mirror moves the pixels that a person would expect, exactly.
#[test]
fn a_cut_is_turned_and_then_mirrored() {
    let source = ramp();
    // The part of 20×10 from (30, 5) on: where its top left, top right and bottom left pixels come from.
    let (left, right, top, bottom) = (30.0, 49.0, 5.0, 14.0);
    for (rotate, flip, corners) in [
        (0, "none", [(left, top), (right, top), (left, bottom)]),
        (90, "none", [(left, bottom), (left, top), (right, bottom)]),
        (180, "none", [(right, bottom), (left, bottom), (right, top)]),
        (270, "none", [(right, top), (right, bottom), (left, top)]),
        (0, "horizontal", [(right, top), (left, top), (right, bottom)]),
        (0, "vertical", [(left, bottom), (right, bottom), (left, top)]),
        (90, "horizontal", [(left, top), (left, bottom), (right, top)]),
        (90, "vertical", [(right, bottom), (right, top), (left, bottom)]),
        (180, "horizontal", [(left, bottom), (right, bottom), (left, top)]),
        (180, "vertical", [(right, top), (left, top), (right, bottom)]),
        (270, "horizontal", [(right, bottom), (right, top), (left, bottom)]),
        (270, "vertical", [(left, top), (left, bottom), (right, top)]),
    ] {
        let found = only(&converted(
            &source.path(),
            json!({ "crop_left_px": 30, "crop_top_px": 5, "crop_width_px": 20, "crop_height_px": 10,
                "rotate_deg": rotate, "flip": flip }),
        ));
        let (width, height) = if rotate % 180 == 0 { (20, 10) } else { (10, 20) };
        assert_eq!(found.size(), Size::new(width, height).unwrap(), "{rotate} {flip}");
        let places = [(0, 0), (width - 1, 0), (0, height - 1)];
        let origins = places.map(|(x, y)| origin(&found, x, y));
        assert_eq!(origins, corners, "{rotate} {flip}");
    }
}

#[test]
fn a_box_is_fitted_filled_or_stretched() {
    let source = ramp();
    let found = |fields: Value| only(&converted(&source.path(), fields));
    let size = |picture: &Picture<u8>| (picture.size().width_px(), picture.size().height_px());
    let inside = found(json!({ "width_px": 30, "height_px": 30 }));
    assert_eq!(size(&inside), (30, 20));
    // Twice as small: the middle of four pixels.
    let (column, row) = origin(&inside, 10, 10);
    assert!((column - 20.5).abs() < 0.3 && (row - 20.5).abs() < 0.3, "{column} {row}");
    // A square out of the middle: columns 10 to 49.
    let cover = found(json!({ "width_px": 40, "height_px": 40, "fit": "cover" }));
    assert_eq!(
        (size(&cover), origin(&cover, 0, 0), origin(&cover, 39, 39)),
        ((40, 40), (10.0, 0.0), (49.0, 39.0))
    );
    // The same of a picture that is turned: rows 10 of 40 wide are left.
    let turned =
        found(json!({ "width_px": 10, "height_px": 60, "fit": "cover", "rotate_deg": 90 }));
    assert_eq!((size(&turned), origin(&turned, 0, 0)), ((10, 60), (0.0, 24.0)));
    assert_eq!(
        size(&found(json!({ "width_px": 50, "height_px": 20, "fit": "stretch" }))),
        (50, 20)
    );
    assert_eq!(size(&found(json!({ "width_px": 600 }))), (60, 40));
    assert_eq!(size(&found(json!({ "width_px": 90, "enlarge": "allowed" }))), (90, 60));
}

#[test]
fn several_widths_are_several_files() {
    let run =
        converted(&ramp().path(), json!({ "widths_px": [15, 30, 600, 700], "format": "webp" }));
    let expected = ["picture-15.webp", "picture-30.webp", "picture-60.webp"];
    assert_eq!(run.files("out"), expected.map(str::to_owned).into());
    assert_eq!(run.summary("out").0["picture-30"], "picture-30.webp");
    for (file, width, height) in
        [(expected[0], 15, 10), (expected[1], 30, 20), (expected[2], 60, 40)]
    {
        let picture = probe(&run.path("out", file)).unwrap().picture.unwrap();
        assert_eq!((picture.width_px, picture.height_px), (width, height));
    }
}

#[test]
fn transparency_stays_where_a_format_has_it() {
    let of = |fields: Value, file: &str| {
        let run = converted(&fixture("alpha.png"), fields);
        decode(&run.path("out", file)).unwrap().picture
    };
    let source = decode(&fixture("alpha.png")).unwrap().picture;
    assert!(of(json!({}), "picture.png") == source);
    assert!(of(json!({ "format": "tiff" }), "picture.tif") == source);
    let green = of(json!({ "background": "#00ff00" }), "picture.png");
    assert!(!green.channels().has_alpha());
    // From transparent on the left to opaque on the right.
    assert_eq!(pixel(&green, 0, 8), [0.0, 255.0, 0.0]);
    let white = of(json!({ "format": "jpeg", "quality": 95 }), "picture.jpg");
    assert!(pixel(&white, 0, 8).iter().all(|value| *value > 245.0));
}

/// A panorama of 400×200 of which the upper half, from 100 on, is there: 300×100.
fn partial() -> (tempfile::TempDir, std::path::PathBuf) {
    let part = panofleet_job_schema::operation::PixelRect {
        left_px: 100,
        top_px: 0,
        width_px: 300,
        height_px: 100,
    };
    let said =
        GPano { pose_heading_deg: Some(12.0), ..GPano::whole_sphere(400, 200) }.cropped(part);
    let embedded = Embedded { xmp: gpano::write(&said), ..Embedded::default() };
    let size = Size::new(300, 100).unwrap();
    let body = Encoder::new(PictureFormat::Jpeg, 90, embedded)
        .unwrap()
        .encode(&[90; 90_000], size)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("partial.jpg");
    std::fs::write(&path, body).unwrap();
    (folder, path)
}

#[test]
fn sphere_fields_follow_the_pixels() {
    let (_folder, path) = partial();
    let said = |fields: Value| {
        let run = converted(&path, fields);
        let gpano = probe(&run.path("out", "picture.png")).unwrap().gpano?;
        Some((
            [
                gpano.full_width_px,
                gpano.full_height_px,
                gpano.cropped_left_px,
                gpano.cropped_top_px,
            ]
            .map(Option::unwrap),
            gpano.pose_heading_deg,
        ))
    };
    assert_eq!(said(json!({})), Some(([400, 200, 100, 0], Some(12.0))));
    assert_eq!(said(json!({ "width_px": 150 })), Some(([200, 100, 50, 0], Some(12.0))));
    let cut = json!({ "crop_left_px": 50, "crop_top_px": 20, "crop_width_px": 200, "crop_height_px": 80 });
    assert_eq!(said(cut), Some(([400, 200, 150, 20], Some(12.0))));
    assert_eq!(said(json!({ "rotate_deg": 90 })), None);
    assert_eq!(said(json!({ "flip": "horizontal" })), None);
}

#[test]
fn each_eye_is_a_picture_of_its_own() {
    let fields = json!({ "stereo": "top-bottom", "eye": "both", "width_px": 100 });
    let run = converted(&fixture("stereo-top-bottom.jpg"), fields);
    assert_eq!(
        run.files("out"),
        ["left/picture.png", "right/picture.png"].map(str::to_owned).into()
    );
    let [left, right] = ["left", "right"]
        .map(|eye| decode(&run.path("out", &format!("{eye}/picture.png"))).unwrap());
    assert_eq!(left.picture.size(), Size::new(100, 50).unwrap());
    // The right eye has red and blue swapped.
    let ([r, g, b], other) = (pixel(&left.picture, 20, 30), pixel(&right.picture, 20, 30));
    assert!(other.iter().zip([b, g, r]).all(|(a, b)| (a - b).abs() < 8.0), "{other:?} {r} {g} {b}");
}

#[test]
fn a_part_that_is_not_there_is_refused() {
    let run = run_one(
        &ramp().path(),
        &json!({ "op": "image.convert", "crop_left_px": 50, "crop_width_px": 11 }),
    );
    let failure = run.failure();
    assert_eq!(failure.code, "crop_outside");
    assert!(
        failure.message.contains("60×40") && failure.message.contains("crop_width_px"),
        "{}",
        failure.message
    );
}

/// What the camera wrote goes as far as it is wanted; a place only where it is asked for.
#[test]
fn metadata_go_as_far_as_they_may() {
    for (op, file) in [("image.convert", "picture.jpg"), ("pano.view", "view.jpg")] {
        let capture = |policy: &str| {
            let output = json!({ "op": op, "format": "jpeg", "metadata": policy });
            let run = run_one(&fixture("metadata/camera.jpg"), &output).done();
            probe(&run.path("out", file)).unwrap().capture
        };
        assert_eq!(capture("strip"), None, "{op}");
        let kept = capture("keep").unwrap();
        assert_eq!(kept.model.as_deref(), Some("Globe 1"));
        assert!(kept.location.is_some());
        let without = capture("keep_without_location").unwrap();
        assert_eq!((without.model.as_deref(), without.location), (Some("Globe 1"), None));
    }
}
