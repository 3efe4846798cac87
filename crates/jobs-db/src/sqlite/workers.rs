//! What workers last said.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::{ClaimId, Timestamp, WorkerId};
use sqlx::SqlitePool;

use super::row::{from_doc, time, to_doc};
use crate::{JobsDbError, WorkerRow};

pub(super) async fn workers(readers: &SqlitePool) -> Result<Vec<WorkerRow>, JobsDbError> {
    let rows: Vec<(String, i64, String, String)> =
        sqlx::query_as("SELECT worker, beat_at, claims, doc FROM workers ORDER BY worker")
            .fetch_all(readers)
            .await?;
    rows.into_iter()
        .map(|(worker, beat_at, claims, doc)| {
            Ok(WorkerRow {
                worker: from_doc(&doc, || format!("worker {worker}"))?,
                beat_at: time(beat_at),
                claims: from_doc(&claims, || format!("claims of worker {worker}"))?,
            })
        })
        .collect()
}

pub(super) async fn beats(
    readers: &SqlitePool,
    claims: &[(WorkerId, ClaimId)],
) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
    let names: BTreeSet<&WorkerId> = claims.iter().map(|(worker, _)| worker).collect();
    let rows: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT worker, beat_at, claims FROM workers WHERE worker IN (SELECT value FROM json_each(?))",
    )
    .bind(to_doc(&names))
    .fetch_all(readers)
    .await?;
    let mut held = BTreeMap::new();
    for (worker, beat_at, listed) in rows {
        let listed: BTreeSet<ClaimId> = from_doc(&listed, || format!("claims of worker {worker}"))?;
        held.insert(worker, (time(beat_at), listed));
    }
    let beat = |(worker, claim): &(WorkerId, ClaimId)| {
        let (beat_at, listed) = held.get(worker.as_str())?;
        listed.contains(claim).then_some((*claim, *beat_at))
    };
    Ok(claims.iter().filter_map(beat).collect())
}
