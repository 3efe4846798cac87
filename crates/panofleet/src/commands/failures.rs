//! `panofleet failures`: what failed, by why.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_producer::api::{FailureGroupView, FailureList};
use panofleet_service::clock::wall_clock;

use super::Shared;
use crate::terminal::{duration, say, table};

/// What failed, by why: jobs whose last failures are alike, the largest group first
#[derive(Debug, Args)]
pub(crate) struct Failures {
    /// Only jobs that failed at most so long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    within: Option<String>,
    /// How many groups
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

impl Failures {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(self.within.iter().map(|within| ("failed_within", within.clone())));
        let FailureList { groups } = shared.client()?.failures(&query).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&FailureList { groups })?);
            return Ok(ExitCode::SUCCESS);
        }
        if groups.is_empty() {
            say("nothing failed");
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = groups.iter().map(row).collect();
        say(table(&["failure", "jobs", "states", "regions", "last", "code", "why"], &rows));
        say("the jobs:   panofleet jobs --failure FAILURE");
        say("run again:  panofleet retry-all --failure FAILURE");
        Ok(ExitCode::SUCCESS)
    }
}

fn row(group: &FailureGroupView) -> Vec<String> {
    let states: Vec<_> =
        group.states.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
    let regions: Vec<_> =
        group.regions.iter().map(|(region, jobs)| format!("{jobs} {region}")).collect();
    vec![
        group.fingerprint.clone(),
        group.jobs.to_string(),
        states.join(", "),
        regions.join(", "),
        format!("{} ago", duration(wall_clock().since(group.last_at))),
        group.code.clone(),
        group.pattern.clone(),
    ]
}
