//! What is made of video: frames against what `ffmpeg` decodes, views against the scene in closed form.

use std::path::Path;

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{MovieEdit, TrackEdit};
use panofleet_job_schema::ErrorClass;
use panofleet_job_schema::runner_protocol::{Frame, TaskLimits};
use panofleet_media::decode;
use panofleet_raster::{Picture, Rect, Size};

use crate::child::{LIMITS, MIB, Run, fixture, run, run_within};
use crate::footage::{Footage, edited, top_box};
use crate::scene;

fn picture(run: &Run, output: &str, path: &str) -> Picture<u8> {
    decode(&run.path(output, path)).unwrap().picture
}

fn colour_at(picture: &Picture<u8>, x: usize, y: usize) -> [u8; 3] {
    std::array::from_fn(|channel| picture.planes()[channel].row(y)[x])
}

/// A second of a still picture of the fixtures, hardly compressed.
fn still(footage: &Footage, name: &str, picture: &str) -> std::path::PathBuf {
    let picture = fixture(picture).canonicalize().unwrap();
    let encode = "-t 1 -r 10 -c:v libx264 -qp 6 -pix_fmt yuv420p -color_range tv -colorspace bt709 -vf \
                  scale=out_color_matrix=bt709:out_range=tv";
    footage.make(name, &format!("-loop 1 -i {} {encode}", picture.display()))
}

/// The same file with boxes that say what of a sphere it shows.
fn tagged(
    footage: &Footage,
    source: &Path,
    name: &str,
    stereo: StereoMode,
    bounds: Bounds,
) -> std::path::PathBuf {
    let mut entry_boxes = Vec::new();
    stereo.write(&mut entry_boxes);
    let projection = Projection::Equirectangular(bounds);
    Spherical { source: "test".into(), pose: Pose::default(), projection }.write(&mut entry_boxes);
    let edit =
        TrackEdit { track_id: 1, entry_boxes, track_boxes: Vec::new(), ..TrackEdit::default() };
    let bytes = edited(&std::fs::read(source).unwrap(), &MovieEdit { tracks: vec![edit] });
    footage.write(name, &bytes)
}

/// Holds a square view of 90° against a face of the scene's cube, at points away from letters and strokes.
fn check_face(view: &Picture<u8>, face: char, bound: u8) {
    let side = f64::from(view.size().width_px());
    for (right, up) in
        [(0.0, 0.0), (-0.8, 0.6), (-0.5, -0.7), (0.9, -0.2), (-0.95, 0.05), (0.05, -0.95)]
    {
        let place = |share: f64| (share * side / 2.0) as usize;
        let (x, y) = (place(right + 1.0), place(1.0 - up));
        let at = |pixel: usize| (pixel as f64 + 0.5) / side * 2.0 - 1.0;
        let expected = scene::colour(scene::face_direction(face, at(x), -at(y)));
        let found = colour_at(view, x, y);
        for (found, expected) in found.iter().zip(expected) {
            let off = (f64::from(*found) - expected).abs();
            assert!(
                off <= f64::from(bound),
                "{face} at {right}, {up}: {found} is not {expected:.1}"
            );
        }
    }
}

#[test]
fn a_poster_is_the_frame_of_its_time() {
    let footage = Footage::new();
    let film = footage
        .make("film.mp4", "-f lavfi -i testsrc2=s=320x160:r=30 -t 3 -c:v libx264 -bf 3 -g 40");
    let run = run(&film, r#"{"p": {"op": "video.poster", "at_s": 1.5, "quality": 95}}"#).done();
    let poster = picture(&run, "p", "poster.jpg");
    let found = poster.to_interleaved(Rect::whole(poster.size())).unwrap();
    // The frame that is shown from 1.5 s on is the 45th; its neighbours have other bars and another counter.
    let error = |frame: u32| -> f64 {
        let select = format!(
            "-i film.mp4 -vf select=eq(n\\,{frame}) -frames:v 1 -pix_fmt rgb24 -f rawvideo"
        );
        let raw = std::fs::read(footage.make("raw", &select)).unwrap();
        assert_eq!(found.len(), raw.len());
        found.iter().zip(&raw).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum()
    };
    let [before, own, after] = [44, 45, 46].map(error);
    assert!(2.0 * own < before && 2.0 * own < after, "{before} {own} {after}");
    assert_eq!(run.summary("p").0["poster"], "poster.jpg");
}

#[test]
fn a_sphere_is_looked_into() {
    let footage = Footage::new();
    let flat = still(&footage, "flat.mp4", "equirect.jpg");
    let view =
        r#""op": "video.poster", "at_s": 0.5, "width_px": 256, "height_px": 256, "quality": 95"#;
    let outputs = format!(
        r#"{{"front": {{{view}}}, "right": {{{view}, "yaw_deg": 90}}, "up": {{{view}, "pitch_deg": 90}},
            "flat": {{"op": "video.poster", "view": "flat", "width_px": 100}}}}"#
    );
    let whole = tagged(&footage, &flat, "whole.mp4", StereoMode::Mono, Bounds::default());
    let seen = run(&whole, &outputs).done();
    for (name, face) in [("front", 'f'), ("right", 'r')] {
        check_face(&picture(&seen, name, "poster.jpg"), face, 10);
    }
    let size = picture(&seen, "flat", "poster.jpg").size();
    assert_eq!(size, Size::new(100, 50).unwrap());

    // Without a word in the file it is a flat video, and a sphere if the job says so.
    let untagged =
        run(&flat, &format!(r#"{{"p": {{{view}}}, "s": {{{view}, "view": "sphere"}}}}"#)).done();
    assert_eq!(picture(&untagged, "p", "poster.jpg").size(), Size::new(256, 128).unwrap());
    check_face(&picture(&untagged, "s", "poster.jpg"), 'f', 10);
    assert!(untagged.summary("s").1[0].contains("because the job says so"));
}

/// The half in front, of which the file says that it is that.
#[test]
fn margins_count() {
    let footage = Footage::new();
    let picture_path = fixture("equirect.jpg").canonicalize().unwrap();
    let half = footage.make(
        "half.mp4",
        &format!(
            "-loop 1 -i {} -t 0.5 -r 10 -vf crop=512:512:256:0,scale=out_color_matrix=bt709:out_range=tv -c:v libx264 \
             -qp 6 -pix_fmt yuv420p -colorspace bt709",
            picture_path.display()
        ),
    );
    let bounds = Bounds { left: 1 << 30, right: 1 << 30, ..Bounds::default() };
    let vr180 = tagged(&footage, &half, "vr180.mp4", StereoMode::Mono, bounds);
    let view = r#"{"p": {"op": "video.poster", "at_s": 0, "width_px": 256, "height_px": 256, "quality": 95}}"#;
    check_face(&picture(&run(&vr180, view).done(), "p", "poster.jpg"), 'f', 10);
}

#[test]
fn one_eye_is_shown() {
    let footage = Footage::new();
    let both = still(&footage, "both.mp4", "stereo-top-bottom.jpg");
    let stereo = tagged(&footage, &both, "stereo.mp4", StereoMode::TopBottom, Bounds::default());
    let view =
        r#""op": "video.poster", "at_s": 0, "width_px": 128, "height_px": 128, "quality": 95"#;
    let run =
        run(&stereo, &format!(r#"{{"l": {{{view}}}, "r": {{{view}, "eye": "right"}}}}"#)).done();
    let left = picture(&run, "l", "poster.jpg");
    check_face(&left, 'f', 14);
    // The right eye has red and blue swapped.
    let [r, g, b] = colour_at(&left, 20, 100);
    let right = colour_at(&picture(&run, "r", "poster.jpg"), 20, 100);
    assert!(
        right.iter().zip([b, g, r]).all(|(a, b)| a.abs_diff(b) <= 8),
        "{right:?} {:?}",
        [b, g, r]
    );
}

/// A film whose brightness is its time: frame `n` of ten a second has luma 20 + n.
fn clock(footage: &Footage, name: &str, encode: &str) -> std::path::PathBuf {
    let source = "-f lavfi -i color=black:s=128x64:r=10:d=12,geq=lum=20+N:cb=128:cr=128";
    footage.make(name, &format!("{source} -c:v libx264 -qp 4 {encode}"))
}

/// The frame whose brightness a pixel of a sheet has.
fn frame_number(sheet: &Picture<u8>, x: usize, y: usize) -> f64 {
    let [r, g, b] = colour_at(sheet, x, y);
    f64::from(u32::from(r) + u32::from(g) + u32::from(b)) / 3.0 * 219.0 / 255.0 + 16.0 - 20.0
}

/// Cues: from, to, sheet, left, top, width, height.
fn cues(text: &str) -> Vec<(String, String, String, [usize; 4])> {
    let mut blocks = text.split("\n\n").map(str::trim);
    assert_eq!(blocks.next(), Some("WEBVTT"));
    blocks
        .map(|block| {
            let (times, place) = block.split_once('\n').unwrap();
            let (from, to) = times.split_once(" --> ").unwrap();
            let (sheet, rect) = place.split_once("#xywh=").unwrap();
            let rect: Vec<usize> = rect.split(',').map(|number| number.parse().unwrap()).collect();
            (from.into(), to.into(), sheet.into(), rect.try_into().unwrap())
        })
        .collect()
}

#[test]
fn sprites_show_the_time_that_they_stand_for() {
    let footage = Footage::new();
    let outputs =
        r#"{"s": {"op": "video.sprites", "side_px": 32, "columns": 5, "rows": 2, "quality": 95}}"#;
    // Keyframes further apart than small frames, and closer; frames out of order; times that begin late.
    for (name, encode) in [
        ("long.mp4", "-g 250 -bf 3"),
        ("short.mp4", "-g 4 -bf 2"),
        ("even.mp4", "-g 10 -bf 0"),
        ("late.ts", "-g 25 -bf 2 -output_ts_offset 5"),
    ] {
        let run = run(&clock(&footage, name, encode), outputs).done();
        let cues = cues(&std::fs::read_to_string(run.path("s", "sprites.vtt")).unwrap());
        assert_eq!(cues.len(), 12, "{name}");
        assert_eq!((&*cues[0].0, &*cues[0].1), ("00:00:00.000", "00:00:01.000"));
        assert_eq!((&*cues[11].0, &*cues[11].2), ("00:00:11.000", "sheet-001.jpg"));
        for (index, (_, _, sheet, [left, top, width, height])) in cues.iter().enumerate() {
            assert_eq!((*width, *height), (32, 16));
            let sheet = picture(&run, "s", sheet);
            let shown = frame_number(&sheet, left + width / 2, top + height / 2);
            let first = 10.0 * index as f64;
            assert!(
                (first - 1.0..first + 6.5).contains(&shown),
                "{name}: {index} shows frame {shown:.1}"
            );
        }
        let last = picture(&run, "s", "sheet-001.jpg").size();
        // Two frames in one row: the sheet is not higher than it is full.
        assert_eq!(last, Size::new(160, 16).unwrap(), "{name}");
        assert_eq!(run.files("s").len(), 3);
    }
}

/// Sheets can be uploaded while others are made, and progress only grows.
#[test]
fn a_sheet_is_reported_when_it_is_full() {
    let footage = Footage::new();
    let outputs = r#"{"s": {"op": "video.sprites", "side_px": 32, "columns": 2, "rows": 2}}"#;
    let run = run(&clock(&footage, "film.mp4", "-g 10"), outputs).done();
    let mut last = 0.0;
    let mut kinds = Vec::new();
    for frame in &run.frames {
        match frame {
            Frame::Progress { fraction, step } => {
                assert!((last..=1.0).contains(fraction) && step == "sprites");
                last = *fraction;
            }
            Frame::File { path, .. } => kinds.push(path.clone()),
            _ => {}
        }
    }
    assert_eq!(kinds, ["sheet-000.jpg", "sheet-001.jpg", "sheet-002.jpg", "sprites.vtt"]);
    assert!(run.peak_memory_bytes < 100 * MIB, "{} MiB", run.peak_memory_bytes / MIB);
}

#[test]
fn what_cannot_be_done_is_refused_with_what_to_do() {
    let footage = Footage::new();
    let sound = footage.make("sound.m4a", "-f lavfi -i sine -t 1 -c:a aac");
    let film = clock(&footage, "film.mp4", "-g 10");
    let bytes = std::fs::read(&film).unwrap();
    let mut broken = bytes.clone();
    let samples = top_box(&bytes, b"mdat");
    broken[samples.start + 8..samples.end].fill(0xff);
    let broken = footage.write("broken.mp4", &broken);
    let picture = fixture("equirect.jpg");
    let poster = r#"{"p": {"op": "video.poster"}}"#;
    for (source, outputs, code, words) in [
        (&picture, poster, "not_a_video", "the source is jpeg"),
        (&sound, poster, "not_a_video", "mp4 with audio"),
        (&film, r#"{"p": {"op": "video.poster", "at_s": 99}}"#, "time_beyond_end", "plays 12 s"),
        (&film, r#"{"t": {"op": "pano.tiles"}}"#, "not_a_picture", "media.probe"),
        (&broken, poster, "video_damaged", "export it again"),
        (&broken, r#"{"s": {"op": "video.sprites"}}"#, "video_damaged", "export it again"),
    ] {
        let run = run(source, outputs);
        let failure = run.failure();
        assert_eq!(
            (&*failure.code, failure.class),
            (code, ErrorClass::Rejected),
            "{}",
            failure.message
        );
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    let limits = TaskLimits { memory_bytes: 200 * MIB, ..LIMITS };
    assert_eq!(run_within(&film, poster, limits).failure().code, "memory_limit");
}

/// Half of a film is enough for a poster, and for sprites that say which of them are stale.
#[test]
fn a_film_that_breaks_off_is_used() {
    let footage = Footage::new();
    let film = clock(&footage, "film.mp4", "-g 10 -movflags faststart");
    let bytes = std::fs::read(&film).unwrap();
    let half =
        footage.write("half.mp4", &bytes[..top_box(&bytes, b"mdat").start + 1 + bytes.len() / 3]);
    let outputs = r#"{"p": {"op": "video.poster"}, "s": {"op": "video.sprites", "side_px": 32}}"#;
    let run = run(&half, outputs).done();
    assert!(
        run.media().warnings.join("\n").contains("lie beyond its end"),
        "{:?}",
        run.media().warnings
    );
    let warnings = run.summary("s").1.join("\n");
    assert!(warnings.contains("of 12 small frames show an earlier moment"), "{warnings}");
}
