//! Reading jobs: by id, by timer, and what happened to them.

use std::collections::{BTreeMap, HashMap};

use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{JobId, Timestamp};
use sqlx::SqlitePool;

use super::accept::job_key;
use super::row::{JobRow, id_list, job_id, versioned};
use crate::row::{LineColumns, from_doc, line, time};
use crate::{Due, DueKey, HistoryEntry, JobsDbError, Versioned};

/// The jobs in the order of `ids`.
pub(super) async fn get(
    readers: &SqlitePool,
    ids: &[JobId],
) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "SELECT id, version, doc FROM jobs WHERE id IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(id_list(ids.iter().copied()))
    .fetch_all(readers)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let job = versioned(row)?;
        found.insert(job.job.id, job);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

pub(super) async fn due(
    readers: &SqlitePool,
    now: Timestamp,
    after: Option<DueKey>,
    limit: u32,
) -> Result<Vec<Due>, JobsDbError> {
    let after = after.unwrap_or(DueKey::BEFORE_ALL);
    let rows: Vec<(i64, Vec<u8>, i64, String)> = sqlx::query_as(
        "SELECT timer_at, id, version, doc FROM jobs
         WHERE timer_at <= ? AND (timer_at, id) > (?, ?) ORDER BY timer_at, id LIMIT ?",
    )
    .bind(now.as_millis())
    .bind(after.timer_at.as_millis())
    .bind(job_key(after.job))
    .bind(limit)
    .fetch_all(readers)
    .await?;
    let due = |(timer_at, id, version, doc)| {
        Ok(Due { timer_at: time(timer_at), found: versioned((id, version, doc))? })
    };
    rows.into_iter().map(due).collect()
}

pub(super) async fn history(
    readers: &SqlitePool,
    job: JobId,
) -> Result<Vec<HistoryEntry>, JobsDbError> {
    let rows: Vec<LineColumns> =
        sqlx::query_as("SELECT doc, progress FROM history WHERE job = ? ORDER BY seq")
            .bind(job_key(job))
            .fetch_all(readers)
            .await?;
    rows.into_iter().map(|row| line(job, row)).collect()
}

pub(super) async fn progress(
    readers: &SqlitePool,
    jobs: &[JobId],
) -> Result<BTreeMap<JobId, Progress>, JobsDbError> {
    // A heartbeat may be applied after the end of what it speaks of, so the job's state has the last word.
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
        "SELECT progress.job, progress.doc FROM progress JOIN jobs ON jobs.id = progress.job
         WHERE jobs.state = 'running' AND progress.job IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(id_list(jobs.iter().copied()))
    .fetch_all(readers)
    .await?;
    rows.into_iter()
        .map(|(id, doc)| {
            let id = job_id(&id)?;
            Ok((id, from_doc(&doc, || format!("progress of job {id}"))?))
        })
        .collect()
}
