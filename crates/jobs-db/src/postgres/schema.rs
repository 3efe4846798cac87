//! The schema, forward only: numbered files, each applied once.
//!
//! What is missing is applied in one transaction, so that nobody ever sees half of it, under a lock that one
//! process at a time holds: several may start at once. Processes of the version before go on meanwhile; so a
//! migration only adds what they need not know.

use sqlx::{PgConnection, PgPool};

use crate::JobsDbError;

/// Every migration in order; the first is 1. One that was released is never changed again.
const MIGRATIONS: [&str; 23] = [
    include_str!("migrations/1_jobs.sql"),
    include_str!("migrations/2_lines.sql"),
    include_str!("migrations/3_in_flight.sql"),
    include_str!("migrations/4_pauses.sql"),
    include_str!("migrations/5_worker_orders.sql"),
    include_str!("migrations/6_replays.sql"),
    include_str!("migrations/7_retention.sql"),
    include_str!("migrations/8_schedules.sql"),
    include_str!("migrations/9_families.sql"),
    include_str!("migrations/10_fewer_indexes.sql"),
    include_str!("migrations/11_failures.sql"),
    include_str!("migrations/12_keys.sql"),
    include_str!("migrations/13_audit.sql"),
    include_str!("migrations/14_webhooks.sql"),
    include_str!("migrations/15_filters.sql"),
    include_str!("migrations/16_deletions.sql"),
    include_str!("migrations/17_upload_parts.sql"),
    include_str!("migrations/18_setbacks.sql"),
    include_str!("migrations/19_jobs_of_workers.sql"),
    include_str!("migrations/20_views_and_traffic.sql"),
    include_str!("migrations/21_persons.sql"),
    include_str!("migrations/22_progress_of_attempts.sql"),
    include_str!("migrations/23_audit_by_person.sql"),
];
/// The key of the advisory lock that whoever migrates holds: the first bytes of "panofleet jobs".
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"panoflee");

/// Brings the database to this program's schema, whatever older one it has.
pub(super) async fn migrate(pool: &PgPool) -> Result<(), JobsDbError> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await?;
    let found = version(&mut transaction).await?;
    let missing = MIGRATIONS.get(found..).ok_or_else(|| {
        JobsDbError::Refused(format!(
            "the database was written by a newer program: its schema is version {found}, this program knows {}",
            MIGRATIONS.len(),
        ))
    })?;
    if missing.is_empty() {
        return Ok(());
    }
    // A change that waits for a long query holds up everybody who comes after it: give up soon instead.
    sqlx::query("SET LOCAL lock_timeout = '5s'").execute(&mut *transaction).await?;
    for (sql, number) in missing.iter().zip(found + 1..) {
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query(
            "INSERT INTO jobs_db_migrations (version, applied_at) VALUES ($1, clock_timestamp())",
        )
        .bind(i64::try_from(number).expect("there are few migrations"))
        .execute(&mut *transaction)
        .await?;
    }
    Ok(transaction.commit().await?)
}

/// The number of migrations that the database has. The table is only made where there is none, so that a
/// process that may not change the schema can start on one that is complete.
async fn version(connection: &mut PgConnection) -> Result<usize, JobsDbError> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('jobs_db_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        sqlx::query(
            "CREATE TABLE jobs_db_migrations (
                version    bigint      NOT NULL PRIMARY KEY,
                applied_at timestamptz NOT NULL -- for people
            )",
        )
        .execute(&mut *connection)
        .await?;
    }
    let newest: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM jobs_db_migrations")
            .fetch_one(connection)
            .await?;
    usize::try_from(newest)
        .map_err(|error| JobsDbError::Corrupt(format!("jobs_db_migrations: {error}")))
}
