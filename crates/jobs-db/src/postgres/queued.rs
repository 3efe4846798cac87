//! Who waits for a turn, line by line, and who has had one.

use std::collections::BTreeMap;

use panofleet_job_schema::{Lane, Region, Tenant};
use sqlx::{PgConnection, PgPool};

use super::row::{JobRow, versioned};
use crate::row::in_flight_row;
use crate::{ByBand, JobsDbError, LineRead, Versioned};

/// One hop over the index for each line: `heads` walks over the tenants' names, starting in every band at once. Names
/// are never empty, so that the empty text is before all.
const HEADS: &str = r#"
    WITH RECURSIVE heads (band, tenant, place, id, version, doc) AS (
        SELECT start.place::smallint - 1::smallint, start.tenant COLLATE "C", 0::bigint,
               NULL::uuid, NULL::bigint, NULL::text
        FROM unnest($1::text[]) WITH ORDINALITY start (tenant, place)
        UNION ALL
        SELECT heads.band, next.tenant, heads.place + 1, next.id, next.version, next.doc
        FROM heads CROSS JOIN LATERAL
            (SELECT tenant, id, version, doc FROM jobs
             WHERE state = 'queued' AND region = $2 AND lane = $3 AND jobs.band = heads.band
               AND jobs.tenant > heads.tenant
             ORDER BY tenant, deadline_at, id LIMIT 1) next
        WHERE heads.place < $4
    )
    SELECT id, version, doc FROM heads WHERE place > 0 ORDER BY band, tenant"#;

const LINES: &str = "
    SELECT queued.id, queued.version, queued.doc
    FROM unnest($1::smallint[], $2::text[], $3::bigint[]) WITH ORDINALITY
        line (band, tenant, jobs, place)
    CROSS JOIN LATERAL
        (SELECT id, version, doc, deadline_at FROM jobs
         WHERE state = 'queued' AND region = $4 AND lane = $5 AND jobs.band = line.band
           AND jobs.tenant = line.tenant
         ORDER BY deadline_at, id LIMIT line.jobs) queued
    ORDER BY line.place, queued.deadline_at, queued.id";

pub(super) async fn heads(
    connection: &mut PgConnection,
    (region, lane): (&Region, Lane),
    after: &ByBand<Option<Tenant>>,
    limit: u32,
) -> Result<Vec<Versioned>, JobsDbError> {
    let after: Vec<&str> =
        after.iter().map(|name| name.as_ref().map_or("", Tenant::as_str)).collect();
    let rows: Vec<JobRow> = sqlx::query_as(HEADS)
        .bind(after)
        .bind(region.as_str())
        .bind(lane.as_str())
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(versioned).collect()
}

pub(super) async fn lines(
    connection: &mut PgConnection,
    (region, lane): (&Region, Lane),
    lines: &[LineRead],
) -> Result<Vec<Versioned>, JobsDbError> {
    let bands: Vec<i16> = lines.iter().map(|line| i16::from(line.band)).collect();
    let tenants: Vec<&str> = lines.iter().map(|line| line.tenant.as_str()).collect();
    let jobs: Vec<i64> = lines.iter().map(|line| i64::from(line.jobs)).collect();
    let rows: Vec<JobRow> = sqlx::query_as(LINES)
        .bind(bands)
        .bind(tenants)
        .bind(jobs)
        .bind(region.as_str())
        .bind(lane.as_str())
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(versioned).collect()
}

pub(super) async fn in_flight(
    pool: &PgPool,
    (region, lane): (&Region, Lane),
) -> Result<BTreeMap<Tenant, u32>, JobsDbError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT tenant, count(*) FROM jobs
         WHERE state IN ('sent', 'running') AND region = $1 AND lane = $2 GROUP BY tenant",
    )
    .bind(region.as_str())
    .bind(lane.as_str())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(in_flight_row).collect()
}
