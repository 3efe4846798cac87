//! Files with tracks, made by the `ffmpeg` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use panofleet_isobmff::{BoxHeader, MovieEdit};
use tempfile::TempDir;

/// A folder for files of one test.
pub(crate) struct Footage(TempDir);

impl Footage {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes `name` with these arguments, which stand between the program and the output.
    pub(crate) fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let mut command = program("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]).args(arguments.split_whitespace());
        let output = command.arg(&path).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// Writes `bytes` as `name`.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[expect(clippy::disallowed_methods, reason = "tests make their files with FFmpeg's programs")]
pub(crate) fn program(name: &str) -> Command {
    Command::new(name)
}

/// What `ffprobe` says about the streams of a file.
pub(crate) fn ffprobe(path: &Path) -> Vec<serde_json::Value> {
    let mut command = program("ffprobe");
    command.args(["-v", "error", "-of", "json", "-show_streams"]).arg(path);
    let output = command.output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    said["streams"].as_array().unwrap().clone()
}

/// Where the box `kind` begins among those of a file, and how long it is.
pub(crate) fn top_box(file: &[u8], kind: &[u8; 4]) -> std::ops::Range<usize> {
    let mut at = 0;
    loop {
        let header = BoxHeader::parse(&file[at..]).unwrap();
        let end = at + usize::from(header.head_bytes) + header.body_bytes.unwrap() as usize;
        if header.kind == kind {
            return at..end;
        }
        at = end;
    }
}

/// A copy of an MP4 whose `moov` lies at its end, with `edit` in it.
pub(crate) fn edited(file: &[u8], edit: &MovieEdit) -> Vec<u8> {
    let moov = top_box(file, b"moov");
    let mut copy = file[..moov.start].to_vec();
    copy.extend(edit.apply(&file[moov.start + 8..moov.end], |_| 0).unwrap());
    copy.extend(&file[moov.end..]);
    copy
}
