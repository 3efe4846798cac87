//! `/healthz` and `/readyz`: for whoever decides whether this process gets requests.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use panofleet_objects::ObjectsError;
use serde::Serialize;

use super::Api;

/// Longest wait for one part to answer.
const CHECK_WAIT: Duration = Duration::from_secs(2);
/// A key that is asked for and need not be there.
const PROBE_KEY: &str = ".panofleet/readyz";

#[derive(Debug, Serialize)]
pub(super) struct Alive {
    status: &'static str,
}

/// The process answers: 200, whatever else is broken.
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

#[derive(Debug, Serialize)]
pub(super) struct Ready {
    /// Whether jobs are accepted.
    ready: bool,
    checks: [Check; 3],
}

#[derive(Debug, Serialize)]
struct Check {
    part: &'static str,
    ok: bool,
    /// What does not work meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// 200 as long as jobs can be accepted, and that takes the database only; 503 otherwise.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, Json<Ready>) {
    let (database, bus, objects) = tokio::join!(
        check("database", "no job can be accepted or looked up", api.db.now()),
        check("bus", "accepted jobs wait and are not sent", api.bus.dead_letters(1)),
        check("objects", "uploads, results and their pages are out of reach", reach_store(&api)),
    );
    let ready = database.ok && !api.shutdown.is_cancelled();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, checks: [database, bus, objects] }))
}

async fn check<T, E: Display>(
    part: &'static str,
    otherwise: &'static str,
    answer: impl Future<Output = Result<T, E>>,
) -> Check {
    let trouble = match tokio::time::timeout(CHECK_WAIT, answer).await {
        Ok(Ok(_)) => return Check { part, ok: true, reason: None },
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => "no answer in time".to_owned(),
    };
    tracing::warn!(part, error = trouble, "not ready");
    Check { part, ok: false, reason: Some(otherwise) }
}

async fn reach_store(api: &Api) -> Result<(), ObjectsError> {
    let Some(region) = api.config.regions.get(&api.config.default_region) else { return Ok(()) };
    match api.objects.head(&region.bucket, PROBE_KEY).await {
        Ok(_) | Err(ObjectsError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
