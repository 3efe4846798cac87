//! How much there is to do.

use sqlx::PgPool;

use crate::row::backlog_row;
use crate::{Backlog, JobsDbError};

pub(super) async fn backlog(pool: &PgPool) -> Result<Vec<Backlog>, JobsDbError> {
    // PostgreSQL 15 has no least uuid; as text they have the same order. Each part has an index of its own.
    let rows: Vec<(i64, String)> = sqlx::query_as(
        r#"SELECT groups.jobs, oldest.doc
         FROM (SELECT count(*) AS jobs, min(id::text COLLATE "C")::uuid AS oldest FROM jobs
               WHERE state = 'queued' GROUP BY region, lane
               UNION ALL
               SELECT count(*), min(id::text COLLATE "C")::uuid FROM jobs
               WHERE state IN ('sent', 'running') GROUP BY region, lane, state
               UNION ALL
               SELECT count(*), min(id::text COLLATE "C")::uuid FROM jobs
               WHERE state IN ('waiting', 'blocked', 'closing') GROUP BY region, lane, state) groups
         JOIN jobs oldest ON oldest.id = groups.oldest"#,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|(jobs, oldest)| backlog_row(jobs, &oldest)).collect()
}
