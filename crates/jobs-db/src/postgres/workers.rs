//! What workers last said.

use std::collections::BTreeMap;

use panofleet_job_schema::{ClaimId, Timestamp, WorkerId};
use sqlx::PgPool;

use crate::row::{self, BeatColumns, WorkerColumns, worker_row};
use crate::{JobsDbError, WorkerRow};

pub(super) async fn workers(pool: &PgPool) -> Result<Vec<WorkerRow>, JobsDbError> {
    let rows: Vec<WorkerColumns> =
        sqlx::query_as("SELECT worker, beat_at, claims, doc FROM workers ORDER BY worker")
            .fetch_all(pool)
            .await?;
    rows.into_iter().map(worker_row).collect()
}

pub(super) async fn beats(
    pool: &PgPool,
    claims: &[(WorkerId, ClaimId)],
) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
    let names: Vec<&str> = claims.iter().map(|(worker, _)| worker.as_str()).collect();
    let rows: Vec<BeatColumns> =
        sqlx::query_as("SELECT worker, beat_at, claims FROM workers WHERE worker = ANY($1)")
            .bind(names)
            .fetch_all(pool)
            .await?;
    row::beats(claims, rows)
}
