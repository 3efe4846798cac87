//! What a browser plays of a ladder, through hls.js.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::films;
use crate::footage::Footage;
use crate::ladder::ladder;

/// Plays a folder, and looks at these moments of each size.
#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
fn play(folder: &Path, seconds: &[f64]) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser/play.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there; ./dev test brings it and the browser");
    let wanted = json!({ "seconds": seconds }).to_string();
    node.stdin.take().unwrap().write_all(wanted.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("it said: {said}"));
    assert!(output.status.success(), "{report}");
    assert_eq!(report["errors"], json!([]), "{report}");
    report
}

/// Frame 15 of each 30 flashes, and clicks. Frames come out of order (B-frames), and sound at both usual rates.
#[test]
fn a_browser_plays_every_size_with_its_sound_in_time() {
    let footage = Footage::new();
    for rate in [44_100, 48_000] {
        let film = films::clap(&footage, &format!("clap{rate}.mp4"), rate, "-c:a aac");
        let sizes = r#", "preset": "veryfast", "segment_s": 1.0, "widths_px": [64, 128]"#;
        let run = ladder(&film, sizes).done();
        // In the middle of frames 14, 15, 16 and 75: dark, bright, dark, bright.
        let moments = [14, 15, 16, 75].map(|frame| (f64::from(frame) + 0.5) / 30.0);
        let report = play(&run.path("v", ""), &moments);
        let number = |value: &Value| value.as_f64().unwrap();
        let heard_s = number(&report["heard"]);
        // A click begins with a sine's rise; the encoder may be a little ahead of it.
        assert!((heard_s - 0.5).abs() < 0.001, "{rate}: {heard_s}");
        let sizes = report["sizes"].as_array().unwrap();
        assert_eq!(sizes.len(), 2);
        for (size, width_px) in sizes.iter().zip([64, 128]) {
            assert_eq!(size["width"], width_px);
            let frames = size["frames"].as_array().unwrap();
            for (frame, (shown_s, bright)) in
                frames.iter().zip([(14, false), (15, true), (16, false), (75, true)])
            {
                let (at_s, level) = (number(&frame[0]), number(&frame[1]));
                // The browser counts in whole millionths of a second.
                assert!((at_s - f64::from(shown_s) / 30.0).abs() < 2e-6, "{rate}: {report}");
                assert_eq!(level > 128.0, bright, "{rate}: {report}");
            }
            // One piece each, from 0 to the end.
            let ranges = size["ranges"].as_array().unwrap();
            for (range, kind) in ranges.iter().zip(["video/mp4", "audio/mp4"]) {
                assert_eq!((&range[0], range.as_array().unwrap().len()), (&json!(kind), 2));
                let (start_s, end_s) = (number(&range[1][0]), number(&range[1][1]));
                assert!(start_s == 0.0 && (2.9999..3.024).contains(&end_s), "{rate}: {range}");
            }
            assert!(number(&size["ended"]) > 2.99, "{rate}: {report}");
        }
    }
}

/// What newer codecs' segments are worth in a browser that has a decoder: AV1's are put together right.
#[test]
fn a_browser_plays_av1() {
    let footage = Footage::new();
    let film = films::clap(&footage, "clap.mp4", 48_000, "-c:a aac");
    let asked =
        r#", "codecs": ["av1"], "preset": "veryfast", "segment_s": 1.0, "widths_px": [128]"#;
    let run = ladder(&film, asked).done();
    let moments = [14, 15, 16, 75].map(|frame| (f64::from(frame) + 0.5) / 30.0);
    let report = play(&run.path("v", ""), &moments);
    let size = &report["sizes"][0];
    assert_eq!(size["width"], 128, "{report}");
    let bright: Vec<bool> =
        size["frames"].as_array().unwrap().iter().map(|f| f[1].as_f64().unwrap() > 128.0).collect();
    assert_eq!(bright, [false, true, false, true], "{report}");
    assert!(size["ended"].as_f64().unwrap() > 2.99, "{report}");
}
