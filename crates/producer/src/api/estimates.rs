//! `POST /v1/estimates`: how long a job is likely to take and how much it will make, before it is submitted.
//!
//! It is read off the jobs of the same tenant and with the same operations that succeeded last. Where the size of this source
//! and of theirs is known, their time and their bytes count in proportion to it: of one operation, both grow with the pixels,
//! and those with the bytes, more or less.

use std::collections::BTreeSet;

use axum::Json;
use panofleet_bus::Queue;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::{Job, JobSpec, Operation};
use panofleet_jobs_db::JobFilter;
use panofleet_service::quantiles::nearest_rank;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::JsonBody;
use super::source;
use super::submit::{checked, region_of};
use crate::attempts::attempts;

/// Jobs that are looked through for such as have the same operations.
const LOOKED_AT: u32 = 200;
/// Jobs that an estimate is made from, at most.
const SAMPLE: usize = 50;

/// What a job is likely to take and to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Its operations.
    pub operations: BTreeSet<String>,
    /// Jobs with the same operations that it is read off, the last ones that succeeded. If there is none, nothing is known.
    pub sample: u32,
    /// Whether their figures count in proportion to the size of the source.
    pub scaled: bool,
    /// Seconds that a worker has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_s: Option<Likely>,
    /// Bytes of all files that it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<Likely>,
    /// Jobs, of all tenants, that wait in its queue now, as counted lately.
    pub ahead: u64,
    /// Jobs that the workers of its queue run at once.
    pub slots: u32,
}

/// What it is in one job of two, and in nine of ten at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Likely {
    /// The median.
    pub p50: f64,
    /// Nine of ten stay below it.
    pub p90: f64,
}

/// A job that succeeded.
struct Past {
    worker_s: Option<f64>,
    output_bytes: f64,
    source_bytes: Option<f64>,
}

/// Estimates a job that is not submitted.
pub(super) async fn estimate(
    api: Granted,
    JsonBody(spec): JsonBody<JobSpec>,
) -> Result<Json<Estimate>, ApiError> {
    let acceptor = api.acceptor();
    let spec = checked(&acceptor, spec)?;
    let found = source::look(&acceptor, &spec.source).await?;
    let (region, _) = region_of(&acceptor, &spec, found.region)?;
    let operations = operations(&spec);
    let past = api.past(&operations).await?;
    let now_bytes = found.bytes.map(|bytes| bytes as f64);
    // All of them, or the figures would be of two kinds.
    let all_known = past.iter().all(|past| past.source_bytes.is_some());
    let scaled = now_bytes.is_some() && !past.is_empty() && all_known;
    let factor = |past: &Past| match (now_bytes, past.source_bytes) {
        (Some(now), Some(then)) if scaled => now / then,
        _ => 1.0,
    };
    let queue = Queue { region, lane: spec.lane() };
    let load = api.kept_backlog.readings(api.db.as_ref()).await?.load(&queue, &api.policy);
    Ok(Json(Estimate {
        operations: operations.into_iter().map(str::to_owned).collect(),
        sample: u32::try_from(past.len()).unwrap_or(u32::MAX),
        scaled,
        worker_s: Likely::of(
            past.iter().filter_map(|past| Some(past.worker_s? * factor(past))).collect(),
        ),
        output_bytes: Likely::of(
            past.iter().map(|past| past.output_bytes * factor(past)).collect(),
        ),
        ahead: load.queued + load.sent,
        slots: load.slots,
    }))
}

fn operations(spec: &JobSpec) -> BTreeSet<&'static str> {
    spec.outputs.values().map(Operation::name).collect()
}

impl Granted {
    /// The last jobs with just these operations that succeeded.
    async fn past(&self, alike: &BTreeSet<&'static str>) -> Result<Vec<Past>, ApiError> {
        let filter = JobFilter {
            tenant: Some(self.tenant().clone()),
            states: vec!["succeeded".to_owned()],
            operation: alike.first().map(|name| (*name).to_owned()),
            ..JobFilter::default()
        };
        let found = self.db.list(&filter, LOOKED_AT).await?;
        let alike = found.into_iter().filter(|found| operations(&found.job.spec) == *alike);
        let mut past = Vec::new();
        for found in alike.take(SAMPLE) {
            let JobState::Succeeded { manifest } = &found.job.state else { continue };
            past.push(self.past_of(&found.job, manifest).await?);
        }
        Ok(past)
    }

    async fn past_of(&self, job: &Job, manifest: &ManifestSummary) -> Result<Past, ApiError> {
        let entries = self.db.history(job.id).await?;
        let attempts = attempts(&entries);
        let winner = attempts.iter().find(|attempt| {
            attempt.number == manifest.attempt.0 && attempt.generation == job.generation.0
        });
        let held = winner.filter(|attempt| attempt.claimed_at.is_some());
        let held = held.zip(job.finished_at).map(|(attempt, end)| attempt.held(end));
        Ok(Past {
            worker_s: held.map(|held| held.as_secs_f64()),
            output_bytes: manifest.total_bytes as f64,
            source_bytes: manifest.source_bytes.filter(|bytes| *bytes > 0).map(|n| n as f64),
        })
    }
}

impl Likely {
    /// By the nearest rank; nothing of nothing.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self { p50: nearest_rank(&values, 500)?, p90: nearest_rank(&values, 900)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        assert_eq!(Likely::of(vec![]), None);
        assert_eq!(Likely::of(vec![3.0]), Some(Likely { p50: 3.0, p90: 3.0 }));
        let ten = (1..=10).rev().map(f64::from).collect();
        assert_eq!(Likely::of(ten), Some(Likely { p50: 5.0, p90: 9.0 }));
    }
}
