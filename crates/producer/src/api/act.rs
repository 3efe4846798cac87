//! `POST /v1/jobs/{id}/cancel`, `/retry` and `/release`, `PATCH /v1/jobs/{id}`: what people do to a job.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use panofleet_bus::BusError;
use panofleet_bus::sealed::sealed_control;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::lifecycle::{Decision, Effect, Event, Refusal};
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Job, JobId, Rerun, Timestamp};
use panofleet_jobs_db::FamilyKey;
use panofleet_service::clock::wall_clock;
use panofleet_service::trace::job_span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use super::JobView;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JobPath, JsonBody, MaybeJson};
use super::submit::unknown_region;
use crate::transition::{Transition, transition};

/// Longest time that the control record may take: the dispatcher publishes it again when it closes the job.
const CONTROL_WAIT: Duration = Duration::from_secs(2);

/// Cancels a job: 200 if it is over, 202 if a worker may still have it and it is closing.
pub(super) async fn cancel(
    api: Granted,
    JobPath(id): JobPath,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    match api.apply(id, |now, _| Event::CancelRequested { now }).await? {
        Transition::Changed(decision) => {
            let span = job_span(id, decision.job.trace.as_deref());
            api.carry_out(&decision).instrument(span).await;
        }
        Transition::Missing => return Err(ApiError::NoSuchJob(id)),
        Transition::Refused(refusal, job) => check_is_cancelled(refusal, &job)?,
    }
    let view = api.job_view(id).await?;
    let status = if view.is_terminal() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(view)))
}

/// A job that is cancelled already, or about to be, need not be cancelled again.
fn check_is_cancelled(refusal: Refusal, job: &Job) -> Result<(), ApiError> {
    if job.control().cancelled {
        return Ok(());
    }
    let (id, state) = (job.id, job.state.name());
    Err(match refusal {
        Refusal::Closing => {
            let detail = format!("job {id} is ending by itself; GET /v1/jobs/{id} says as what");
            ApiError::conflict("job_closing", detail)
        }
        _ => ApiError::conflict("job_ended", format!("job {id} has ended as {state} already")),
    })
}

/// Starts a job that has ended anew, as a new generation with a new deadline, and has one that waits for its time go at
/// once; elsewhere or within other limits if the body says so.
pub(super) async fn retry(
    api: Granted,
    JobPath(id): JobPath,
    MaybeJson(changes): MaybeJson<Rerun>,
) -> Result<Json<JobView>, ApiError> {
    api.check_rerun(&changes)?;
    if changes.deadline.is_some() && api.job(id).await?.job.child_of.is_some() {
        let detail = "a part of another job has that one's deadline; leave `deadline` out";
        return Err(ApiError::unfit("does_not_fit", detail));
    }
    let parent_waits = api.parent_waits(id).await?;
    api.check_is_kept(id).await?;
    let event =
        |now, _: &Job| Event::ReplayRequested { now, parent_waits, changes: changes.clone() };
    match api.apply(id, event).await? {
        Transition::Changed(decision) => {
            let span = job_span(id, decision.job.trace.as_deref());
            api.carry_out(&decision).instrument(span).await;
        }
        Transition::Missing => return Err(ApiError::NoSuchJob(id)),
        Transition::Refused(Refusal::NoParentWaits, job) => {
            let parent = job.child_of.map_or(id, |of| of.parent);
            let detail = format!(
                "job {id} is a part of job {parent}, which does not wait for it any more; retry that one"
            );
            return Err(ApiError::conflict("parent_not_waiting", detail));
        }
        Transition::Refused(_, job) => {
            let state = job.state.name();
            let detail = format!(
                "job {id} is {state}: only a job that has ended can be started anew, and only one that waits for its time \
                 can be brought forward; cancel it first"
            );
            return Err(ApiError::conflict("job_not_ended", detail));
        }
    }
    Ok(Json(api.job_view(id).await?))
}

/// Asks whoever holds a job to let it go, so that it goes again, at no cost: 202. It runs on until its worker has heard of it;
/// to ask once more says it once more.
pub(super) async fn release(
    api: Granted,
    JobPath(id): JobPath,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    match api.apply(id, |_, _| Event::ReleaseRequested).await? {
        Transition::Changed(decision) => {
            let span = job_span(id, decision.job.trace.as_deref());
            api.carry_out(&decision).instrument(span).await;
        }
        // The record may have been lost.
        Transition::Refused(Refusal::NothingNew, job) => api.tell_workers(&job).await,
        Transition::Missing => return Err(ApiError::NoSuchJob(id)),
        Transition::Refused(_, job) => {
            let state = job.state.name();
            let detail = format!("job {id} is {state}: no worker holds it");
            return Err(ApiError::conflict("job_not_held", detail));
        }
    }
    Ok((StatusCode::ACCEPTED, Json(api.job_view(id).await?)))
}

/// What is to be different of a job.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobChange {
    /// The band of the queue that it waits in from now on, and its children with it.
    pub priority: Priority,
}

/// Has a job wait in another band of the queue. What was sent already is not called back.
pub(super) async fn change(
    api: Granted,
    JobPath(id): JobPath,
    JsonBody(JobChange { priority }): JsonBody<JobChange>,
) -> Result<Json<JobView>, ApiError> {
    match api.apply(id, |_, _| Event::Reprioritised { priority }).await? {
        Transition::Changed(decision) => {
            let span = job_span(id, decision.job.trace.as_deref());
            api.carry_out(&decision).instrument(span).await;
            if decision.job.family.is_some() {
                api.reprioritise_children(&decision.job, priority).await?;
            }
        }
        Transition::Refused(Refusal::NothingNew, _) => {}
        Transition::Missing => return Err(ApiError::NoSuchJob(id)),
        Transition::Refused(_, job) => {
            let state = job.state.name();
            let detail = format!("job {id} is {state}: it waits for nothing any more");
            return Err(ApiError::conflict("job_ended", detail));
        }
    }
    Ok(Json(api.job_view(id).await?))
}

impl Granted {
    /// Refuses changes that no job can have here, and those that the asker may not make.
    pub(super) fn check_rerun(&self, changes: &Rerun) -> Result<(), ApiError> {
        changes.check().map_err(|bad| ApiError::unfit("does_not_fit", bad.to_string()))?;
        let known = &self.config.regions;
        if let Some(unknown) = changes.named().find(|region| !known.contains_key(*region)) {
            return Err(unknown_region(&self.config, unknown));
        }
        Ok(self.principal().check_regions(changes.named())?)
    }

    /// Those that have ended stay as they are.
    async fn reprioritise_children(&self, job: &Job, priority: Priority) -> Result<(), ApiError> {
        for child in self.db.children(FamilyKey::of(job)).await? {
            let event = |_, _: &Job| Event::Reprioritised { priority };
            transition(self.db.as_ref(), child.job.id, &self.policy, event).await?;
        }
        Ok(())
    }

    /// Whether the job that this one is a child of waits for its children. It may go on meanwhile: then the child runs
    /// for nothing, and is cancelled as one that nobody waits for when its parent ends.
    async fn parent_waits(&self, id: JobId) -> Result<bool, ApiError> {
        let Some(of) = self.job(id).await?.job.child_of else { return Ok(false) };
        let parent = self.db.get(&[of.parent]).await?.pop();
        Ok(parent.is_some_and(|found| {
            let waits = matches!(found.job.state, JobState::Blocked { .. });
            waits && found.job.generation == of.generation
        }))
    }

    pub(super) async fn apply(
        &self,
        id: JobId,
        event: impl Fn(Timestamp, &Job) -> Event + Send + Sync,
    ) -> Result<Transition, ApiError> {
        self.job(id).await?;
        Ok(transition(self.db.as_ref(), id, &self.policy, event).await?)
    }

    /// Tells the workers. Closing the job is left to the dispatcher, whose timer for it is due at once.
    pub(super) async fn carry_out(&self, decision: &Decision) {
        let job = &decision.job;
        tracing::info!(reason = %decision.reason.name(), "job changed by request");
        if decision.effects.contains(&Effect::Control) {
            self.tell_workers(job).await;
        }
    }

    async fn tell_workers(&self, job: &Job) {
        match tokio::time::timeout(CONTROL_WAIT, self.publish_control(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "control record not published"),
            Err(_elapsed) => tracing::warn!("control record not published in time"),
        }
    }

    async fn publish_control(&self, job: &Job) -> Result<(), BusError> {
        for (region, record) in sealed_control(job, &self.keys, wall_clock())? {
            self.bus.publish_control(&region, job.id, record).await?;
        }
        Ok(())
    }
}
