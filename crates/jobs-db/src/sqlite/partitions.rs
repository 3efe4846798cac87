//! How far the event log is applied, and when its ends were last seen.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use sqlx::{SqliteConnection, SqlitePool};

use crate::row::partition_row;
use crate::{JobsDbError, Observation, PartitionRow};

pub(super) async fn partitions(
    readers: &SqlitePool,
    log_id: &str,
) -> Result<BTreeMap<u32, PartitionRow>, JobsDbError> {
    let rows: Vec<(u32, i64, Option<i64>, i64, i64)> = sqlx::query_as(
        "SELECT partition, next_offset, observed_at, caught_up_at, restarted_at FROM partitions
         WHERE log_id = ?",
    )
    .bind(log_id)
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|(partition, next_offset, observed_at, caught_up_at, restarted_at)| {
            let columns = (next_offset, observed_at, caught_up_at, restarted_at);
            Ok((partition, partition_row(log_id, partition, columns)?))
        })
        .collect()
}

/// Notes one observation inside the caller's transaction. Times only move forward, in whatever order two
/// collectors write them.
pub(super) async fn observe(
    connection: &mut SqliteConnection,
    log_id: &str,
    observation: &Observation,
    gap: Duration,
) -> Result<(), JobsDbError> {
    sqlx::query(
        "INSERT INTO partitions (log_id, partition, next_offset, observed_at, caught_up_at, restarted_at)
         VALUES (?1, ?2, 0, ?3, ?4, ?3)
         ON CONFLICT (log_id, partition) DO UPDATE SET
            restarted_at = CASE
                WHEN observed_at IS NULL OR excluded.observed_at - observed_at > ?5 THEN excluded.observed_at
                ELSE restarted_at
            END,
            observed_at = max(coalesce(observed_at, 0), excluded.observed_at),
            caught_up_at = max(caught_up_at, excluded.caught_up_at)",
    )
    .bind(log_id)
    .bind(observation.partition)
    .bind(observation.observed_at.as_millis())
    .bind(observation.caught_up_at.map_or(0, Timestamp::as_millis))
    .bind(i64::try_from(gap.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}
