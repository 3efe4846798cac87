//! Jobs that are split, and their children.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::{Generation, Job, JobId, Timestamp};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::row::{JobRow, id_list, versioned};
use crate::row::{child_count, corrupt, to_doc};
use crate::write::first_timer;
use crate::{ChildCount, FamilyKey, JobsDbError, Versioned, filter};

pub(super) async fn counts(
    pool: &PgPool,
    parents: &[FamilyKey],
) -> Result<BTreeMap<FamilyKey, Vec<ChildCount>>, JobsDbError> {
    // PostgreSQL 15 has no least uuid; as text they have the same order.
    let rows: Vec<(Uuid, i64, String, i64, Uuid)> = sqlx::query_as(
        r#"SELECT jobs.parent, jobs.parent_generation, state, count(*), min(id::text COLLATE "C")::uuid
         FROM unnest($1::uuid[], $2::bigint[]) AS asked (parent, generation)
            JOIN jobs ON jobs.parent = asked.parent AND jobs.parent_generation = asked.generation
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"#,
    )
    .bind(id_list(parents.iter().map(|key| key.parent)))
    .bind(parents.iter().map(|key| i64::from(key.generation.0)).collect::<Vec<_>>())
    .fetch_all(pool)
    .await?;
    let mut counts: BTreeMap<FamilyKey, Vec<ChildCount>> = BTreeMap::new();
    for (parent, generation, state, jobs, first) in rows {
        let generation =
            u32::try_from(generation).map_err(|error| corrupt("a generation", error))?;
        let key = FamilyKey { parent: JobId(parent), generation: Generation(generation) };
        counts.entry(key).or_default().push(child_count(state, jobs, JobId(first)));
    }
    Ok(counts)
}

pub(super) async fn children(pool: &PgPool, key: FamilyKey) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "SELECT id, version, doc FROM jobs WHERE parent = $1 AND parent_generation = $2 ORDER BY id",
    )
    .bind(key.parent.0)
    .bind(i64::from(key.generation.0))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(versioned).collect()
}

pub(super) async fn strays(pool: &PgPool, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "WITH families AS (
            SELECT DISTINCT parent, parent_generation FROM jobs 
            WHERE parent IS NOT NULL AND state NOT IN ('succeeded', 'dead', 'cancelled', 'expired')
         ), over AS (
            SELECT families.* FROM families JOIN jobs ON jobs.id = families.parent
            WHERE state IN ('succeeded', 'dead', 'cancelled', 'expired')
               OR (jobs.doc::json ->> 'generation')::bigint <> families.parent_generation
         )
         SELECT id, version, doc FROM over JOIN jobs
            ON jobs.parent = over.parent AND jobs.parent_generation = over.parent_generation
         WHERE state IN ('waiting', 'queued', 'sent', 'running', 'blocked')
         LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(versioned).collect()
}

/// New children, whose parents' rows are locked. One that is there already is left alone.
pub(super) async fn insert(
    connection: &mut PgConnection,
    children: &[&Job],
) -> Result<(), JobsDbError> {
    if children.is_empty() {
        return Ok(());
    }
    let of = || children.iter().filter_map(|child| child.child_of);
    sqlx::query(
        "INSERT INTO jobs (id, tenant, region, lane, state, band, deadline_at, timer_at, version, doc,
            parent, parent_generation, operations)
         SELECT id, tenant, region, lane, state, band, deadline_at, timer_at, 1, doc, parent, parent_generation,
            operations
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[],
                $7::bigint[], $8::bigint[], $9::text[], $10::uuid[], $11::bigint[], $12::text[])
            AS new (id, tenant, region, lane, state, band, deadline_at, timer_at, doc, parent,
                parent_generation, operations)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id_list(children.iter().map(|child| child.id)))
    .bind(children.iter().map(|child| child.tenant.as_str()).collect::<Vec<_>>())
    .bind(children.iter().map(|child| child.region.as_str()).collect::<Vec<_>>())
    .bind(children.iter().map(|child| child.lane.as_str()).collect::<Vec<_>>())
    .bind(children.iter().map(|child| child.state.name()).collect::<Vec<_>>())
    .bind(children.iter().map(|child| i16::from(child.spec.priority.band())).collect::<Vec<_>>())
    .bind(children.iter().map(|child| child.deadline_at.as_millis()).collect::<Vec<_>>())
    .bind(children.iter().map(|child| first_timer(child).map(Timestamp::as_millis)).collect::<Vec<_>>())
    .bind(children.iter().map(to_doc).collect::<Vec<_>>())
    .bind(of().map(|of| of.parent.0).collect::<Vec<_>>())
    .bind(of().map(|of| i64::from(of.generation.0)).collect::<Vec<_>>())
    .bind(children.iter().map(|child| filter::operations(child)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// A child has ended: whoever waits for it looks at once, and nobody writes over that with what was decided before.
/// Their rows are locked.
pub(super) async fn tell(
    connection: &mut PgConnection,
    parents: &BTreeSet<JobId>,
) -> Result<(), JobsDbError> {
    if parents.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE jobs SET timer_at = 0, version = version + 1 WHERE id = ANY($1) AND state = 'blocked'",
    )
    .bind(id_list(parents.iter().copied()))
    .execute(connection)
    .await?;
    Ok(())
}
