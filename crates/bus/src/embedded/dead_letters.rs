//! Records that nobody could use.

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::job::Placement;
use sqlx::SqliteConnection;

use super::pools::{Pools, integer, natural};
use crate::{BusError, DeadLetter, KeptLetter, LetterPage};

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

/// `id`, `created_at`, `length`, `topic`, `partition`, `offset`, `reason`, `payload`, which is cut.
type Columns = (i64, i64, i64, String, u32, i64, String, Vec<u8>);

pub(super) async fn page(pools: &Pools, page: LetterPage) -> Result<Vec<KeptLetter>, BusError> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT id, created_at, length(payload), topic, partition, offset, reason, substr(payload, 1, ?)
         FROM bus_dead_letters WHERE id < ? ORDER BY id DESC LIMIT ?",
    )
    .bind(i64::try_from(page.payload_bytes_max).unwrap_or(i64::MAX))
    .bind(page.before.map_or(i64::MAX, integer))
    .bind(page.limit.min(LetterPage::LETTERS_MAX))
    .fetch_all(&pools.readers)
    .await?;
    let letter = |(id, created_at, bytes, topic, partition, offset, reason, payload): Columns| {
        let placement = Placement { partition, offset: natural(offset) };
        KeptLetter {
            id: natural(id),
            kept_at: Timestamp::from_millis(created_at.saturating_mul(1000)),
            bytes: natural(bytes),
            letter: DeadLetter { topic, placement, reason, payload: payload.into() },
        }
    };
    Ok(rows.into_iter().map(letter).collect())
}
