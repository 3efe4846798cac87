//! `GET /v1/failures`: what failed, and why: jobs by what their last failures share.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use panofleet_job_schema::{ErrorClass, JobId, Region, Span, Timestamp};
use panofleet_jobs_db::{FailureGroup, JobFilter, SetbackFilter, SetbackKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::Params;
use super::paging::page_size;

/// Groups of an answer, unless the request says less or more.
const GROUPS: u32 = 50;
/// Most groups of an answer.
const GROUPS_MAX: u32 = 200;
/// Steps of a trend.
const TREND_HOURS: u32 = 24;
const HOUR: Duration = Duration::from_secs(3600);

/// Which groups.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureParams {
    /// Of jobs that failed at most so long ago, such as `24h`; without it, of all that are kept.
    failed_within: Option<Span>,
    /// Groups at most.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// Jobs that failed alike, as the API shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailureGroupView {
    /// What their failures share: `failure` in a filter.
    pub fingerprint: String,
    /// What to do about such a failure.
    pub class: ErrorClass,
    /// Its stable code.
    pub code: String,
    /// The message without what differs from job to job.
    pub pattern: String,
    /// How many jobs.
    pub jobs: u64,
    /// How many in each state: `dead`, `expired`; `waiting` for the next try; `closing`.
    pub states: BTreeMap<String, u64>,
    /// How many in each region.
    pub regions: BTreeMap<Region, u64>,
    /// When the first of them failed.
    pub first_at: Timestamp,
    /// When the last of them failed.
    pub last_at: Timestamp,
    /// The newest of them.
    pub sample: FailedJob,
    /// Attempts that failed in this way in each of the last 24 hours, the oldest first; parts of jobs count too.
    #[serde(default)]
    pub trend: Vec<u64>,
}

/// A job that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedJob {
    /// The job.
    pub id: JobId,
    /// The whole message of its last failure.
    pub message: String,
}

/// The groups.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailureList {
    /// Those with most jobs first.
    pub groups: Vec<FailureGroupView>,
}

/// What failed, by why.
pub(super) async fn list(
    api: Granted,
    Params(FailureParams { failed_within, limit }): Params<FailureParams>,
) -> Result<Json<FailureList>, ApiError> {
    let limit = page_size(limit, GROUPS, GROUPS_MAX)?;
    let failed_since = api.ago(failed_within).await?;
    let filter = JobFilter { failed_since, ..api.own_jobs() };
    Ok(Json(FailureList { groups: api.failures(&filter, limit).await? }))
}

impl Granted {
    /// What failed of the jobs that match, by why.
    pub(crate) async fn failures(
        &self,
        filter: &JobFilter,
        limit: u32,
    ) -> Result<Vec<FailureGroupView>, ApiError> {
        let groups = self.db.failure_groups(filter, limit).await?;
        let mut views: Vec<_> = groups.into_iter().filter_map(FailureGroupView::of).collect();
        let failures: Vec<String> = views.iter().map(|view| view.fingerprint.clone()).collect();
        let trended = SetbackFilter {
            tenant: filter.tenant.clone(),
            kinds: &[SetbackKind::Failed],
            since: self.db.now().await? - HOUR * TREND_HOURS,
            until: None,
        };
        let mut trends = self.db.setback_trend(&trended, &failures, (HOUR, TREND_HOURS)).await?;
        for view in &mut views {
            let none = || vec![0; TREND_HOURS as usize];
            view.trend = trends.remove(&view.fingerprint).unwrap_or_else(none);
        }
        Ok(views)
    }

    /// The time so long ago, by the database's clock.
    pub(super) async fn ago(&self, span: Option<Span>) -> Result<Option<Timestamp>, ApiError> {
        let Some(Span(span)) = span else { return Ok(None) };
        Ok(Some(self.db.now().await? - span))
    }
}

impl FailureGroupView {
    /// `None` if the newest job has been started anew since it was counted.
    fn of(group: FailureGroup) -> Option<Self> {
        let FailureGroup { fingerprint, jobs, states, regions, first_at, last_at, newest } = group;
        let failure = newest.job.failure?;
        let pattern = failure.pattern();
        Some(Self {
            fingerprint,
            class: failure.class,
            code: failure.code,
            pattern,
            jobs,
            states,
            regions,
            first_at,
            last_at,
            sample: FailedJob { id: newest.job.id, message: failure.message },
            trend: Vec::new(),
        })
    }
}
