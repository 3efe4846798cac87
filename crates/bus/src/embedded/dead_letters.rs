//! Records that nobody could use.

use panofleet_job_schema::job::Placement;
use sqlx::SqliteConnection;

use super::pools::{Pools, integer, natural};
use crate::{BusError, DeadLetter};

/// The newest that are kept.
const LETTERS_MAX: i64 = 10_000;

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    letter: &DeadLetter,
) -> Result<(), BusError> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO bus_dead_letters (topic, partition, offset, reason, created_at, payload)
         VALUES (?, ?, ?, ?, unixepoch(), ?) RETURNING id",
    )
    .bind(&letter.topic)
    .bind(letter.placement.partition)
    .bind(integer(letter.placement.offset))
    .bind(&letter.reason)
    .bind(letter.payload.as_ref())
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM bus_dead_letters WHERE id <= ?")
        .bind(id - LETTERS_MAX)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn newest(pools: &Pools, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
    let rows: Vec<(String, u32, i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT topic, partition, offset, reason, payload FROM bus_dead_letters ORDER BY id DESC LIMIT ?",
    )
    .bind(limit)
    .fetch_all(&pools.readers)
    .await?;
    let letter = |(topic, partition, offset, reason, payload): (_, _, _, _, Vec<u8>)| DeadLetter {
        topic,
        placement: Placement { partition, offset: natural(offset) },
        reason,
        payload: payload.into(),
    };
    Ok(rows.into_iter().map(letter).collect())
}
