//! What comes and goes, what waits, and whose it is.

use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::{Job, Tenant, Timestamp};
use sqlx::QueryBuilder;

use super::SqliteJobsDb;
use crate::filter::{first_id_at, push_tenant};
use crate::row::from_doc;
use crate::traffic::{Counted, edges, load_of, place_of, queue_of, traffic_of};
use crate::{Course, JobsDbError, QueueAges, TenantLoad, Traffic, TrafficDb};

#[async_trait]
impl TrafficDb for SqliteJobsDb {
    async fn traffic(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
    ) -> Result<Vec<Traffic>, JobsDbError> {
        let mut query = QueryBuilder::new("SELECT region, lane, count(*) FROM jobs WHERE id >= ");
        query.push_bind(first_id_at(since).as_bytes().to_vec());
        push_tenant(&mut query, tenant);
        query.push(" GROUP BY region, lane");
        let accepted = query.build_query_as().fetch_all(&self.file.readers).await?;
        let mut query =
            QueryBuilder::new("SELECT region, lane, state, count(*) FROM jobs WHERE ended_at >= ");
        query.push_bind(since.as_millis());
        push_tenant(&mut query, tenant);
        query.push(" GROUP BY region, lane, state");
        let ended: Vec<Counted> = query.build_query_as().fetch_all(&self.file.readers).await?;
        traffic_of(accepted, ended)
    }

    async fn course(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
        steps: (Duration, u32),
    ) -> Result<Course, JobsDbError> {
        let mut course = Course::default();
        for pair in edges(since, steps).windows(2) {
            let [(from, first), (to, after)] = pair else { continue };
            let mut query = QueryBuilder::new("SELECT (SELECT count(*) FROM jobs WHERE id >= ");
            query.push_bind(first.as_bytes().to_vec()).push(" AND id < ");
            query.push_bind(after.as_bytes().to_vec());
            push_tenant(&mut query, tenant);
            query.push("), (SELECT count(*) FROM jobs WHERE ended_at >= ");
            query.push_bind(from.as_millis()).push(" AND ended_at < ").push_bind(to.as_millis());
            push_tenant(&mut query, tenant);
            query.push(")");
            let (accepted, ended): (i64, i64) =
                query.build_query_as().fetch_one(&self.file.readers).await?;
            course.accepted.push(accepted.unsigned_abs());
            course.ended.push(ended.unsigned_abs());
        }
        Ok(course)
    }

    async fn queue_ages(
        &self,
        tenant: Option<&Tenant>,
        shares: &[f64],
    ) -> Result<Vec<QueueAges>, JobsDbError> {
        let mut query = QueryBuilder::new(
            "SELECT region, lane, count(*) FROM jobs INDEXED BY jobs_queued WHERE state = 'queued'",
        );
        push_tenant(&mut query, tenant);
        query.push(" GROUP BY region, lane ORDER BY region, lane");
        let queues: Vec<(String, String, i64)> =
            query.build_query_as().fetch_all(&self.file.readers).await?;
        let mut ages = Vec::new();
        for (region, lane, queued) in queues {
            let mut accepted_at = Vec::new();
            for share in shares {
                let mut query = QueryBuilder::new(
                    "SELECT doc FROM jobs WHERE id = (SELECT id FROM jobs INDEXED BY jobs_queued
                     WHERE state = 'queued' AND region = ",
                );
                query.push_bind(region.clone()).push(" AND lane = ").push_bind(lane.clone());
                push_tenant(&mut query, tenant);
                query.push(" ORDER BY id LIMIT 1 OFFSET ");
                query.push_bind(place_of(*share, queued.unsigned_abs()).cast_signed()).push(")");
                let doc: Option<(String,)> =
                    query.build_query_as().fetch_optional(&self.file.readers).await?;
                // It is taken by now: then the row says too little for now.
                let Some((doc,)) = doc else { continue };
                let job: Job = from_doc(&doc, || "a job".to_owned())?;
                accepted_at.push(job.accepted_at);
            }
            let (region, lane) = queue_of(&region, &lane)?;
            if accepted_at.len() == shares.len() {
                ages.push(QueueAges { region, lane, queued: queued.unsigned_abs(), accepted_at });
            }
        }
        Ok(ages)
    }

    async fn busiest_tenants(&self, limit: u32) -> Result<Vec<TenantLoad>, JobsDbError> {
        let rows: Vec<(String, i64, i64, Option<String>)> = sqlx::query_as(
            "WITH counted AS (
                 SELECT tenant, count(*) AS queued, 0 AS at_work, min(id) AS oldest
                 FROM jobs INDEXED BY jobs_queued WHERE state = 'queued' GROUP BY tenant
                 UNION ALL
                 SELECT tenant, 0, count(*), NULL FROM jobs WHERE state IN ('sent', 'running') GROUP BY tenant
             ), loads AS (
                 SELECT tenant, sum(queued) AS queued, sum(at_work) AS at_work, max(oldest) AS oldest
                 FROM counted GROUP BY tenant
             )
             SELECT tenant, queued, at_work, (SELECT doc FROM jobs WHERE id = loads.oldest)
             FROM loads ORDER BY queued DESC, at_work DESC, tenant LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter()
            .map(|(of, queued, at_work, oldest)| load_of(&of, (queued, at_work), oldest.as_deref()))
            .collect()
    }
}
