//! The schema, forward only: numbered files, each applied once, in one transaction with the note that it was.

use sqlx::SqliteConnection;

use super::file::SqliteFile;
use crate::JobsDbError;

/// Every migration in order; the first is 1. One that was released is never changed again.
const MIGRATIONS: [&str; 22] = [
    include_str!("migrations/1_jobs.sql"),
    include_str!("migrations/2_lines.sql"),
    include_str!("migrations/3_in_flight.sql"),
    include_str!("migrations/4_pauses.sql"),
    include_str!("migrations/5_worker_orders.sql"),
    include_str!("migrations/6_replays.sql"),
    include_str!("migrations/7_retention.sql"),
    include_str!("migrations/8_schedules.sql"),
    include_str!("migrations/9_families.sql"),
    include_str!("migrations/10_failures.sql"),
    include_str!("migrations/11_keys.sql"),
    include_str!("migrations/12_audit.sql"),
    include_str!("migrations/13_webhooks.sql"),
    include_str!("migrations/14_filters.sql"),
    include_str!("migrations/15_deletions.sql"),
    include_str!("migrations/16_upload_parts.sql"),
    include_str!("migrations/17_setbacks.sql"),
    include_str!("migrations/18_jobs_of_workers.sql"),
    include_str!("migrations/19_views_and_traffic.sql"),
    include_str!("migrations/20_persons.sql"),
    include_str!("migrations/21_progress_of_attempts.sql"),
    include_str!("migrations/22_audit_by_person.sql"),
];

/// Brings the file to this program's schema, whatever older one it has.
pub(super) async fn migrate(file: &SqliteFile) -> Result<(), JobsDbError> {
    let mut transaction = file.write().await?;
    let found = version(&mut transaction).await?;
    let missing = MIGRATIONS.get(found..).ok_or_else(|| {
        JobsDbError::Refused(format!(
            "{} was written by a newer program: its schema is version {found}, this program knows {}",
            file.path().display(),
            MIGRATIONS.len(),
        ))
    })?;
    for (sql, number) in missing.iter().zip(found + 1..) {
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO jobs_db_migrations (version, applied_at) VALUES (?, unixepoch())")
            .bind(i64::try_from(number).expect("there are few migrations"))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The number of migrations that the file has.
async fn version(connection: &mut SqliteConnection) -> Result<usize, JobsDbError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS jobs_db_migrations (
            version    INTEGER NOT NULL PRIMARY KEY,
            applied_at INTEGER NOT NULL -- seconds since 1970, for people
        ) STRICT",
    )
    .execute(&mut *connection)
    .await?;
    let newest: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM jobs_db_migrations")
            .fetch_one(connection)
            .await?;
    usize::try_from(newest)
        .map_err(|error| JobsDbError::Corrupt(format!("jobs_db_migrations: {error}")))
}
