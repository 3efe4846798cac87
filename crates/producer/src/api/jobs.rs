//! `GET /v1/jobs…`: one job, many jobs, and what happened to one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{Job, JobId};
use panofleet_jobs_db::{HistoryEntry, JobFilter, Versioned};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::extract::{JobPath, Params, bad_parameter};
use super::{Api, JobView};

/// Jobs of a page of the list, unless the request says less or more.
const PAGE_JOBS: u32 = 50;
/// Most jobs of a page.
const PAGE_JOBS_MAX: u32 = 200;

impl Api {
    /// A job as clients see it.
    pub(crate) fn show(&self, found: &Versioned, progress: Option<&Progress>) -> JobView {
        JobView::new(found, progress, self.config.public_url.as_deref().unwrap_or_default())
    }

    /// A job as clients see it, with how far it is.
    pub(crate) async fn job_view(&self, id: JobId) -> Result<JobView, ApiError> {
        let found = self.job(id).await?;
        let progress = self.db.progress(&[id]).await?;
        Ok(self.show(&found, progress.get(&id)))
    }

    /// Jobs as clients see them, newest first.
    pub(crate) async fn job_views(
        &self,
        filter: &JobFilter,
        limit: u32,
    ) -> Result<Vec<JobView>, ApiError> {
        let found = self.db.list(filter, limit).await?;
        let running = found.iter().filter(|row| matches!(row.job.state, JobState::Running { .. }));
        let running: Vec<JobId> = running.map(|row| row.job.id).collect();
        let progress = self.db.progress(&running).await?;
        Ok(found.iter().map(|row| self.show(row, progress.get(&row.job.id))).collect())
    }
}

/// One job.
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    JobPath(id): JobPath,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(api.job_view(id).await?))
}

/// The filters of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// States, with commas between them.
    state: Option<String>,
    /// `key:value`, parted at the first colon.
    label: Option<String>,
    /// The `next` of the page before.
    before: Option<JobId>,
    /// Jobs of a page.
    limit: Option<u32>,
}

/// A page of the list.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// Newest first.
    jobs: Vec<JobView>,
    /// What `before` gets for the next page; none on the last.
    next: Option<JobId>,
}

/// A page of the jobs that match.
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Params(params): Params<ListParams>,
) -> Result<Json<Page>, ApiError> {
    let limit = params.limit.unwrap_or(PAGE_JOBS);
    if !(1..=PAGE_JOBS_MAX).contains(&limit) {
        return Err(bad_parameter(format!("limit is {limit}; it must be 1 to {PAGE_JOBS_MAX}")));
    }
    let filter = filter(&api, &params)?;
    // One more than the page holds tells whether there is a next one.
    let mut jobs = api.job_views(&filter, limit + 1).await?;
    let more = jobs.len() > limit as usize;
    jobs.truncate(limit as usize);
    let next = jobs.last().filter(|_| more).map(|job| job.id);
    Ok(Json(Page { jobs, next }))
}

fn filter(api: &Api, params: &ListParams) -> Result<JobFilter, ApiError> {
    let states: Vec<String> = match &params.state {
        Some(states) => states.split(',').map(str::to_owned).collect(),
        None => Vec::new(),
    };
    if let Some(unknown) = states.iter().find(|state| !JobState::NAMES.contains(&state.as_str())) {
        let known = JobState::NAMES.join(", ");
        return Err(bad_parameter(format!("state `{unknown}` is none of {known}")));
    }
    let label = match &params.label {
        Some(label) => {
            let parts = label.split_once(':');
            let (key, value) =
                parts.ok_or_else(|| bad_parameter("label must be written as `key:value`"))?;
            Some((key.to_owned(), value.to_owned()))
        }
        None => None,
    };
    Ok(JobFilter { tenant: Some(api.config.tenant.clone()), states, label, before: params.before })
}

/// What happened to a job.
#[derive(Debug, Serialize)]
pub(super) struct History {
    job: JobId,
    /// Oldest first.
    entries: Vec<HistoryEntry>,
}

/// What happened to a job, oldest first.
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    JobPath(id): JobPath,
) -> Result<Json<History>, ApiError> {
    let job = api.job(id).await?.job;
    let mut entries = vec![accepted(&job)];
    entries.extend(api.db.history(id).await?);
    Ok(Json(History { job: id, entries }))
}

/// How every history begins; the row says when.
fn accepted(job: &Job) -> HistoryEntry {
    HistoryEntry {
        at: job.accepted_at,
        state: "queued".to_owned(),
        reason: "accepted".to_owned(),
        generation: 1,
        attempt: None,
        worker: None,
        detail: None,
    }
}
