//! `GET /v1/jobs…`: one job, many jobs, and what happened to one.

use std::collections::BTreeMap;

use axum::Json;
use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{Attempt, Job, JobId, Operation, Region, Span, Timestamp, WorkerId};
use panofleet_jobs_db::{ChildCount, FamilyKey, HistoryEntry, JobFilter, Versioned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobView;
use super::auth::granted::Granted;
use super::bulk::BulkFilter;
use super::error::ApiError;
use super::extract::{JobPath, Params, bad_parameter};
use super::paging::{cut, page_size};
use super::view::Beside;
use crate::attempts::attempts;

/// Jobs of a page of the list, unless the request says less or more.
const PAGE_JOBS: u32 = 50;
/// Most jobs of a page.
const PAGE_JOBS_MAX: u32 = 200;

/// What there is to say about some jobs beside their rows.
#[derive(Debug, Default)]
struct Besides {
    progress: BTreeMap<JobId, Progress>,
    children: BTreeMap<FamilyKey, Vec<ChildCount>>,
}

impl Besides {
    fn of(&self, job: &Job) -> Beside<'_> {
        Beside {
            progress: self.progress.get(&job.id),
            children: self.children.get(&FamilyKey::of(job)).map_or(&[], Vec::as_slice),
        }
    }
}

impl Granted {
    /// A job as clients see it.
    pub(crate) fn show(&self, found: &Versioned, beside: Beside<'_>) -> JobView {
        JobView::new(found, beside, self.config.public_url.as_deref().unwrap_or_default())
    }

    /// A job as clients see it, with how far it is.
    pub(crate) async fn job_view(&self, id: JobId) -> Result<JobView, ApiError> {
        self.job_and_view(id).await.map(|(_, view)| view)
    }

    /// The same, beside the job.
    pub(crate) async fn job_and_view(&self, id: JobId) -> Result<(Job, JobView), ApiError> {
        let found = self.job(id).await?;
        let mut besides = self.beside(std::slice::from_ref(&found)).await?;
        if let Some(progress) = self.children_s_progress(&found.job, &besides).await? {
            besides.progress.insert(id, progress);
        }
        let mut view = self.show(&found, besides.of(&found.job));
        if view.is_terminal() {
            view.deletion = self.db.deletion(id).await?;
        }
        Ok((found.job, view))
    }

    /// Jobs as clients see them, newest first.
    pub(crate) async fn job_views(
        &self,
        filter: &JobFilter,
        limit: u32,
    ) -> Result<Vec<JobView>, ApiError> {
        let found = self.db.list(filter, limit).await?;
        self.views(&found).await
    }

    /// These jobs as clients see them.
    pub(super) async fn views(&self, found: &[Versioned]) -> Result<Vec<JobView>, ApiError> {
        let besides = self.beside(found).await?;
        Ok(found.iter().map(|row| self.show(row, besides.of(&row.job))).collect())
    }

    async fn beside(&self, found: &[Versioned]) -> Result<Besides, ApiError> {
        let jobs = || found.iter().map(|row| &row.job);
        let running = jobs().filter(|job| matches!(job.state, JobState::Running { .. }));
        let running: Vec<JobId> = running.map(|job| job.id).collect();
        let split: Vec<FamilyKey> =
            jobs().filter(|job| job.family.is_some()).map(FamilyKey::of).collect();
        let mut besides = Besides::default();
        if !running.is_empty() {
            besides.progress = self.db.progress(&running).await?;
        }
        if !split.is_empty() {
            besides.children = self.db.child_counts(&split).await?;
        }
        Ok(besides)
    }

    /// How far a blocked job is: its children that have ended, and how far those are that run.
    async fn children_s_progress(
        &self,
        job: &Job,
        besides: &Besides,
    ) -> Result<Option<Progress>, ApiError> {
        let (JobState::Blocked { .. }, Some(family)) = (&job.state, job.family) else {
            return Ok(None);
        };
        let counts = besides.of(job).children;
        let open = JobState::OPEN_NAMES;
        let ended = counts.iter().filter(|count| !open.contains(&count.state.as_str()));
        let ended: u32 = ended.map(|count| count.jobs).sum();
        let running = JobFilter {
            parent: Some(job.id),
            states: vec!["running".to_owned()],
            ..JobFilter::default()
        };
        let running = self.db.list(&running, family.children).await?;
        let running: Vec<JobId> = running.into_iter().map(|found| found.job.id).collect();
        let parts = self.db.progress(&running).await?;
        let done = f64::from(ended) + parts.values().map(|part| part.fraction).sum::<f64>();
        Ok(Some(Progress {
            fraction: (done / f64::from(family.children)).clamp(0.0, 1.0),
            step: format!("{ended} of {} children have ended", family.children),
            uploaded_bytes: parts.values().map(|part| part.uploaded_bytes).sum(),
            curve: Curve::default(),
        }))
    }
}

/// One job.
pub(super) async fn get(api: Granted, JobPath(id): JobPath) -> Result<Json<JobView>, ApiError> {
    Ok(Json(api.job_view(id).await?))
}

/// The filters of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// States, with commas between them.
    state: Option<String>,
    /// `key:value`, parted at the first colon.
    label: Option<String>,
    /// Where they are.
    region: Option<Region>,
    /// With an output of this operation.
    operation: Option<String>,
    /// That this worker holds, or held last.
    worker: Option<WorkerId>,
    /// Whose last attempt has this number.
    attempt: Option<Attempt>,
    /// The fingerprint of their last failure.
    failure: Option<String>,
    /// They failed at most so long ago, such as `24h`.
    failed_within: Option<Span>,
    /// They were accepted at this moment or later, such as `2026-11-30T14:00:00Z`.
    accepted_since: Option<Timestamp>,
    /// They were accepted before this moment.
    accepted_until: Option<Timestamp>,
    /// The children of this job; without it, jobs that are nobody's children.
    pub(crate) parent: Option<JobId>,
    /// The `next` of the page before.
    before: Option<JobId>,
    /// Jobs of a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// A page of the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    /// Newest first.
    pub(crate) jobs: Vec<JobView>,
    /// What `before` gets for the next page; none on the last.
    pub(crate) next: Option<JobId>,
}

/// A page of the jobs that match.
pub(super) async fn list(
    api: Granted,
    Params(params): Params<ListParams>,
) -> Result<Json<Page>, ApiError> {
    Ok(Json(page(&api, &params).await?))
}

/// The same, for whoever shows it.
pub(crate) async fn page(api: &Granted, params: &ListParams) -> Result<Page, ApiError> {
    let limit = page_size(params.limit, PAGE_JOBS, PAGE_JOBS_MAX)?;
    let ListParams { parent, before, .. } = *params;
    let filter = params.which().of(api, JobFilter { parent, before, ..api.own_jobs() }).await?;
    let mut jobs = api.job_views(&filter, limit + 1).await?;
    let next = cut(&mut jobs, limit).map(|job| job.id);
    Ok(Page { jobs, next })
}

impl ListParams {
    /// Which jobs, whosever children they are, and wherever the page begins.
    pub(crate) fn which(&self) -> BulkFilter {
        let states = self.state.iter().flat_map(|states| states.split(','));
        BulkFilter {
            states: states.map(str::to_owned).collect(),
            label: self.label.clone(),
            region: self.region.clone(),
            operation: self.operation.clone(),
            worker: self.worker.clone(),
            attempt: self.attempt,
            failure: self.failure.clone(),
            failed_within: self.failed_within,
            accepted_since: self.accepted_since,
            accepted_until: self.accepted_until,
        }
    }
}

/// Refuses states that there are not.
pub(super) fn check_states(states: &[String]) -> Result<(), ApiError> {
    let unknown = states.iter().find(|state| !JobState::NAMES.contains(&state.as_str()));
    let Some(unknown) = unknown else { return Ok(()) };
    let known = JobState::NAMES.join(", ");
    Err(bad_parameter(format!("state `{unknown}` is none of {known}")))
}

/// Refuses an operation that there is not.
pub(super) fn check_operation(name: Option<&str>) -> Result<(), ApiError> {
    let known = || Operation::docs().iter().map(|doc| doc.name);
    let Some(unknown) = name.filter(|name| known().all(|known| known != *name)) else {
        return Ok(());
    };
    let known = known().collect::<Vec<_>>().join(", ");
    Err(bad_parameter(format!("operation `{unknown}` is none of {known}")))
}

/// The key and value of `key:value`, parted at the first colon.
pub(super) fn label_of(label: &str) -> Result<(String, String), ApiError> {
    let parts = label.split_once(':');
    let (key, value) =
        parts.ok_or_else(|| bad_parameter("label must be written as `key:value`"))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What happened to a job.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct History {
    job: JobId,
    /// What its attempts have cost so far.
    cost: Cost,
    /// Oldest first.
    entries: Vec<HistoryEntry>,
}

/// What the attempts of all generations have cost. Children have costs of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Cost {
    /// Seconds that workers had it.
    pub(crate) worker_s: f64,
    /// Those of them that came to nothing: of attempts that failed, were lost or let go.
    pub(crate) wasted_s: f64,
    /// Seconds from the sending of an attempt until a worker took it, all together.
    pub(crate) waited_s: f64,
}

impl Cost {
    pub(crate) fn of(entries: &[HistoryEntry], now: Timestamp) -> Self {
        let mut cost = Self::default();
        for attempt in attempts(entries) {
            let held = attempt.held(now).as_secs_f64();
            cost.worker_s += held;
            if !attempt.is_open() && !attempt.is_good() {
                cost.wasted_s += held;
            }
            if let (Some(sent_at), Some(claimed_at)) = (attempt.sent_at, attempt.claimed_at) {
                cost.waited_s += claimed_at.since(sent_at).as_secs_f64();
            }
        }
        cost
    }
}

/// What happened to a job, oldest first.
pub(super) async fn history(api: Granted, JobPath(id): JobPath) -> Result<Json<History>, ApiError> {
    let job = api.job(id).await?.job;
    let mut entries = vec![accepted(&job)];
    entries.extend(api.db.history(id).await?);
    let cost = Cost::of(&entries, api.db.now().await?);
    Ok(Json(History { job: id, cost, entries }))
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
        code: None,
        failure: None,
        held_ms: None,
        progress: None,
    }
}
