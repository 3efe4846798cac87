//! `panofleet job`: one job, and what happened to it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::JobId;
use panofleet_jobs_db::HistoryEntry;
use panofleet_producer::api::view::FailureView;
use serde_json::json;

use super::Shared;
use super::waiting;
use crate::terminal::{say, table};

/// Show one job
#[derive(Debug, Args)]
pub(crate) struct Job {
    /// The job
    id: JobId,
    /// Wait for its end, with progress, and report it
    #[arg(long)]
    wait: bool,
}

impl Job {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        if self.wait {
            return waiting::wait_and_report(&client, self.id, shared.json).await;
        }
        let (job, history) = (client.job(self.id).await?, client.history(self.id).await?);
        if shared.json {
            say(serde_json::to_string_pretty(&json!({ "job": job, "history": history }))?);
            return Ok(ExitCode::SUCCESS);
        }
        say(format!("{} {}", job.id, job.state.name()));
        say(format!("  source    {}", job.source));
        for (name, operation) in &job.outputs {
            say(format!("  output    {name}: {}", serde_json::to_string(operation)?));
        }
        if let Some(progress) = &job.progress {
            say(format!("  progress  {:.0} % {}", progress.fraction * 100.0, progress.step));
        }
        if let Some(family) = &job.family {
            let states: Vec<_> =
                family.states.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
            say(format!("  split     {} parts: {}", family.children, states.join(", ")));
            say(format!("            panofleet jobs --parent {}", job.id));
        }
        if let Some(of) = &job.child_of {
            say(format!("  part of   {}, number {}", of.parent, of.index + 1));
        }
        if let Some(FailureView { failure, fingerprint }) = &job.failure {
            say(format!("  failure   {}: {}", failure.code, failure.message));
            say(format!("  like it   fingerprint {fingerprint}"));
            for line in failure.detail.iter().flat_map(|detail| detail.lines()) {
                say(format!("            {line}"));
            }
        }
        say(format!("  look      {}", client.link(&job.links.view)));
        let rows: Vec<_> = history.iter().map(row).collect();
        say("");
        say(table(&["time", "what", "state", "attempt", "worker", ""], &rows));
        Ok(ExitCode::SUCCESS)
    }
}

fn row(entry: &HistoryEntry) -> Vec<String> {
    vec![
        entry.at.to_string(),
        entry.reason.clone(),
        entry.state.clone(),
        entry.attempt.map_or_else(String::new, |attempt| attempt.to_string()),
        entry.worker.as_ref().map_or_else(String::new, ToString::to_string),
        entry.detail.clone().unwrap_or_default(),
    ]
}
