//! `panofleet cancel`, `retry`, `release`, `reprioritise`: change what becomes of one job.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{JobId, Region, Rerun, Span};
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

/// Which job is to run anew, and what is to be different of it
#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    changes: Changes,
}

/// What is to be different of jobs that run anew
#[derive(Debug, Args)]
pub(crate) struct Changes {
    /// Run in this region; of several, in the order given, go on to the next where it waits for too long
    #[arg(long = "to-region", value_name = "REGION")]
    to: Vec<Region>,
    /// Let one attempt run for so long, such as 2h
    #[arg(long, value_name = "TIME")]
    timeout: Option<Span>,
    /// Let it take so long from now on, all attempts together
    #[arg(long, value_name = "TIME")]
    deadline: Option<Span>,
    /// Give it up after so many failed attempts
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<u32>,
    /// Have it wait in this band: high, normal or low
    #[arg(long = "to-priority", value_name = "PRIORITY", value_parser = priority)]
    priority: Option<Priority>,
}

impl Changes {
    pub(super) fn rerun(&self) -> Rerun {
        let (region, regions) = match &*self.to {
            [only] => (Some(only.clone()), Vec::new()),
            several => (None, several.to_vec()),
        };
        let Self { timeout, deadline, max_attempts, priority, .. } = *self;
        Rerun { region, regions, timeout, deadline, max_attempts, priority }
    }
}

impl Retry {
    /// Starts the job anew.
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let job = client.retry(self.target.id, &self.changes.rerun()).await?;
        self.target.report(&client, &job, shared.json).await
    }
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

    /// Asks whoever holds the job to let it go.
    pub(crate) async fn release(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let job = client.release(self.id).await?;
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
