//! Starts a runner, gives it a task, and gathers what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::quality::PanoQuality;
use panofleet_job_schema::runner_protocol::{Frame, Task, TaskLimits, read_frame, write_frame};
use panofleet_job_schema::{Failure, Operation, OutputName};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1024 * 1024;

/// What a picture of the fixtures may use at most.
pub(crate) const LIMITS: TaskLimits = TaskLimits {
    memory_bytes: 1024 * MIB,
    cpu_s: 60,
    file_bytes: 64 * MIB,
    threads: 2,
    require_sandbox: true,
};

/// A runner that has ended.
pub(crate) struct Run {
    pub(crate) frames: Vec<Frame>,
    pub(crate) status: ExitStatus,
    pub(crate) peak_memory_bytes: u64,
    pub(crate) last_words: String,
    scratch: TempDir,
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(name)
}

/// Runs outputs, given as JSON, on a source.
pub(crate) fn run(source: &Path, outputs: &str) -> Run {
    run_within(source, outputs, LIMITS)
}

pub(crate) fn run_within(source: &Path, outputs: &str, limits: TaskLimits) -> Run {
    let scratch = tempfile::tempdir().unwrap();
    let mut child = start();
    let watch = watch(child.id());
    write_frame(&mut child.stdin.take().unwrap(), &task(source, outputs, &scratch, limits))
        .unwrap();
    let mut frames = Vec::new();
    let mut pipe = child.stdout.take().unwrap();
    while let Ok(Some(frame)) = read_frame(&mut pipe) {
        frames.push(frame);
    }
    let mut last_words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut last_words).unwrap();
    let status = child.wait().unwrap();
    let peak_memory_bytes = watch.join().unwrap();
    Run { frames, status, peak_memory_bytes, last_words, scratch }
}

pub(crate) fn task(source: &Path, outputs: &str, scratch: &TempDir, limits: TaskLimits) -> Task {
    let outputs: BTreeMap<OutputName, Operation> = serde_json::from_str(outputs).unwrap();
    let text = |path: &Path| path.canonicalize().unwrap().to_str().unwrap().to_owned();
    Task { source: text(source), scratch: text(scratch.path()), outputs, limits }
}

#[expect(clippy::disallowed_methods, reason = "tests start the runner")]
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panofleet-runner"));
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn start() -> Child {
    command().spawn().unwrap()
}

/// The largest resident set of a process, looked at every millisecond until it is gone. What `wait4` says
/// counts the test program's own memory, which the child shares until it becomes the runner.
fn watch(pid: u32) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut peak_bytes = 0;
        while let Some(bytes) = largest_resident_set_bytes(pid) {
            peak_bytes = bytes;
            std::thread::park_timeout(Duration::from_millis(1));
        }
        peak_bytes
    })
}

/// `VmHWM` of a process; `None` once it has ended.
fn largest_resident_set_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

impl Run {
    /// The run, if all went well.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert!(
            matches!(self.frames.last(), Some(Frame::Done { .. })),
            "{:?} {}",
            self.frames.last(),
            self.last_words
        );
        assert_eq!(self.status.code(), Some(0));
        self
    }

    /// Why it failed.
    #[track_caller]
    pub(crate) fn failure(&self) -> &Failure {
        let Some(Frame::Failed { failure }) = self.frames.last() else {
            panic!("{:?}, {:?} {}", self.frames.last(), self.status, self.last_words);
        };
        assert_eq!(self.status.code(), Some(1));
        failure
    }

    pub(crate) fn media(&self) -> &MediaInfo {
        let probed = self.frames.iter().find_map(|frame| match frame {
            Frame::Probed { media } => Some(media),
            _ => None,
        });
        probed.expect("a probed source")
    }

    /// An output's entry points and warnings.
    pub(crate) fn summary(&self, name: &str) -> (BTreeMap<String, String>, Vec<String>) {
        let summary = self.frames.iter().find_map(|frame| match frame {
            Frame::OutputDone { output, entry_points, warnings, .. } if output.as_str() == name => {
                Some((entry_points.clone(), warnings.clone()))
            }
            _ => None,
        });
        summary.expect("a finished output")
    }

    /// How good an output is, for each eye.
    pub(crate) fn quality(&self, name: &str) -> Vec<PanoQuality> {
        let quality = self.frames.iter().find_map(|frame| match frame {
            Frame::OutputDone { output, quality, .. } if output.as_str() == name => Some(quality),
            _ => None,
        });
        quality.expect("a finished output").clone()
    }

    /// The paths of an output's files, as reported.
    pub(crate) fn files(&self, name: &str) -> BTreeSet<String> {
        let paths = self.frames.iter().filter_map(|frame| match frame {
            Frame::File { output, path, .. } if output.as_str() == name => Some(path.clone()),
            _ => None,
        });
        paths.collect()
    }

    pub(crate) fn path(&self, output: &str, path: &str) -> PathBuf {
        self.scratch.path().join(output).join(path)
    }

    pub(crate) fn json(&self, output: &str, path: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(output, path)).unwrap()).unwrap()
    }
}
