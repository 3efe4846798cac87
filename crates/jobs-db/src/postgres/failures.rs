//! What failed alike.

use async_trait::async_trait;
use panofleet_job_schema::JobId;
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::PostgresJobsDb;
use super::list::{push_columns, states};
use crate::failure::{GroupColumns, Groups};
use crate::{FailureGroup, FailuresDb, JobFilter, JobsDb as _, JobsDbError};

#[async_trait]
impl FailuresDb for PostgresJobsDb {
    async fn failure_groups(
        &self,
        filter: &JobFilter,
        limit: u32,
    ) -> Result<Vec<FailureGroup>, JobsDbError> {
        let mut parts: Vec<GroupColumns<Uuid>> = Vec::new();
        for state in states(filter) {
            // PostgreSQL 15 has no greatest uuid; as text they have the same order.
            let mut query = QueryBuilder::new(
                r#"SELECT failure, region, state, count(*), min(failed_at), max(failed_at),
                    max(id::text COLLATE "C")::uuid
                 FROM jobs WHERE failure IS NOT NULL"#,
            );
            // Children never count as failed.
            push_columns(&mut query, filter, state);
            query.push(" GROUP BY failure, region, state");
            parts.extend(query.build_query_as().fetch_all(&self.pool).await?);
        }
        let groups = Groups::of(parts, |id| Ok(JobId(id)), limit)?;
        let newest = self.get(&groups.newest()).await?;
        Ok(groups.with(newest))
    }
}
