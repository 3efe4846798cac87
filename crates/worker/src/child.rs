//! The sandboxed child: the one module that starts a process.
//!
//! A child gets an empty environment, a process group of its own, its scratch folder as the current one,
//! and three pipes. It is killed by killing the group, so that nothing it started outlives it. A [`Child`]
//! that is dropped kills its group too: cancelling a future that owns one is enough.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use panofleet_job_schema::limits::RUNNER_FRAME_BYTES_MAX;
use panofleet_job_schema::runner_protocol::{Frame, Task, decode_frame, write_frame};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::metrics;

mod exit;
mod last_words;

pub(crate) use exit::Exit;
use last_words::LastWords;

/// How long a child may take from closing its standard output to its exit.
const EXIT_GRACE: Duration = Duration::from_secs(5);
/// How long the last words of a dead child are waited for.
const LAST_WORDS_GRACE: Duration = Duration::from_millis(500);

/// A running child.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    /// Its process group; `None` once it has been killed.
    group: Option<Pid>,
    frames: FramedRead<ChildStdout, LengthDelimitedCodec>,
    stderr: Option<ChildStderr>,
    last_words: LastWords,
}

/// Bytes on the child's standard output that are no frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Garbled {
    /// The output ended within a frame: the child died while it wrote.
    #[error("the child's output ends within a frame")]
    Cut,
    /// The child does not speak the protocol.
    #[error("the child wrote what is no frame: {0}")]
    NotAFrame(String),
}

impl Child {
    /// Starts the runner and hands it its task.
    ///
    /// Call it on a thread that lives as long as the runtime, not within `spawn_blocking`: the runner asks
    /// the kernel to be killed when the thread that started it ends.
    ///
    /// # Errors
    /// What the operating system says when the program cannot be started.
    pub(crate) async fn start(runner: &Path, task: &Task) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that starts a process"
        )]
        let mut command = Command::new(runner);
        command.env_clear().current_dir(&task.scratch).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let group = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let stdout = process.stdout.take().expect("standard output is piped");
        let mut stdin = process.stdin.take().expect("standard input is piped");
        let stderr = process.stderr.take();
        let frames = LengthDelimitedCodec::builder()
            .max_frame_length(RUNNER_FRAME_BYTES_MAX)
            .new_read(stdout);
        // From here on, dropping kills the group.
        let child = Self { process, group, frames, stderr, last_words: LastWords::default() };
        let mut wire = Vec::new();
        write_frame(&mut wire, task)?;
        if let Err(error) = stdin.write_all(&wire).await {
            // It died before it read its task: its exit says why.
            tracing::debug!(%error, "the child did not take its task");
        }
        Ok(child)
    }

    /// The next frame; `None` when the child has closed its output. Safe to cancel.
    pub(crate) async fn next_frame(&mut self) -> Result<Option<Frame>, Garbled> {
        let mut said = [0; 1024];
        loop {
            tokio::select! {
                frame = self.frames.next() => return match frame {
                    None => Ok(None),
                    Some(Ok(body)) => decode_frame(&body).map(Some).map_err(|e| Garbled::NotAFrame(e.to_string())),
                    // The codec says `InvalidData` for a frame past its limit, and anything else for an end
                    // within a frame.
                    Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                        Err(Garbled::NotAFrame(error.to_string()))
                    }
                    Some(Err(_)) => Err(Garbled::Cut),
                },
                read = read_some(&mut self.stderr, &mut said), if self.stderr.is_some() => match read {
                    0 => self.stderr = None,
                    bytes => self.last_words.push(&said[..bytes]),
                },
            }
        }
    }

    /// Waits for a child that has closed its output to exit, and kills whatever is left of its group.
    pub(crate) async fn exit(mut self) -> Exit {
        let Self { process, stderr, last_words, .. } = &mut self;
        let both = async { tokio::join!(process.wait(), listen(stderr, last_words)) };
        // A grandchild that holds standard error open makes this last as long as the grace.
        let waited = tokio::time::timeout(EXIT_GRACE, both).await;
        let lingered = waited.is_err() && !matches!(self.process.try_wait(), Ok(Some(_)));
        Exit { lingered, ..self.kill().await }
    }

    /// Kills the whole group and waits for the child's end.
    pub(crate) async fn kill(mut self) -> Exit {
        self.kill_group();
        let status = self.process.wait().await;
        let rest = listen(&mut self.stderr, &mut self.last_words);
        if tokio::time::timeout(LAST_WORDS_GRACE, rest).await.is_err() {
            tracing::debug!("somebody outside the child's group holds its standard error");
        }
        Exit { status, last_words: self.last_words.text(), lingered: false }
    }

    /// The group's number cannot have been given to another process yet: it was the child's own until a moment
    /// ago, and numbers go round before they come back.
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take()
            && let Err(error) = kill_process_group(group, Signal::KILL)
            && error != rustix::io::Errno::SRCH
        {
            tracing::error!(%error, "the child's process group cannot be killed");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.group.is_some() {
            metrics::child_ended("stopped");
        }
        self.kill_group();
    }
}

/// Reads standard error to its end.
async fn listen(pipe: &mut Option<ChildStderr>, last_words: &mut LastWords) {
    let mut said = [0; 1024];
    while pipe.is_some() {
        match read_some(pipe, &mut said).await {
            0 => *pipe = None,
            bytes => last_words.push(&said[..bytes]),
        }
    }
}

/// Reads into `buffer`; 0 at the end, and when reading fails. Never ready without a pipe.
async fn read_some(pipe: &mut Option<ChildStderr>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
