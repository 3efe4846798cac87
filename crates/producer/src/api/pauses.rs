//! `GET /v1/pauses`, `PUT` and `DELETE /v1/pauses/{kind}/{name}`: what gets no jobs.
//!
//! What is paused is filled no more; what was sent before runs on, and jobs for it are accepted. It is for those who run
//! the fleet: whoever may use the API may pause everything in it.

use axum::Json;
use panofleet_job_schema::limits;
use panofleet_jobs_db::{Pause, PauseTarget};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JsonBody, Segments};
use super::submit::unknown_region;

/// What is paused.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PauseList {
    pauses: Vec<Pause>,
}

/// Why something is paused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: String,
}

/// Everything that is paused.
pub(super) async fn list(api: Granted) -> Result<Json<PauseList>, ApiError> {
    Ok(Json(PauseList { pauses: api.db.pauses().await? }))
}

/// Pauses something; if it is paused already, only the reason changes.
pub(super) async fn pause(
    api: Granted,
    Segments((kind, name)): Segments<(String, String)>,
    JsonBody(Why { reason }): JsonBody<Why>,
) -> Result<Json<Pause>, ApiError> {
    let target = target(&kind, &name)?;
    check_is_known(&api, &target)?;
    check_reason(&reason)?;
    let paused = api.db.pauses().await?;
    let before = paused.iter().find(|pause| pause.target == target);
    if before.is_none() && paused.len() >= limits::PAUSES_MAX {
        let detail = format!("{} things are paused already; resume some", paused.len());
        return Err(ApiError::conflict("too_many_pauses", detail));
    }
    let since = match before {
        Some(before) => before.since,
        None => api.db.now().await?,
    };
    let pause = Pause { target, since, reason };
    api.db.pause(&pause).await?;
    tracing::info!(kind, name, reason = pause.reason, "paused by request");
    Ok(Json(pause))
}

/// Ends a pause, and says what it was.
pub(super) async fn resume(
    api: Granted,
    Segments((kind, name)): Segments<(String, String)>,
) -> Result<Json<Pause>, ApiError> {
    let Some(pause) = api.db.resume(&target(&kind, &name)?).await? else {
        let detail = format!("{kind} `{name}` is not paused; GET /v1/pauses lists what is");
        return Err(ApiError::absent("not_paused", detail));
    };
    tracing::info!(kind, name, "resumed by request");
    Ok(Json(pause))
}

fn target(kind: &str, name: &str) -> Result<PauseTarget, ApiError> {
    PauseTarget::new(kind, name).map_err(|error| ApiError::unfit("bad_pause", error.to_string()))
}

/// A region that is written wrong would run on unnoticed. Of tenants, nobody knows all.
fn check_is_known(api: &Api, target: &PauseTarget) -> Result<(), ApiError> {
    let region = match target {
        PauseTarget::Region(region) | PauseTarget::Lane(region, _) => region,
        PauseTarget::Tenant(_) => return Ok(()),
    };
    if api.config.regions.contains_key(region) {
        Ok(())
    } else {
        Err(unknown_region(&api.config, region))
    }
}

pub(super) fn check_reason(reason: &str) -> Result<(), ApiError> {
    let max = limits::PAUSE_REASON_BYTES_MAX;
    if reason.len() > max || reason.chars().any(char::is_control) {
        let detail = format!("reason must have at most {max} bytes and no control characters");
        return Err(ApiError::unfit("bad_pause", detail));
    }
    Ok(())
}
