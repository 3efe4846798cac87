//! `panofleet cancel`, `panofleet retry`: change what becomes of one job.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::JobId;
use panofleet_producer::api::JobView;

use super::{Shared, waiting};
use crate::client::Client;
use crate::terminal::say;

/// Which job, and whether to stay with it
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The job
    id: JobId,
    /// Wait for its end, with progress, and report it
    #[arg(long)]
    wait: bool,
}

impl Target {
    /// Ends the job without a result.
    pub(crate) async fn cancel(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let job = client.cancel(self.id).await?;
        self.report(&client, &job, shared.json).await
    }

    /// Starts the job anew.
    pub(crate) async fn retry(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let job = client.retry(self.id).await?;
        self.report(&client, &job, shared.json).await
    }

    async fn report(&self, client: &Client, job: &JobView, json: bool) -> Result<ExitCode> {
        if self.wait {
            return waiting::wait_and_report(client, self.id, json).await;
        }
        if json {
            say(serde_json::to_string_pretty(job)?);
        } else {
            say(format!("{} {}", job.id, job.state.name()));
        }
        Ok(ExitCode::SUCCESS)
    }
}
