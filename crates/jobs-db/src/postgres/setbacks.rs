//! Attempts that came to nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::Timestamp;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::PostgresJobsDb;
use crate::filter::push_tenant;
use crate::row::time;
use crate::setback::{GroupColumns, NewSetback, group, lives, trend, workers_of};
use crate::{JobsDbError, SETBACKS_READ_MAX, SetbackFilter, SetbackKey, SetbackReport, SetbacksDb};

/// Notes setbacks inside the transaction of what tells of them.
pub(super) async fn note(
    connection: &mut PgConnection,
    setbacks: &[NewSetback<'_>],
) -> Result<(), JobsDbError> {
    if setbacks.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT worker, doc FROM workers WHERE worker = ANY($1)")
            .bind(workers_of(setbacks))
            .fetch_all(&mut *connection)
            .await?;
    let workers = lives(rows)?;
    sqlx::query(
        "INSERT INTO setbacks (at, job, tenant, region, worker, version, attempt, reason, code, failure, held_ms)
         SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::text[], $9::text[], $10::text[], $11::bigint[])",
    )
    .bind(setbacks.iter().map(|setback| setback.at.as_millis()).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.job.0).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.tenant).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.region).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.worker).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.version(&workers)).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.attempt).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.reason).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.code.as_deref()).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.failure).collect::<Vec<_>>())
    .bind(setbacks.iter().map(|setback| setback.held_ms).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

fn push_span(query: &mut QueryBuilder<Postgres>, filter: &SetbackFilter) {
    let SetbackFilter { tenant, since, until, .. } = filter;
    query.push(" WHERE at >= ").push_bind(since.as_millis());
    if let Some(until) = until {
        query.push(" AND at < ").push_bind(until.as_millis());
    }
    push_tenant(query, tenant.as_ref());
    query.push(" ORDER BY at DESC LIMIT ");
}

/// The newest of those that match, from the table's name on.
fn push_newest(query: &mut QueryBuilder<Postgres>, filter: &SetbackFilter) {
    query.push(" FROM (SELECT * FROM setbacks");
    push_span(query, filter);
    query.push_bind(i64::from(SETBACKS_READ_MAX));
    let reasons: Vec<&str> = filter.kinds.iter().map(|kind| kind.reason()).collect();
    query.push(") AS newest WHERE reason = ANY(").push_bind(reasons).push(")");
}

#[async_trait]
impl SetbacksDb for PostgresJobsDb {
    async fn setbacks(
        &self,
        filter: &SetbackFilter,
        by: SetbackKey,
        limit: u32,
    ) -> Result<SetbackReport, JobsDbError> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(by.sql()).push(
            " AS key, count(*), count(DISTINCT job), coalesce(sum(held_ms), 0)::bigint, min(at), max(at),
               max(coalesce(code, reason))",
        );
        push_newest(&mut query, filter);
        if by == SetbackKey::Failure {
            query.push(" AND failure IS NOT NULL");
        }
        query.push(" GROUP BY 1").push(by.order()).push_bind(i64::from(limit));
        let rows: Vec<GroupColumns> = query.build_query_as().fetch_all(&self.pool).await?;
        let mut oldest = QueryBuilder::new("SELECT at FROM setbacks");
        push_span(&mut oldest, filter);
        oldest.push("1 OFFSET ").push_bind(i64::from(SETBACKS_READ_MAX));
        let cut: Option<i64> = oldest.build_query_scalar().fetch_optional(&self.pool).await?;
        Ok(SetbackReport {
            groups: rows.into_iter().map(group).collect::<Result<_, _>>()?,
            since: cut.map_or(filter.since, time),
        })
    }

    async fn setback_trend(
        &self,
        filter: &SetbackFilter,
        failures: &[String],
        (step, steps): (Duration, u32),
    ) -> Result<BTreeMap<String, Vec<u64>>, JobsDbError> {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut query = QueryBuilder::new("SELECT failure, (at - ");
        query.push_bind(filter.since.as_millis()).push(") / ").push_bind(step_ms);
        query.push(" AS step, count(*)");
        push_newest(&mut query, filter);
        query.push(" AND failure = ANY(").push_bind(failures.to_vec()).push(") GROUP BY 1, 2");
        trend(query.build_query_as().fetch_all(&self.pool).await?, steps)
    }

    async fn remove_setbacks(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM setbacks WHERE ctid = ANY(ARRAY(SELECT ctid FROM setbacks WHERE at < $1 LIMIT $2))",
        )
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&self.pool)
        .await?;
        Ok(removed.rows_affected())
    }
}
