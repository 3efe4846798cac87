//! Waiting for a job's end with a bar, and saying how it ended.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use panofleet_job_schema::manifest::Manifest;
use panofleet_job_schema::{JobId, Timestamp};
use panofleet_producer::api::JobView;
use panofleet_producer::api::view::{FailureView, StateView};
use serde_json::json;

use super::EXIT_JOB_FAILED;
use crate::client::Client;
use crate::terminal::{Paint, bytes, duration, paint, say, table, work_bar};

/// Seconds of one long poll.
const POLL_S: u64 = 20;
/// Tries to reach a service that has gone away, and the wait between two.
const LOST_TRIES_MAX: u32 = 60;
const LOST_WAIT: Duration = Duration::from_secs(1);

/// Waits for the end of a job, through restarts of the service, and reports it.
pub(super) async fn wait_and_report(client: &Client, id: JobId, json: bool) -> Result<ExitCode> {
    let job = wait(client, id, json).await?;
    report(client, &job, json).await
}

/// The job once it has ended.
pub(super) async fn wait(client: &Client, id: JobId, quiet: bool) -> Result<JobView> {
    let bar = work_bar("waiting", quiet);
    let mut version = None;
    let mut lost = 0;
    loop {
        let job = match client.wait(id, version, POLL_S).await {
            Ok(job) => job,
            Err(error) if lost >= LOST_TRIES_MAX => return Err(error),
            Err(_) => {
                lost += 1;
                bar.set_message("no answer");
                tokio::time::sleep(LOST_WAIT).await;
                continue;
            }
        };
        lost = 0;
        version = Some(job.version);
        show(&bar, &job);
        if job.is_terminal() {
            bar.finish_and_clear();
            return Ok(job);
        }
    }
}

fn show(bar: &ProgressBar, job: &JobView) {
    let attempt = job.attempt.map_or(0, |attempt| attempt.0);
    if attempt > 1 {
        bar.set_prefix(format!("attempt {attempt}"));
    }
    match (&job.state, &job.progress) {
        (StateView::Running { .. }, Some(progress)) => {
            let step: String = progress.step.chars().take(12).collect();
            bar.set_message(step);
            bar.set_position((progress.fraction.clamp(0.0, 1.0) * 1000.0) as u64);
        }
        (state, _) => bar.set_message(state.name()),
    }
}

async fn report(client: &Client, job: &JobView, json: bool) -> Result<ExitCode> {
    let succeeded = matches!(job.state, StateView::Succeeded { .. });
    let manifest = match &job.links.manifest {
        Some(_) => Some(client.manifest(job.id).await?),
        None => None,
    };
    if json {
        say(serde_json::to_string_pretty(&json!({ "job": job, "manifest": manifest }))?);
    } else if let Some(manifest) = &manifest {
        describe(client, job, manifest);
    } else if succeeded {
        let ended_at = job.finished_at.unwrap_or(job.accepted_at);
        say(success(job, ended_at) + "; there was nothing to make");
    } else {
        say(format!("{} job {} {}", paint(Paint::Bad, "✗"), job.id, job.state.name()));
        if let Some(FailureView { failure, .. }) = &job.failure {
            say(format!("  {}: {}", failure.code, failure.message));
        }
        say(format!("  what happened: panofleet job {}", job.id));
    }
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::from(EXIT_JOB_FAILED) })
}

fn success(job: &JobView, ended_at: Timestamp) -> String {
    let took = duration(since(job.accepted_at, ended_at));
    format!("{} job {} succeeded in {took}", paint(Paint::Good, "✓"), job.id)
}

fn describe(client: &Client, job: &JobView, manifest: &Manifest) {
    let ended_at = job.finished_at.unwrap_or(manifest.finished_at);
    say(format!("{} (attempt {})", success(job, ended_at), manifest.attempt));
    let rows: Vec<_> = manifest
        .outputs
        .iter()
        .map(|(name, output)| {
            let entries: Vec<_> = output.entry_points.values().map(String::as_str).collect();
            vec![
                format!("  {name}"),
                output.op.clone(),
                output.files.len().to_string(),
                bytes(output.total_bytes),
                entries.join(", "),
            ]
        })
        .collect();
    say(table(&["  output", "operation", "files", "size", "begin with"], &rows));
    let steps: Vec<_> = manifest
        .steps
        .iter()
        .map(|step| vec![format!("  {}", step.step), duration(Duration::from_millis(step.wall_ms))])
        .collect();
    say(table(&["  step", "time"], &steps));
    for warning in &manifest.warnings {
        say(format!("  {} {warning}", paint(Paint::Strong, "note:")));
    }
    let link =
        |link: &Option<String>| link.as_deref().map(|link| client.link(link)).unwrap_or_default();
    say(format!("  manifest  {}", link(&job.links.manifest)));
    say(format!("  look      {}", client.link(&job.links.view)));
}

fn since(begun: Timestamp, ended: Timestamp) -> Duration {
    ended.since(begun)
}
