//! What failed alike.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};

use super::SqliteJobsDb;
use super::row::job_id;
use crate::failure::{GroupColumns, Groups};
use crate::{FailureGroup, FailuresDb, JobsDb as _, JobsDbError};

#[async_trait]
impl FailuresDb for SqliteJobsDb {
    async fn failure_groups(
        &self,
        tenant: &Tenant,
        since: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<FailureGroup>, JobsDbError> {
        let parts: Vec<GroupColumns<Vec<u8>>> = sqlx::query_as(
            "SELECT failure, region, state, count(*), min(failed_at), max(failed_at), max(id)
             FROM jobs WHERE tenant = ?1 AND failure IS NOT NULL AND failed_at >= ?2
             GROUP BY failure, region, state",
        )
        .bind(tenant.as_str())
        .bind(since.map_or(i64::MIN, Timestamp::as_millis))
        .fetch_all(&self.file.readers)
        .await?;
        let groups = Groups::of(parts, |id| job_id(&id), limit)?;
        let newest = self.get(&groups.newest()).await?;
        Ok(groups.with(newest))
    }
}
