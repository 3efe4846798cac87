//! What failed alike.

use async_trait::async_trait;
use sqlx::QueryBuilder;

use super::SqliteJobsDb;
use super::list::{push_columns, states};
use super::row::job_id;
use crate::failure::{GroupColumns, Groups};
use crate::{FailureGroup, FailuresDb, JobFilter, JobsDb as _, JobsDbError};

#[async_trait]
impl FailuresDb for SqliteJobsDb {
    async fn failure_groups(
        &self,
        filter: &JobFilter,
        limit: u32,
    ) -> Result<Vec<FailureGroup>, JobsDbError> {
        let mut parts: Vec<GroupColumns<Vec<u8>>> = Vec::new();
        for state in states(filter) {
            let mut query = QueryBuilder::new(
                "SELECT failure, region, state, count(*), min(failed_at), max(failed_at), max(id)
                 FROM jobs WHERE failure IS NOT NULL",
            );
            // Children never count as failed.
            push_columns(&mut query, filter, state);
            query.push(" GROUP BY failure, region, state");
            parts.extend(query.build_query_as().fetch_all(&self.file.readers).await?);
        }
        let groups = Groups::of(parts, |id| job_id(&id), limit)?;
        let newest = self.get(&groups.newest()).await?;
        Ok(groups.with(newest))
    }
}
