//! Jobs that somebody should look at.

use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::PostgresJobsDb;
use super::row::{JobRow, versioned};
use crate::filter::push_tenant;
use crate::question::{DEADLINES_READ_MAX, SILENT_READ_MAX, TENANTS_READ_MAX, forecast, stuck};
use crate::row::time;
use crate::{Due, JobsDbError, QuestionsDb, Stuck, Versioned};

/// A job, and a time that is about it.
type TimedRow = (i64, Uuid, i64, String);

/// The tenants by name, by hops over an index, and the head of each one's queue by age.
const OLDEST_QUEUED: &str = "
    WITH RECURSIVE names (tenant, place) AS (
        (SELECT tenant, 1 FROM jobs ORDER BY tenant LIMIT 1)
        UNION ALL
        SELECT (SELECT jobs.tenant FROM jobs WHERE jobs.tenant > names.tenant ORDER BY jobs.tenant LIMIT 1),
               place + 1
        FROM names WHERE tenant IS NOT NULL AND place < $1
    )
    SELECT head.id, head.version, head.doc FROM names CROSS JOIN LATERAL
        (SELECT id, version, doc FROM jobs
         WHERE jobs.tenant = names.tenant AND state = 'queued' ORDER BY id LIMIT 1) AS head
    ORDER BY head.id LIMIT $2";

/// Jobs in the backoff of a retry that are due before a time.
fn push_retries(query: &mut QueryBuilder<Postgres>, tenant: Option<&Tenant>, until: Timestamp) {
    query.push(" FROM jobs WHERE state = 'waiting' AND failure IS NOT NULL AND timer_at < ");
    query.push_bind(until.as_millis());
    push_tenant(query, tenant);
}

fn timed((at, id, version, doc): TimedRow) -> Result<(Timestamp, Versioned), JobsDbError> {
    Ok((time(at), versioned((id, version, doc))?))
}

#[async_trait]
impl QuestionsDb for PostgresJobsDb {
    async fn stuck(
        &self,
        tenant: Option<&Tenant>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Stuck>, JobsDbError> {
        let mut query = QueryBuilder::new(
            "SELECT changed_at, id, version, jobs.doc FROM jobs JOIN progress ON progress.job = jobs.id
             WHERE state = 'running' AND changed_at < ",
        );
        query.push_bind(before.as_millis());
        push_tenant(&mut query, tenant);
        query.push(" ORDER BY changed_at, id LIMIT ").push_bind(i64::from(limit));
        let said: Vec<TimedRow> = query.build_query_as().fetch_all(&self.pool).await?;
        let mut query = QueryBuilder::new(
            "SELECT id, version, doc FROM jobs
             WHERE state = 'running' AND NOT EXISTS (SELECT 1 FROM progress WHERE progress.job = jobs.id)",
        );
        push_tenant(&mut query, tenant);
        query.push(" ORDER BY id LIMIT ").push_bind(i64::from(SILENT_READ_MAX));
        let silent: Vec<JobRow> = query.build_query_as().fetch_all(&self.pool).await?;
        let said =
            said.into_iter().map(|row| timed(row).map(|(since, found)| Stuck { found, since }));
        let said = said.collect::<Result<_, _>>()?;
        let silent = silent.into_iter().map(versioned).collect::<Result<_, _>>()?;
        Ok(stuck(said, silent, before, limit))
    }

    async fn retries_due(
        &self,
        tenant: Option<&Tenant>,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Due>, JobsDbError> {
        let mut query = QueryBuilder::new("SELECT timer_at, id, version, doc");
        push_retries(&mut query, tenant, until);
        query.push(" ORDER BY timer_at, id LIMIT ").push_bind(i64::from(limit));
        let rows: Vec<TimedRow> = query.build_query_as().fetch_all(&self.pool).await?;
        let due = |row| timed(row).map(|(timer_at, found)| Due { timer_at, found });
        rows.into_iter().map(due).collect()
    }

    async fn retry_forecast(
        &self,
        tenant: Option<&Tenant>,
        now: Timestamp,
        (step, steps): (Duration, u32),
    ) -> Result<Vec<u64>, JobsDbError> {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut query = QueryBuilder::new("SELECT greatest(timer_at - ");
        query.push_bind(now.as_millis()).push(", 0) / ").push_bind(step_ms);
        query.push(" AS step, count(*)");
        push_retries(&mut query, tenant, now + step * steps);
        query.push(" GROUP BY 1");
        Ok(forecast(query.build_query_as().fetch_all(&self.pool).await?, steps))
    }

    async fn deadlines(
        &self,
        tenant: Option<&Tenant>,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        // No timer is later than the deadline.
        let mut query = QueryBuilder::new(
            "SELECT id, version, doc FROM (
                SELECT id, version, doc, deadline_at FROM jobs WHERE timer_at < ",
        );
        query.push_bind(until.as_millis()).push(" AND deadline_at < ");
        query.push_bind(until.as_millis());
        query.push(" AND state IN ('waiting', 'queued', 'sent', 'running', 'blocked')");
        push_tenant(&mut query, tenant);
        query.push(" ORDER BY timer_at, id LIMIT ").push_bind(i64::from(DEADLINES_READ_MAX));
        query.push(") AS near ORDER BY deadline_at, id LIMIT ").push_bind(i64::from(limit));
        let rows: Vec<JobRow> = query.build_query_as().fetch_all(&self.pool).await?;
        rows.into_iter().map(versioned).collect()
    }

    async fn oldest_queued(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let query = match tenant {
            Some(tenant) => sqlx::query_as(
                "SELECT id, version, doc FROM jobs WHERE tenant = $1 AND state = 'queued' ORDER BY id LIMIT 1",
            )
            .bind(tenant.as_str().to_owned()),
            None => sqlx::query_as(OLDEST_QUEUED)
                .bind(i64::from(TENANTS_READ_MAX))
                .bind(i64::from(limit)),
        };
        let rows: Vec<JobRow> = query.fetch_all(&self.pool).await?;
        rows.into_iter().map(versioned).collect()
    }
}
