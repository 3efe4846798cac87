//! Which jobs: the flags that lists, `watch` and the commands for all that match share.

use clap::Args;
use panofleet_job_schema::{Attempt, Region, Span, Timestamp, WorkerId};
use panofleet_producer::api::BulkFilter;
use panofleet_service::clock::wall_clock;

/// Which jobs, however they stand
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Only with this label
    #[arg(long, value_name = "KEY:VALUE")]
    label: Option<String>,
    /// Only in this region
    #[arg(long)]
    region: Option<Region>,
    /// Only with an output of this operation, such as pano.tiles
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
}

impl Asked {
    /// As the parameters of a list.
    pub(super) fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        given([
            ("label", self.label.clone()),
            ("region", self.region.as_ref().map(ToString::to_string)),
            ("operation", self.operation.clone()),
        ])
    }
}

/// Those that somebody has asked for.
fn given<const FIELDS: usize>(
    fields: [(&'static str, Option<String>); FIELDS],
) -> impl Iterator<Item = (&'static str, String)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

/// Which jobs, but in which states
#[derive(Debug, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    asked: Asked,
    /// Only what this worker holds, or held last
    #[arg(long, value_name = "WORKER")]
    worker: Option<WorkerId>,
    /// Only jobs whose last attempt has this number
    #[arg(long, value_name = "NUMBER")]
    attempt: Option<u32>,
    /// Only jobs whose last failure is of this kind: see `panofleet failures`
    #[arg(long, value_name = "FAILURE")]
    failure: Option<String>,
    /// Only jobs that failed at most so long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    failed_within: Option<Span>,
    /// Only jobs accepted then or later: a time such as 2026-11-30T14:00:00Z, or so long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    accepted_since: Option<Timestamp>,
    /// Only jobs accepted before that: a time, or so long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    accepted_until: Option<Timestamp>,
}

impl Which {
    /// Those of them in these states, for a bulk action.
    pub(super) fn filter(&self, states: &[String]) -> BulkFilter {
        BulkFilter {
            states: states.to_vec(),
            label: self.asked.label.clone(),
            region: self.asked.region.clone(),
            operation: self.asked.operation.clone(),
            worker: self.worker.clone(),
            attempt: self.attempt.map(Attempt),
            failure: self.failure.clone(),
            failed_within: self.failed_within,
            accepted_since: self.accepted_since,
            accepted_until: self.accepted_until,
        }
    }

    /// As the parameters of a list.
    pub(super) fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        let more = given([
            ("worker", self.worker.as_ref().map(ToString::to_string)),
            ("attempt", self.attempt.map(|attempt| attempt.to_string())),
            ("failure", self.failure.clone()),
            ("failed_within", self.failed_within.map(|span| span.to_string())),
            ("accepted_since", self.accepted_since.map(|at| at.to_string())),
            ("accepted_until", self.accepted_until.map(|at| at.to_string())),
        ]);
        self.asked.query().chain(more)
    }
}

/// A time, or how long ago it was by this machine's clock.
fn moment(text: &str) -> Result<Timestamp, String> {
    let ago = || text.parse::<Span>().ok().map(|span| wall_clock() - span.0);
    text.parse().ok().or_else(ago).ok_or_else(|| {
        "it is neither a time such as 2026-11-30T14:00:00Z nor so long ago, such as 2h".to_owned()
    })
}
