//! The sandboxed child: the one module that starts a process.
//!
//! A child gets an empty environment, a process group of its own, its scratch folder as the current one,
//! and three pipes. It is killed by killing the group, so that nothing it started outlives it. A [`Child`]
//! that is dropped kills its group too: cancelling a future that owns one is enough.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use panofleet_job_schema::limits::RUNNER_FRAME_BYTES_MAX;
use panofleet_job_schema::runner_protocol::{Frame, Task, decode_frame, write_frame};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::metrics;
use crate::runner::{Exit, Garbled, Runner, RunningChild};

mod last_words;

use last_words::LastWords;

/// How long a child may take from closing its standard output to its exit.
const EXIT_GRACE: Duration = Duration::from_secs(5);
/// How long the last words of a dead child are waited for.
const LAST_WORDS_GRACE: Duration = Duration::from_millis(500);

/// The runner's program, by its absolute path.
#[derive(Debug)]
pub(crate) struct Program(pub(crate) PathBuf);

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

#[async_trait]
impl Runner for Program {
    /// Call it on a thread that lives as long as the runtime, not within `spawn_blocking`: the runner asks
    /// the kernel to be killed when the thread that started it ends.
    async fn start(&self, task: &Task) -> io::Result<Box<dyn RunningChild>> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that starts a process"
        )]
        let mut command = Command::new(&self.0);
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
        let last_words = LastWords::default();
        let child = Box::new(Child { process, group, frames, stderr, last_words });
        let mut wire = Vec::new();
        write_frame(&mut wire, task)?;
        if let Err(error) = stdin.write_all(&wire).await {
            // It died before it read its task: its exit says why.
            tracing::debug!(%error, "the child did not take its task");
        }
        Ok(child)
    }
}

#[async_trait]
impl RunningChild for Child {
    async fn next_frame(&mut self) -> Result<Option<Frame>, Garbled> {
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

    async fn exit(mut self: Box<Self>) -> Exit {
        let Self { process, stderr, last_words, .. } = &mut *self;
        let both = async { tokio::join!(process.wait(), listen(stderr, last_words)) };
        // A grandchild that holds standard error open makes this last as long as the grace.
        let waited = tokio::time::timeout(EXIT_GRACE, both).await;
        let lingered = waited.is_err() && !matches!(self.process.try_wait(), Ok(Some(_)));
        Exit { lingered, ..self.kill().await }
    }

    async fn kill(mut self: Box<Self>) -> Exit {
        self.kill_group();
        let status = self.process.wait().await;
        let rest = listen(&mut self.stderr, &mut self.last_words);
        if tokio::time::timeout(LAST_WORDS_GRACE, rest).await.is_err() {
            tracing::debug!("somebody outside the child's group holds its standard error");
        }
        Exit { status, last_words: self.last_words.text(), lingered: false }
    }
}

impl Child {
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
