//! Filters by name.

use async_trait::async_trait;
use panofleet_job_schema::Tenant;

use super::PostgresJobsDb;
use crate::row::to_doc;
use crate::view::view_of;
use crate::{JobsDbError, View, ViewsDb};

#[async_trait]
impl ViewsDb for PostgresJobsDb {
    async fn put_view(&self, view: &View, most: u32) -> Result<bool, JobsDbError> {
        // Of two that come at once both may find room: the limit keeps a page readable, no more.
        let written = sqlx::query(
            "INSERT INTO views (tenant, name, doc)
             SELECT $1, $2, $3 WHERE (SELECT count(*) FROM views WHERE tenant = $1 AND name <> $2) < $4
             ON CONFLICT (tenant, name) DO UPDATE SET doc = excluded.doc",
        )
        .bind(view.tenant.as_str())
        .bind(&view.name)
        .bind(to_doc(view))
        .bind(i64::from(most))
        .execute(&self.pool)
        .await?;
        Ok(written.rows_affected() > 0)
    }

    async fn views(&self, tenant: Option<&Tenant>) -> Result<Vec<View>, JobsDbError> {
        let docs: Vec<String> = sqlx::query_scalar(
            "SELECT doc FROM views WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant, name",
        )
        .bind(tenant.map(Tenant::as_str))
        .fetch_all(&self.pool)
        .await?;
        docs.iter().map(|doc| view_of(doc)).collect()
    }

    async fn remove_view(&self, tenant: &Tenant, name: &str) -> Result<bool, JobsDbError> {
        let removed = sqlx::query("DELETE FROM views WHERE tenant = $1 AND name = $2")
            .bind(tenant.as_str())
            .bind(name)
            .execute(&self.pool)
            .await?;
        Ok(removed.rows_affected() > 0)
    }
}
