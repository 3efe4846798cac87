//! What workers last said.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::{ClaimId, Timestamp, WorkerId};
use sqlx::SqlitePool;

use crate::row::{self, BeatColumns, WorkerColumns, to_doc, worker_row};
use crate::{JobsDbError, WorkerRow};

pub(super) async fn workers(readers: &SqlitePool) -> Result<Vec<WorkerRow>, JobsDbError> {
    let rows: Vec<WorkerColumns> =
        sqlx::query_as("SELECT worker, beat_at, claims, doc FROM workers ORDER BY worker")
            .fetch_all(readers)
            .await?;
    rows.into_iter().map(worker_row).collect()
}

pub(super) async fn beats(
    readers: &SqlitePool,
    claims: &[(WorkerId, ClaimId)],
) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
    let names: BTreeSet<&WorkerId> = claims.iter().map(|(worker, _)| worker).collect();
    let rows: Vec<BeatColumns> = sqlx::query_as(
        "SELECT worker, beat_at, claims FROM workers WHERE worker IN (SELECT value FROM json_each(?))",
    )
    .bind(to_doc(&names))
    .fetch_all(readers)
    .await?;
    row::beats(claims, rows)
}
