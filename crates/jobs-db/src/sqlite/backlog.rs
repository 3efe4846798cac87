//! How much there is to do.

use sqlx::SqlitePool;

use crate::row::backlog_row;
use crate::{Backlog, JobsDbError};

pub(super) async fn backlog(readers: &SqlitePool) -> Result<Vec<Backlog>, JobsDbError> {
    // There may be a million queued jobs: their own index is read 20 times faster than the one by state, which SQLite
    // would take for all.
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT groups.jobs, oldest.doc
         FROM (SELECT count(*) AS jobs, min(id) AS oldest FROM jobs INDEXED BY jobs_queued
               WHERE state = 'queued' GROUP BY region, lane
               UNION ALL
               SELECT count(*), min(id) FROM jobs
               WHERE state IN ('waiting', 'sent', 'running', 'blocked', 'closing')
               GROUP BY region, lane, state) groups
         JOIN jobs oldest ON oldest.id = groups.oldest",
    )
    .fetch_all(readers)
    .await?;
    rows.into_iter().map(|(jobs, oldest)| backlog_row(jobs, &oldest)).collect()
}
