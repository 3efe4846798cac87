//! `video.ladder` of sources that are odd in some way.

use panofleet_job_schema::ErrorClass;

use crate::films::{self, PICTURE};
use crate::footage::Footage;
use crate::ladder::{entries, ladder, psnr, psnr_of, whole};
use crate::playlists;

/// Seconds that a playlist plays.
fn plays_s(playlist: &playlists::Playlist) -> f64 {
    playlist.segments.iter().map(|segment| segment.duration_s).sum()
}

#[test]
fn turned_frames_become_upright() {
    let footage = Footage::new();
    footage.make("plain.mp4", &format!("{PICTURE} -t 1 -c:v libx264 -qp 8"));
    for (angle, filters) in
        [("90", "transpose=cclock"), ("180", "hflip,vflip"), ("270", "transpose=clock")]
    {
        let name = format!("turned{angle}.mp4");
        let film =
            footage.make(&name, &format!("-i plain.mp4 -c copy -metadata:s:v:0 rotate={angle}"));
        let turned = panofleet_media::probe(&film).unwrap().tracks[0].rotation_deg.unwrap();
        let filters = match turned {
            90 => "transpose=clock",
            270 => "transpose=cclock",
            _ => filters,
        };
        let run = ladder(&film, r#", "crf": 10"#).done();
        let master = playlists::master(&run.path("v", "master.m3u8"));
        let size = if turned % 180 == 0 { "320x160" } else { "160x320" };
        assert_eq!(master.variants[0].attributes["RESOLUTION"], size);
        let pictures = playlists::media(&master.variants[0].path);
        let result = whole(&footage, "result.mp4", &pictures);
        let track = &panofleet_media::probe(&result).unwrap().tracks[0];
        assert_eq!((track.rotation_deg, track.pixel_aspect), (None, None));
        // FFmpeg's filters leave chroma on the other side of its pixels; `convert.rs` tests ours.
        let quality = psnr_of("y", &result, &film, filters);
        assert!(quality > 34.0, "{turned}: {quality} dB");
    }
}

#[test]
fn odd_deep_and_stretched_frames() {
    let footage = Footage::new();
    let film = footage.make(
        "deep.mkv",
        &format!(
            "{PICTURE} -t 0.5 -vf crop=319:159:0:0:exact=1,setsar=2 -pix_fmt yuv422p10le -c:v ffv1"
        ),
    );
    let run = ladder(&film, r#", "crf": 5"#).done();
    let master = playlists::master(&run.path("v", "master.m3u8"));
    // Twice as wide as it is stored, in square pixels.
    assert_eq!(master.variants[0].attributes["RESOLUTION"], "638x158");
    let result = whole(&footage, "result.mp4", &playlists::media(&master.variants[0].path));
    let quality = psnr(&result, &film, "scale=638:158:flags=lanczos+accurate_rnd,format=yuv420p");
    assert!(quality > 33.0, "{quality} dB");
}

/// Frames at uneven times, each shown at the nearest of even ones until the next comes.
#[test]
fn uneven_frames_are_put_at_even_times() {
    let footage = Footage::new();
    // One frame in seven for a second, then each of the next: 5 at 0, 7, … 28, and 31 to 59.
    let film = footage.make(
        "uneven.mkv",
        &format!(
            "{PICTURE} -t 2 -vf select='not(mod(n\\,7))*lt(n\\,30)+gt(n\\,30)' -fps_mode vfr -c:v libx264 -qp 8"
        ),
    );
    let run = ladder(&film, r#", "crf": 10"#).done();
    let (_, warnings) = run.summary("v");
    assert!(warnings.iter().any(|said| said.contains("uneven times")), "{warnings:?}");
    let master = playlists::master(&run.path("v", "master.m3u8"));
    assert_eq!(master.variants[0].attributes["FRAME-RATE"], "30.000");
    let result = whole(&footage, "result.mp4", &playlists::media(&master.variants[0].path));
    assert_eq!(entries(&result, "frame=pts").len(), 60);
    // The same, by FFmpeg's own filter: a number shows the last frame that came.
    let quality = psnr(&result, &film, "fps=30:round=near");
    assert!(quality > 34.0, "{quality} dB");
}

#[test]
fn high_rates_are_divided() {
    let footage = Footage::new();
    let film = footage
        .make("fast.mp4", "-f lavfi -i testsrc2=s=320x160:r=60000/1001 -t 1.5 -c:v libx264 -qp 8");
    let run = ladder(&film, r#", "crf": 10, "frame_rate_max": 30"#).done();
    let master = playlists::master(&run.path("v", "master.m3u8"));
    assert_eq!(master.variants[0].attributes["FRAME-RATE"], "29.970");
    let result = whole(&footage, "result.mp4", &playlists::media(&master.variants[0].path));
    assert_eq!(entries(&result, "frame=pts").len(), 45);
    let quality = psnr(&result, &film, "select=not(mod(n\\,2))");
    assert!(quality > 34.0, "{quality} dB");
}

/// The sound ends with the picture: what is missing is silence, what is too much is left out and told.
#[test]
fn sound_is_as_long_as_the_picture() {
    let footage = Footage::new();
    for (name, sound_s, told) in [("short.mp4", 1, false), ("long.mp4", 6, true)] {
        let film = footage.make(
            name,
            &format!("{PICTURE} -f lavfi -i sine=r=44100:d={sound_s} -t 6 -vf trim=end_frame=100 -c:v libx264 -c:a aac"),
        );
        let run = ladder(&film, "").done();
        let warnings = run.summary("v").1.join("\n");
        assert_eq!(warnings.contains("the sound goes on for 2."), told, "{name}: {warnings}");
        let master = playlists::master(&run.path("v", "master.m3u8"));
        let sound = playlists::media(&master.sounds[0].path);
        let pictures = playlists::media(&master.variants[0].path);
        assert!((plays_s(&pictures) - 100.0 / 30.0).abs() < 1e-5);
        let longer_s = plays_s(&sound) - plays_s(&pictures);
        assert!((0.0..0.024).contains(&longer_s), "{name}: {longer_s}");
        assert_eq!(sound.segments.len(), pictures.segments.len());
        whole(&footage, "sound.mp4", &sound);
        let raw = footage.make("sound.raw", "-i sound.mp4 -f s16le");
        let raw = std::fs::read(raw).unwrap();
        let last =
            raw.as_chunks::<2>().0.iter().rev().take(44_100).map(|two| i16::from_le_bytes(*two));
        let loudest = last.map(i16::unsigned_abs).max().unwrap();
        assert_eq!(loudest > 1000, told, "{name}: {loudest}");
    }
}

/// Less than a segment, without sound, in one frame.
#[test]
fn a_very_short_video_is_one_short_segment() {
    let footage = Footage::new();
    for frames in [1, 5] {
        let film =
            footage.make("short.mp4", &format!("{PICTURE} -frames:v {frames} -c:v libx264 -bf 3"));
        let run = ladder(&film, r#", "preset": "veryfast""#).done();
        let master = playlists::master(&run.path("v", "master.m3u8"));
        assert!(!master.variants[0].attributes.contains_key("AUDIO"));
        let pictures = playlists::media(&master.variants[0].path);
        assert_eq!(pictures.segments.len(), 1);
        assert!((plays_s(&pictures) - f64::from(frames) / 30.0).abs() < 1e-5);
        let result = whole(&footage, "result.mp4", &pictures);
        assert_eq!(entries(&result, "frame=pts").len(), frames as usize);
    }
}

#[test]
fn damage_is_said_or_refused() {
    let footage = Footage::new();
    let cut = films::cut(&footage);
    let run = ladder(&cut, "").done();
    let warnings = run.summary("v").1.join("\n");
    assert!(warnings.contains("damaged: ") && warnings.contains(" of 60 frames"), "{warnings}");
    playlists::master(&run.path("v", "master.m3u8"));

    let refused = ladder(&cut, r#", "damage": "reject""#).failure().clone();
    assert_eq!((&*refused.code, refused.class), ("video_damaged", ErrorClass::Rejected));

    let sound = footage.make("sound.m4a", "-f lavfi -i sine -t 1 -c:a aac");
    assert_eq!(ladder(&sound, "").failure().code, "not_a_video");
}
