//! `panofleet workers`, `panofleet drain`, `panofleet undrain`: who there is, and who takes jobs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::Span;
use panofleet_producer::api::{DrainView, WorkerView};
use panofleet_service::clock::wall_clock;

use super::Shared;
use crate::terminal::{duration, say, table};

/// List the workers that have ever said something
#[derive(Debug, Args)]
pub(crate) struct Workers {}

/// Which worker
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The worker's name, as `panofleet workers` lists it
    worker: String,
}

/// Tell a worker to take no more jobs
#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    target: Target,
    /// Why, for whoever wonders
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// How long what it runs may go on, such as 10m; then it runs elsewhere. Without it, to its end
    #[arg(long)]
    grace: Option<Span>,
}

impl Drain {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let Self { target, reason, grace } = self;
        let view = shared.client()?.drain(&target.worker, reason, *grace).await?;
        report("drains: it finishes what it has and takes no more", &view, shared.json)
    }
}

impl Target {
    /// Has the worker take jobs again.
    pub(crate) async fn undrain(&self, shared: &Shared) -> Result<ExitCode> {
        let view = shared.client()?.undrain(&self.worker).await?;
        report("takes jobs again", &view, shared.json)
    }
}

fn report(done: &str, view: &DrainView, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(view)?);
    } else {
        say(format!("worker {} {done}", view.worker));
    }
    Ok(ExitCode::SUCCESS)
}

impl Workers {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let workers = shared.client()?.workers().await?;
        if shared.json {
            say(serde_json::to_string_pretty(&workers)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = workers.iter().map(row).collect();
        let columns = ["worker", "region", "lanes", "state", "busy", "heard of", "version", ""];
        say(table(&columns, &rows));
        Ok(ExitCode::SUCCESS)
    }
}

fn row(view: &WorkerView) -> Vec<String> {
    let WorkerView { info, beat_at, alive, unreachable, claims, drain } = view;
    let lanes: Vec<_> = info.lanes.iter().map(ToString::to_string).collect();
    let state = match (alive, info.draining, drain) {
        (false, _, _) if *unreachable => "unreachable",
        (false, _, _) => "silent",
        (true, true, _) => "draining",
        (true, false, Some(_)) => "to drain",
        (true, false, None) => "taking jobs",
    };
    vec![
        info.worker.to_string(),
        info.region.to_string(),
        lanes.join(","),
        state.to_owned(),
        format!("{}/{}", claims.len(), info.slots),
        duration(wall_clock().since(*beat_at)),
        info.version.clone(),
        drain.as_ref().map(|drain| drain.reason.clone()).unwrap_or_default(),
    ]
}
