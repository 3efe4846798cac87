//! What the worker and its sandboxed child say to each other: one task down, frames up.
//!
//! A frame is a 4-byte big-endian length and that many bytes of JSON. The child gets one [`Task`] on
//! standard input and writes [`Frame`]s to standard output; standard error is for its last words. The
//! worker believes nothing that it reads: paths, sizes and counts are checked on its side.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::failure::Failure;
use crate::ids::OutputName;
use crate::limits::RUNNER_FRAME_BYTES_MAX;
use crate::manifest::StepTiming;
use crate::media_info::MediaInfo;
use crate::operation::Operation;
use crate::quality::PanoQuality;

/// What the child is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Absolute path of the source; the child may only read it.
    pub source: String,
    /// Absolute path of an empty folder; the only place that the child may write to. Files of an output go
    /// to `<scratch>/<output name>/<path>`.
    pub scratch: String,
    /// The outputs.
    pub outputs: BTreeMap<OutputName, Operation>,
    /// What the child may use.
    pub limits: TaskLimits,
}

/// What one child may use; the operating system enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLimits {
    /// Address space (`RLIMIT_AS`).
    pub memory_bytes: u64,
    /// Processor time, all threads together (`RLIMIT_CPU`).
    pub cpu_s: u64,
    /// Size of one written file (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// Threads for pixel work; 0 is one for each core.
    pub threads: u32,
    /// Whether a kernel without Landlock or seccomp is refused rather than reported.
    pub require_sandbox: bool,
}

/// What the child says, in the order in which it comes about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum Frame {
    /// First: the sandbox stands.
    Started {
        /// What the kernel enforces.
        sandbox: SandboxReport,
    },
    /// What the source is.
    Probed {
        /// What the probe found.
        media: Box<MediaInfo>,
    },
    /// The attempt is alive and moved.
    Progress {
        /// Share of the work done, [0, 1], never falling.
        fraction: f64,
        /// The step at work.
        step: String,
    },
    /// A file is complete and closed; the worker may upload it while the child goes on.
    File {
        /// The output that it belongs to.
        output: OutputName,
        /// Path from the output's folder.
        path: String,
        /// Its size.
        bytes: u64,
        /// Its media type.
        content_type: String,
    },
    /// An output is complete.
    OutputDone {
        /// Which one.
        output: OutputName,
        /// Files by purpose, such as `pannellum` → `config.json`.
        entry_points: BTreeMap<String, String>,
        /// What was odd, and what was assumed.
        warnings: Vec<String>,
        /// How good a panorama's output is, for each eye.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        quality: Vec<PanoQuality>,
    },
    /// Last, when all went well.
    Done {
        /// How long each step took.
        steps: Vec<StepTiming>,
    },
    /// Last, when it did not.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// What the kernel enforces on a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxReport {
    /// Files outside the task's are out of reach (Landlock).
    pub landlock: bool,
    /// Sockets, processes and tracing are out of reach (seccomp).
    pub seccomp: bool,
}

/// Writes one frame and flushes.
///
/// # Errors
/// What the writer says; `InvalidData` for a frame past its limit.
pub fn write_frame<T: Serialize>(writer: &mut impl Write, frame: &T) -> io::Result<()> {
    let body = serde_json::to_vec(frame).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= RUNNER_FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| too_long(body.len()))?;
    writer.write_all(&length.to_be_bytes())?;
    writer.write_all(&body)?;
    writer.flush()
}

/// Reads one frame; `None` at a clean end.
///
/// # Errors
/// What the reader says; `InvalidData` for a frame past its limit or not of this protocol.
pub fn read_frame<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match reader.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => reader.read_exact(&mut length[1..])?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > RUNNER_FRAME_BYTES_MAX {
        return Err(too_long(length));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    decode_frame(&body).map(Some)
}

/// Decodes the body of a frame.
///
/// # Errors
/// `InvalidData` if it is not of this protocol.
pub fn decode_frame<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

fn too_long(bytes: usize) -> io::Error {
    let said = format!("frame of {bytes} bytes; the limit is {RUNNER_FRAME_BYTES_MAX}");
    io::Error::new(io::ErrorKind::InvalidData, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_long_ones_are_refused() {
        let sent = Frame::Progress { fraction: 0.25, step: "decode".into() };
        let mut wire = Vec::new();
        write_frame(&mut wire, &sent).unwrap();
        write_frame(&mut wire, &sent).unwrap();
        let mut reader = wire.as_slice();
        assert_eq!(read_frame::<Frame>(&mut reader).unwrap(), Some(sent.clone()));
        assert_eq!(read_frame::<Frame>(&mut reader).unwrap(), Some(sent));
        assert_eq!(read_frame::<Frame>(&mut reader).unwrap(), None);

        let mut cut = &wire[..wire.len() - 1];
        read_frame::<Frame>(&mut cut).unwrap();
        assert_eq!(read_frame::<Frame>(&mut cut).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

        let mut bomb = [0xff; 8].as_slice();
        assert_eq!(read_frame::<Frame>(&mut bomb).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
