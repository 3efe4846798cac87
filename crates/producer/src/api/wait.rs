//! `GET /v1/jobs/{id}/wait`: an answer when there is something new about a job.

use std::time::Duration;

use axum::Json;
use panofleet_job_schema::{JobId, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::JobView;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JobPath, Params, bad_parameter};

/// Shortest time between two looks at a job: under load the database changes all the time.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitParams {
    /// Longest wait.
    seconds: Option<u64>,
    /// The `version` that the client knows: anything newer is answered at once.
    version: Option<u64>,
}

/// The job: once it has ended, once it or its progress has changed, or as it is when the time is up.
pub(super) async fn wait(
    api: Granted,
    JobPath(id): JobPath,
    Params(params): Params<WaitParams>,
) -> Result<Json<JobView>, ApiError> {
    let wait_max = api.config.http.wait_max;
    let wait = params.seconds.map_or(wait_max, Span::from_secs);
    if wait > wait_max {
        return Err(bad_parameter(format!(
            "seconds is {}; it may be up to {wait_max}",
            wait.0.as_secs()
        )));
    }
    let until = Instant::now() + wait.0;
    // Read before the job: what is written in between ends the first wait.
    let seen = api.db.changed(0, Duration::ZERO).await?;
    let known = api.job_view(id).await?;
    let is_news = params.version.is_some_and(|version| version != known.version);
    if known.is_terminal() || is_news {
        return Ok(Json(known));
    }
    tokio::select! {
        news = api.news(id, known.clone(), seen, until) => news.map(Json),
        () = api.shutdown.cancelled() => Ok(Json(known)),
    }
}

impl Granted {
    /// The job, when it differs from what is known or the time is up.
    pub(super) async fn news(
        &self,
        id: JobId,
        known: JobView,
        mut seen: u64,
        until: Instant,
    ) -> Result<JobView, ApiError> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(known);
            }
            seen = self.db.changed(seen, left).await?;
            let view = self.job_view(id).await?;
            if view != known {
                return Ok(view);
            }
            tokio::time::sleep(LOOK_EVERY.min(left)).await;
        }
    }
}
