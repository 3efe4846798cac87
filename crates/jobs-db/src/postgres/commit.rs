//! A batch: jobs, history, heartbeats and the offset that they came from, all or nothing.
//!
//! A batch is a few statements, however many jobs it has. Every batch takes its locks in one order: the partition,
//! workers by name, jobs by id, progress by id, sweeps by job. So two batches wait for each other at most, and never for ever.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{Job, JobId, Timestamp};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::families;
use super::retention;
use super::row::id_list;
use super::setbacks;
use super::webhooks;
use crate::failure::{failed_as, failed_at};
use crate::retention::sweeps_of;
use crate::row::{integer, to_doc};
use crate::setback::{setbacks_of, setbacks_of_batch};
use crate::webhook::ends_of;
use crate::write::parents_to_tell;
use crate::{Batch, HeartbeatWrite, JobWrite, JobsDbError, OffsetAdvance, filter};

/// More lines of history than one write of a job has: one for each event of a batch at most.
const LINES_MAX: i64 = 1 << 20;

/// Writes the batch inside the caller's transaction. The offset goes first: a batch that another collector
/// has applied is then refused before it does any work.
pub(super) async fn write(connection: &mut PgConnection, batch: &Batch) -> Result<(), JobsDbError> {
    if let Some(advance) = &batch.offset {
        advance_offset(connection, advance).await?;
    }
    let lives = latest_lives(&batch.heartbeats);
    let heard = write_workers(connection, &lives).await?;
    let mut said = Vec::new();
    for worker in &heard {
        said.extend(
            lives.get(worker.as_str()).into_iter().flat_map(|life| &life.progress).copied(),
        );
    }
    let jobs: Vec<&JobWrite> = batch.jobs.iter().collect();
    let said = last_words(&jobs, &said);
    let written = write_jobs(connection, &jobs, &said).await?;
    if let Some(job) = jobs.iter().find(|write| !written.contains(&write.job.id)) {
        return Err(JobsDbError::Conflict(format!("job {}", job.job.id)));
    }
    let said_at = batch.heartbeats.iter().map(|heartbeat| heartbeat.at).max();
    write_progress(connection, &said, said_at).await?;
    retention::note(connection, &jobs).await?;
    setbacks::note(connection, &setbacks_of_batch(batch)).await?;
    webhooks::note(connection, &jobs).await
}

/// Writes those whose rows are what they expect.
pub(super) async fn write_each(
    connection: &mut PgConnection,
    writes: &[JobWrite],
) -> Result<BTreeSet<JobId>, JobsDbError> {
    let writes: Vec<&JobWrite> = writes.iter().collect();
    let has_more = writes.iter().any(|write| !write.children.is_empty())
        || !parents_to_tell(writes.iter().copied()).is_empty()
        || !sweeps_of(writes.iter().copied()).is_empty()
        || !setbacks_of(writes.iter().copied()).is_empty()
        || !ends_of(writes.iter().copied()).is_empty();
    if !has_more {
        // One statement is all or nothing by itself.
        return write_jobs(connection, &writes, &BTreeMap::new()).await;
    }
    let mut transaction = connection.begin().await?;
    let written = write_jobs(&mut transaction, &writes, &BTreeMap::new()).await?;
    let writes: Vec<&JobWrite> =
        writes.into_iter().filter(|write| written.contains(&write.job.id)).collect();
    retention::note(&mut transaction, &writes).await?;
    setbacks::note(&mut transaction, &setbacks_of(writes.iter().copied())).await?;
    webhooks::note(&mut transaction, &writes).await?;
    transaction.commit().await?;
    Ok(written)
}

async fn advance_offset(
    connection: &mut PgConnection,
    advance: &OffsetAdvance,
) -> Result<(), JobsDbError> {
    let OffsetAdvance { log_id, partition, from, to } = advance;
    // A partition that was never seen stands at 0.
    let query = if *from == 0 {
        "INSERT INTO partitions (log_id, partition, next_offset, caught_up_at, restarted_at)
         VALUES ($1, $2, $3, 0, 0)
         ON CONFLICT (log_id, partition) DO UPDATE SET next_offset = excluded.next_offset
         WHERE partitions.next_offset = $4"
    } else {
        "UPDATE partitions SET next_offset = $3
         WHERE log_id = $1 AND partition = $2 AND next_offset = $4"
    };
    let advanced = sqlx::query(query)
        .bind(log_id)
        .bind(i64::from(*partition))
        .bind(integer(*to))
        .bind(integer(*from))
        .execute(connection)
        .await?;
    if advanced.rows_affected() == 0 {
        return Err(JobsDbError::Conflict(format!(
            "offset {from} of partition {partition} of log {log_id}"
        )));
    }
    Ok(())
}

/// What a batch says of the latest life of a worker.
struct Life<'a> {
    last: &'a HeartbeatWrite,
    progress: Vec<&'a (JobId, Progress)>,
}

/// By worker. A life that another one follows in the same batch has no say any more.
fn latest_lives(heartbeats: &[HeartbeatWrite]) -> BTreeMap<&str, Life<'_>> {
    let mut lives: BTreeMap<&str, Life<'_>> = BTreeMap::new();
    for heartbeat in heartbeats {
        let life = lives
            .entry(heartbeat.worker.worker.as_str())
            .or_insert_with(|| Life { last: heartbeat, progress: Vec::new() });
        if heartbeat.worker.started_at < life.last.worker.started_at {
            continue;
        }
        if heartbeat.worker.started_at > life.last.worker.started_at {
            life.progress.clear();
        }
        life.last = heartbeat;
        life.progress.extend(&heartbeat.progress);
    }
    lives
}

/// The workers whose heartbeats count: those of an earlier life than the row's do not.
async fn write_workers(
    connection: &mut PgConnection,
    lives: &BTreeMap<&str, Life<'_>>,
) -> Result<Vec<String>, JobsDbError> {
    if lives.is_empty() {
        return Ok(Vec::new());
    }
    let lasts = || lives.values().map(|life| life.last);
    let written = sqlx::query_scalar(
        "INSERT INTO workers (worker, started_at, beat_at, claims, doc)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
         ON CONFLICT (worker) DO UPDATE SET
            started_at = excluded.started_at, beat_at = excluded.beat_at,
            claims = excluded.claims, doc = excluded.doc
         WHERE excluded.started_at >= workers.started_at
         RETURNING worker",
    )
    .bind(lives.keys().copied().collect::<Vec<_>>())
    .bind(lasts().map(|last| last.worker.started_at.as_millis()).collect::<Vec<_>>())
    .bind(lasts().map(|last| last.at.as_millis()).collect::<Vec<_>>())
    .bind(lasts().map(|last| to_doc(&last.claims)).collect::<Vec<_>>())
    .bind(lasts().map(|last| to_doc(&last.worker)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(written)
}

/// Writes jobs and what happened to them, and moves what jobs have said that it takes out of `Running` to the line that
/// tells of it: the next attempt starts at nothing. Gives those whose rows were what is expected.
///
/// An update of many rows locks them in whatever order it meets them, so they are locked before: to count the locked
/// ones, all have to be. Progress goes in one order too, with what is to be written of others.
const WRITE_JOBS: &str = "
    WITH locked AS MATERIALIZED (
        SELECT id, state FROM jobs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
    ), updated AS (
        UPDATE jobs SET region = new.region, lane = new.lane, state = new.state, band = new.band,
            deadline_at = new.deadline_at, timer_at = new.timer_at, doc = new.doc, failure = new.failure,
            failed_at = CASE WHEN new.failure IS NOT NULL THEN coalesce(new.failed_at, jobs.failed_at) END,
            worker = coalesce(new.worker, jobs.worker), attempt = new.attempt, ended_at = new.ended_at,
            version = version + 1
        FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::smallint[],
                $8::bigint[], $9::bigint[], $10::text[], $16::text[], $17::bigint[],
                $18::text[], $19::bigint[], $20::bigint[])
            AS new (id, expected_version, region, lane, state, band, deadline_at, timer_at, doc, failure,
                failed_at, worker, attempt, ended_at)
        WHERE jobs.id = new.id AND jobs.version = new.expected_version
            AND (SELECT count(*) FROM locked) > 0
        RETURNING jobs.id
    ), told AS (
        INSERT INTO history (job, seq, doc, progress)
        SELECT entry.job, seq, entry.doc, progress.doc
        FROM unnest($11::uuid[], $12::bigint[], $13::text[], $21::boolean[]) AS entry (job, seq, doc, is_end)
            JOIN updated ON updated.id = entry.job
            LEFT JOIN locked ON is_end AND locked.id = entry.job AND locked.state = 'running'
            LEFT JOIN progress ON progress.job = locked.id
    ), held AS MATERIALIZED (
        SELECT job FROM progress
        WHERE job = ANY($14) AND (SELECT count(*) FROM updated) > 0 ORDER BY job FOR UPDATE
    ), forgotten AS (
        DELETE FROM progress USING held JOIN updated ON updated.id = held.job
        WHERE progress.job = held.job AND held.job = ANY($15)
    )
    SELECT id FROM updated";

async fn write_jobs(
    connection: &mut PgConnection,
    writes: &[&JobWrite],
    said: &BTreeMap<JobId, String>,
) -> Result<BTreeSet<JobId>, JobsDbError> {
    if writes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids = || writes.iter().map(|write| write.job.id);
    let to_tell = parents_to_tell(writes.iter().copied());
    let jobs = || writes.iter().map(|write| &write.job);
    let Lines { of, places, docs, ends } = Lines::of(writes);
    let updated: Vec<Uuid> = sqlx::query_scalar(WRITE_JOBS)
        .bind(id_list(ids().chain(to_tell.iter().copied())))
        .bind(id_list(ids()))
        .bind(writes.iter().map(|write| integer(write.expected_version)).collect::<Vec<_>>())
        .bind(jobs().map(|job| job.region.as_str()).collect::<Vec<_>>())
        .bind(jobs().map(|job| job.lane.as_str()).collect::<Vec<_>>())
        .bind(jobs().map(|job| job.state.name()).collect::<Vec<_>>())
        .bind(jobs().map(|job| i16::from(job.spec.priority.band())).collect::<Vec<_>>())
        .bind(jobs().map(|job| job.deadline_at.as_millis()).collect::<Vec<_>>())
        .bind(
            writes.iter().map(|write| write.timer_at.map(Timestamp::as_millis)).collect::<Vec<_>>(),
        )
        .bind(jobs().map(to_doc).collect::<Vec<_>>())
        .bind(of)
        .bind(places)
        .bind(docs)
        .bind(id_list(over(writes).chain(said.keys().copied())))
        .bind(id_list(over(writes)))
        .bind(jobs().map(failed_as).collect::<Vec<_>>())
        .bind(
            writes
                .iter()
                .map(|write| failed_at(write).map(Timestamp::as_millis))
                .collect::<Vec<_>>(),
        )
        .bind(writes.iter().map(|write| filter::worker(write)).collect::<Vec<_>>())
        .bind(jobs().map(filter::attempt).collect::<Vec<_>>())
        .bind(jobs().map(|job| job.finished_at.map(Timestamp::as_millis)).collect::<Vec<_>>())
        .bind(ends)
        .fetch_all(&mut *connection)
        .await?;
    let updated: BTreeSet<JobId> = updated.into_iter().map(JobId).collect();
    let written: Vec<&JobWrite> =
        writes.iter().copied().filter(|write| updated.contains(&write.job.id)).collect();
    let children: Vec<&Job> = written.iter().flat_map(|write| &write.children).collect();
    families::insert(connection, &children).await?;
    families::tell(connection, &parents_to_tell(written)).await?;
    Ok(updated)
}

/// The jobs that these writes take out of `Running`, or leave out of it.
fn over(writes: &[&JobWrite]) -> impl Iterator<Item = JobId> {
    let over = writes.iter().filter(|write| !matches!(write.job.state, State::Running { .. }));
    over.map(|write| write.job.id)
}

/// What is kept of what running jobs have said: the last of each that these writes leave running.
fn last_words(writes: &[&JobWrite], said: &[&(JobId, Progress)]) -> BTreeMap<JobId, String> {
    let over: BTreeSet<JobId> = over(writes).collect();
    said.iter()
        .filter(|(job, _)| !over.contains(job))
        .map(|(job, progress)| (*job, to_doc(progress)))
        .collect()
}

/// Keeps what running jobs have said.
async fn write_progress(
    connection: &mut PgConnection,
    said: &BTreeMap<JobId, String>,
    at: Option<Timestamp>,
) -> Result<(), JobsDbError> {
    if said.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO progress (job, doc, changed_at)
         SELECT jobs.id, said.doc, $3 FROM unnest($1::uuid[], $2::text[]) AS said (job, doc)
            JOIN jobs ON jobs.id = said.job ORDER BY jobs.id
         ON CONFLICT (job) DO UPDATE SET doc = excluded.doc,
            changed_at = CASE WHEN progress.doc = excluded.doc THEN coalesce(progress.changed_at, excluded.changed_at)
                              ELSE excluded.changed_at END",
    )
    .bind(id_list(said.keys().copied()))
    .bind(said.values().collect::<Vec<_>>())
    .bind(at.map(Timestamp::as_millis))
    .execute(connection)
    .await?;
    Ok(())
}

/// Lines of history, by column.
#[derive(Default)]
struct Lines {
    of: Vec<Uuid>,
    places: Vec<i64>,
    docs: Vec<String>,
    /// Whether an attempt that ran ends here.
    ends: Vec<bool>,
}

impl Lines {
    /// The lines of each job in their order. Their places grow with the job's version, so that nobody has to look for
    /// the last one.
    fn of(writes: &[&JobWrite]) -> Self {
        let mut lines = Self::default();
        for write in writes {
            let first = integer(write.expected_version).saturating_mul(LINES_MAX);
            let end = write.end_of_attempt();
            for (at, (place, entry)) in (first..).zip(&write.history).enumerate() {
                lines.of.push(write.job.id.0);
                lines.places.push(place);
                lines.docs.push(to_doc(entry));
                lines.ends.push(end == Some(at));
            }
        }
        lines
    }
}
