//! `panofleet jobs`: the newest jobs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::{Span, Timestamp};
use panofleet_producer::api::JobView;
use panofleet_service::clock::wall_clock;

use super::Shared;
use crate::terminal::{duration, say, table};

/// List jobs, newest first
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// Only in these states, such as running,dead
    #[arg(long, value_name = "STATES")]
    state: Option<String>,
    /// Only with this label
    #[arg(long, value_name = "KEY:VALUE")]
    label: Option<String>,
    /// Only in this region
    #[arg(long)]
    region: Option<String>,
    /// Only with an output of this operation, such as pano.tiles
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
    /// Only what this worker holds, or held last
    #[arg(long, value_name = "WORKER")]
    worker: Option<String>,
    /// Only jobs whose last attempt has this number
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Only jobs whose last failure is of this kind: see `panofleet failures`
    #[arg(long, value_name = "FAILURE")]
    failure: Option<String>,
    /// Only jobs that failed at most so long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    failed_within: Option<String>,
    /// Only jobs accepted then or later: a time such as 2026-11-30T14:00:00Z, or so long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    accepted_since: Option<Timestamp>,
    /// Only jobs accepted before that: a time, or so long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    accepted_until: Option<Timestamp>,
    /// The parts that this job was split into; without it, they are not listed
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Those accepted before this job: what the page before ended with
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

impl Jobs {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let mut query = vec![("limit", self.limit.to_string())];
        let mut add = |key, value: &Option<String>| {
            query.extend(value.iter().map(|value| (key, value.clone())));
        };
        add("state", &self.state);
        add("label", &self.label);
        add("region", &self.region);
        add("operation", &self.operation);
        add("worker", &self.worker);
        add("attempt", &self.attempt.map(|attempt| attempt.to_string()));
        add("failure", &self.failure);
        add("failed_within", &self.failed_within);
        add("accepted_since", &self.accepted_since.map(|at| at.to_string()));
        add("accepted_until", &self.accepted_until.map(|at| at.to_string()));
        add("parent", &self.parent);
        add("before", &self.before);
        let page = shared.client()?.jobs(&query).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&page)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = page.jobs.iter().map(row).collect();
        say(table(&["job", "state", "age", "attempt", "outputs", "failure"], &rows));
        if let Some(next) = &page.next {
            say(format!("more: panofleet jobs --before {next}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A time, or how long ago it was by this machine's clock.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = || text.parse::<Span>().ok().map(|span| wall_clock() - span.0);
    text.parse().ok().or_else(ago).ok_or_else(|| {
        "it is neither a time such as 2026-11-30T14:00:00Z nor so long ago, such as 2h".to_owned()
    })
}

fn row(job: &JobView) -> Vec<String> {
    let outputs: Vec<_> = job.outputs.keys().map(ToString::to_string).collect();
    vec![
        job.id.to_string(),
        job.state.name().to_owned(),
        duration(wall_clock().since(job.accepted_at)),
        job.attempt.map_or_else(String::new, |attempt| attempt.to_string()),
        outputs.join(","),
        job.failure.as_ref().map_or_else(String::new, |view| view.failure.code.clone()),
    ]
}
