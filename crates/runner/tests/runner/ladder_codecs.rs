//! Ladders of HEVC and AV1, beside H.264: by `ffmpeg`'s and `ffprobe`'s word, and RFC 8216.

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{Boxes, FourCc, MovieEdit, TrackEdit};
use panofleet_job_schema::media_info::{EyeLayout, SphereProjection};
use panofleet_media::probe;

use crate::films::PICTURE;
use crate::footage::{Footage, edited, ffprobe};
use crate::ladder::{ladder, psnr, shown, streams, whole};
use crate::playlists;

/// What `ffprobe` calls each codec, what an MP4 calls it, and how `CODECS` begins.
const CODECS: [(&str, &str, &str); 3] =
    [("h264", "avc1", "avc1.64"), ("hevc", "hvc1", "hvc1.1.6.L"), ("av1", "av01", "av01.0.")];

#[test]
fn each_codec_has_its_sizes_in_the_same_segments() {
    let footage = Footage::new();
    let film = footage.make(
        "film.mp4",
        &format!("{PICTURE} -f lavfi -i sine=r=48000 -t 5 -c:v libx264 -qp 8 -bf 3 -c:a aac -ac 2"),
    );
    let asked = r#", "codecs": ["av1", "h264", "hevc"], "crf": 12, "preset": "veryfast", "widths_px": [160, 320]"#;
    let run = ladder(&film, asked).done();
    assert_eq!(run.summary("v").1, Vec::<String>::new());
    let master = playlists::master(&run.path("v", "master.m3u8"));
    let wanted = CODECS.iter().flat_map(|codec| [(codec, "160x80"), (codec, "320x160")]);
    assert_eq!((master.variants.len(), master.keyframes.len()), (6, 6));
    for (variant, ((name, tag, codecs), size)) in master.variants.iter().zip(wanted) {
        assert_eq!(variant.attributes["RESOLUTION"], size);
        let said = variant.attributes["CODECS"].trim_matches('"');
        assert!(said.starts_with(codecs) && said.ends_with(",mp4a.40.2"), "{said}");
        let pictures = playlists::media(&variant.path);
        let durations: Vec<_> = pictures.segments.iter().map(|one| one.duration_s).collect();
        assert_eq!(durations, [2.0, 2.0, 1.0], "{name}");
        for (index, segment) in pictures.segments.iter().enumerate() {
            let (mut times, flags) = shown(&segment.bytes());
            let first = 15_360 * 2 * index as i64;
            assert_eq!((times[0], flags), (first, vec![0x0200_0000]), "{name}");
            times.sort_unstable();
            let count = [60, 60, 30][index];
            assert_eq!(times, (0..count).map(|frame| first + 512 * frame).collect::<Vec<_>>());
        }
        let track = whole(&footage, "whole.mp4", &pictures);
        let stream = &ffprobe(&track)[0];
        assert_eq!(
            (&stream["codec_name"], &stream["codec_tag_string"]),
            (&(*name).into(), &(*tag).into())
        );
        let scaled = format!("scale={}:flags=lanczos+accurate_rnd", size.replace('x', ":"));
        let quality = psnr(&track, &film, &scaled);
        assert!(quality > 34.0, "{name} {size}: {quality} dB");
    }
    let manifest = std::fs::read_to_string(run.path("v", "manifest.mpd")).unwrap();
    assert_eq!(manifest.matches("contentType=\"video\"").count(), 3, "{manifest}");
    for number in 0..4 {
        assert_eq!(manifest.matches(&format!("AdaptationSet id=\"{number}\"")).count(), 1);
    }
    let found = streams(&run.path("v", "manifest.mpd"));
    let frames: Vec<_> = found.iter().filter(|one| one.0 == "video").map(|one| one.3).collect();
    assert_eq!(frames, [150; 6], "{found:?}");
}

/// Segments of AV1 divide into groups that are all as long: 4 s at 25 frames a second are 2 × 50, at 30000/1001 2 × 60.
#[test]
fn keyframes_can_be_shown_alone() {
    let footage = Footage::new();
    let film = footage.make("film.mp4", &format!("{PICTURE} -t 6 -r 25 -c:v libx264 -qp 8"));
    for codec in ["hevc", "av1"] {
        let asked = format!(r#", "codecs": ["{codec}"], "crf": 16, "segment_s": 4.0"#);
        let run = ladder(&film, &asked).done();
        let master = playlists::master(&run.path("v", "master.m3u8"));
        let keyframes = playlists::media(&master.keyframes[0].path);
        let durations: Vec<_> = keyframes.segments.iter().map(|one| one.duration_s).collect();
        assert_eq!(durations, [2.0, 2.0, 2.0], "{codec}");
        let init = std::fs::read(&keyframes.init).unwrap();
        for (index, segment) in keyframes.segments.iter().enumerate() {
            footage.write("alone.mp4", &[init.clone(), segment.bytes()].concat());
            let still = footage.make("still.png", "-i alone.mp4 -frames:v 1");
            let quality = psnr(&still, &film, &format!("select=eq(n\\,{})", 50 * index));
            assert!(quality > 32.0, "{codec} {index}: {quality} dB");
        }
    }
}

#[test]
fn every_init_segment_has_the_sphere() {
    let footage = Footage::new();
    let plain = footage.make("plain.mp4", &format!("{PICTURE} -t 0.5 -c:v libx264"));
    let mut entry_boxes = Vec::new();
    StereoMode::TopBottom.write(&mut entry_boxes);
    let pose = Pose { yaw: 30 << 16, pitch: 5 << 16, roll: 0 };
    let projection = Projection::Equirectangular(Bounds::default());
    Spherical { source: "camera".into(), pose, projection }.write(&mut entry_boxes);
    let edit = TrackEdit { track_id: 1, entry_boxes, ..TrackEdit::default() };
    let plain = std::fs::read(plain).unwrap();
    let film = footage.write("sphere.mp4", &edited(&plain, &MovieEdit { tracks: vec![edit] }));
    let run = ladder(&film, r#", "codecs": ["hevc", "av1"]"#).done();
    let master = playlists::master(&run.path("v", "master.m3u8"));
    assert_eq!(master.variants.len(), 2);
    for variant in &master.variants {
        let playlist = playlists::media(&variant.path);
        let media = probe(&whole(&footage, "track.mp4", &playlist)).unwrap();
        let sphere = media.tracks[0].sphere.clone().unwrap();
        assert_eq!(
            (sphere.projection, sphere.eyes, sphere.yaw_deg),
            (SphereProjection::Equirectangular, EyeLayout::TopBottom, 30.0)
        );
        let init = std::fs::read(&playlist.init).unwrap();
        let brands = Boxes::new(FourCc(*b"file"), &init).next().unwrap().unwrap().body.to_vec();
        let is_av1 = variant.attributes["CODECS"].contains("av01");
        assert_eq!(brands.ends_with(b"av01"), is_av1, "{brands:?}");
    }
}

/// What is beyond what an encoder takes is said before it is begun.
#[test]
fn sizes_that_a_codec_does_not_take_are_refused_by_name() {
    let footage = Footage::new();
    let film = footage.make("small.mp4", &format!("{PICTURE} -vf scale=48:48 -t 0.5 -c:v libx264"));
    let run = ladder(&film, r#", "codecs": ["av1"]"#);
    let failure = run.failure();
    assert_eq!(failure.code, "rung_too_small");
    assert!(failure.message.contains("AV1"), "{}", failure.message);
}
