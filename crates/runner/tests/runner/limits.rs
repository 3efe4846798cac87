//! What the operating system holds, whatever the decoders do.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use panofleet_job_schema::ErrorClass;
use panofleet_job_schema::runner_protocol::{Frame, TaskLimits, read_frame, write_frame};

use crate::child::{LIMITS, MIB, command, fixture, run_within, start, task};

/// A task that takes seconds: 289 million pixels.
const LONG: &str = r#"{"t": {"op": "image.thumbnail"}}"#;
const LONG_LIMITS: TaskLimits = TaskLimits { memory_bytes: 8192 * MIB, ..LIMITS };

#[test]
fn every_way_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = command().arg("--self-test").arg(folder.path()).output().unwrap();
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let attempts = verdict["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 11);
    for attempt in attempts {
        assert_eq!(attempt["refused"], true, "{attempt}");
    }
    assert_eq!(verdict["holds"], true, "{verdict}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_child_killed_midway_says_nothing_more() {
    let scratch = tempfile::tempdir().unwrap();
    let source = fixture("broken/bomb-within-limits.png");
    let mut child = start();
    write_frame(&mut child.stdin.take().unwrap(), &task(&source, LONG, &scratch, LONG_LIMITS))
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    // Its first progress: it decodes.
    while !matches!(read_frame(&mut pipe).unwrap().unwrap(), Frame::Progress { .. }) {}
    child.kill().unwrap();
    let rest = std::iter::from_fn(|| read_frame::<Frame>(&mut pipe).ok().flatten());
    assert!(rest.into_iter().all(|frame| matches!(frame, Frame::Progress { .. })));
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
}

#[test]
fn processor_time_is_bounded() {
    let limits = TaskLimits { cpu_s: 1, ..LONG_LIMITS };
    let run = run_within(&fixture("broken/bomb-within-limits.png"), LONG, limits);
    assert_eq!(run.status.signal(), Some(libc::SIGXCPU), "{:?}", run.frames.last());
}

#[test]
fn a_file_beyond_its_limit_is_a_failure() {
    let limits = TaskLimits { file_bytes: 1000, ..LIMITS };
    let run = run_within(&fixture("equirect.jpg"), LONG, limits);
    let failure = run.failure();
    assert_eq!(
        (failure.code.as_str(), failure.class),
        ("output_file_too_large", ErrorClass::Rejected)
    );
    assert!(failure.message.contains("thumbnail.jpg"), "{}", failure.message);
}

/// Less memory than the check asks for: refused, not killed.
#[test]
fn too_little_memory_is_said() {
    let limits = TaskLimits { memory_bytes: 200 * MIB, ..LIMITS };
    let run = run_within(&fixture("equirect.jpg"), LONG, limits);
    assert_eq!(run.failure().code, "memory_limit");
}

/// What stays in the planes of a JPEG needs half of what RGB does: a limit that fits the one and not the other, which the
/// kernel holds the process to.
#[test]
fn planes_need_less_memory_than_rgb() {
    let folder = tempfile::tempdir().unwrap();
    let source = crate::tiles::large_source(folder.path());
    let limits = TaskLimits { memory_bytes: 375 * MIB, ..LIMITS };
    run_within(&source, r#"{"tiles": {"op": "pano.tiles"}}"#, limits).done();
    let rgb = run_within(&source, r#"{"tiles": {"op": "pano.tiles", "format": "webp"}}"#, limits);
    assert_eq!(rgb.failure().code, "memory_limit");
}

#[test]
fn without_a_task_there_is_nothing_to_say() {
    for input in [&b""[..], b"\0\0\0\x02{}", b"garbage"] {
        let mut child = start();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let (mut out, mut err) = (Vec::new(), String::new());
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert!(out.is_empty() && err.starts_with("panofleet-runner: "), "{err}");
    }
}

#[test]
fn a_flag_that_is_not_there_is_refused() {
    let output = command().arg("--no-sandbox").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--self-test"));
}
