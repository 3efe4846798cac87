//! Frames against what the `ffmpeg` command decodes, and what is said of damage.

use std::path::Path;

use panofleet_job_schema::Failure;
use panofleet_media::video::{FramePictures, VideoFrame, VideoReader, representative};
use panofleet_media::{MediaError, probe};
use panofleet_raster::{Picture, Rect};

use crate::footage::{Footage, top_box};

const MOVING: &str = "-f lavfi -i testsrc2=s=320x160:r=30";

fn open(path: &Path) -> VideoReader {
    VideoReader::open(path, 0, 2).unwrap()
}

fn frames(path: &Path) -> Vec<VideoFrame> {
    let mut reader = open(path);
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

fn rgb(frame: &VideoFrame) -> Picture<u8> {
    FramePictures::new(0).picture(frame).unwrap()
}

/// The mean square error of a frame against interleaved RGB that `ffmpeg` made of it.
fn error_of(picture: &Picture<u8>, expected: &[u8]) -> f64 {
    let found = picture.to_interleaved(Rect::whole(picture.size())).unwrap();
    assert_eq!(found.len(), expected.len());
    let squares = found.iter().zip(expected).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    squares.sum::<f64>() / found.len() as f64
}

/// Every layout of samples that is read: planar, interleaved, deep, big-endian, gray, RGB, odd sizes.
#[test]
fn samples_are_found_wherever_they_lie() {
    let footage = Footage::new();
    // A smooth picture: how chroma is brought to full size hardly matters.
    let smooth = "-f lavfi -i gradients=s=321x161:x0=0:y0=0:x1=320:y1=160:c0=0x204060:c1=0xe0a020:n=2:d=0.1 -frames:v 1";
    for format in [
        "yuv420p",
        "yuvj420p",
        "yuv422p",
        "yuv444p",
        "yuv420p10le",
        "yuv422p10le",
        "yuv444p12le",
        "yuv444p16le",
        "gbrp",
        "gbrp10le",
        "gray",
        "gray10le",
        "yuva420p",
        "bgr0",
        "rgb48le",
    ] {
        let name = format!("{format}.mkv");
        let path = footage.make(&name, &format!("{smooth} -pix_fmt {format} -c:v ffv1"));
        let raw = footage.make(
            &format!("{format}.raw"),
            &format!("-i {name} -vf scale=sws_flags=accurate_rnd+full_chroma_int+bilinear -pix_fmt rgb24 -f rawvideo"),
        );
        let frames = frames(&path);
        assert_eq!(frames.len(), 1, "{format}");
        let error = error_of(&rgb(&frames[0]), &std::fs::read(raw).unwrap());
        // Less than two steps of 255, on average.
        assert!(error < 4.0, "{format}: {error}");
    }
    for format in ["nv12", "yuyv422", "uyvy422"] {
        // No lossless codec keeps these as they are; raw video does.
        let path = footage.make(
            &format!("{format}.avi"),
            &format!("{smooth} -vf crop=320:160 -pix_fmt {format} -c:v rawvideo"),
        );
        let direct = footage.make(&format!("{format}.mkv"), &format!("-i {format}.avi -c:v ffv1"));
        assert_eq!(rgb(&frames(&path)[0]), rgb(&frames(&direct)[0]), "{format}");
    }
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    let footage = Footage::new();
    for (name, arguments, words) in [
        ("palette.avi", "-pix_fmt pal8 -c:v rawvideo", "`pal8`"),
        ("quarter.mkv", "-pix_fmt yuv410p -c:v ffv1", "4 × 4"),
    ] {
        let path = footage.make(name, &format!("{MOVING} -frames:v 1 {arguments}"));
        let refused = FramePictures::new(0).picture(&frames(&path)[0]).unwrap_err();
        assert!(refused.to_string().contains(words), "{name}: {refused}");
        assert_eq!(Failure::from(refused).code, "video_unsupported");
    }
    let sound = footage.make("sound.m4a", "-f lavfi -i sine -t 0.1 -c:a aac");
    let refused = VideoReader::open(&sound, 0, 1).map(drop).unwrap_err();
    assert!(matches!(refused, MediaError::VideoUnsupported(_)), "{refused}");
}

#[test]
fn frames_come_in_order_with_their_times() {
    let footage = Footage::new();
    for arguments in [
        "-c:v libx264 -bf 3",
        "-c:v libx264 -x264-params open-gop=1:keyint=12:bframes=3",
        "-c:v mpeg4",
    ] {
        let path = footage.make("times.mp4", &format!("{MOVING} -t 2 {arguments}"));
        let times: Vec<f64> = frames(&path).iter().map(|frame| frame.at_s().unwrap()).collect();
        assert_eq!(times.len(), 60, "{arguments}");
        for (index, time) in times.iter().enumerate() {
            assert!((time - index as f64 / 30.0).abs() < 1e-3, "{arguments}: {index} at {time}");
        }
    }
}

/// Sought or read in order: the same frame, with open groups of pictures too, and with a start that is not 0.
#[test]
fn a_frame_that_is_sought_is_the_one_shown_then() {
    let footage = Footage::new();
    let open_gop = "-c:v libx264 -x264-params open-gop=1:keyint=12:bframes=3:b-pyramid=0";
    for (name, arguments) in [
        ("open.mp4", open_gop.to_owned()),
        ("late.ts", format!("{open_gop} -output_ts_offset 7")),
        ("cue.webm", "-c:v libvpx-vp9 -deadline realtime -g 20".to_owned()),
    ] {
        let path = footage.make(name, &format!("{MOVING} -t 3 {arguments}"));
        let in_order = frames(&path);
        let mut reader = open(&path);
        for index in [0, 1, 11, 12, 13, 47, 59, 89, 5] {
            let at_s = (index as f64 + 0.5) / 30.0;
            let found = reader.frame_at(at_s).unwrap().unwrap();
            assert_eq!(
                rgb(&found),
                rgb(&in_order[index]),
                "{name}: frame {index}, found {found:?}"
            );
        }
        // Beyond the end there is the last one.
        let last = reader.frame_at(100.0).unwrap().unwrap();
        assert_eq!(rgb(&last), rgb(&in_order[89]), "{name}");
    }
}

#[test]
fn damage_is_counted() {
    let footage = Footage::new();
    let encode = "-t 2 -c:v libx264 -g 10 -bf 0 -movflags faststart";
    let whole = footage.make("whole.mp4", &format!("{MOVING} {encode}"));
    let verdict = |path: &Path| {
        let declared = probe(path).unwrap().tracks[0].frames;
        let mut reader = open(path);
        while reader.next_frame().unwrap().is_some() {}
        reader.verdict(declared)
    };
    assert_eq!(verdict(&whole), None);

    // What an edit list leaves out is not missing: this one begins between keyframes.
    let clip = footage.make("clip.mp4", "-ss 0.5 -i whole.mp4 -t 1 -c copy");
    assert_eq!(verdict(&clip), None);

    let bytes = std::fs::read(&whole).unwrap();
    let samples = top_box(&bytes, b"mdat");
    let cut = footage.write("cut.mp4", &bytes[..samples.start + samples.len() / 2]);
    let said = verdict(&cut).unwrap();
    let decoded: u32 = said.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(said.contains("of 60 frames decoded") && (10..50).contains(&decoded), "{said}");

    let mut flipped = bytes;
    for at in (samples.start + 2000..samples.end).step_by(997) {
        flipped[at] ^= 0x5a;
    }
    let said = verdict(&footage.write("flipped.mp4", &flipped)).unwrap();
    assert!(said.starts_with("damaged: "), "{said}");
}

/// Frames of another size in the middle of a track are frames like others.
#[test]
fn a_size_may_change() {
    let footage = Footage::new();
    footage.make("a.ts", &format!("{MOVING} -t 0.5 -c:v mpeg2video"));
    footage.make("b.ts", &format!("{MOVING} -t 0.5 -s 160x80 -c:v mpeg2video"));
    let mut joined = std::fs::read(footage.path("a.ts")).unwrap();
    joined.extend(std::fs::read(footage.path("b.ts")).unwrap());
    let path = footage.write("joined.ts", &joined);
    let widths: Vec<_> =
        frames(&path).iter().map(|frame| frame.size().unwrap().width_px()).collect();
    assert!(widths.contains(&320) && widths.contains(&160), "{widths:?}");
}

/// Turned as players turn it.
#[test]
fn pictures_are_upright() {
    let footage = Footage::new();
    footage.make("plain.mp4", &format!("{MOVING} -t 0.1 -c:v libx264 -pix_fmt yuv444p"));
    let path = footage.make("turned.mp4", "-i plain.mp4 -c copy -metadata:s:v:0 rotate=90");
    let turned = footage.make("turned.raw", "-i turned.mp4 -frames:v 1 -pix_fmt rgb24 -f rawvideo");
    let rotation = probe(&path).unwrap().tracks[0].rotation_deg.unwrap();
    let picture = FramePictures::new(rotation).picture(&frames(&path)[0]).unwrap();
    assert_eq!(picture.size().width_px(), 160);
    let error = error_of(&picture, &std::fs::read(turned).unwrap());
    assert!(error < 4.0, "{error}");
}

/// Two seconds of black before, one of white after: neither is the video.
#[test]
fn the_representative_frame_is_not_black() {
    let footage = Footage::new();
    let path = footage.make(
        "story.mp4",
        "-f lavfi -i color=black:s=320x160:r=30:d=2 -f lavfi -i testsrc2=s=320x160:r=30:d=3 \
         -f lavfi -i color=white:s=320x160:r=30:d=1 -filter_complex [0][1][2]concat=n=3 -c:v libx264 -g 15",
    );
    let mut seen = Vec::new();
    let frame = representative(&mut open(&path), 6.0, |share| {
        seen.push(share);
        Ok::<_, MediaError>(())
    });
    let at_s = frame.unwrap().at_s().unwrap();
    assert!((2.0..5.0).contains(&at_s), "{at_s}");
    assert_eq!((seen.len(), seen.last()), (20, Some(&1.0)));
}
