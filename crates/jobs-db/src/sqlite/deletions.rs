//! What is to go because somebody asked.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Tenant, Timestamp};
use sqlx::{QueryBuilder, Sqlite};
use uuid::Uuid;

use super::SqliteJobsDb;
use super::accept::job_key;
use super::uploads::{Columns, of_row};
use crate::deletion::{deletion, due};
use crate::row::to_doc;
use crate::{Deletion, DeletionFilter, DeletionsDb, DueDeletion, JobsDbError, Retired, Upload};

#[async_trait]
impl DeletionsDb for SqliteJobsDb {
    async fn request_deletions(&self, requests: &[Deletion]) -> Result<(), JobsDbError> {
        let mut transaction = self.file.write().await?;
        for request in requests {
            sqlx::query(
                "INSERT INTO deletions (job, tenant, bulk, look_at, doc) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (job) DO NOTHING",
            )
            .bind(job_key(request.job))
            .bind(request.tenant.as_str())
            .bind(request.bulk.map(|bulk| bulk.as_bytes().to_vec()))
            .bind(request.requested_at.as_millis())
            .bind(to_doc(request))
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn deletion(&self, job: JobId) -> Result<Option<Deletion>, JobsDbError> {
        let doc: Option<String> = sqlx::query_scalar("SELECT doc FROM deletions WHERE job = ?")
            .bind(job_key(job))
            .fetch_optional(&self.file.readers)
            .await?;
        doc.as_deref().map(deletion).transpose()
    }

    async fn deletions(
        &self,
        filter: &DeletionFilter,
        limit: u32,
    ) -> Result<Vec<Deletion>, JobsDbError> {
        let DeletionFilter { tenant, bulk, is_over, before } = filter;
        let mut query = QueryBuilder::<Sqlite>::new("SELECT doc FROM deletions WHERE TRUE");
        if let Some(tenant) = tenant {
            query.push(" AND tenant = ").push_bind(tenant.as_str());
        }
        if let Some(bulk) = bulk {
            query.push(" AND bulk = ").push_bind(bulk.as_bytes().as_slice());
        }
        match is_over {
            Some(true) => query.push(" AND look_at IS NULL"),
            Some(false) => query.push(" AND look_at IS NOT NULL"),
            None => &mut query,
        };
        if let Some(before) = before {
            query.push(" AND job < ").push_bind(job_key(*before));
        }
        query.push(" ORDER BY job DESC LIMIT ").push_bind(limit);
        let docs: Vec<String> = query.build_query_scalar().fetch_all(&self.file.readers).await?;
        docs.iter().map(|doc| deletion(doc)).collect()
    }

    async fn deletions_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDeletion>, JobsDbError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT look_at, doc FROM deletions WHERE look_at <= ? ORDER BY look_at, job LIMIT ?",
        )
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(due).collect()
    }

    async fn write_deletion(
        &self,
        deletion: &Deletion,
        look_at: Option<Timestamp>,
    ) -> Result<(), JobsDbError> {
        sqlx::query("UPDATE deletions SET look_at = ?, gone_at = ?, doc = ? WHERE job = ?")
            .bind(look_at.map(Timestamp::as_millis))
            .bind(deletion.gone_at.map(Timestamp::as_millis))
            .bind(to_doc(deletion))
            .bind(job_key(deletion.job))
            .execute(&self.file.writer)
            .await?;
        Ok(())
    }

    async fn retire_upload(
        &self,
        id: Uuid,
        but: Option<JobId>,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<Retired, JobsDbError> {
        let but = job_key(but.unwrap_or(JobId(Uuid::nil())));
        let mut transaction = self.file.write().await?;
        let retired: Option<Columns> = sqlx::query_as(
            "UPDATE uploads SET retired_at = coalesce(retired_at, ?1) WHERE id = ?2 AND (retired_at IS NOT NULL
                OR (coalesce(used_at, 0) < ?3
                    AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.upload = ?2 AND jobs.id <> ?4)))
             RETURNING id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes",
        )
        .bind(now.as_millis())
        .bind(id.as_bytes().as_slice())
        .bind(used_since.as_millis())
        .bind(&but)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(columns) = retired {
            transaction.commit().await?;
            return Ok(Retired::Now(of_row(columns)?));
        }
        let in_use: Option<bool> = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE jobs.upload = ?1 AND jobs.id <> ?2) FROM uploads WHERE id = ?1",
        )
        .bind(id.as_bytes().as_slice())
        .bind(&but)
        .fetch_optional(&mut *transaction)
        .await?;
        Ok(Retired::refused(in_use))
    }

    async fn uploads_of(
        &self,
        tenant: &Tenant,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Upload>, JobsDbError> {
        let rows: Vec<Columns> = sqlx::query_as(
            "SELECT id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes FROM uploads
             WHERE tenant = ? AND id > ? AND retired_at IS NULL ORDER BY id LIMIT ?",
        )
        .bind(tenant.as_str())
        .bind(after.map(|after| after.as_bytes().to_vec()).unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(of_row).collect()
    }

    async fn remove_deletions(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM deletions WHERE job IN (SELECT job FROM deletions WHERE gone_at < ? LIMIT ?)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(&self.file.writer)
        .await?;
        Ok(removed.rows_affected())
    }
}
