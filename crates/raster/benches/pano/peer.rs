//! FFmpeg's v360 on the same frame.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Frames of the long run more than of the short one.
const FRAMES: u32 = 12;

/// Milliseconds of processor time a frame, and the frame; `None` if there is no `ffmpeg`.
#[expect(clippy::disallowed_methods, reason = "the peer is another program")]
pub(crate) fn v360(frame: &Path, interpolation: &str) -> Option<(f64, Vec<u8>)> {
    let result = frame.with_extension("out");
    let run = |frames: u32, to: &[&str]| {
        let filter =
            format!("loop=loop={frames}:size=1,v360=e:c3x2:interp={interpolation}:w=2880:h=1920");
        let input = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", "3840x1920", "-i"];
        let found = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-y", "-benchmark", "-threads", "1"])
            .args(["-filter_threads", "1"])
            .args(input)
            .arg(frame)
            .args(["-vf", &filter, "-frames:v", &(frames + 1).to_string(), "-f"])
            .args(to)
            .stderr(Stdio::piped())
            .output()
            .ok()?;
        let log = String::from_utf8_lossy(&found.stderr).into_owned();
        let used = log.split("utime=").nth(1)?.split('s').next()?.parse::<f64>().ok()?;
        Some(used)
    };
    // The difference leaves out the start and the building of its map.
    let short = run(2, &["null", "-"])?;
    let long = run(2 + FRAMES, &["null", "-"])?;
    run(0, &["rawvideo", result.to_str()?])?;
    Some(((long - short) * 1e3 / f64::from(FRAMES), fs::read(&result).ok()?))
}
