//! Attempts that came to nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::SqliteJobsDb;
use super::accept::job_key;
use crate::filter::push_tenant;
use crate::row::{integer, time, to_doc};
use crate::setback::{GroupColumns, NewSetback, group, lives, trend, workers_of};
use crate::{JobsDbError, SETBACKS_READ_MAX, SetbackFilter, SetbackKey, SetbackReport, SetbacksDb};

/// Notes setbacks inside the transaction of what tells of them.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    setbacks: &[NewSetback<'_>],
) -> Result<(), JobsDbError> {
    if setbacks.is_empty() {
        return Ok(());
    }
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT worker, doc FROM workers WHERE worker IN (SELECT value FROM json_each(?))",
    )
    .bind(to_doc(&workers_of(setbacks)))
    .fetch_all(&mut *connection)
    .await?;
    let workers = lives(rows)?;
    for setback in setbacks {
        sqlx::query(
            "INSERT INTO setbacks (at, job, tenant, region, worker, version, attempt, reason, code, failure, held_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(setback.at.as_millis())
        .bind(job_key(setback.job))
        .bind(setback.tenant)
        .bind(setback.region)
        .bind(setback.worker)
        .bind(setback.version(&workers))
        .bind(setback.attempt)
        .bind(setback.reason)
        .bind(&setback.code)
        .bind(setback.failure)
        .bind(setback.held_ms)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn push_span(query: &mut QueryBuilder<Sqlite>, filter: &SetbackFilter) {
    let SetbackFilter { tenant, since, until, .. } = filter;
    query.push(" WHERE at >= ").push_bind(since.as_millis());
    if let Some(until) = until {
        query.push(" AND at < ").push_bind(until.as_millis());
    }
    push_tenant(query, tenant.as_ref());
    query.push(" ORDER BY at DESC LIMIT ");
}

/// The newest of those that match, from the table's name on.
fn push_newest(query: &mut QueryBuilder<Sqlite>, filter: &SetbackFilter) {
    query.push(" FROM (SELECT * FROM setbacks");
    push_span(query, filter);
    query.push_bind(SETBACKS_READ_MAX);
    let reasons: Vec<&str> = filter.kinds.iter().map(|kind| kind.reason()).collect();
    query.push(") WHERE reason IN (SELECT value FROM json_each(");
    query.push_bind(to_doc(&reasons)).push("))");
}

#[async_trait]
impl SetbacksDb for SqliteJobsDb {
    async fn setbacks(
        &self,
        filter: &SetbackFilter,
        by: SetbackKey,
        limit: u32,
    ) -> Result<SetbackReport, JobsDbError> {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(by.sql()).push(
            " AS key, count(*), count(DISTINCT job), coalesce(sum(held_ms), 0), min(at), max(at),
               max(coalesce(code, reason))",
        );
        push_newest(&mut query, filter);
        if by == SetbackKey::Failure {
            query.push(" AND failure IS NOT NULL");
        }
        query.push(" GROUP BY 1").push(by.order()).push_bind(limit);
        let rows: Vec<GroupColumns> = query.build_query_as().fetch_all(&self.file.readers).await?;
        let mut oldest = QueryBuilder::new("SELECT at FROM setbacks");
        push_span(&mut oldest, filter);
        oldest.push("1 OFFSET ").push_bind(SETBACKS_READ_MAX);
        let cut: Option<i64> =
            oldest.build_query_scalar().fetch_optional(&self.file.readers).await?;
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
        query.push(" AND failure IN (SELECT value FROM json_each(");
        query.push_bind(to_doc(&failures)).push(")) GROUP BY 1, 2");
        trend(query.build_query_as().fetch_all(&self.file.readers).await?, steps)
    }

    async fn remove_setbacks(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM setbacks WHERE rowid IN (SELECT rowid FROM setbacks WHERE at < ? LIMIT ?)",
        )
        .bind(before.as_millis())
        .bind(integer(limit.into()))
        .execute(&self.file.writer)
        .await?;
        Ok(removed.rows_affected())
    }
}
