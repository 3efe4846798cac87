//! What the runner says while it works, and the outputs that are not tiles.

use panofleet_job_schema::runner_protocol::{Frame, SandboxReport};
use panofleet_media::{decode, probe};
use panofleet_raster::Size;

use crate::child::{MIB, fixture, run};

const ALL: &str = r#"{
    "tiles": {"op": "pano.tiles"},
    "again": {"op": "pano.tiles", "quality": 50},
    "small": {"op": "image.thumbnail", "width_px": 100},
    "kept": {"op": "image.thumbnail", "width_px": 64, "icc": "keep", "format": "webp"},
    "what": {"op": "media.probe"}
}"#;

/// The protocol: sandbox, source, then files as they are complete, and done last. The source is decoded
/// once, however many outputs need it.
#[test]
fn frames_come_in_order() {
    let run = run(&fixture("equirect.jpg"), ALL).done();
    let sandbox = SandboxReport { landlock: true, seccomp: true };
    assert_eq!(run.frames[0], Frame::Started { sandbox });
    assert!(matches!(run.frames[1], Frame::Probed { .. }));
    let mut last_fraction = 0.0;
    let mut finished = Vec::new();
    for frame in &run.frames {
        match frame {
            Frame::Progress { fraction, .. } => {
                assert!(
                    (last_fraction..=1.0).contains(fraction),
                    "{fraction} after {last_fraction}"
                );
                last_fraction = *fraction;
            }
            Frame::File { output, path, bytes, .. } => {
                assert!(!finished.contains(output), "a file of {output} after its end");
                let length = std::fs::metadata(run.path(output.as_str(), path)).unwrap().len();
                assert_eq!(length, *bytes, "{output}/{path}");
            }
            Frame::OutputDone { output, .. } => finished.push(output.clone()),
            Frame::Started { .. }
            | Frame::Probed { .. }
            | Frame::Done { .. }
            | Frame::Failed { .. } => {}
        }
    }
    assert_eq!(finished.len(), 5);
    let Some(Frame::Done { steps }) = run.frames.last() else { panic!("no last frame") };
    let names: Vec<_> = steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "decode").count(), 1, "{names:?}");
    assert!(names.contains(&"tiles: tiles"), "{names:?}");
    assert_eq!(run.last_words, "");
    assert!(run.peak_memory_bytes < 100 * MIB, "{} MiB", run.peak_memory_bytes / MIB);
}

#[test]
fn thumbnails_fit_their_box() {
    let run = run(&fixture("orientation-6.jpg"), ALL).done();
    let small = decode(&run.path("small", "thumbnail.jpg")).unwrap();
    assert_eq!(small.picture.size(), Size::new(100, 50).unwrap());
    assert_eq!(run.summary("small").0["thumbnail"], "thumbnail.jpg");
    let kept = probe(&run.path("kept", "thumbnail.webp")).unwrap();
    assert_eq!((kept.container.as_str(), kept.picture.unwrap().width_px), ("webp", 64));
}

#[test]
fn profiles_are_kept_or_used_up() {
    let outputs = r#"{
        "keep": {"op": "image.thumbnail", "icc": "keep", "quality": 95},
        "srgb": {"op": "image.thumbnail", "quality": 95}
    }"#;
    let run = run(&fixture("display-p3.png"), outputs).done();
    for (name, description, first) in
        [("keep", Some("Display P3"), [200, 100, 50]), ("srgb", None, [215, 93, 31])]
    {
        let back = decode(&run.path(name, "thumbnail.jpg")).unwrap();
        assert_eq!(back.profile.as_ref().and_then(|profile| profile.description()), description);
        let found: Vec<u8> = back.picture.planes().iter().map(|plane| plane.row(8)[8]).collect();
        assert!(found.iter().zip(first).all(|(a, b)| a.abs_diff(b) <= 4), "{name}: {found:?}");
    }
}

/// Transparent pixels are shown on white.
#[test]
fn alpha_is_shown_on_white() {
    let run =
        run(&fixture("alpha.png"), r#"{"t": {"op": "image.thumbnail", "quality": 95}}"#).done();
    let back = decode(&run.path("t", "thumbnail.jpg")).unwrap().picture;
    let row = back.planes()[2].row(8);
    assert!(row[0] > 245 && row[31] < 75, "{row:?}");
}

#[test]
fn a_probe_is_written_as_it_was_reported() {
    for name in ["partial-elements.jpg", "tracks/rotated-90.mp4", "broken/animated.gif"] {
        let run = run(&fixture(name), r#"{"what": {"op": "media.probe"}}"#).done();
        let written = run.json("what", "probe.json");
        assert_eq!(written, serde_json::to_value(run.media()).unwrap(), "{name}");
        assert_eq!(run.summary("what").0["probe"], "probe.json");
    }
}

/// The report goes into the manifest, which lies beside outputs that may have been stripped of it.
#[test]
fn only_a_probe_that_was_asked_for_says_where_a_picture_was_taken() {
    let run = run(&fixture("metadata/camera.jpg"), r#"{"what": {"op": "media.probe"}}"#).done();
    assert_eq!(run.json("what", "probe.json")["capture"]["location"]["altitude_m"], 552.0);
    let capture = run.media().capture.clone().unwrap();
    assert_eq!((capture.model.as_deref(), capture.location), (Some("Globe 1"), None));
}

/// By default a derivative tells nothing of how it was taken.
#[test]
fn derivatives_tell_what_they_are_let() {
    let outputs = r#"{
        "nothing": {"op": "image.thumbnail", "width_px": 64},
        "all": {"op": "image.thumbnail", "width_px": 64, "metadata": "keep", "format": "webp"},
        "view": {"op": "pano.view", "width_px": 32, "height_px": 32, "metadata": "keep_without_location"},
        "copy": {"op": "image.convert", "metadata": "keep", "format": "tiff"}
    }"#;
    let run = run(&fixture("metadata/camera.jpg"), outputs).done();
    for (output, camera, place) in [
        ("nothing", false, false),
        ("all", true, true),
        ("view", true, false),
        ("copy", true, true),
    ] {
        let (entries, _) = run.summary(output);
        let path = entries.values().next().unwrap();
        let media = probe(&run.path(output, path)).unwrap();
        assert_eq!(media.picture.unwrap().orientation, 1, "{output}");
        let capture = media.capture.unwrap_or_default();
        assert_eq!(capture.model.is_some(), camera, "{output}");
        assert_eq!(capture.location.is_some(), place, "{output}");
    }
}
