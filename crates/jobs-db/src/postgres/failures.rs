//! What failed alike.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Tenant, Timestamp};
use uuid::Uuid;

use super::PostgresJobsDb;
use crate::failure::{GroupColumns, Groups};
use crate::{FailureGroup, FailuresDb, JobsDb as _, JobsDbError};

#[async_trait]
impl FailuresDb for PostgresJobsDb {
    async fn failure_groups(
        &self,
        tenant: &Tenant,
        since: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<FailureGroup>, JobsDbError> {
        // PostgreSQL 15 has no greatest uuid; as text they have the same order.
        let parts: Vec<GroupColumns<Uuid>> = sqlx::query_as(
            r#"SELECT failure, region, state, count(*), min(failed_at), max(failed_at),
                max(id::text COLLATE "C")::uuid
             FROM jobs WHERE tenant = $1 AND failure IS NOT NULL AND failed_at >= $2
             GROUP BY failure, region, state"#,
        )
        .bind(tenant.as_str())
        .bind(since.map_or(i64::MIN, Timestamp::as_millis))
        .fetch_all(&self.pool)
        .await?;
        let groups = Groups::of(parts, |id| Ok(JobId(id)), limit)?;
        let newest = self.get(&groups.newest()).await?;
        Ok(groups.with(newest))
    }
}
