//! `panofleet retry`: start a job that has ended anew.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::JobId;

use super::Shared;
use super::waiting::{self, state_name};
use crate::terminal::say;

/// Start a job that has ended anew
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The job
    id: JobId,
    /// Wait for its end, with progress, and report it
    #[arg(long)]
    wait: bool,
}

impl Retry {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let job = client.retry(self.id).await?;
        if self.wait {
            return waiting::wait_and_report(&client, self.id, shared.json).await;
        }
        if shared.json {
            say(serde_json::to_string_pretty(&job)?);
        } else {
            say(format!("{} {}", job.id, state_name(&job.state)));
        }
        Ok(ExitCode::SUCCESS)
    }
}
