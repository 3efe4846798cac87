//! What comes and goes, what waits, and whose it is.

use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::{Job, Tenant, Timestamp};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::PostgresJobsDb;
use crate::filter::{first_id_at, push_tenant};
use crate::row::from_doc;
use crate::traffic::{Counted, edges, load_of, queue_of, traffic_of};
use crate::{Course, JobsDbError, QueueAges, TenantLoad, Traffic, TrafficDb};

/// A queue, how many are queued, and the ids that were asked for.
type AgesRow = (String, String, i64, Vec<Uuid>);

#[async_trait]
impl TrafficDb for PostgresJobsDb {
    async fn traffic(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
    ) -> Result<Vec<Traffic>, JobsDbError> {
        let mut query = QueryBuilder::new("SELECT region, lane, count(*) FROM jobs WHERE id >= ");
        query.push_bind(first_id_at(since));
        push_tenant(&mut query, tenant);
        query.push(" GROUP BY region, lane");
        let accepted = query.build_query_as().fetch_all(&self.pool).await?;
        let mut query =
            QueryBuilder::new("SELECT region, lane, state, count(*) FROM jobs WHERE ended_at >= ");
        query.push_bind(since.as_millis());
        push_tenant(&mut query, tenant);
        query.push(" GROUP BY region, lane, state");
        let ended: Vec<Counted> = query.build_query_as().fetch_all(&self.pool).await?;
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
            query.push_bind(*first).push(" AND id < ").push_bind(*after);
            push_tenant(&mut query, tenant);
            query.push("), (SELECT count(*) FROM jobs WHERE ended_at >= ");
            query.push_bind(from.as_millis()).push(" AND ended_at < ").push_bind(to.as_millis());
            push_tenant(&mut query, tenant);
            query.push(")");
            let (accepted, ended): (i64, i64) =
                query.build_query_as().fetch_one(&self.pool).await?;
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
        let mut query = QueryBuilder::new("SELECT region, lane, count(*), percentile_disc(");
        query.push_bind(shares.to_vec());
        query.push(") WITHIN GROUP (ORDER BY id DESC) FROM jobs WHERE state = 'queued'");
        push_tenant(&mut query, tenant);
        query.push(" GROUP BY region, lane ORDER BY region, lane");
        let rows: Vec<AgesRow> = query.build_query_as().fetch_all(&self.pool).await?;
        let mut ages = Vec::new();
        for (region, lane, queued, ids) in rows {
            let (region, lane) = queue_of(&region, &lane)?;
            let docs: Vec<(Uuid, String)> =
                sqlx::query_as("SELECT id, doc FROM jobs WHERE id = ANY($1)")
                    .bind(&ids)
                    .fetch_all(&self.pool)
                    .await?;
            let mut accepted_at = Vec::new();
            for id in ids {
                // One that is gone since was deleted: then the row says too little for now.
                let Some((_, doc)) = docs.iter().find(|(found, _)| *found == id) else { continue };
                let job: Job = from_doc(doc, || format!("job {id}"))?;
                accepted_at.push(job.accepted_at);
            }
            if accepted_at.len() == shares.len() {
                ages.push(QueueAges { region, lane, queued: queued.unsigned_abs(), accepted_at });
            }
        }
        Ok(ages)
    }

    async fn busiest_tenants(&self, limit: u32) -> Result<Vec<TenantLoad>, JobsDbError> {
        let rows: Vec<(String, i64, i64, Option<String>)> = sqlx::query_as(
            r#"WITH waiting AS (
                   SELECT tenant, count(*) AS jobs, min(id::text COLLATE "C")::uuid AS oldest
                   FROM jobs WHERE state = 'queued' GROUP BY tenant
               ), working AS (
                   SELECT tenant, count(*) AS jobs FROM jobs WHERE state IN ('sent', 'running') GROUP BY tenant
               )
               SELECT tenant, coalesce(waiting.jobs, 0) AS queued, coalesce(working.jobs, 0) AS at_work,
                      (SELECT doc FROM jobs WHERE id = waiting.oldest)
               FROM waiting FULL JOIN working USING (tenant)
               ORDER BY queued DESC, at_work DESC, tenant LIMIT $1"#,
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(of, queued, at_work, oldest)| load_of(&of, (queued, at_work), oldest.as_deref()))
            .collect()
    }
}
