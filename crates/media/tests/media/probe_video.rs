//! What a probe says about files with tracks: `ffprobe` and the specifications are the judges.

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{FourCc, MovieEdit, TrackEdit, apple, v1};
use panofleet_job_schema::Failure;
use panofleet_job_schema::media_info::{
    DynamicRange, EyeLayout, MediaInfo, SphereInfo, SphereMargins, SphereMetadata,
    SphereProjection, TrackInfo,
};
use panofleet_media::probe;
use serde_json::Value;

use crate::footage::{Footage, edited, ffprobe, top_box};

const PICTURE: &str = "-f lavfi -i testsrc2=s=320x160:r=30000/1001";
const SOUND: &str = "-f lavfi -i sine=r=44100";

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !matches!(*text, "unknown" | "N/A"))
}

fn check_against_ffprobe(track: &TrackInfo, said: &Value, name: &str) {
    assert_eq!(Some(&*track.codec), text(&said["codec_name"]), "{name}");
    assert_eq!(track.profile.as_deref(), text(&said["profile"]), "{name}");
    assert_eq!(track.width_px.map(u64::from), said["width"].as_u64(), "{name}");
    assert_eq!(track.height_px.map(u64::from), said["height"].as_u64(), "{name}");
    assert_eq!(track.pixel_format.as_deref(), text(&said["pix_fmt"]), "{name}");
    assert_eq!(track.channels.map(u64::from), said["channels"].as_u64(), "{name}");
    assert_eq!(track.channel_layout.as_deref(), text(&said["channel_layout"]), "{name}");
    let rate = track.sample_rate_hz.map(|rate| rate.to_string());
    assert_eq!(rate.as_deref(), text(&said["sample_rate"]), "{name}");
    assert_eq!(
        track.language.as_deref(),
        text(&said["tags"]["language"]).filter(|l| *l != "und"),
        "{name}"
    );
    if let Some((numerator, denominator)) = track.frame_rate {
        assert_eq!(
            Some(&*format!("{numerator}/{denominator}")),
            text(&said["avg_frame_rate"]),
            "{name}"
        );
    }
    if let Some(color) = &track.color {
        assert_eq!(color.primaries.as_deref(), text(&said["color_primaries"]), "{name}");
        assert_eq!(color.transfer.as_deref(), text(&said["color_transfer"]), "{name}");
        assert_eq!(color.matrix.as_deref(), text(&said["color_space"]), "{name}");
        assert_eq!(color.range.as_deref(), text(&said["color_range"]), "{name}");
    }
    if let Some(seconds) = text(&said["duration"]) {
        let seconds: f64 = seconds.parse().unwrap();
        let ours = track.duration_ms.unwrap() as f64 / 1000.0;
        assert!((ours - seconds).abs() < 0.002, "{name}: {ours} {seconds}");
    }
}

#[test]
fn tracks_are_what_ffprobe_says() {
    let footage = Footage::new();
    let hdr10 = "-c:v libx265 -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc \
                 -x265-params log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:max-cll=1000,400:\
                 master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)";
    for (name, arguments) in [
        (
            "plain.mp4",
            format!(
                "{PICTURE} {SOUND} -t 2 -c:v libx264 -profile:v high -bf 2 -c:a aac -metadata:s:a:0 language=deu"
            ),
        ),
        ("hdr10.mkv", format!("{PICTURE} -t 0.5 {hdr10}")),
        (
            "web.webm",
            format!(
                "{PICTURE} {SOUND} -t 1 -c:v libvpx-vp9 -deadline realtime -c:a libopus -metadata:s:a:0 language=eng"
            ),
        ),
        ("camera.ts", format!("{PICTURE} {SOUND} -t 1 -c:v mpeg2video -c:a mp2")),
        (
            "odd.mov",
            format!("{PICTURE} -t 0.5 -vf crop=319:159:0:0:exact=1 -c:v libx264 -pix_fmt yuv444p"),
        ),
        (
            "fragments.mp4",
            format!(
                "{PICTURE} -t 2 -c:v libx264 -g 15 -movflags frag_keyframe+empty_moov+default_base_moof"
            ),
        ),
        ("sound.m4a", format!("{SOUND} -t 1 -c:a aac -ac 6")),
    ] {
        let path = footage.make(name, &arguments);
        let media = probe(&path).unwrap();
        let said = ffprobe(&path);
        assert_eq!(media.tracks.len(), said.len(), "{name}");
        for (track, said) in media.tracks.iter().zip(&said) {
            check_against_ffprobe(track, said, name);
        }
        assert_eq!(media.warnings, Vec::<String>::new(), "{name}");
        let video = media.tracks.iter().find(|track| track.kind == "video");
        assert!(
            video.is_none_or(|track| track.timing.is_some_and(|timing| !timing.variable)),
            "{name}: {video:?}"
        );
    }
    let hdr10 = probe(&footage.path("hdr10.mkv")).unwrap();
    assert_eq!(hdr10.tracks[0].color.as_ref().unwrap().dynamic_range, DynamicRange::Hdr10);
    assert_eq!(hdr10.tracks[0].bits_per_sample, Some(10));
    let frames = |name: &str| probe(&footage.path(name)).unwrap().tracks[0].frames;
    // FFmpeg counts none in fragments.
    assert_eq!((frames("plain.mp4"), frames("fragments.mp4")), (Some(60), Some(60)));
}

#[test]
fn variable_rates_are_noticed() {
    let footage = Footage::new();
    let varied = format!(
        "{PICTURE} -t 2 -vf select='not(mod(n\\,7))+gt(n\\,30)' -fps_mode vfr -c:v libx264"
    );
    let timing = probe(&footage.make("varied.mp4", &varied)).unwrap().tracks[0].timing.unwrap();
    assert!(timing.variable, "{timing:?}");
    assert!((timing.shortest_ms - 33.367).abs() < 0.1 && timing.longest_ms > 200.0, "{timing:?}");
}

#[test]
fn rotation_and_pixel_shape() {
    let footage = Footage::new();
    let plain = format!("{PICTURE} -t 0.5 -vf setsar=4/3 -c:v libx264");
    footage.make("plain.mp4", &plain);
    let turned = footage.make("turned.mp4", "-i plain.mp4 -c copy -metadata:s:v:0 rotate=270");
    let track = &probe(&turned).unwrap().tracks[0];
    // `ffprobe` counts counter-clockwise.
    let said = ffprobe(&turned)[0]["side_data_list"][0]["rotation"].as_i64().unwrap();
    assert_eq!((track.rotation_deg, said), (Some(90), -90));
    assert_eq!(track.pixel_aspect, Some((4, 3)));
}

/// An MP4 with these boxes in its sample entry and its track.
fn spherical(
    footage: &Footage,
    name: &str,
    entry_boxes: Vec<u8>,
    track_boxes: Vec<u8>,
) -> MediaInfo {
    let plain = footage.make("plain.mp4", &format!("{PICTURE} -t 0.2 -c:v libx264"));
    let edit = MovieEdit {
        tracks: vec![TrackEdit { track_id: 1, entry_boxes, track_boxes, ..TrackEdit::default() }],
    };
    let path = footage.write(name, &edited(&std::fs::read(plain).unwrap(), &edit));
    probe(&path).unwrap()
}

fn sphere(media: &MediaInfo) -> &SphereInfo {
    media.tracks[0].sphere.as_ref().expect("a sphere")
}

#[test]
fn boxes_count_before_xml_and_both_are_said() {
    let footage = Footage::new();
    let (mut entry, mut track) = (Vec::new(), Vec::new());
    StereoMode::LeftRight.write(&mut entry);
    let bounds = Bounds { left: 1 << 30, right: 1 << 30, ..Bounds::default() };
    let pose = Pose { yaw: 90 << 16, pitch: -(10 << 16), roll: 0 };
    Spherical { source: "t".into(), pose, projection: Projection::Equirectangular(bounds) }
        .write(&mut entry);
    let about = v1::Spherical {
        spherical: true,
        projection: Some("equirectangular".into()),
        stereo: Some(StereoMode::TopBottom),
        initial_heading_deg: Some(45.0),
        ..v1::Spherical::default()
    };
    about.write(&mut track);
    let media = spherical(&footage, "both.mp4", entry, track);
    let found = sphere(&media);
    assert_eq!(
        (found.projection, found.eyes),
        (SphereProjection::Equirectangular, EyeLayout::LeftRight)
    );
    let margins = SphereMargins { left: 0.25, right: 0.25, ..SphereMargins::default() };
    assert_eq!(found.margins, Some(margins));
    assert_eq!(
        (found.yaw_deg, found.pitch_deg, found.initial_heading_deg),
        (90.0, -10.0, Some(45.0))
    );
    assert_eq!(found.metadata, [SphereMetadata::SphericalV2, SphereMetadata::SphericalV1]);
    assert!(
        media.warnings.iter().any(|said| said.contains("the boxes count")),
        "{:?}",
        media.warnings
    );

    // FFmpeg hands the same on to Matroska, and does not know the margins of a tile's XML.
    let matroska = footage.make("both.mkv", "-i both.mp4 -c copy");
    let media = probe(&matroska).unwrap();
    let found = sphere(&media);
    assert_eq!(
        (found.projection, found.eyes),
        (SphereProjection::Equirectangular, EyeLayout::LeftRight)
    );
    assert_eq!((found.yaw_deg, found.pitch_deg), (90.0, -10.0));
    assert_eq!(found.margins.map(|margins| (margins.left * 1000.0).round()), Some(250.0));
    assert_eq!(found.metadata, [SphereMetadata::Matroska]);
}

#[test]
fn cubes_and_apples_words() {
    let footage = Footage::new();
    let mut entry = Vec::new();
    let projection = Projection::Cubemap { layout: 0, padding_px: 16 };
    Spherical { source: String::new(), pose: Pose::default(), projection }.write(&mut entry);
    let media = spherical(&footage, "cube.mp4", entry, Vec::new());
    assert_eq!(
        (sphere(&media).projection, sphere(&media).padding_px),
        (SphereProjection::Cubemap, Some(16))
    );

    let mut entry = Vec::new();
    let eyes = apple::Eyes { left: true, right: true, ..apple::Eyes::default() };
    let vexu = apple::Extended {
        projection: Some(FourCc(*b"hequ")),
        eyes: Some(eyes),
        packing: Some(FourCc(*b"over")),
        ..apple::Extended::default()
    };
    vexu.write(&mut entry);
    apple::write_hfov(180_000, &mut entry);
    let media = spherical(&footage, "apple.mp4", entry, Vec::new());
    let found = sphere(&media);
    assert_eq!(
        (found.projection, found.eyes),
        (SphereProjection::HalfEquirectangular, EyeLayout::TopBottom)
    );
    assert_eq!(
        (found.hfov_deg, &found.metadata[..]),
        (Some(180.0), &[SphereMetadata::AppleVexu][..])
    );

    // A box that is damaged is said, and the file is used.
    let media = spherical(&footage, "bad.mp4", b"\0\0\0\x0dst3d\0\0\0\0\x63".to_vec(), Vec::new());
    assert_eq!(media.tracks[0].sphere, None);
    assert!(
        media.warnings[0].contains("stereo mode is not known; it was ignored"),
        "{:?}",
        media.warnings
    );
}

#[test]
fn what_is_missing_is_counted() {
    let footage = Footage::new();
    let whole =
        footage.make("fast.mp4", &format!("{PICTURE} -t 2 -c:v libx264 -movflags faststart"));
    let bytes = std::fs::read(whole).unwrap();
    let cut = footage.write("cut.mp4", &bytes[..bytes.len() * 2 / 3]);
    let warnings = probe(&cut).unwrap().warnings.join("\n");
    assert!(warnings.contains("of 60 frames of track 0 lie beyond its end"), "{warnings}");
    assert!(warnings.contains("before its last box does"), "{warnings}");

    let slow = footage.make("slow.mp4", &format!("{PICTURE} -t 2 -c:v libx264"));
    let bytes = std::fs::read(slow).unwrap();
    let moov = top_box(&bytes, b"moov");
    for (end, code) in [
        (moov.start, "file_damaged"),
        (moov.start - 100, "file_truncated"),
        (moov.end - 9, "file_truncated"),
    ] {
        let failure = Failure::from(probe(&footage.write("none.mp4", &bytes[..end])).unwrap_err());
        assert_eq!(failure.code, code, "{end}: {}", failure.message);
    }
    let said = probe(&footage.write("none.mp4", &bytes[..moov.start])).unwrap_err().to_string();
    assert!(said.contains("no `moov`"), "{said}");
}

/// 100 hours in the headers, two seconds in the tables.
#[test]
fn a_duration_that_lies_is_not_believed() {
    let footage = Footage::new();
    let plain = footage.make("plain.mp4", &format!("{PICTURE} -t 2 -c:v libx264 -use_editlist 0"));
    let mut bytes = std::fs::read(plain).unwrap();
    for (kind, at, duration) in
        [(b"mvhd", 20, 360_000_000_u32), (b"tkhd", 24, 360_000_000), (b"mdhd", 20, 4_000_000_000)]
    {
        let found = bytes.windows(4).position(|four| four == kind).unwrap();
        bytes[found + at..found + at + 4].copy_from_slice(&duration.to_be_bytes());
    }
    let media = probe(&footage.write("long.mp4", &bytes)).unwrap();
    assert_eq!(media.duration_ms, Some(2002));
    assert!(media.warnings.join("\n").contains("the samples count"), "{:?}", media.warnings);
}

#[test]
fn playlists_in_any_dress_are_refused() {
    let footage = Footage::new();
    for (name, body) in [
        ("list.mp4", "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("list.mov", "ffconcat version 1.0\nfile '/etc/passwd'\n"),
    ] {
        let failure = Failure::from(probe(&footage.write(name, body.as_bytes())).unwrap_err());
        assert_eq!(failure.code, "playlist_refused", "{name}");
    }
    let dash = footage.write(
        "list.mkv",
        b"<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>",
    );
    assert_eq!(Failure::from(probe(&dash).unwrap_err()).code, "format_unknown");
}
