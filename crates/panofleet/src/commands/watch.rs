//! `panofleet watch`: news of all jobs that match, as they come.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::JobId;
use panofleet_producer::api::JobView;
use panofleet_producer::api::view::StateView;
use serde_json::Value;

use super::Shared;
use super::which::Asked;
use crate::client::events::Events;
use crate::terminal::{Paint, complain, paint, say};

/// Wait between two tries to reach a service that has gone away.
const AGAIN: Duration = Duration::from_secs(2);

/// Follow jobs: each change of every job that matches, until interrupted
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    asked: Asked,
    /// The children of this job
    #[arg(long, value_name = "JOB")]
    parent: Option<JobId>,
}

impl Watch {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let mut query: Vec<_> = self.asked.query().collect();
        query.extend(self.parent.map(|parent| ("parent", parent.to_string())));
        let mut last = None;
        // What is wrong with the question is said at once; later, the service is away more likely than not.
        let mut events: Option<Events> = Some(client.events(&query, None).await?);
        let mut is_told = false;
        loop {
            let Some(open) = &mut events else {
                tokio::time::sleep(AGAIN).await;
                match client.events(&query, last.as_deref()).await {
                    Ok(again) => events = Some(again),
                    Err(error) if !is_told => {
                        complain(&error.context("no news for now; trying again"));
                        is_told = true;
                    }
                    Err(_) => {}
                }
                continue;
            };
            is_told = false;
            match open.next().await {
                Ok(Some(event)) => {
                    last = event.id.or(last);
                    show(&event.kind, &event.data, shared.json);
                }
                Ok(None) | Err(_) => events = None,
            }
        }
    }
}

fn show(kind: &str, data: &Value, json: bool) {
    if json {
        say(data.to_string());
        return;
    }
    match (kind, serde_json::from_value::<JobView>(data.clone())) {
        ("job", Ok(job)) => say(line(&job)),
        ("gone", _) => say(format!("{} gone", data["id"].as_str().unwrap_or_default())),
        _ => say(data.to_string()),
    }
}

fn line(job: &JobView) -> String {
    let state = match &job.state {
        StateView::Succeeded { .. } => paint(Paint::Good, "succeeded"),
        StateView::Dead { .. } | StateView::Expired => paint(Paint::Bad, job.state.name()),
        other => other.name().to_owned(),
    };
    let attempt = job.attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
    let progress = job
        .progress
        .as_ref()
        .map(|progress| format!(", {} {:.0} %", progress.step, progress.fraction * 100.0));
    let failure = job.failure.as_ref().map(|view| format!(": {}", view.failure.message));
    let labels: Vec<_> = job.labels.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!(
        "{} {state}{attempt}{}{} {}",
        job.id,
        progress.unwrap_or_default(),
        failure.unwrap_or_default(),
        labels.join(" "),
    )
    .trim_end()
    .to_owned()
}
