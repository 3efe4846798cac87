//! `/v1/bulk…`: one action for all jobs that match, however many.
//!
//! To ask is to write a row; the leading dispatcher does the work, and whoever leads after it goes on. A dry run counts and
//! does nothing.

use axum::Json;
use axum::http::StatusCode;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Attempt, Region, Rerun, Span, Timestamp, WorkerId};
use panofleet_jobs_db::{Bulk, BulkAction, JobFilter, VersionedBulk};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JsonBody, Segments};
use super::jobs::{check_operation, check_states, label_of};

/// Bulk actions of a tenant that may be under way at once.
const OPEN_MAX: usize = 16;
/// Bulk actions that a list shows.
const SHOWN: u32 = 50;
/// Times that a stop is written anew because a page was done meanwhile.
const TRIES_MAX: u32 = 8;

/// The states that are started anew where none is named.
pub(crate) const RETRIED: [&str; 2] = ["dead", "expired"];

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// What is done to each job.
    pub action: BulkAction,
    /// The band that they are to wait in from now on; to `reprioritise`, and for nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What is to be different of them when they run anew; to `retry`, and for nothing else.
    #[serde(default, skip_serializing_if = "Rerun::is_same")]
    pub rerun: Rerun,
    /// To which jobs.
    #[serde(default)]
    pub filter: BulkFilter,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
}

/// Which jobs. Everything that is given must match.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BulkFilter {
    /// In one of these states. Without any: to retry, `dead` and `expired`; to cancel or reprioritise, all that have not
    /// ended; to delete, all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// With this label, `key:value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// In this region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// With an output of this operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// That this worker holds, or held last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// Whose last attempt has this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Whose last failure has this fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// That failed at most so long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_within: Option<Span>,
    /// That were accepted at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_since: Option<Timestamp>,
    /// That were accepted before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<Timestamp>,
}

/// What a dry run found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BulkCount {
    /// How many jobs match now.
    pub matched: u64,
}

/// A bulk action as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BulkView {
    /// Its identity.
    pub id: Uuid,
    /// What is done to each job.
    pub action: BulkAction,
    /// The band that they wait in from then on, if that is what is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What is different of them from then on, if they are started anew.
    #[serde(default, skip_serializing_if = "Rerun::is_same")]
    pub rerun: Rerun,
    /// Which states it is about; all if there is none.
    pub states: Vec<String>,
    /// With which label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// In which region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// With outputs of which operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Of which worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// At which attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Whose failures have which fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// That failed then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_since: Option<Timestamp>,
    /// Accepted at which moment or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_since: Option<Timestamp>,
    /// Accepted before which moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<Timestamp>,
    /// How many matched when it was asked for.
    pub matched: u64,
    /// Jobs that it was done to so far.
    pub done: u64,
    /// Jobs that it could not be done to any more when it came to them.
    pub refused: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Whether somebody stopped it before its end.
    #[serde(default)]
    pub stopped: bool,
}

/// Bulk actions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BulkList {
    /// Newest first.
    pub bulk: Vec<BulkView>,
}

/// What a request came to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum BulkAnswer {
    /// It was a dry run.
    Counted(BulkCount),
    /// It is under way.
    Begun(Box<BulkView>),
}

/// Counts what matches; unless that is all that is asked for, has the action done to it: 202.
pub(super) async fn begin(
    api: Granted,
    JsonBody(request): JsonBody<BulkRequest>,
) -> Result<(StatusCode, Json<BulkAnswer>), ApiError> {
    request.check(&api)?;
    let BulkRequest { action, priority, rerun, filter, dry_run } = request;
    let filter = api.bulk_filter(action, filter).await?;
    let matched = api.db.count(&filter).await?;
    if dry_run {
        api.note_outcome("counted");
        return Ok((StatusCode::OK, Json(BulkAnswer::Counted(BulkCount { matched }))));
    }
    let what = What { action, priority, rerun };
    let begun = api.begin_bulk(what, filter, matched).await?;
    api.note_subject(begun.id);
    api.note_tenant(&begun.tenant);
    let begun = BulkAnswer::Begun(Box::new(BulkView::of(begun)));
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

/// The newest bulk actions.
pub(super) async fn list(api: Granted) -> Result<Json<BulkList>, ApiError> {
    let found = api.db.bulks(api.tenant(), SHOWN).await?;
    let bulk = found.into_iter().map(|row| BulkView::of(row.bulk)).collect();
    Ok(Json(BulkList { bulk }))
}

/// One bulk action.
pub(super) async fn get(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<BulkView>, ApiError> {
    Ok(Json(BulkView::of(api.bulk(&id).await?.bulk)))
}

/// Stops a bulk action; what was done stays done. One that is over stays as it is.
pub(super) async fn stop(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<BulkView>, ApiError> {
    for _ in 0..TRIES_MAX {
        let VersionedBulk { bulk, version } = api.bulk(&id).await?;
        api.note_tenant(&bulk.tenant);
        if bulk.ended_at.is_some() {
            return Ok(Json(BulkView::of(bulk)));
        }
        let ended_at = Some(api.db.now().await?);
        let stopped = Bulk { ended_at, stopped: true, ..bulk };
        if api.db.write_bulk(&stopped, version).await? {
            tracing::info!(%id, done = stopped.done, "bulk action stopped by request");
            return Ok(Json(BulkView::of(stopped)));
        }
    }
    let detail = "it gets on faster than it can be stopped; try again";
    Err(ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "busy", detail))
}

/// What is done to each job.
#[derive(Debug)]
pub(super) struct What {
    pub(super) action: BulkAction,
    pub(super) priority: Option<Priority>,
    pub(super) rerun: Rerun,
}

impl From<BulkAction> for What {
    fn from(action: BulkAction) -> Self {
        Self { action, priority: None, rerun: Rerun::default() }
    }
}

impl BulkRequest {
    fn check(&self, api: &Granted) -> Result<(), ApiError> {
        if (self.action == BulkAction::Reprioritise) != self.priority.is_some() {
            let detail =
                "`priority` says which band to reprioritise to, and belongs to no other action";
            return Err(ApiError::unfit("does_not_fit", detail));
        }
        if self.action != BulkAction::Retry && !self.rerun.is_same() {
            let detail = "`rerun` says what is different of jobs that are started anew, and belongs to `retry`";
            return Err(ApiError::unfit("does_not_fit", detail));
        }
        api.check_rerun(&self.rerun)
    }
}

impl Granted {
    /// Has an action done to all jobs that match.
    pub(super) async fn begin_bulk(
        &self,
        What { action, priority, rerun }: What,
        filter: JobFilter,
        matched: u64,
    ) -> Result<Bulk, ApiError> {
        let tenant = filter.tenant.clone().unwrap_or_else(|| self.tenant().clone());
        let recent = self.db.bulks(&tenant, SHOWN).await?;
        if recent.iter().filter(|row| row.bulk.ended_at.is_none()).count() >= OPEN_MAX {
            let detail =
                format!("{OPEN_MAX} bulk actions are under way already; wait, or stop some");
            return Err(ApiError::conflict("too_many_bulk_actions", detail));
        }
        let (id, requested_at) = (Uuid::now_v7(), self.db.now().await?);
        let bulk = Bulk {
            id,
            tenant,
            action,
            priority,
            rerun,
            filter,
            matched,
            done: 0,
            refused: 0,
            requested_at,
            ended_at: None,
            stopped: false,
        };
        self.db.put_bulk(&bulk).await?;
        tracing::info!(id = %bulk.id, action = action.name(), matched, "bulk action requested");
        Ok(bulk)
    }

    pub(crate) async fn bulk(&self, id: &str) -> Result<VersionedBulk, ApiError> {
        let absent = || {
            let detail = format!("there is no bulk action `{id}`; GET /v1/bulk lists them");
            ApiError::absent("bulk_not_found", detail)
        };
        let known: Uuid = id.parse().map_err(|_unreadable| absent())?;
        let found = self.db.bulk(known).await?;
        found.filter(|found| self.sees(&found.bulk.tenant)).ok_or_else(absent)
    }

    async fn bulk_filter(
        &self,
        action: BulkAction,
        asked: BulkFilter,
    ) -> Result<JobFilter, ApiError> {
        let all = JobFilter { tenant: Some(self.tenant().clone()), ..JobFilter::default() };
        let mut filter = asked.of(self, all).await?;
        if filter.states.is_empty() {
            filter.states = match action {
                BulkAction::Retry => RETRIED.map(str::to_owned).to_vec(),
                BulkAction::Cancel | BulkAction::Reprioritise => {
                    JobState::OPEN_NAMES.map(str::to_owned).to_vec()
                }
                BulkAction::Delete => Vec::new(),
            };
        }
        Ok(filter)
    }
}

impl BulkFilter {
    /// Those of `all` that match.
    pub(super) async fn of(self, api: &Granted, all: JobFilter) -> Result<JobFilter, ApiError> {
        check_states(&self.states)?;
        check_operation(self.operation.as_deref())?;
        Ok(JobFilter {
            states: self.states,
            label: self.label.as_deref().map(label_of).transpose()?,
            region: self.region,
            operation: self.operation,
            worker: self.worker,
            attempt: self.attempt,
            failure: self.failure,
            failed_since: api.ago(self.failed_within).await?,
            accepted_since: self.accepted_since,
            accepted_until: self.accepted_until,
            ..all
        })
    }
}

impl BulkView {
    pub(crate) fn of(bulk: Bulk) -> Self {
        let Bulk {
            id,
            action,
            priority,
            rerun,
            filter,
            matched,
            done,
            refused,
            requested_at,
            ended_at,
            stopped,
            ..
        } = bulk;
        Self {
            id,
            action,
            priority,
            rerun,
            states: filter.states,
            label: filter.label.map(|(key, value)| format!("{key}:{value}")),
            region: filter.region,
            operation: filter.operation,
            worker: filter.worker,
            attempt: filter.attempt,
            failure: filter.failure,
            failed_since: filter.failed_since,
            accepted_since: filter.accepted_since,
            accepted_until: filter.accepted_until,
            matched,
            done,
            refused,
            requested_at,
            ended_at,
            stopped,
        }
    }
}
