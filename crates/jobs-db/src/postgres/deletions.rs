//! What is to go because somebody asked.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Tenant, Timestamp};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresJobsDb;
use super::uploads::{Columns, of_row};
use crate::deletion::{deletion, due};
use crate::row::to_doc;
use crate::{Deletion, DeletionFilter, DeletionsDb, DueDeletion, JobsDbError, Retired, Upload};

#[async_trait]
impl DeletionsDb for PostgresJobsDb {
    async fn request_deletions(&self, requests: &[Deletion]) -> Result<(), JobsDbError> {
        // By job: two requests that share some wait for each other at most.
        let mut requests: Vec<&Deletion> = requests.iter().collect();
        requests.sort_unstable_by_key(|request| request.job);
        sqlx::query(
            "INSERT INTO deletions (job, tenant, bulk, look_at, doc)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[])
             ON CONFLICT (job) DO NOTHING",
        )
        .bind(requests.iter().map(|request| request.job.0).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| request.tenant.as_str()).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| request.bulk).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| request.requested_at.as_millis()).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| to_doc(*request)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn deletion(&self, job: JobId) -> Result<Option<Deletion>, JobsDbError> {
        let doc: Option<String> = sqlx::query_scalar("SELECT doc FROM deletions WHERE job = $1")
            .bind(job.0)
            .fetch_optional(&self.pool)
            .await?;
        doc.as_deref().map(deletion).transpose()
    }

    async fn deletions(
        &self,
        filter: &DeletionFilter,
        limit: u32,
    ) -> Result<Vec<Deletion>, JobsDbError> {
        let DeletionFilter { tenant, bulk, is_over, before } = filter;
        let mut query = QueryBuilder::<Postgres>::new("SELECT doc FROM deletions WHERE TRUE");
        if let Some(tenant) = tenant {
            query.push(" AND tenant = ").push_bind(tenant.as_str());
        }
        if let Some(bulk) = bulk {
            query.push(" AND bulk = ").push_bind(*bulk);
        }
        match is_over {
            Some(true) => query.push(" AND look_at IS NULL"),
            Some(false) => query.push(" AND look_at IS NOT NULL"),
            None => &mut query,
        };
        if let Some(before) = before {
            query.push(" AND job < ").push_bind(before.0);
        }
        query.push(" ORDER BY job DESC LIMIT ").push_bind(i64::from(limit));
        let docs: Vec<String> = query.build_query_scalar().fetch_all(&self.pool).await?;
        docs.iter().map(|doc| deletion(doc)).collect()
    }

    async fn deletions_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDeletion>, JobsDbError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT look_at, doc FROM deletions WHERE look_at <= $1 ORDER BY look_at, job LIMIT $2",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(due).collect()
    }

    async fn write_deletion(
        &self,
        deletion: &Deletion,
        look_at: Option<Timestamp>,
    ) -> Result<(), JobsDbError> {
        sqlx::query("UPDATE deletions SET look_at = $1, gone_at = $2, doc = $3 WHERE job = $4")
            .bind(look_at.map(Timestamp::as_millis))
            .bind(deletion.gone_at.map(Timestamp::as_millis))
            .bind(to_doc(deletion))
            .bind(deletion.job.0)
            .execute(&self.pool)
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
        let but = but.map_or(Uuid::nil(), |job| job.0);
        let retired: Option<Columns> = sqlx::query_as(
            "UPDATE uploads SET retired_at = coalesce(retired_at, $1) WHERE id = $2 AND (retired_at IS NOT NULL
                OR (coalesce(used_at, 0) < $3 AND NOT EXISTS (SELECT FROM jobs WHERE upload = $2 AND jobs.id <> $4)))
             RETURNING id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes",
        )
        .bind(now.as_millis())
        .bind(id)
        .bind(used_since.as_millis())
        .bind(but)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(columns) = retired {
            return Ok(Retired::Now(of_row(columns)?));
        }
        let in_use: Option<bool> = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM jobs WHERE upload = $1 AND jobs.id <> $2) FROM uploads WHERE id = $1",
        )
        .bind(id)
        .bind(but)
        .fetch_optional(&self.pool)
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
             WHERE tenant = $1 AND id > $2 AND retired_at IS NULL ORDER BY id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(of_row).collect()
    }

    async fn remove_deletions(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM deletions WHERE job IN (SELECT job FROM deletions WHERE gone_at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&self.pool)
        .await?;
        Ok(removed.rows_affected())
    }
}
