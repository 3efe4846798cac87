//! `DELETE /v1/jobs/{id}`, `/v1/deletions…`, `DELETE /v1/tenants/{tenant}`: what somebody wants gone, and the proof of it.

use axum::Json;
use axum::http::StatusCode;
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::{Job, JobId, Tenant, Timestamp};
use panofleet_jobs_db::{Actor, BulkAction, Deletion, DeletionFilter, JobFilter, Retired};
use panofleet_service::trace::job_span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use uuid::Uuid;

use super::auth::granted::Granted;
use super::bulk::BulkView;
use super::error::ApiError;
use super::extract::{JobPath, Params, Segments};
use super::paging::{cut, page_size};
use crate::transition::{Transition, transition};
use crate::uploaded;

/// Deletions of a page, unless the request says less or more.
const PAGE_DELETIONS: u32 = 50;
/// Most deletions of a page.
const PAGE_DELETIONS_MAX: u32 = 200;
/// Things of a tenant that are read at once.
const BATCH: u32 = 200;

/// Which deletions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeletionParams {
    /// Of this bulk action.
    bulk: Option<Uuid>,
    /// `true`: those that are over; `false`: those under way.
    over: Option<bool>,
    /// The `next` of the page before.
    before: Option<JobId>,
    /// Deletions of a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// A page of deletions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeletionList {
    /// By job, the newest first.
    pub deletions: Vec<Deletion>,
    /// What `before` gets for the next page; none on the last.
    pub next: Option<JobId>,
}

/// What goes with a tenant.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TenantDeletion {
    /// Whose things go.
    pub tenant: Tenant,
    /// Keys that are of no use any more; the one that asked stays.
    pub keys: u64,
    /// Schedules that are gone.
    pub schedules: u64,
    /// Webhooks that are gone.
    pub webhooks: u64,
    /// Uploads that no job names and that are gone; the others go with their jobs.
    pub uploads: u64,
    /// What deletes its jobs.
    pub bulk: BulkView,
}

/// Deletes a job, with its outputs, its uploaded source and all that is known of it: 202. It is cancelled first if it has not
/// ended.
pub(super) async fn delete(
    api: Granted,
    JobPath(id): JobPath,
) -> Result<(StatusCode, Json<Deletion>), ApiError> {
    let job = match api.job(id).await {
        Err(ApiError::NoSuchJob(_)) => {
            let gone = api.own_deletion(id).await?.ok_or(ApiError::NoSuchJob(id))?;
            api.note_tenant(&gone.tenant);
            return Ok((StatusCode::OK, Json(gone)));
        }
        found => found?.job,
    };
    if let Some(of) = job.child_of {
        let detail = format!("job {id} is a part of job {}; delete that one", of.parent);
        return Err(ApiError::conflict("job_is_a_part", detail));
    }
    let now = api.db.now().await?;
    api.db.request_deletions(&[Deletion::requested(id, job.tenant.clone(), now)]).await?;
    api.manifests.forget(id);
    // The dispatcher cancels it too; this is sooner.
    let asked = |now, _: &Job| Event::CancelRequested { now };
    let cancelled = transition(api.db.as_ref(), id, &api.policy, asked).await?;
    if let Transition::Changed(decision) = cancelled {
        let span = job_span(id, decision.job.trace.as_deref());
        api.carry_out(&decision).instrument(span).await;
    }
    let kept = api.own_deletion(id).await?.ok_or(ApiError::NoSuchJob(id))?;
    tracing::info!(job_id = %id, "deletion requested");
    Ok((StatusCode::ACCEPTED, Json(kept)))
}

/// What was deleted by request, or is about to be.
pub(super) async fn list(
    api: Granted,
    Params(params): Params<DeletionParams>,
) -> Result<Json<DeletionList>, ApiError> {
    let DeletionParams { bulk, over, before, limit } = params;
    let limit = page_size(limit, PAGE_DELETIONS, PAGE_DELETIONS_MAX)?;
    let filter = DeletionFilter { tenant: api.whose().cloned(), bulk, is_over: over, before };
    let mut deletions = api.db.deletions(&filter, limit + 1).await?;
    let next = cut(&mut deletions, limit).map(|deletion| deletion.job);
    Ok(Json(DeletionList { deletions, next }))
}

/// The deletion of a job: what is gone of it, and since when.
pub(super) async fn show(api: Granted, JobPath(id): JobPath) -> Result<Json<Deletion>, ApiError> {
    let found = api.own_deletion(id).await?;
    let absent = || {
        let detail = format!("nobody has asked to delete job {id}; GET /v1/deletions lists those");
        ApiError::absent("deletion_not_found", detail)
    };
    Ok(Json(found.ok_or_else(absent)?))
}

/// Deletes all that there is of a tenant but the audit log: 202.
pub(super) async fn delete_tenant(
    api: Granted,
    Segments(tenant): Segments<String>,
) -> Result<(StatusCode, Json<TenantDeletion>), ApiError> {
    let absent = || {
        let detail = format!("there is no tenant `{tenant}` that this key may delete");
        ApiError::absent("tenant_not_found", detail)
    };
    let tenant = Tenant::new(&*tenant).map_err(|_bad_name| absent())?;
    if !api.sees(&tenant) {
        return Err(absent());
    }
    api.note_tenant(&tenant);
    let now = api.db.now().await?;
    // First what makes jobs, then the jobs.
    let keys = api.revoke_keys_of(&tenant, now).await?;
    let schedules = api.remove_schedules_of(&tenant).await?;
    let webhooks = api.remove_webhooks_of(&tenant).await?;
    let filter = JobFilter { tenant: Some(tenant.clone()), ..JobFilter::default() };
    let matched = api.db.count(&filter).await?;
    let bulk = api.begin_bulk(BulkAction::Delete.into(), filter, matched).await?;
    let uploads = api.remove_uploads_of(&tenant, now).await?;
    tracing::info!(%tenant, matched, "deletion of a tenant requested");
    let bulk = BulkView::of(bulk);
    let deletion = TenantDeletion { tenant, keys, schedules, webhooks, uploads, bulk };
    Ok((StatusCode::ACCEPTED, Json(deletion)))
}

impl Granted {
    async fn own_deletion(&self, id: JobId) -> Result<Option<Deletion>, ApiError> {
        Ok(self.db.deletion(id).await?.filter(|found| self.sees(&found.tenant)))
    }

    /// Refuses what is about a job that is to go.
    pub(super) async fn check_is_kept(&self, id: JobId) -> Result<(), ApiError> {
        match self.db.deletion(id).await? {
            Some(deletion) => Err(is_deleted(&deletion)),
            None => Ok(()),
        }
    }

    async fn revoke_keys_of(&self, tenant: &Tenant, now: Timestamp) -> Result<u64, ApiError> {
        let own = match self.principal().actor {
            Actor::Key { id, .. } => Some(id),
            _ => None,
        };
        let (mut revoked, mut before) = (0, None);
        loop {
            let page = self.db.keys(Some(tenant), before, BATCH).await?;
            let Some(last) = page.last() else { return Ok(revoked) };
            before = Some(last.key.id);
            for found in page {
                if found.key.revoked_at.is_none() && Some(found.key.id) != own {
                    self.revoke(found, now).await?;
                    revoked += 1;
                }
            }
        }
    }

    async fn remove_schedules_of(&self, tenant: &Tenant) -> Result<u64, ApiError> {
        let mut removed = 0;
        for found in self.db.schedules(tenant).await? {
            if self.db.remove_schedule(tenant, &found.schedule.name).await? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn remove_webhooks_of(&self, tenant: &Tenant) -> Result<u64, ApiError> {
        let mut removed = 0;
        for found in self.db.webhooks(Some(tenant), u32::MAX).await? {
            if self.db.remove_webhook(found.webhook.id).await? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Those that a job names go with their job.
    async fn remove_uploads_of(&self, tenant: &Tenant, now: Timestamp) -> Result<u64, ApiError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.db.uploads_of(tenant, after, BATCH).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = Some(last.id);
            for upload in page {
                let retired = self.db.retire_upload(upload.id, None, now, now).await?;
                let Retired::Now(upload) = retired else { continue };
                uploaded::remove(&self.objects, &upload).await?;
                self.db.remove_upload(upload.id).await?;
                removed += 1;
            }
        }
    }
}

/// 410: what was there is gone, or about to be.
pub(super) fn is_deleted(deletion: &Deletion) -> ApiError {
    let Deletion { job, requested_at, .. } = deletion;
    let detail = format!(
        "job {job} was deleted by request at {requested_at}; GET /v1/deletions/{job} says how far that is"
    );
    ApiError::refused(StatusCode::GONE, "job_deleted", detail)
}
