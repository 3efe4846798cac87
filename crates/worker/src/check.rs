//! Whether the runner works on this machine, and what its sandbox holds off: for `panofleet doctor`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use panofleet_job_schema::runner_protocol::SandboxReport;
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest time that the self-test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the runner's self-test found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerCheck {
    /// What the kernel enforces.
    pub sandbox: SandboxReport,
    /// What was tried from inside.
    pub attempts: Vec<BreakOut>,
    /// Whether everything was refused.
    pub holds: bool,
}

/// One attempt to break out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakOut {
    /// What was tried.
    pub attempt: String,
    /// Whether the kernel refused it.
    pub refused: bool,
    /// What the kernel said.
    pub said: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoCheck {
    /// The runner cannot be started, or its pipe broke.
    #[error("the runner cannot be started: {0}")]
    NotStarted(#[from] std::io::Error),
    /// No answer in time.
    #[error("the runner's self-test did not end within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// Something else than a report: libraries are missing, or the versions differ.
    #[error("the runner did not report ({status}): {said}")]
    NoReport {
        /// How it ended.
        status: String,
        /// Its last words.
        said: String,
    },
}

/// Runs the runner's self-test.
///
/// # Errors
/// [`NoCheck`]: nothing is known, and jobs would not run.
pub async fn check_runner(runner: &Path) -> Result<RunnerCheck, NoCheck> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the self-test is a run of the same program as a job"
    )]
    let mut command = Command::new(runner);
    command.arg("--self-test").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(PATIENCE, command.output()).await.map_err(|_elapsed| NoCheck::TimedOut)??;
    serde_json::from_slice(&output.stdout).map_err(|_not_a_report| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("nothing was said").to_owned();
        NoCheck::NoReport { status: output.status.to_string(), said: last }
    })
}
