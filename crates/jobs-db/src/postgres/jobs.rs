//! Reading jobs: by id, by timer, and what happened to them.

use std::collections::{BTreeMap, HashMap};

use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{JobId, Timestamp};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::row::{JobRow, id_list, versioned};
use crate::row::{LineColumns, corrupt, from_doc, line, time};
use crate::{Due, DueKey, HistoryEntry, JobsDbError, Versioned};

/// The clock, and the columns of a job if there is one.
type ClockAndJobRow = (i64, Option<Uuid>, Option<i64>, Option<String>);

/// The jobs in the order of `ids`.
pub(super) async fn get(
    connection: &mut PgConnection,
    ids: &[JobId],
) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as("SELECT id, version, doc FROM jobs WHERE id = ANY($1)")
        .bind(id_list(ids.iter().copied()))
        .fetch_all(connection)
        .await?;
    in_order(ids, rows)
}

/// The jobs in the order of `ids`, or those in one state, and the clock.
pub(super) async fn get_now(
    connection: &mut PgConnection,
    ids: &[JobId],
    state: Option<&'static str>,
) -> Result<(Timestamp, Vec<Versioned>), JobsDbError> {
    let rows: Vec<ClockAndJobRow> = sqlx::query_as(
        "SELECT clock.now, id, version, doc
         FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
            LEFT JOIN jobs ON id = ANY($1) AND ($2::text IS NULL OR state = $2)",
    )
    .bind(id_list(ids.iter().copied()))
    .bind(state)
    .fetch_all(connection)
    .await?;
    let now = rows.iter().map(|(now, ..)| time(*now)).max();
    let now = now.ok_or_else(|| corrupt("the clock", "it gave no time"))?;
    let rows = rows.into_iter().filter_map(|(_, id, version, doc)| Some((id?, version?, doc?)));
    Ok((now, in_order(ids, rows.collect())?))
}

fn in_order(ids: &[JobId], rows: Vec<JobRow>) -> Result<Vec<Versioned>, JobsDbError> {
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let job = versioned(row)?;
        found.insert(job.job.id, job);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

pub(super) async fn due(
    pool: &PgPool,
    now: Timestamp,
    after: Option<DueKey>,
    limit: u32,
) -> Result<Vec<Due>, JobsDbError> {
    let after = after.unwrap_or(DueKey::BEFORE_ALL);
    let rows: Vec<(i64, Uuid, i64, String)> = sqlx::query_as(
        "SELECT timer_at, id, version, doc FROM jobs
         WHERE timer_at <= $1 AND (timer_at, id) > ($2, $3) ORDER BY timer_at, id LIMIT $4",
    )
    .bind(now.as_millis())
    .bind(after.timer_at.as_millis())
    .bind(after.job.0)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let due = |(timer_at, id, version, doc)| {
        Ok(Due { timer_at: time(timer_at), found: versioned((id, version, doc))? })
    };
    rows.into_iter().map(due).collect()
}

pub(super) async fn history(pool: &PgPool, job: JobId) -> Result<Vec<HistoryEntry>, JobsDbError> {
    let rows: Vec<LineColumns> =
        sqlx::query_as("SELECT doc, progress FROM history WHERE job = $1 ORDER BY seq")
            .bind(job.0)
            .fetch_all(pool)
            .await?;
    rows.into_iter().map(|row| line(job, row)).collect()
}

pub(super) async fn progress(
    pool: &PgPool,
    jobs: &[JobId],
) -> Result<BTreeMap<JobId, Progress>, JobsDbError> {
    // A heartbeat may be applied after the end of what it speaks of, so the job's state has the last word.
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT progress.job, progress.doc FROM progress JOIN jobs ON jobs.id = progress.job
         WHERE jobs.state = 'running' AND progress.job = ANY($1)",
    )
    .bind(id_list(jobs.iter().copied()))
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(id, doc)| {
            let id = JobId(id);
            Ok((id, from_doc(&doc, || format!("progress of job {id}"))?))
        })
        .collect()
}
