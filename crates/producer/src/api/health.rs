//! `/healthz` and `/readyz`, for whoever decides whether this process gets requests, and `/metrics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use panofleet_objects::ObjectsError;
use panofleet_service::metrics;
use panofleet_service::readiness::{Checked, check};
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Alive {
    status: &'static str,
}

/// The process answers: 200, whatever else is broken.
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ready {
    /// Whether jobs are accepted.
    ready: bool,
    #[schemars(with = "[serde_json::Map<String, serde_json::Value>; 3]")]
    checks: [Checked; 3],
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

/// What was counted, in Prometheus's text format.
pub(super) async fn metrics() -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render())
}

async fn reach_store(api: &Api) -> Result<(), ObjectsError> {
    let Some(region) = api.config.regions.get(&api.config.default_region) else { return Ok(()) };
    api.objects.reach(&region.bucket).await
}
