//! How far the event log is applied, and when its ends were last seen.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use sqlx::{PgConnection, PgPool};

use crate::row::{corrupt, partition_row};
use crate::{JobsDbError, Observation, PartitionRow};

pub(super) async fn partitions(
    pool: &PgPool,
    log_id: &str,
) -> Result<BTreeMap<u32, PartitionRow>, JobsDbError> {
    let rows: Vec<(i64, i64, Option<i64>, i64, i64)> = sqlx::query_as(
        "SELECT partition, next_offset, observed_at, caught_up_at, restarted_at FROM partitions
         WHERE log_id = $1",
    )
    .bind(log_id)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(partition, next_offset, observed_at, caught_up_at, restarted_at)| {
            let partition = u32::try_from(partition)
                .map_err(|error| corrupt(format_args!("a partition of log {log_id}"), error))?;
            let columns = (next_offset, observed_at, caught_up_at, restarted_at);
            Ok((partition, partition_row(log_id, partition, columns)?))
        })
        .collect()
}

/// Notes observations inside the caller's transaction. Times only move forward, in whatever order two
/// collectors write them.
pub(super) async fn observe(
    connection: &mut PgConnection,
    log_id: &str,
    observations: &[Observation],
    gap: Duration,
) -> Result<(), JobsDbError> {
    for round in rounds(observations) {
        observe_round(connection, log_id, &round, gap).await?;
    }
    Ok(())
}

/// The observations in rounds, each with a partition at most once: one statement can write a row only once.
fn rounds(observations: &[Observation]) -> Vec<BTreeMap<u32, &Observation>> {
    let mut rounds: Vec<BTreeMap<u32, &Observation>> = Vec::new();
    for observation in observations {
        match rounds.iter_mut().find(|round| !round.contains_key(&observation.partition)) {
            Some(round) => drop(round.insert(observation.partition, observation)),
            None => rounds.push(BTreeMap::from([(observation.partition, observation)])),
        }
    }
    rounds
}

/// One observation of each of some partitions, in the partitions' order, so that two collectors cannot wait for
/// each other.
async fn observe_round(
    connection: &mut PgConnection,
    log_id: &str,
    round: &BTreeMap<u32, &Observation>,
    gap: Duration,
) -> Result<(), JobsDbError> {
    let caught_up_at = |of: &&Observation| of.caught_up_at.map_or(0, Timestamp::as_millis);
    sqlx::query(
        "INSERT INTO partitions (log_id, partition, next_offset, observed_at, caught_up_at, restarted_at)
         SELECT $1, seen.partition, 0, seen.observed_at, seen.caught_up_at, seen.observed_at
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS seen (partition, observed_at, caught_up_at)
         ON CONFLICT (log_id, partition) DO UPDATE SET
            restarted_at = CASE
                WHEN partitions.observed_at IS NULL
                    OR excluded.observed_at - partitions.observed_at > $5 THEN excluded.observed_at
                ELSE partitions.restarted_at
            END,
            observed_at = greatest(partitions.observed_at, excluded.observed_at),
            caught_up_at = greatest(partitions.caught_up_at, excluded.caught_up_at)",
    )
    .bind(log_id)
    .bind(round.keys().map(|partition| i64::from(*partition)).collect::<Vec<_>>())
    .bind(round.values().map(|of| of.observed_at.as_millis()).collect::<Vec<_>>())
    .bind(round.values().map(caught_up_at).collect::<Vec<_>>())
    .bind(i64::try_from(gap.as_millis()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}
