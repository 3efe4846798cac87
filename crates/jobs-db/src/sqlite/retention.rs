//! What goes when its time has come.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Timestamp};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::SqliteJobsDb;
use super::accept::job_key;
use super::row::{JobRow, job_id, versioned};
use super::uploads::{Columns, of_row};
use crate::retention::sweeps_of;
use crate::row::{integer, time};
use crate::{JobWrite, JobsDbError, RetentionDb, RetireBefore, Sweep, Upload, Versioned};

/// Notes the sweeps that a batch gives rise to, inside its transaction.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    writes: &[JobWrite],
) -> Result<(), JobsDbError> {
    for Sweep { job, due_at } in sweeps_of(writes) {
        sqlx::query(
            "INSERT INTO sweeps (job, due_at) VALUES (?, ?)
             ON CONFLICT (job) DO UPDATE SET due_at = excluded.due_at",
        )
        .bind(job_key(job))
        .bind(due_at.as_millis())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[async_trait]
impl RetentionDb for SqliteJobsDb {
    async fn sweeps_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Sweep>, JobsDbError> {
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "SELECT job, due_at FROM sweeps WHERE due_at <= ? ORDER BY due_at, job LIMIT ?",
        )
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter()
            .map(|(job, due_at)| Ok(Sweep { job: job_id(&job)?, due_at: time(due_at) }))
            .collect()
    }

    async fn end_sweep(&self, sweep: Sweep) -> Result<(), JobsDbError> {
        sqlx::query("DELETE FROM sweeps WHERE job = ? AND due_at = ?")
            .bind(job_key(sweep.job))
            .bind(sweep.due_at.as_millis())
            .execute(&self.file.writer)
            .await?;
        Ok(())
    }

    async fn ended(
        &self,
        state: &'static str,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let rows: Vec<JobRow> = sqlx::query_as(
            "SELECT id, version, doc FROM jobs WHERE state = ? AND id > ?
                AND (parent IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS whole WHERE whole.id = jobs.parent))
             ORDER BY id LIMIT ?",
        )
        .bind(state)
        .bind(after.map(job_key).unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(versioned).collect()
    }

    async fn remove_job(
        &self,
        job: JobId,
        version: u64,
        now: Timestamp,
    ) -> Result<bool, JobsDbError> {
        let mut transaction = self.file.write().await?;
        let removed = sqlx::query("DELETE FROM jobs WHERE id = ? AND version = ?")
            .bind(job_key(job))
            .bind(integer(version))
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        for of_job in ["DELETE FROM deliveries WHERE job = ?", "DELETE FROM setbacks WHERE job = ?"]
        {
            sqlx::query(of_job).bind(job_key(job)).execute(&mut *transaction).await?;
        }
        sqlx::query("UPDATE idempotency_keys SET removed_at = ? WHERE job = ?")
            .bind(now.as_millis())
            .bind(job_key(job))
            .execute(&mut *transaction)
            .await?;
        let _change = self.changes.announce();
        transaction.commit().await?;
        Ok(true)
    }

    async fn use_upload(&self, id: Uuid, now: Timestamp) -> Result<Option<Upload>, JobsDbError> {
        let row: Option<Columns> = sqlx::query_as(
            "UPDATE uploads SET used_at = max(coalesce(used_at, 0), ?) WHERE id = ? AND retired_at IS NULL
             RETURNING id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes",
        )
        .bind(now.as_millis())
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&self.file.writer)
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
            "UPDATE uploads SET retired_at = coalesce(retired_at, ?1) WHERE id IN (
                SELECT id FROM uploads WHERE retired_at <= ?1
                UNION ALL SELECT id FROM uploads
                    WHERE retired_at IS NULL AND used_at IS NULL AND created_at < ?2
                UNION ALL SELECT id FROM uploads WHERE retired_at IS NULL AND used_at < ?3
                LIMIT ?4)
             RETURNING id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes",
        )
        .bind(now.as_millis())
        .bind(before.begun.map(Timestamp::as_millis))
        .bind(before.used.map(Timestamp::as_millis))
        .bind(limit)
        .fetch_all(&self.file.writer)
        .await?;
        rows.into_iter().map(of_row).collect()
    }

    async fn retire_unused_upload(&self, id: Uuid, at: Timestamp) -> Result<bool, JobsDbError> {
        let retired = sqlx::query(
            "UPDATE uploads SET retired_at = ?
             WHERE id = ? AND used_at IS NULL AND retired_at IS NULL",
        )
        .bind(at.as_millis())
        .bind(id.as_bytes().as_slice())
        .execute(&self.file.writer)
        .await?;
        Ok(retired.rows_affected() > 0)
    }

    async fn remove_upload(&self, id: Uuid) -> Result<(), JobsDbError> {
        sqlx::query("DELETE FROM uploads WHERE id = ? AND retired_at IS NOT NULL")
            .bind(id.as_bytes().as_slice())
            .execute(&self.file.writer)
            .await?;
        Ok(())
    }

    async fn remove_keys(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM idempotency_keys WHERE (tenant, key) IN (
                SELECT tenant, key FROM idempotency_keys WHERE removed_at < ? LIMIT ?)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(&self.file.writer)
        .await?;
        Ok(removed.rows_affected())
    }
}
