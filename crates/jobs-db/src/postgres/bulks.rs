//! What is done to all jobs that match.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use uuid::Uuid;

use super::PostgresJobsDb;
use crate::bulk::{BulkColumns, versioned_bulk};
use crate::row::{integer, is_new, to_doc};
use crate::{Bulk, BulksDb, JobsDbError, VersionedBulk};

#[async_trait]
impl BulksDb for PostgresJobsDb {
    async fn put_bulk(&self, bulk: &Bulk) -> Result<(), JobsDbError> {
        let inserted = sqlx::query(
            "INSERT INTO bulks (id, tenant, ended_at, version, doc) VALUES ($1, $2, $3, 1, $4)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(bulk.id)
        .bind(bulk.tenant.as_str())
        .bind(bulk.ended_at.map(Timestamp::as_millis))
        .bind(to_doc(bulk))
        .execute(&self.pool)
        .await?;
        is_new(inserted.rows_affected(), || format!("bulk action {}", bulk.id))
    }

    async fn bulk(&self, id: Uuid) -> Result<Option<VersionedBulk>, JobsDbError> {
        let row: Option<BulkColumns> =
            sqlx::query_as("SELECT version, doc FROM bulks WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        row.map(versioned_bulk).transpose()
    }

    async fn bulks(&self, tenant: &Tenant, limit: u32) -> Result<Vec<VersionedBulk>, JobsDbError> {
        let rows: Vec<BulkColumns> = sqlx::query_as(
            "SELECT version, doc FROM bulks WHERE tenant = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(tenant.as_str())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(versioned_bulk).collect()
    }

    async fn open_bulks(&self, limit: u32) -> Result<Vec<VersionedBulk>, JobsDbError> {
        let rows: Vec<BulkColumns> = sqlx::query_as(
            "SELECT version, doc FROM bulks WHERE ended_at IS NULL ORDER BY id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(versioned_bulk).collect()
    }

    async fn write_bulk(&self, bulk: &Bulk, expected_version: u64) -> Result<bool, JobsDbError> {
        let written = sqlx::query(
            "UPDATE bulks SET ended_at = $1, doc = $2, version = version + 1
             WHERE id = $3 AND version = $4",
        )
        .bind(bulk.ended_at.map(Timestamp::as_millis))
        .bind(to_doc(bulk))
        .bind(bulk.id)
        .bind(integer(expected_version))
        .execute(&self.pool)
        .await?;
        Ok(written.rows_affected() > 0)
    }
}
