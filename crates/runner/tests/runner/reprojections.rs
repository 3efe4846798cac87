//! `pano_video.convert`: each frame is what the still engine makes of it, and lies as FFmpeg's `v360` has it.

use std::path::{Path, PathBuf};

use panofleet_isobmff::v2::{Bounds, Pose, Projection, Spherical, StereoMode};
use panofleet_isobmff::{MovieEdit, TrackEdit};
use panofleet_job_schema::media_info::{EyeLayout, SphereInfo, SphereProjection};
use panofleet_media::probe;

use crate::child::{Run, run};
use crate::footage::{Footage, edited, ffprobe};
use crate::transcode::psnr;

/// A sphere of smooth waves, brightness and colours, that is its own mirror nowhere, moves, and has one value at each pole; with
/// sound.
const SPHERE: &str = "-f lavfi -i nullsrc=s=640x320:r=10,geq=\
    lum=126+sin(PI*Y/320)*sin(PI*Y/320)\
        *(60*sin(2*PI*5*X/640+N/3+0.5)*cos(PI*3*Y/320+0.3)+25*sin(2*PI*X/640+1)):\
    cb=128+50*sin(PI*Y/160)*sin(2*PI*2*X/640+0.2):cr=128+50*cos(PI*2*Y/320+0.4) \
    -f lavfi -i sine=r=48000 -t 0.8 -pix_fmt yuv420p -c:v libx264 -qp 1 -bf 2 -c:a aac";

fn convert(source: &Path, parameters: &str) -> Run {
    let outputs = format!(
        r#"{{"v": {{"op": "pano_video.convert", "preset": "ultrafast", "crf": 1{parameters}}}}}"#
    );
    run(source, &outputs).done()
}

/// The result, beside the footage.
fn made(footage: &Footage, run: &Run, name: &str) -> PathBuf {
    let path = footage.path(name);
    std::fs::copy(run.path("v", "video.mp4"), &path).unwrap();
    path
}

/// A frame as a picture.
fn frame(footage: &Footage, film: &str, number: u32) -> PathBuf {
    let arguments = format!("-i {film} -vf select=eq(n\\,{number}) -frames:v 1 -pix_fmt rgb24");
    footage.make(&format!("{film}-{number}.png"), &arguments)
}

fn sphere(path: &Path) -> Option<SphereInfo> {
    let media = probe(path).unwrap();
    assert_eq!(media.warnings, Vec::<String>::new());
    media.tracks[0].sphere.clone()
}

/// The film with boxes that say what it shows.
fn tagged(footage: &Footage, film: &Path, name: &str, boxes: impl Fn(&mut Vec<u8>)) -> PathBuf {
    let mut entry_boxes = Vec::new();
    boxes(&mut entry_boxes);
    let edit = TrackEdit { track_id: 1, entry_boxes, ..TrackEdit::default() };
    let bytes = std::fs::read(film).unwrap();
    footage.write(name, &edited(&bytes, &MovieEdit { tracks: vec![edit] }))
}

#[test]
fn a_frame_is_what_the_still_engine_makes_of_it() {
    let footage = Footage::new();
    let film = footage.make("film.mp4", SPHERE);
    let still = frame(&footage, "film.mp4", 5);
    let turned = r#""yaw_deg": 35, "pitch_deg": 20, "roll_deg": 10"#;
    for (to, word, size, angles) in [
        ("equirectangular", "equirectangular", r#""width_px": 400"#, turned),
        ("half-equirectangular", "half-equirectangular", r#""width_px": 300"#, r#""yaw_deg": 90"#),
        (
            "rectilinear",
            "rectilinear",
            r#""width_px": 320, "height_px": 180, "fov_deg": 100"#,
            turned,
        ),
        (
            "stereographic",
            "stereographic",
            r#""width_px": 240, "fov_deg": 280"#,
            r#""pitch_deg": -90"#,
        ),
    ] {
        let converted = convert(&film, &format!(r#", "to": "{to}", {size}, {angles}"#));
        made(&footage, &converted, "result.mp4");
        let found = frame(&footage, "result.mp4", 5);
        let outputs = format!(
            r#"{{"p": {{"op": "pano.convert", "to": "{word}", {size}, {angles}, "format": "png"}}}}"#
        );
        let expected = run(&still, &outputs).done();
        let quality = psnr(&found, &expected.path("p", "panorama.png"), "null");
        assert!(quality > 40.0, "{to}: {quality} dB");
        std::fs::remove_file(found).unwrap();
    }
}

/// FFmpeg's remap is less exact, but nobody turned it round.
#[test]
fn directions_are_those_of_ffmpeg() {
    let footage = Footage::new();
    let film = footage.make("film.mp4", SPHERE);
    for (parameters, filter) in [
        (
            r#""to": "rectilinear", "width_px": 320, "height_px": 320, "yaw_deg": 40, "pitch_deg": 25"#,
            "v360=e:flat:h_fov=90:v_fov=90:yaw=40:pitch=25:w=320:h=320",
        ),
        (r#""to": "half-equirectangular", "width_px": 320"#, "v360=e:hequirect:w=320:h=320"),
        // The faces above and below are turned by half in the box of MP4.
        (
            r#""to": "cubemap", "width_px": 480"#,
            "v360=e:c3x2:w=480:h=320,split=3[a][b][c];[b]crop=160:160:320:0,hflip,vflip[u];[c]crop=160:160:0:160,hflip,vflip[d];\
             [a][u]overlay=320:0[e];[e][d]overlay=0:160",
        ),
    ] {
        let result = made(&footage, &convert(&film, &format!(", {parameters}")), "result.mp4");
        let quality = psnr(&result, &film, filter);
        assert!(quality > 30.0, "{parameters}: {quality} dB");
    }
}

#[test]
fn a_cube_and_back_is_the_sphere_again() {
    let footage = Footage::new();
    let film = footage.make("film.mp4", SPHERE);
    for padding in ["", r#", "padding_px": 8"#] {
        let cube = convert(&film, &format!(r#", "to": "cubemap", "width_px": 720{padding}"#));
        let cube = made(&footage, &cube, "cube.mp4");
        let told = sphere(&cube).unwrap();
        let padding_px = Some(if padding.is_empty() { 0 } else { 8 });
        assert_eq!((told.projection, told.padding_px), (SphereProjection::Cubemap, padding_px));
        // It knows by itself what it is.
        let back = made(&footage, &convert(&cube, r#", "width_px": 640"#), "back.mp4");
        assert_eq!(sphere(&back).unwrap().projection, SphereProjection::Equirectangular);
        let quality = psnr(&back, &film, "null");
        assert!(quality > 50.0, "{padding}: {quality} dB");
        let streams = ffprobe(&back);
        assert_eq!(streams[0]["nb_frames"], "8");
        assert_eq!(streams[1]["codec_name"], "aac");
    }
}

#[test]
fn each_eye_is_remapped_by_itself() {
    let footage = Footage::new();
    footage.make("left.mp4", SPHERE);
    footage.make("right.mp4", "-i left.mp4 -vf hflip,hue=h=90 -pix_fmt yuv420p -c:v libx264 -qp 1");
    let both = footage.make(
        "both.mp4",
        "-i left.mp4 -i right.mp4 -filter_complex [0:v][1:v]vstack -pix_fmt yuv420p -c:v libx264 -qp 1",
    );
    let film = tagged(&footage, &both, "stereo.mp4", |boxes| {
        StereoMode::TopBottom.write(boxes);
        let projection = Projection::Equirectangular(Bounds::default());
        Spherical { source: String::new(), pose: Pose::default(), projection }.write(boxes);
    });
    let cube = made(&footage, &convert(&film, r#", "to": "cubemap", "width_px": 480"#), "cube.mp4");
    let told = sphere(&cube).unwrap();
    assert_eq!((told.projection, told.eyes), (SphereProjection::Cubemap, EyeLayout::TopBottom));
    for (eye, top) in [("left", 0), ("right", 320)] {
        let one = convert(&film, &format!(r#", "to": "cubemap", "width_px": 480, "eye": "{eye}""#));
        let one = made(&footage, &one, "one.mp4");
        assert_eq!(sphere(&one).unwrap().eyes, EyeLayout::Mono);
        let quality = psnr(&one, &cube, &format!("crop=480:320:0:{top}"));
        assert!(quality > 40.0, "{eye}: {quality} dB");
    }
}

/// What a camera leaves out of the sphere stays black, and what it shows lies where its metadata say.
#[test]
fn a_part_of_the_sphere_lies_where_it_belongs() {
    let footage = Footage::new();
    let film = footage.make("film.mp4", SPHERE);
    let half = footage.make(
        "half.mp4",
        "-i film.mp4 -vf crop=320:320:160:0 -pix_fmt yuv420p -c:v libx264 -qp 1 -c:a copy",
    );
    let half = tagged(&footage, &half, "vr180.mp4", |boxes| {
        let quarter = 1 << 30;
        let bounds = Bounds { left: quarter, right: quarter, ..Bounds::default() };
        let projection = Projection::Equirectangular(bounds);
        Spherical { source: String::new(), pose: Pose::default(), projection }.write(boxes);
    });
    made(&footage, &convert(&half, r#", "width_px": 640"#), "whole.mp4");
    let middle =
        footage.make("middle.mp4", "-i whole.mp4 -vf crop=300:320:170:0 -c:v libx264 -qp 1");
    let quality = psnr(&middle, &film, "crop=300:320:170:0");
    assert!(quality > 38.0, "{quality} dB");
    let side = footage.make(
        "side.raw",
        "-i whole.mp4 -frames:v 1 -vf crop=140:320:0:0 -pix_fmt gray -f rawvideo",
    );
    let brightest = std::fs::read(side).unwrap().into_iter().max();
    assert!(brightest < Some(4), "{brightest:?}");
}
