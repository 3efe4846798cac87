//! `panofleet cancel`: end a job without a result.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::JobId;

use super::Shared;
use super::waiting::{self, state_name};
use crate::terminal::say;

/// Cancel a job
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The job
    id: JobId,
    /// Wait for its end, with progress, and report it
    #[arg(long)]
    wait: bool,
}

impl Cancel {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let job = client.cancel(self.id).await?;
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
