//! `panofleet pause`, `panofleet resume`, `panofleet pauses`: who gets no jobs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_jobs_db::{Pause as Paused, PauseTarget};
use panofleet_service::clock::wall_clock;

use super::Shared;
use crate::terminal::{duration, say, table};

/// What to pause
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// What it is
    #[arg(value_parser = PauseTarget::KINDS)]
    kind: String,
    /// Its name; a lane's is such as hangzhou.image
    name: String,
}

/// Send no more jobs to a region, a lane or for a tenant
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    target: Target,
    /// Why, for whoever wonders
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// List what is paused
#[derive(Debug, Args)]
pub(crate) struct Pauses {}

impl Target {
    fn read(&self) -> Result<PauseTarget> {
        Ok(PauseTarget::new(&self.kind, &self.name)?)
    }

    /// Sends jobs again.
    pub(crate) async fn resume(&self, shared: &Shared) -> Result<ExitCode> {
        let pause = shared.client()?.resume(&self.read()?).await?;
        report("resumed", &pause, shared.json)
    }
}

impl Pause {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let pause = shared.client()?.pause(&self.target.read()?, &self.reason).await?;
        report("paused", &pause, shared.json)
    }
}

fn report(done: &str, pause: &Paused, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(pause)?);
    } else {
        say(format!("{} {} {done}", pause.target.kind(), pause.target.name()));
    }
    Ok(ExitCode::SUCCESS)
}

impl Pauses {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let pauses = shared.client()?.pauses().await?;
        if shared.json {
            say(serde_json::to_string_pretty(&pauses)?);
            return Ok(ExitCode::SUCCESS);
        }
        let row = |pause: &Paused| {
            let since = duration(wall_clock().since(pause.since));
            vec![pause.target.kind().to_owned(), pause.target.name(), since, pause.reason.clone()]
        };
        let rows: Vec<_> = pauses.iter().map(row).collect();
        say(table(&["what", "name", "for", "reason"], &rows));
        Ok(ExitCode::SUCCESS)
    }
}
