//! `video.transcode`: what comes out is what went in, by `ffmpeg`'s and `ffprobe`'s word.

use std::path::{Path, PathBuf};

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{MovieEdit, TrackEdit, apple};
use panofleet_job_schema::media_info::{EyeLayout, SphereMetadata, SphereProjection};
use panofleet_job_schema::{ErrorClass, Failure};
use panofleet_media::probe;

use crate::child::{Run, run};
use crate::films::{self, PICTURE};
use crate::footage::{Footage, edited, ffprobe, program, top_box};

/// Transcodes with these parameters, fast.
fn transcode(source: &Path, parameters: &str) -> Run {
    run(
        source,
        &format!(r#"{{"v": {{"op": "video.transcode", "preset": "ultrafast"{parameters}}}}}"#),
    )
}

fn made(run: &Run) -> PathBuf {
    run.path("v", "video.mp4")
}

/// Mean PSNR between a result and a reference that these filters make of the source, frame by frame.
pub(crate) fn psnr(result: &Path, source: &Path, filters: &str) -> f64 {
    let graph = format!(
        "[1:v]{filters}[r];[0:v]settb=1/1000,setpts=N[a];[r]settb=1/1000,setpts=N[b];[a][b]psnr"
    );
    let mut command = program("ffmpeg");
    command
        .args(["-nostdin", "-noautorotate", "-i"])
        .arg(result)
        .args(["-noautorotate", "-i"])
        .arg(source);
    let output = command.args(["-lavfi", &graph, "-f", "null", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let average = said.split("average:").nth(1).unwrap_or_else(|| panic!("{said}"));
    average.split_whitespace().next().unwrap().parse().unwrap_or(f64::INFINITY)
}

/// The times of a file's frames, in seconds, as a player shows them.
fn times(path: &Path) -> Vec<f64> {
    let mut command = program("ffprobe");
    command.args([
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "frame=pts_time",
        "-of",
        "csv=p=0",
    ]);
    let output = command.arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|time| time.trim_matches(',').parse().unwrap()).collect()
}

fn seconds(path: &Path, stream: usize) -> f64 {
    ffprobe(path)[stream]["duration"].as_str().unwrap().parse().unwrap()
}

#[test]
fn every_frame_comes_through_and_the_index_is_first() {
    let footage = Footage::new();
    let film = footage.make(
        "film.mp4",
        &format!("{PICTURE} -f lavfi -i sine=r=48000 -t 3 -c:v libx264 -qp 8 -bf 3 -c:a aac"),
    );
    let run = transcode(&film, r#", "crf": 10"#).done();
    let result = made(&run);
    let bytes = std::fs::read(&result).unwrap();
    assert!(top_box(&bytes, b"moov").end <= top_box(&bytes, b"mdat").start);
    let streams = ffprobe(&result);
    let codecs: Vec<_> =
        streams.iter().map(|stream| stream["codec_name"].as_str().unwrap()).collect();
    assert_eq!(codecs, ["h264", "aac"]);
    assert_eq!(streams[0]["nb_frames"], "90");
    let (found, expected) = (times(&result), times(&film));
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
    assert!((seconds(&result, 1) - 3.0).abs() < 0.05);
    let quality = psnr(&result, &film, "null");
    assert!(quality > 38.0, "{quality} dB");
    assert_eq!(run.summary("v").1, Vec::<String>::new());
}

#[test]
fn a_part_is_cut_out_and_made_smaller() {
    let footage = Footage::new();
    let film = footage.make(
        "film.mp4",
        &format!("{PICTURE} -f lavfi -i sine=r=44100 -t 4 -c:v libx264 -qp 8 -bf 3 -g 50 -c:a aac"),
    );
    let run =
        transcode(&film, r#", "crf": 8, "width_px": 160, "start_s": 1.0, "end_s": 2.5"#).done();
    let result = made(&run);
    let track = &probe(&result).unwrap().tracks[0];
    assert_eq!((track.width_px, track.height_px, track.frames), (Some(160), Some(80), Some(45)));
    let first = times(&result)[0];
    assert!(first.abs() < 1e-6, "{first}");
    let sound = seconds(&result, 1);
    assert!((1.45..1.6).contains(&sound), "{sound}");
    // Frame 30 is the first; the reference is cut and scaled by FFmpeg.
    let quality =
        psnr(&result, &film, "select=between(n\\,30\\,74),scale=160:80:flags=lanczos+accurate_rnd");
    assert!(quality > 33.0, "{quality} dB");
}

/// Each flash has its click at the same time, whether sound is copied or encoded, and frames come out of order.
#[test]
fn picture_and_sound_stay_together() {
    let footage = Footage::new();
    for (name, rate_hz, codec) in [
        ("aac.mp4", 44_100, "-c:a aac"),
        ("pcm.mov", 48_000, "-c:a pcm_s16le"),
        ("opus.mkv", 48_000, "-c:a libopus"),
        ("mp2.ts", 48_000, "-c:a mp2"),
    ] {
        let film = films::clap(&footage, name, rate_hz, codec);
        for (start, parameters) in [(0.0, ""), (1.2, r#", "start_s": 1.2"#)] {
            let run = transcode(&film, parameters).done();
            let result = made(&run);
            let copy = footage.path("result.mp4");
            std::fs::copy(&result, &copy).unwrap();
            let sound =
                footage.make("sound.raw", "-i result.mp4 -map 0:a -ac 1 -ar 48000 -f s16le");
            let sound = std::fs::read(sound).unwrap();
            let loud = sound
                .as_chunks::<2>()
                .0
                .iter()
                .position(|two| i16::from_le_bytes(*two).unsigned_abs() > 8000);
            let picture =
                footage.make("picture.raw", "-i result.mp4 -map 0:v -pix_fmt gray -f rawvideo");
            let picture = std::fs::read(picture).unwrap();
            let bright =
                picture.chunks(128 * 64).position(|frame| frame[32 * 128 + 64] > 128).unwrap();
            let (heard_s, seen_s) = (loud.unwrap() as f64 / 48_000.0, times(&result)[bright]);
            assert!(
                (heard_s - seen_s).abs() < 0.017,
                "{name} from {start}: heard {heard_s}, seen {seen_s}"
            );
            let expected = if start > 0.0 { 1.5 - start } else { 0.5 };
            assert!((seen_s - expected).abs() < 0.035, "{name}: {seen_s}");
        }
    }
}

#[test]
fn the_sphere_is_kept_and_true() {
    let footage = Footage::new();
    let plain = footage.make("plain.mp4", &format!("{PICTURE} -t 0.5 -c:v libx264"));
    let plain = std::fs::read(plain).unwrap();
    let tagged = |name: &str, entry_boxes: Vec<u8>| {
        let edit = TrackEdit { track_id: 1, entry_boxes, ..TrackEdit::default() };
        footage.write(name, &edited(&plain, &MovieEdit { tracks: vec![edit] }))
    };
    let mut boxes = Vec::new();
    StereoMode::TopBottom.write(&mut boxes);
    let pose = Pose { yaw: 30 << 16, pitch: 5 << 16, roll: 0 };
    let projection = Projection::Equirectangular(Bounds::default());
    Spherical { source: "camera".into(), pose, projection }.write(&mut boxes);
    let whole = tagged("whole.mp4", boxes);
    // Through Matroska it comes as FFmpeg's side data.
    let matroska = footage.make("whole.mkv", "-i whole.mp4 -c copy");
    for source in [&whole, &matroska] {
        let run = transcode(source, "").done();
        let media = probe(&made(&run)).unwrap();
        let sphere = media.tracks[0].sphere.clone().unwrap();
        assert_eq!(
            (sphere.projection, sphere.eyes),
            (SphereProjection::Equirectangular, EyeLayout::TopBottom)
        );
        assert_eq!((sphere.yaw_deg, sphere.pitch_deg), (30.0, 5.0));
        assert_eq!(sphere.metadata, [SphereMetadata::SphericalV2, SphereMetadata::SphericalV1]);
        assert_eq!(media.warnings, Vec::<String>::new());
    }

    let mut boxes = Vec::new();
    let projection = Projection::Cubemap { layout: 0, padding_px: 16 };
    Spherical { source: String::new(), pose: Pose::default(), projection }.write(&mut boxes);
    let cube = transcode(&tagged("cube.mp4", boxes), r#", "width_px": 160"#).done();
    let sphere = probe(&made(&cube)).unwrap().tracks[0].sphere.clone().unwrap();
    assert_eq!((sphere.projection, sphere.padding_px), (SphereProjection::Cubemap, Some(8)));

    let mut boxes = Vec::new();
    let projection = Some(panofleet_isobmff::FourCc(*b"fish"));
    apple::Extended { projection, ..apple::Extended::default() }.write(&mut boxes);
    let fish = transcode(&tagged("fish.mp4", boxes), "").done();
    assert_eq!(probe(&made(&fish)).unwrap().tracks[0].sphere, None);
    assert!(fish.summary("v").1.join("\n").contains("was left out"), "{:?}", fish.summary("v").1);
}

/// Rotation, pixel shape, uneven times and odd, deep or differently sampled frames.
#[test]
fn what_players_go_by_is_kept() {
    let footage = Footage::new();
    footage.make("plain.mp4", &format!("{PICTURE} -t 0.5 -vf setsar=4/3 -c:v libx264"));
    let turned = footage.make("turned.mp4", "-i plain.mp4 -c copy -metadata:s:v:0 rotate=90");
    let source = probe(&turned).unwrap();
    let run = transcode(&turned, "").done();
    let result = probe(&made(&run)).unwrap();
    let shape = |track: &panofleet_job_schema::media_info::TrackInfo| {
        (track.rotation_deg, track.pixel_aspect, track.width_px)
    };
    assert_eq!(shape(&result.tracks[0]), shape(&source.tracks[0]));
    assert!(source.tracks[0].rotation_deg.is_some_and(|angle| angle % 180 == 90));

    let uneven = footage.make(
        "uneven.mkv",
        &format!("{PICTURE} -t 2 -vf select='not(mod(n\\,7))+gt(n\\,30)' -fps_mode vfr -c:v libx264 -bf 2"),
    );
    let run = transcode(&uneven, "").done();
    let (found, expected) = (times(&made(&run)), times(&uneven));
    assert!(
        found.len() == expected.len()
            && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-3),
        "{found:?}"
    );

    let deep = footage.make(
        "deep.mkv",
        &format!("{PICTURE} -t 0.3 -vf crop=319:159:0:0:exact=1 -pix_fmt yuv422p10le -c:v ffv1"),
    );
    let run = transcode(&deep, r#", "crf": 5"#).done();
    let result = made(&run);
    let track = &probe(&result).unwrap().tracks[0];
    assert_eq!((track.width_px, track.height_px), (Some(318), Some(158)));
    assert_eq!(
        (track.pixel_format.as_deref(), track.profile.as_deref()),
        (Some("yuv420p"), Some("Constrained Baseline"))
    );
    let quality = psnr(&result, &deep, "scale=318:158:flags=lanczos+accurate_rnd,format=yuv420p");
    assert!(quality > 33.0, "{quality} dB");
}

fn refusal(source: &Path, parameters: &str) -> Failure {
    transcode(source, parameters).failure().clone()
}

#[test]
fn damage_is_said_or_refused() {
    let footage = Footage::new();
    let cut = films::cut(&footage);
    let run = transcode(&cut, "").done();
    let warnings = run.summary("v").1.join("\n");
    assert!(
        warnings.contains("damaged: ") && warnings.contains(" of 60 frames decoded"),
        "{warnings}"
    );
    let decoded: usize = warnings.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(times(&made(&run)).len() >= decoded, "{warnings}");

    let refused = refusal(&cut, r#", "damage": "reject""#);
    assert_eq!((&*refused.code, refused.class), ("video_damaged", ErrorClass::Rejected));
    assert!(
        refused.message.contains("of 60 frames decoded; export it again"),
        "{}",
        refused.message
    );

    let hdr = footage.make(
        "hdr.mp4",
        &format!(
            "{PICTURE} -t 0.1 -c:v libx265 -pix_fmt yuv420p10le -x265-params \
                  log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
        ),
    );
    assert_eq!(refusal(&hdr, "").code, "hdr_unsupported");
    let short = footage.make("short.mp4", &format!("{PICTURE} -t 1 -c:v libx264"));
    let beyond = refusal(&short, r#", "start_s": 5"#);
    assert_eq!(beyond.code, "time_beyond_end");
}
