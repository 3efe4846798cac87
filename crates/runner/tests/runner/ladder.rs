//! `video.ladder`: sizes that fit together, by `ffmpeg`'s and `ffprobe`'s word and RFC 8216.

use std::path::{Path, PathBuf};

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{Boxes, FourCc, MovieEdit, TrackEdit};
use panofleet_job_schema::media_info::{EyeLayout, SphereMetadata, SphereProjection};
use panofleet_media::probe;

use crate::child::{Run, run};
use crate::films::{self, PICTURE};
use crate::footage::{Footage, edited, ffprobe, program};
use crate::playlists::{self, Playlist};

/// Makes a ladder with these parameters, fast and in short segments unless they say otherwise.
pub(crate) fn ladder(source: &Path, parameters: &str) -> Run {
    let own = [("preset", r#", "preset": "superfast""#), ("segment_s", r#", "segment_s": 2.0"#)];
    let own = own.iter().filter(|(name, _)| !parameters.contains(name)).map(|(_, text)| *text);
    let own: String = own.collect();
    run(source, &format!(r#"{{"v": {{"op": "video.ladder"{own}{parameters}}}}}"#))
}

/// The whole track of a playlist in one file.
pub(crate) fn whole(footage: &Footage, name: &str, playlist: &Playlist) -> PathBuf {
    let mut bytes = std::fs::read(&playlist.init).unwrap();
    playlist.segments.iter().for_each(|segment| bytes.extend(segment.bytes()));
    footage.write(name, &bytes)
}

/// What `ffprobe` says of each packet or frame: these fields, in its order.
pub(crate) fn entries(path: &Path, what: &str) -> Vec<Vec<String>> {
    let mut command = program("ffprobe");
    command.args(["-v", "error", "-of", "csv=p=0", "-show_entries", what]);
    let output = command.arg(path).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let fields = |line: &str| line.trim_matches(',').split(',').map(str::to_owned).collect();
    text.split_whitespace().map(fields).collect()
}

/// Mean PSNR between two videos, frame by frame in their order, of which filters change the second.
pub(crate) fn psnr(result: &Path, source: &Path, filters: &str) -> f64 {
    psnr_of("average", result, source, filters)
}

/// The same of `y`, `u` or `v` alone.
pub(crate) fn psnr_of(plane: &str, result: &Path, source: &Path, filters: &str) -> f64 {
    let graph =
        format!("[1:v]{filters},settb=1/1000,setpts=N[b];[0:v]settb=1/1000,setpts=N[a];[a][b]psnr");
    let mut command = program("ffmpeg");
    command.args(["-nostdin", "-i"]).arg(result).args(["-noautorotate", "-i"]).arg(source);
    let output = command.args(["-lavfi", &graph, "-f", "null", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = said.split(&format!(" {plane}:")).nth(1).unwrap_or_else(|| panic!("{said}"));
    found.split_whitespace().next().unwrap().parse().unwrap_or(f64::INFINITY)
}

/// When the samples of a segment are shown, in the order of decoding, and what flags the first one of each fragment
/// has: `tfdt` and `trun` as ISO/IEC 14496-12 lays them out (8.8.8, 8.8.12).
///
/// FFmpeg is not asked: to what has offsets below zero, it adds the lowest of them (`dts_shift` in its `mov.c`), up
/// to version 7 at least.
pub(crate) fn shown(segment: &[u8]) -> (Vec<i64>, Vec<u32>) {
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut times, mut flags) = (Vec::new(), Vec::new());
    for found in Boxes::new(FourCc(*b"file"), segment).map(Result::unwrap) {
        if found.kind != b"moof" {
            continue;
        }
        let traf = found.children().find_kind(b"traf").unwrap().unwrap();
        let part = |kind: &[u8; 4]| traf.children().find_kind(kind).unwrap().unwrap().body;
        let (tfhd, tfdt, trun) = (part(b"tfhd"), part(b"tfdt"), part(b"trun"));
        assert_eq!((word(tfhd, 0), word(tfdt, 0)), (0x02_0028, 0x0100_0000));
        let (head, ticks) = (word(trun, 0), i64::from(word(tfhd, 8)));
        let mut decoded = i64::from(word(tfdt, 4)) << 32 | i64::from(word(tfdt, 8));
        assert!([0x0100_0205, 0x0100_0a05].contains(&head), "{head:x}");
        let step = if head & 0x800 == 0 { 4 } else { 8 };
        flags.push(word(trun, 12));
        for sample in trun[16..].chunks_exact(step) {
            let after = if step == 8 { word(sample, 4).cast_signed() } else { 0 };
            times.push(decoded + i64::from(after));
            decoded += ticks;
        }
    }
    (times, flags)
}

/// Streams of a playlist or manifest as FFmpeg opens it: kind, width, start, and frames that come out.
pub(crate) fn streams(path: &Path) -> Vec<(String, u64, f64, usize)> {
    let one = |(index, stream): (usize, &serde_json::Value)| {
        let kind = stream["codec_type"].as_str().unwrap().to_owned();
        let width_px = stream["width"].as_u64().unwrap_or(0);
        let start_s = stream["start_time"].as_str().unwrap().parse().unwrap();
        // One by one: FFmpeg's reader of DASH ends with the first that ends.
        let mut command = program("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-i"]).arg(path);
        command.args(["-map", &format!("0:{index}"), "-f", "framecrc", "-"]);
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let frames = text.lines().filter(|line| !line.starts_with('#')).count();
        (kind, width_px, start_s, frames)
    };
    ffprobe(path).iter().enumerate().map(one).collect()
}

#[test]
fn sizes_have_the_same_segments_and_begin_with_keyframes() {
    let footage = Footage::new();
    let film = footage.make(
        "film.mp4",
        &format!("{PICTURE} -f lavfi -i sine=r=48000 -t 5 -c:v libx264 -qp 8 -bf 3 -c:a aac -ac 2"),
    );
    let run = ladder(&film, r#", "crf": 12, "preset": "veryfast", "widths_px": [160, 320]"#).done();
    let (entries_of, warnings) = run.summary("v");
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((&*entries_of["hls"], &*entries_of["dash"]), ("master.m3u8", "manifest.mpd"));

    let master = playlists::master(&run.path("v", "master.m3u8"));
    assert_eq!(master.variants.len(), 2);
    let mut reordered = false;
    for (variant, size) in master.variants.iter().zip(["160x80", "320x160"]) {
        let said = |name: &str| variant.attributes[name].as_str();
        assert_eq!((said("RESOLUTION"), said("FRAME-RATE")), (size, "30.000"));
        assert_eq!(said("VIDEO-RANGE"), "SDR");
        let pictures = playlists::media(&variant.path);
        let durations: Vec<_> = pictures.segments.iter().map(|one| one.duration_s).collect();
        assert_eq!(durations, [2.0, 2.0, 1.0]);
        let init = std::fs::read(&pictures.init).unwrap();
        for (index, segment) in pictures.segments.iter().enumerate() {
            // Each stands alone: it begins with an IDR picture at its own time, and holds its own frames.
            let (mut times, flags) = shown(&segment.bytes());
            let first = 15_360 * 2 * index as i64;
            let count = [60, 60, 30][index];
            // 15,360 ticks a second. `sample_depends_on` 2: the first needs no other.
            assert_eq!((times[0], flags), (first, vec![0x0200_0000]));
            reordered |= !times.is_sorted();
            times.sort_unstable();
            assert_eq!(times, (0..count).map(|number| first + 512 * number).collect::<Vec<_>>());
            let alone = [init.clone(), segment.bytes()].concat();
            let alone = footage.write("alone.mp4", &alone);
            let frames = entries(&alone, "frame=pts,key_frame,pict_type");
            assert_eq!(frames.len() as i64, count);
            assert!(frames[0][0] == "1" && frames[0][2] == "I", "{frames:?}");
            assert_eq!(frames.iter().filter(|frame| frame[0] == "1").count(), 1);
            let times: Vec<i64> = frames.iter().map(|frame| frame[1].parse().unwrap()).collect();
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 512), "{times:?}");
        }
        let whole = whole(&footage, "whole.mp4", &pictures);
        let scaled = format!("scale={}:flags=lanczos+accurate_rnd", size.replace('x', ":"));
        let quality = psnr(&whole, &film, &scaled);
        assert!(quality > 34.0, "{size}: {quality} dB");
    }
    assert!(reordered, "no B-frames: offsets were not tried");

    let codecs = master.variants[1].attributes["CODECS"].trim_matches('"');
    assert!(codecs.starts_with("avc1.64") && codecs.ends_with(",mp4a.40.2"), "{codecs}");
    // What an independent demuxer makes of both manifests.
    for name in ["master.m3u8", "manifest.mpd"] {
        let found = streams(&run.path("v", name));
        let pictures: Vec<_> = found.iter().filter(|stream| stream.0 == "video").collect();
        assert_eq!(pictures.iter().map(|one| one.1).collect::<Vec<_>>(), [160, 320], "{name}");
        // What FFmpeg adds (see `shown`) is two frames at most: B-frames that others refer to.
        let right = |one: &&(String, u64, f64, usize)| one.2 < 0.067 && one.3 == 150;
        assert!(pictures.iter().all(right), "{name}: {found:?}");
        let sounds: Vec<_> = found.iter().filter(|stream| stream.0 == "audio").collect();
        // 5 s are 234.4 packets.
        let right = |one: &(String, u64, f64, usize)| one.2 == 0.0 && (234..=235).contains(&one.3);
        assert!(sounds.len() == 1 && right(sounds[0]), "{name}: {found:?}");
    }
}

/// Each flash has its click at the same time, as they come out of the segments.
#[test]
fn picture_and_sound_begin_at_zero_and_stay_together() {
    let footage = Footage::new();
    for (name, rate_hz, codec) in [
        ("aac.mp4", 44_100, "-c:a aac"),
        ("aac.ts", 48_000, "-c:a aac"),
        ("opus.mkv", 48_000, "-c:a libopus"),
        // The sound begins 40 ms after the picture.
        ("late.mkv", 44_100, "-c:a pcm_s16le -af asetpts=PTS+0.04/TB"),
    ] {
        let film = films::clap(&footage, name, rate_hz, codec);
        let run = ladder(&film, r#", "preset": "veryfast""#).done();
        let master = playlists::master(&run.path("v", "master.m3u8"));
        let sound = playlists::media(&master.sounds[0].path);
        let pictures = playlists::media(&master.variants[0].path);
        whole(&footage, "sound.mp4", &sound);
        whole(&footage, "picture.mp4", &pictures);
        let first = entries(&footage.path("sound.mp4"), "packet=pts")[0][0].clone();
        assert_eq!(first, "0");
        let raw = footage.make("sound.raw", "-i sound.mp4 -ac 1 -ar 48000 -f s16le");
        let raw = std::fs::read(raw).unwrap();
        let loud = raw
            .as_chunks::<2>()
            .0
            .iter()
            .position(|two| i16::from_le_bytes(*two).unsigned_abs() > 8000);
        let frames = footage.make("picture.raw", "-i picture.mp4 -pix_fmt gray -f rawvideo");
        let frames = std::fs::read(frames).unwrap();
        assert_eq!(frames.len(), 90 * 128 * 64, "{name}");
        let bright = frames.chunks(128 * 64).position(|frame| frame[32 * 128 + 64] > 128).unwrap();
        let (heard_s, seen_s) = (loud.unwrap() as f64 / 48_000.0, bright as f64 / 30.0);
        let late_s = match name {
            "late.mkv" => 0.04,
            // FFmpeg's muxer moves the picture by what Opus prepares, in whole thousandths.
            "opus.mkv" => -0.007,
            _ => 0.0,
        };
        assert!((seen_s - 0.5).abs() < 1e-9, "{name}: {seen_s}");
        assert!(
            (heard_s - late_s - seen_s).abs() < 0.001,
            "{name}: heard {heard_s}, seen {seen_s}"
        );
        // Both end together, as far as whole packets allow.
        let length = |playlist: &Playlist| -> f64 {
            playlist.segments.iter().map(|segment| segment.duration_s).sum()
        };
        let longer_s = length(&sound) - length(&pictures);
        assert!((0.0..0.024).contains(&longer_s), "{name}: {longer_s}");
        // A segment of sound ends within half a packet of the picture's.
        let first_s = sound.segments[0].duration_s - pictures.segments[0].duration_s;
        assert!(first_s.abs() < 0.012, "{name}: {first_s}");
    }
}

#[test]
fn every_init_segment_has_the_sphere() {
    let footage = Footage::new();
    let plain = footage.make("plain.mp4", &format!("{PICTURE} -t 0.5 -c:v libx264"));
    let plain = std::fs::read(plain).unwrap();
    for (eyes, layout) in
        [(StereoMode::Mono, Some("\"CH-MONO/PROJ-EQUI\"")), (StereoMode::TopBottom, None)]
    {
        let mut entry_boxes = Vec::new();
        eyes.write(&mut entry_boxes);
        let pose = Pose { yaw: 30 << 16, pitch: 5 << 16, roll: 0 };
        let projection = Projection::Equirectangular(Bounds::default());
        Spherical { source: "camera".into(), pose, projection }.write(&mut entry_boxes);
        let edit = TrackEdit { track_id: 1, entry_boxes, ..TrackEdit::default() };
        let film = footage.write("whole.mp4", &edited(&plain, &MovieEdit { tracks: vec![edit] }));
        let run = ladder(&film, r#", "widths_px": [160, 320]"#).done();
        let master = playlists::master(&run.path("v", "master.m3u8"));
        for variant in master.variants.iter().chain(&master.keyframes) {
            let said = variant.attributes.get("REQ-VIDEO-LAYOUT").map(String::as_str);
            assert_eq!(said, layout);
            let playlist = playlists::media(&variant.path);
            let media = probe(&whole(&footage, "track.mp4", &playlist)).unwrap();
            let sphere = media.tracks[0].sphere.clone().unwrap();
            let expected =
                if eyes == StereoMode::Mono { EyeLayout::Mono } else { EyeLayout::TopBottom };
            assert_eq!(
                (sphere.projection, sphere.eyes),
                (SphereProjection::Equirectangular, expected)
            );
            assert_eq!((sphere.yaw_deg, sphere.pitch_deg), (30.0, 5.0));
            assert_eq!(sphere.metadata, [SphereMetadata::SphericalV2, SphereMetadata::SphericalV1]);
        }
        assert!(master.sounds.is_empty());
    }
}

/// What a player gets that winds: the head of a fragment and its first frame, and nothing else.
#[test]
fn keyframes_can_be_shown_alone() {
    let footage = Footage::new();
    let film = footage.make("film.mp4", &format!("{PICTURE} -t 6 -c:v libx264 -qp 8"));
    let run = ladder(&film, r#", "crf": 12, "segment_s": 4.0"#).done();
    let master = playlists::master(&run.path("v", "master.m3u8"));
    let keyframes = playlists::media(&master.keyframes[0].path);
    let durations: Vec<_> = keyframes.segments.iter().map(|one| one.duration_s).collect();
    // Two groups of two seconds in a segment of four, and one in what is left.
    assert_eq!(durations, [2.0, 2.0, 2.0]);
    let init = std::fs::read(&keyframes.init).unwrap();
    for (index, segment) in keyframes.segments.iter().enumerate() {
        let alone = footage.write("alone.mp4", &[init.clone(), segment.bytes()].concat());
        let still = footage.make("still.png", "-i alone.mp4 -frames:v 1");
        assert!(alone.is_file());
        let quality = psnr(&still, &film, &format!("select=eq(n\\,{})", 60 * index));
        assert!(quality > 34.0, "{index}: {quality} dB");
    }
}
