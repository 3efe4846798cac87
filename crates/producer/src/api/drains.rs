//! `PUT` and `DELETE /v1/workers/{worker}/drain`: a worker takes no more jobs, or takes them again.
//!
//! The order is a row, and travels to the worker as a control record of its region. Here it is published once, for it to
//! be quick; the leading dispatcher publishes it again until the worker says that it follows.

use std::time::Duration;

use axum::Json;
use panofleet_bus::sealed::sealed_order;
use panofleet_job_schema::{Region, Span, Timestamp, WorkerId, limits};
use panofleet_jobs_db::{NewOrder, OrderRow, WorkerRow};
use panofleet_service::clock::wall_clock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JsonBody, Segments};
use super::pauses::check_reason;

/// Longest wait for the bus to take the order; the dispatcher publishes it again anyway.
const PUBLISH_WAIT: Duration = Duration::from_secs(2);

/// How a worker is to drain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Drain {
    reason: String,
    /// How long what it runs may go on; to its end if this is not given.
    #[serde(default)]
    grace: Option<Span>,
}

/// Whether a worker drains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrainView {
    /// Who.
    pub worker: WorkerId,
    /// Whether it is told to drain.
    pub draining: bool,
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long what it runs may go on; to its end if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// Whether the worker has said that it follows.
    pub followed: bool,
}

impl DrainView {
    /// An order as it stands, and what its worker says of it.
    pub(super) fn of(row: OrderRow, follows: u64) -> Self {
        let OrderRow { order, since, reason } = row;
        Self {
            worker: order.worker,
            draining: order.draining,
            since,
            reason,
            grace: order.grace,
            followed: follows >= order.revision,
        }
    }
}

/// Tells a worker to drain; if it drains already, only the reason and the grace change.
pub(super) async fn drain(
    api: Granted,
    Segments(name): Segments<String>,
    JsonBody(Drain { reason, grace }): JsonBody<Drain>,
) -> Result<Json<DrainView>, ApiError> {
    check_reason(&reason)?;
    let most = Duration::from_secs(limits::DRAIN_GRACE_S_MAX);
    if grace.is_some_and(|grace| grace.0 > most) {
        let detail = format!("grace is {} at most", Span(most));
        return Err(ApiError::unfit("bad_drain", detail));
    }
    let found = api.worker(&name).await?;
    Ok(Json(api.order(found, (true, grace, reason)).await?))
}

/// Tells a worker to take jobs again.
pub(super) async fn undrain(
    api: Granted,
    Segments(name): Segments<String>,
) -> Result<Json<DrainView>, ApiError> {
    let found = api.worker(&name).await?;
    let orders = api.db.orders().await?;
    let drains = |row: &OrderRow| row.order.worker == found.worker.worker && row.order.draining;
    if !orders.iter().any(drains) {
        let detail = format!("worker `{name}` is not told to drain; GET /v1/workers lists all");
        return Err(ApiError::absent("not_draining", detail));
    }
    Ok(Json(api.order(found, (false, None, String::new())).await?))
}

impl Granted {
    async fn worker(&self, name: &str) -> Result<WorkerRow, ApiError> {
        let workers = self.db.workers().await?;
        let found = workers.into_iter().find(|row| row.worker.worker.as_str() == name);
        found.ok_or_else(|| {
            let detail = format!("there is no worker `{name}`; GET /v1/workers lists all");
            ApiError::absent("worker_unknown", detail)
        })
    }

    async fn order(
        &self,
        found: WorkerRow,
        (draining, grace, reason): (bool, Option<Span>, String),
    ) -> Result<DrainView, ApiError> {
        let (worker, at) = (found.worker.worker, self.db.now().await?);
        let new = NewOrder { worker, draining, grace, reason, at };
        let row = self.db.order(&new).await?;
        tracing::info!(worker = %new.worker, draining, reason = new.reason, "worker told by request");
        self.publish_order(&found.worker.region, &row).await;
        Ok(DrainView::of(row, found.worker.order_revision))
    }

    /// The dispatcher does it again if this fails.
    async fn publish_order(&self, region: &Region, row: &OrderRow) {
        let publish = async {
            let payload = sealed_order(&row.order, &self.keys, (region, wall_clock()))?;
            self.bus.publish_order(region, &row.order.worker, payload).await
        };
        match tokio::time::timeout(PUBLISH_WAIT, publish).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "order not published; the dispatcher will"),
            Err(_elapsed) => tracing::warn!("order not published in time; the dispatcher will"),
        }
    }
}
