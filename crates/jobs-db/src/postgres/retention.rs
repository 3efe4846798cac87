//! What goes when its time has come.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Timestamp};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresJobsDb;
use super::row::{JobRow, versioned};
use super::uploads::{Columns, of_row};
use crate::retention::sweeps_of;
use crate::row::{integer, time};
use crate::{JobWrite, JobsDbError, RetentionDb, RetireBefore, Sweep, Upload, Versioned};

/// Notes the sweeps that a batch gives rise to, inside its transaction, by job: every batch locks them in one order.
pub(super) async fn note(
    connection: &mut PgConnection,
    writes: &[&JobWrite],
) -> Result<(), JobsDbError> {
    let mut sweeps = sweeps_of(writes.iter().copied());
    if sweeps.is_empty() {
        return Ok(());
    }
    sweeps.sort_unstable_by_key(|sweep| sweep.job);
    sqlx::query(
        "INSERT INTO sweeps (job, due_at) SELECT * FROM unnest($1::uuid[], $2::bigint[])
         ON CONFLICT (job) DO UPDATE SET due_at = excluded.due_at",
    )
    .bind(sweeps.iter().map(|sweep| sweep.job.0).collect::<Vec<_>>())
    .bind(sweeps.iter().map(|sweep| sweep.due_at.as_millis()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl RetentionDb for PostgresJobsDb {
    async fn sweeps_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Sweep>, JobsDbError> {
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT job, due_at FROM sweeps WHERE due_at <= $1 ORDER BY due_at, job LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let sweep = |(job, due_at)| Sweep { job: JobId(job), due_at: time(due_at) };
        Ok(rows.into_iter().map(sweep).collect())
    }

    async fn end_sweep(&self, sweep: Sweep) -> Result<(), JobsDbError> {
        sqlx::query("DELETE FROM sweeps WHERE job = $1 AND due_at = $2")
            .bind(sweep.job.0)
            .bind(sweep.due_at.as_millis())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn ended(
        &self,
        state: &'static str,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        // Not bound: a plan has to know the state to use an index of some states only.
        let mut query =
            QueryBuilder::<Postgres>::new("SELECT id, version, doc FROM jobs WHERE state = '");
        query.push(state).push("' AND id > ").push_bind(after.map_or(Uuid::nil(), |after| after.0));
        query.push(
            " AND (parent IS NULL OR NOT EXISTS (SELECT FROM jobs AS whole WHERE whole.id = jobs.parent))
             ORDER BY id LIMIT ",
        );
        query.push_bind(i64::from(limit));
        let rows: Vec<JobRow> = query.build_query_as().fetch_all(&self.pool).await?;
        rows.into_iter().map(versioned).collect()
    }

    async fn remove_job(
        &self,
        job: JobId,
        version: u64,
        now: Timestamp,
    ) -> Result<bool, JobsDbError> {
        let mut transaction = self.pool.begin().await?;
        let removed = sqlx::query("DELETE FROM jobs WHERE id = $1 AND version = $2")
            .bind(job.0)
            .bind(integer(version))
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM history WHERE job = $1")
            .bind(job.0)
            .execute(&mut *transaction)
            .await?;
        for of_job in
            ["DELETE FROM deliveries WHERE job = $1", "DELETE FROM setbacks WHERE job = $1"]
        {
            sqlx::query(of_job).bind(job.0).execute(&mut *transaction).await?;
        }
        sqlx::query("UPDATE idempotency_keys SET removed_at = $1 WHERE job = $2")
            .bind(now.as_millis())
            .bind(job.0)
            .execute(&mut *transaction)
            .await?;
        let _change = self.changes.announce();
        transaction.commit().await?;
        Ok(true)
    }

    async fn use_upload(&self, id: Uuid, now: Timestamp) -> Result<Option<Upload>, JobsDbError> {
        let row: Option<Columns> = sqlx::query_as(
            "UPDATE uploads SET used_at = greatest(coalesce(used_at, 0), $1) WHERE id = $2 AND retired_at IS NULL
             RETURNING id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes",
        )
        .bind(now.as_millis())
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.map(of_row).transpose()
    }

    async fn retire_uploads(
        &self,
        before: RetireBefore,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Upload>, JobsDbError> {
        let rows: Vec<Columns> = sqlx::query_as(
            "UPDATE uploads SET retired_at = coalesce(retired_at, $1) WHERE id IN (
                (SELECT id FROM uploads WHERE retired_at <= $1)
                UNION ALL (SELECT id FROM uploads
                    WHERE retired_at IS NULL AND used_at IS NULL AND created_at < $2)
                UNION ALL (SELECT id FROM uploads WHERE retired_at IS NULL AND used_at < $3)
                LIMIT $4)
             RETURNING id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes",
        )
        .bind(now.as_millis())
        .bind(before.begun.map(Timestamp::as_millis))
        .bind(before.used.map(Timestamp::as_millis))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(of_row).collect()
    }

    async fn retire_unused_upload(&self, id: Uuid, at: Timestamp) -> Result<bool, JobsDbError> {
        let retired = sqlx::query(
            "UPDATE uploads SET retired_at = $1
             WHERE id = $2 AND used_at IS NULL AND retired_at IS NULL",
        )
        .bind(at.as_millis())
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(retired.rows_affected() > 0)
    }

    async fn remove_upload(&self, id: Uuid) -> Result<(), JobsDbError> {
        sqlx::query("DELETE FROM uploads WHERE id = $1 AND retired_at IS NOT NULL")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn remove_keys(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM idempotency_keys WHERE (tenant, key) IN (
                SELECT tenant, key FROM idempotency_keys WHERE removed_at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&self.pool)
        .await?;
        Ok(removed.rows_affected())
    }
}
