//! The schema, forward only: numbered files, each applied once, in one transaction with the note that it was.

use sqlx::SqliteConnection;

use super::pools::{Pools, integer, natural};
use crate::BusError;

/// Every migration in order; the first is 1. One that was released is never changed again.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/1_bus.sql")];

/// What the file says about the event log.
#[derive(Clone, Debug)]
pub(super) struct LogIdentity {
    pub(super) log_id: String,
    pub(super) partitions: u32,
}

/// Brings the file to this program's schema and to `partitions` event partitions, whatever it has.
pub(super) async fn migrate(pools: &Pools, partitions: u32) -> Result<LogIdentity, BusError> {
    let mut transaction = pools.write().await?;
    let found = version(&mut transaction).await?;
    let missing = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..)).ok_or_else(|| {
        BusError::Refused(format!(
            "a newer program wrote this bus: its schema is version {found}, this program knows {}",
            MIGRATIONS.len(),
        ))
    })?;
    for (sql, number) in missing.iter().zip(found + 1..) {
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO bus_migrations (version, applied_at) VALUES (?, unixepoch())")
            .bind(integer(number))
            .execute(&mut *transaction)
            .await?;
    }
    let log_id =
        sqlx::query_scalar("SELECT log_id FROM bus_identity").fetch_one(&mut *transaction).await?;
    grow(&mut transaction, partitions).await?;
    transaction.commit().await?;
    Ok(LogIdentity { log_id, partitions })
}

/// The number of migrations that the file has.
async fn version(connection: &mut SqliteConnection) -> Result<u64, BusError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS bus_migrations (
            version    INTEGER NOT NULL PRIMARY KEY,
            applied_at INTEGER NOT NULL -- seconds since 1970, for people
        ) STRICT",
    )
    .execute(&mut *connection)
    .await?;
    let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM bus_migrations")
        .fetch_one(connection)
        .await?;
    Ok(natural(newest))
}

/// Adds event partitions. Jobs remember theirs, so none is ever taken away.
async fn grow(connection: &mut SqliteConnection, partitions: u32) -> Result<(), BusError> {
    let found: u32 = sqlx::query_scalar("SELECT count(*) FROM bus_partitions")
        .fetch_one(&mut *connection)
        .await?;
    if partitions < found.max(1) {
        return Err(BusError::Refused(format!(
            "event_partitions is {partitions}, but the file has {found}, and there must be one; they can only grow"
        )));
    }
    for partition in found..partitions {
        sqlx::query(
            "INSERT INTO bus_partitions (partition, start_offset, next_offset) VALUES (?, 0, 0)",
        )
        .bind(partition)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
