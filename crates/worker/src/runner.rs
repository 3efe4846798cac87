//! What the worker needs of whatever starts its children: [`crate::child`]'s process, or a stand-in of a simulation.

use std::fmt::Debug;
use std::io;

use async_trait::async_trait;
use panofleet_job_schema::runner_protocol::{Frame, Task};

mod exit;

pub use exit::Exit;

/// Starts children.
#[async_trait]
pub trait Runner: Debug + Send + Sync {
    /// Starts a child and hands it its task.
    ///
    /// # Errors
    /// What the operating system says when it cannot be started.
    async fn start(&self, task: &Task) -> io::Result<Box<dyn RunningChild>>;
}

/// A running child. Dropping it kills it, and everything that it started, at once.
#[async_trait]
pub trait RunningChild: Send {
    /// The next frame; `None` when the child has closed its output. Safe to cancel.
    ///
    /// # Errors
    /// [`Garbled`].
    async fn next_frame(&mut self) -> Result<Option<Frame>, Garbled>;

    /// Waits for a child that has closed its output to exit, and kills whatever is left of it.
    async fn exit(self: Box<Self>) -> Exit;

    /// Kills it and waits for its end.
    async fn kill(self: Box<Self>) -> Exit;
}

/// Bytes on the child's standard output that are no frame.
#[derive(Debug, thiserror::Error)]
pub enum Garbled {
    /// The output ended within a frame: the child died while it wrote.
    #[error("the child's output ends within a frame")]
    Cut,
    /// The child does not speak the protocol.
    #[error("the child wrote what is no frame: {0}")]
    NotAFrame(String),
}
