//! `GET /v1/workers` and `/v1/counts`: who is there, and how much there is to do.

use std::collections::BTreeMap;

use axum::Json;
use panofleet_job_schema::job::State as JobState;
use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::{ClaimId, Timestamp, WorkerId};
use panofleet_jobs_db::OrderRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::auth::granted::Granted;
use super::drains::DrainView;
use super::error::ApiError;
use crate::dispatcher::reach::is_unreachable;

/// The workers that have ever said something.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Workers {
    workers: Vec<WorkerView>,
}

/// A worker as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerView {
    /// What it says of itself.
    #[serde(flatten)]
    pub info: WorkerInfo,
    /// When its last heartbeat was applied.
    pub beat_at: Timestamp,
    /// Whether that is less than a lease ago.
    pub alive: bool,
    /// Whether the workers of its region, itself among them, fell silent together and are taken for cut off.
    #[serde(default)]
    pub unreachable: bool,
    /// The claims that it listed then.
    pub claims: Vec<ClaimId>,
    /// The order to drain that stands for it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainView>,
}

/// Every worker, by name.
pub(super) async fn workers(api: Granted) -> Result<Json<Workers>, ApiError> {
    Ok(Json(Workers { workers: worker_views(&api).await? }))
}

/// Every worker as the API shows it, by name.
pub(crate) async fn worker_views(api: &Api) -> Result<Vec<WorkerView>, ApiError> {
    let (rows, now) = (api.db.workers().await?, api.db.now().await?);
    let orders = api.db.orders().await?.into_iter().filter(|row| row.order.draining);
    let mut orders: BTreeMap<WorkerId, OrderRow> =
        orders.map(|row| (row.order.worker.clone(), row)).collect();
    let unreachable: Vec<bool> =
        rows.iter().map(|row| is_unreachable(row, &rows, now, &api.policy)).collect();
    let workers = rows.into_iter().zip(unreachable).map(|(row, unreachable)| WorkerView {
        unreachable,
        alive: now.since(row.beat_at) < api.policy.lease.0,
        drain: orders
            .remove(&row.worker.worker)
            .map(|order| DrainView::of(order, row.worker.order_revision)),
        info: row.worker,
        beat_at: row.beat_at,
        claims: row.claims,
    });
    Ok(workers.collect())
}

/// How many jobs there are.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Counts {
    /// By state; each state is there.
    states: BTreeMap<String, u64>,
    total: u64,
}

/// Number of jobs in each state.
pub(super) async fn counts(api: Granted) -> Result<Json<Counts>, ApiError> {
    let found = api.db.counts(api.whose()).await?;
    let count = |name: &str| (name.to_owned(), found.get(name).copied().unwrap_or(0));
    let states: BTreeMap<String, u64> = JobState::NAMES.into_iter().map(count).collect();
    Ok(Json(Counts { total: states.values().sum(), states }))
}
