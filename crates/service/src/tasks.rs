//! Tasks of a service: each says what its failure means, and all of them end before the process does.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What the failure of a task means for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The service cannot go on without it: everything shuts down, and the process ends with an error.
    Shutdown,
    /// It is logged, and the rest goes on.
    Log,
}

/// The tasks of one service. Cloning gives another handle to the same tasks.
///
/// A task stops by itself when [`Tasks::shutdown`] is cancelled; one that has not stopped within the grace of
/// [`Tasks::finish`] is dropped. A panic counts as a failure.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    abort: CancellationToken,
    first_failure: Arc<Mutex<Option<TaskFailed>>>,
}

/// The first task that failed and took the service down with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task `{task}` failed: {reason}")]
pub struct TaskFailed {
    /// The task's name.
    pub task: &'static str,
    /// What it said.
    pub reason: String,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the service is to stop: by a signal, or by a task that failed.
    pub const fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Starts a task.
    pub fn spawn<E: Display>(
        &self,
        task: &'static str,
        on_error: OnError,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let this = self.clone();
        let span = tracing::error_span!("task", task);
        let guarded = async move {
            let panicked = Sentinel { tasks: this.clone(), task, on_error };
            let outcome = tokio::select! {
                outcome = work => outcome.map_err(|error| error.to_string()),
                () = this.abort.cancelled() => Ok(()),
            };
            std::mem::forget(panicked);
            if let Err(reason) = outcome {
                this.failed(task, on_error, reason);
            }
        };
        self.tracker.spawn(guarded.instrument(span));
    }

    fn failed(&self, task: &'static str, on_error: OnError, reason: String) {
        tracing::error!(task, reason, "task failed");
        if on_error == OnError::Shutdown {
            let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(TaskFailed { task, reason });
            self.shutdown.cancel();
        }
    }

    /// Waits until the service is to stop, then for its tasks to end: `grace` at most.
    ///
    /// # Errors
    /// The first failure that took the service down.
    pub async fn finish(self, grace: Duration) -> Result<(), TaskFailed> {
        self.shutdown.cancelled().await;
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "tasks did not end in time and are dropped");
            self.abort.cancel();
            self.tracker.wait().await;
        }
        let first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or(Ok(()), Err)
    }
}

/// Notices that a task's future was dropped without ending: it panicked.
struct Sentinel {
    tasks: Tasks,
    task: &'static str,
    on_error: OnError,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.tasks.failed(self.task, self.on_error, "panicked".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_task_takes_the_service_down_and_is_named() {
        let tasks = Tasks::new();
        let shutdown = tasks.shutdown().clone();
        tasks.spawn("idle", OnError::Shutdown, async move {
            shutdown.cancelled().await;
            Ok::<_, String>(())
        });
        tasks.spawn("broken", OnError::Shutdown, async { Err("no disk") });
        let failed = tasks.finish(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(failed, TaskFailed { task: "broken", reason: "no disk".into() });
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_and_a_deaf_task_is_dropped() {
        let tasks = Tasks::new();
        tasks.spawn("deaf", OnError::Log, std::future::pending::<Result<(), String>>());
        tasks.spawn("panicking", OnError::Shutdown, async {
            if true {
                panic!("on purpose");
            }
            Ok::<_, String>(())
        });
        let failed = tasks.finish(Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(failed, TaskFailed { task: "panicking", reason: "panicked".into() });
    }
}
