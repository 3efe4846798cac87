//! Who waits for a turn, line by line, and who has had one.

use std::collections::BTreeMap;

use panofleet_job_schema::{Lane, Region, Tenant};
use sqlx::SqlitePool;

use super::row::{JobRow, versioned};
use crate::row::{in_flight_row, to_doc};
use crate::{ByBand, JobsDbError, LineRead, Versioned};

/// One hop over the index for each line: `heads` walks over the tenants' names, starting in every band at once. Names
/// are never empty, so that the empty text is before all.
const HEADS: &str = "
    WITH RECURSIVE heads (band, tenant, place) AS (
        SELECT key, coalesce(value, ''), 0 FROM json_each(?1)
        UNION ALL
        SELECT band,
               (SELECT jobs.tenant FROM jobs
                WHERE state = 'queued' AND region = ?2 AND lane = ?3 AND jobs.band = heads.band
                  AND jobs.tenant > heads.tenant
                ORDER BY jobs.tenant LIMIT 1),
               place + 1
        FROM heads WHERE place < ?4 AND tenant IS NOT NULL
    )
    SELECT jobs.id, jobs.version, jobs.doc FROM heads CROSS JOIN jobs
    WHERE place > 0 AND heads.tenant IS NOT NULL AND jobs.rowid =
        (SELECT first.rowid FROM jobs first
         WHERE first.state = 'queued' AND first.region = ?2 AND first.lane = ?3
           AND first.band = heads.band AND first.tenant = heads.tenant
         ORDER BY first.deadline_at, first.id LIMIT 1)
    ORDER BY heads.band, heads.tenant";

const LINE: &str = "
    SELECT id, version, doc FROM jobs
    WHERE state = 'queued' AND region = ? AND lane = ? AND band = ? AND tenant = ?
    ORDER BY deadline_at, id LIMIT ?";

pub(super) async fn heads(
    readers: &SqlitePool,
    (region, lane): (&Region, Lane),
    after: &ByBand<Option<Tenant>>,
    limit: u32,
) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as(HEADS)
        .bind(to_doc(after))
        .bind(region.as_str())
        .bind(lane.as_str())
        .bind(limit)
        .fetch_all(readers)
        .await?;
    rows.into_iter().map(versioned).collect()
}

/// A query for each line: a call costs little in the same process, and SQLite's `LIMIT` knows no columns.
pub(super) async fn lines(
    readers: &SqlitePool,
    (region, lane): (&Region, Lane),
    lines: &[LineRead],
) -> Result<Vec<Versioned>, JobsDbError> {
    let mut reader = readers.acquire().await?;
    let mut found = Vec::new();
    for line in lines {
        let rows: Vec<JobRow> = sqlx::query_as(LINE)
            .bind(region.as_str())
            .bind(lane.as_str())
            .bind(line.band)
            .bind(line.tenant.as_str())
            .bind(line.jobs)
            .fetch_all(&mut *reader)
            .await?;
        for row in rows {
            found.push(versioned(row)?);
        }
    }
    Ok(found)
}

pub(super) async fn in_flight(
    readers: &SqlitePool,
    (region, lane): (&Region, Lane),
) -> Result<BTreeMap<Tenant, u32>, JobsDbError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT tenant, count(*) FROM jobs
         WHERE state IN ('sent', 'running') AND region = ? AND lane = ? GROUP BY tenant",
    )
    .bind(region.as_str())
    .bind(lane.as_str())
    .fetch_all(readers)
    .await?;
    rows.into_iter().map(in_flight_row).collect()
}
