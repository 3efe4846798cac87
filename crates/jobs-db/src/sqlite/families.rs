//! Jobs that are split, and their children.

use std::collections::BTreeMap;

use panofleet_job_schema::JobId;
use sqlx::{SqliteConnection, SqlitePool};

use super::accept::job_key;
use super::row::{JobRow, job_id, versioned};
use crate::row::child_count;
use crate::{ChildCount, FamilyKey, JobsDbError, Versioned};

/// A query for each family: a call costs little in the same process.
pub(super) async fn counts(
    readers: &SqlitePool,
    parents: &[FamilyKey],
) -> Result<BTreeMap<FamilyKey, Vec<ChildCount>>, JobsDbError> {
    let mut reader = readers.acquire().await?;
    let mut counts = BTreeMap::new();
    for key in parents {
        let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT state, count(*), min(id) FROM jobs WHERE parent = ? AND parent_generation = ? GROUP BY state",
        )
        .bind(job_key(key.parent))
        .bind(key.generation.0)
        .fetch_all(&mut *reader)
        .await?;
        let rows = rows
            .into_iter()
            .map(|(state, jobs, first)| Ok(child_count(state, jobs, job_id(&first)?)));
        let states = rows.collect::<Result<Vec<_>, JobsDbError>>()?;
        if !states.is_empty() {
            counts.insert(*key, states);
        }
    }
    Ok(counts)
}

pub(super) async fn children(
    readers: &SqlitePool,
    key: FamilyKey,
) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "SELECT id, version, doc FROM jobs WHERE parent = ? AND parent_generation = ? ORDER BY id",
    )
    .bind(job_key(key.parent))
    .bind(key.generation.0)
    .fetch_all(readers)
    .await?;
    rows.into_iter().map(versioned).collect()
}

pub(super) async fn strays(
    readers: &SqlitePool,
    limit: u32,
) -> Result<Vec<Versioned>, JobsDbError> {
    let rows: Vec<JobRow> = sqlx::query_as(
        "WITH families AS (
            SELECT DISTINCT parent, parent_generation FROM jobs INDEXED BY jobs_open_children
            WHERE parent IS NOT NULL AND state NOT IN ('succeeded', 'dead', 'cancelled', 'expired')
         ), over AS (
            SELECT families.* FROM families JOIN jobs ON jobs.id = families.parent
            WHERE state IN ('succeeded', 'dead', 'cancelled', 'expired')
               OR json_extract(jobs.doc, '$.generation') <> families.parent_generation
         )
         SELECT id, version, doc FROM over JOIN jobs
            ON jobs.parent = over.parent AND jobs.parent_generation = over.parent_generation
         WHERE state IN ('waiting', 'queued', 'sent', 'running', 'blocked')
         LIMIT ?",
    )
    .bind(limit)
    .fetch_all(readers)
    .await?;
    rows.into_iter().map(versioned).collect()
}

/// A child has ended: whoever waits for it looks at once, and nobody writes over that with what was decided before.
pub(super) async fn tell(
    connection: &mut SqliteConnection,
    parents: impl IntoIterator<Item = JobId>,
) -> Result<(), JobsDbError> {
    for parent in parents {
        sqlx::query(
            "UPDATE jobs SET timer_at = 0, version = version + 1 WHERE id = ? AND state = 'blocked'",
        )
        .bind(job_key(parent))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
