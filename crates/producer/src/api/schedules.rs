//! `GET /v1/schedules`, `PUT` and `DELETE /v1/schedules/{name}`, `POST …/pause` and `…/resume`: jobs that come again and
//! again.
//!
//! A schedule is checked as its jobs will be: what would be refused now is refused now. The leading dispatcher makes the job of
//! each tick, checks it again, and notes a refusal in the schedule.

use axum::Json;
use axum::http::StatusCode;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::{JobSpec, OutputName, limits};
use panofleet_jobs_db::{JobsDbError, Missed, Overlap, Schedule, VersionedSchedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JsonBody, Segments};
use super::submit::offer_under;
use crate::cron::{BadTicks, Ticks};

/// A schedule that is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSchedule {
    cron: String,
    #[serde(default = "utc")]
    time_zone: String,
    job: JobSpec,
    #[serde(default)]
    missed: Missed,
    #[serde(default)]
    overlap: Overlap,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A tenant's schedules.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ScheduleList {
    schedules: Vec<Schedule>,
}

/// Every schedule, by name.
pub(super) async fn list(api: Granted) -> Result<Json<ScheduleList>, ApiError> {
    let found = api.db.schedules(api.tenant()).await?;
    Ok(Json(ScheduleList { schedules: found.into_iter().map(|found| found.schedule).collect() }))
}

/// Makes a schedule: 201. One of the same name has to be removed first.
pub(super) async fn add(
    api: Granted,
    Segments(name): Segments<String>,
    JsonBody(new): JsonBody<NewSchedule>,
) -> Result<(StatusCode, Json<Schedule>), ApiError> {
    // The rule of every name that people choose.
    let name = OutputName::new(name).map_err(|error| unfit(error.to_string()))?.to_string();
    if api.db.schedules(api.tenant()).await?.len() >= limits::SCHEDULES_MAX {
        let detail = format!("there are {} schedules already; remove some", limits::SCHEDULES_MAX);
        return Err(ApiError::conflict("too_many_schedules", detail));
    }
    if let Missed::CatchUp { ticks_max } = new.missed
        && !(1..=limits::CATCH_UP_TICKS_MAX).contains(&ticks_max)
    {
        let most = limits::CATCH_UP_TICKS_MAX;
        return Err(unfit(format!("missed.ticks_max is {ticks_max}; it must be 1 to {most}")));
    }
    check_job(&new.job)?;
    api.note_tenant(api.tenant());
    if new.job.any_region {
        // Later there may be others.
        api.principal().check_regions(api.config.regions.keys())?;
    }
    let now = api.db.now().await?;
    let ticks = Ticks::new(&new.cron, &new.time_zone, now).map_err(|bad| bad_ticks(&bad))?;
    // As its jobs will be made; this one is not kept.
    offer_under(&api.acceptor(), new.job.clone(), String::new(), now).await?;
    let schedule = Schedule {
        tenant: api.tenant().clone(),
        name,
        cron: new.cron,
        time_zone: new.time_zone,
        job: new.job,
        missed: new.missed,
        overlap: new.overlap,
        next_at: ticks.after(now),
        paused: false,
        last: None,
        created_at: now,
    };
    if !api.db.put_schedule(&schedule).await? {
        let detail = format!("there is a schedule `{}`; remove it first", schedule.name);
        return Err(ApiError::conflict("schedule_exists", detail));
    }
    tracing::info!(schedule = schedule.name, "schedule made by request");
    Ok((StatusCode::CREATED, Json(schedule)))
}

/// What each job of a schedule has of its own cannot be given for all.
fn check_job(spec: &JobSpec) -> Result<(), ApiError> {
    if spec.idempotency_key.is_some() || spec.start_at.is_some() {
        let detail =
            "the job of a schedule has no idempotency_key and no start_at: ticks have theirs";
        return Err(unfit(detail.to_owned()));
    }
    if matches!(spec.source, Source::Upload(_)) {
        let detail =
            "the source of a schedule must last: name an s3:// object or an https:// address";
        return Err(unfit(detail.to_owned()));
    }
    Ok(())
}

/// Removes a schedule; the jobs that it has made stay.
pub(super) async fn remove(
    api: Granted,
    Segments(name): Segments<String>,
) -> Result<Json<Schedule>, ApiError> {
    let found = api.schedule(&name).await?;
    api.db.remove_schedule(api.tenant(), &name).await?;
    tracing::info!(schedule = name, "schedule removed by request");
    Ok(Json(found.schedule))
}

/// Stops its ticks; those that pass meanwhile are not made up for.
pub(super) async fn pause(
    api: Granted,
    Segments(name): Segments<String>,
) -> Result<Json<Schedule>, ApiError> {
    let found = api.schedule(&name).await?;
    api.change(found, |schedule| (schedule.paused, schedule.next_at) = (true, None)).await
}

/// Ticks again, from the next one on.
pub(super) async fn resume(
    api: Granted,
    Segments(name): Segments<String>,
) -> Result<Json<Schedule>, ApiError> {
    let found = api.schedule(&name).await?;
    if !found.schedule.paused {
        return Ok(Json(found.schedule));
    }
    let now = api.db.now().await?;
    let Schedule { cron, time_zone, .. } = &found.schedule;
    let next_at = Ticks::new(cron, time_zone, now).map_err(|bad| bad_ticks(&bad))?.after(now);
    api.change(found, |schedule| (schedule.paused, schedule.next_at) = (false, next_at)).await
}

impl Granted {
    async fn schedule(&self, name: &str) -> Result<VersionedSchedule, ApiError> {
        self.note_tenant(self.tenant());
        let all = self.db.schedules(self.tenant()).await?;
        all.into_iter().find(|found| found.schedule.name == name).ok_or_else(|| {
            let detail = format!("there is no schedule `{name}`; GET /v1/schedules lists them");
            ApiError::absent("schedule_not_found", detail)
        })
    }

    async fn change(
        &self,
        found: VersionedSchedule,
        change: impl FnOnce(&mut Schedule),
    ) -> Result<Json<Schedule>, ApiError> {
        let VersionedSchedule { mut schedule, version } = found;
        change(&mut schedule);
        if !self.db.write_schedule(&schedule, version).await? {
            // It ticked, or somebody else changed it.
            return Err(JobsDbError::Conflict(format!("schedule {}", schedule.name)).into());
        }
        tracing::info!(
            schedule = schedule.name,
            paused = schedule.paused,
            "schedule changed by request"
        );
        Ok(Json(schedule))
    }
}

fn unfit(detail: String) -> ApiError {
    ApiError::unfit("bad_schedule", detail)
}

fn bad_ticks(bad: &BadTicks) -> ApiError {
    unfit(bad.to_string())
}
