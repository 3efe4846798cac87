//! `panofleet cancel`, `retry`, `reprioritise`: change what becomes of one job.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::JobId;
use panofleet_job_schema::spec::Priority;
use panofleet_producer::api::{JobChange, JobView};

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

/// Which job is to wait in which band
#[derive(Debug, Args)]
pub(crate) struct Reprioritise {
    /// The band: high, normal or low
    #[arg(value_parser = priority)]
    priority: Priority,
    /// The job
    id: JobId,
}

/// A band of the queue by its name.
pub(crate) fn priority(word: &str) -> Result<Priority, String> {
    let found = Priority::ALL.into_iter().find(|priority| priority.name() == word);
    found.ok_or_else(|| "must be high, normal or low".to_owned())
}

impl Reprioritise {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let change = JobChange { priority: self.priority };
        let job = shared.client()?.change(self.id, &change).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&job)?);
        } else {
            say(format!("{} {}, {}", job.id, job.state.name(), job.priority.name()));
        }
        Ok(ExitCode::SUCCESS)
    }
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
