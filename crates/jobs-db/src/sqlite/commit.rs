//! A batch: jobs, history, heartbeats and the offset that they came from, all or nothing.

use std::collections::BTreeSet;

use panofleet_job_schema::job::State;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{JobId, Timestamp};
use sqlx::SqliteConnection;

use super::accept::{insert_row, job_key};
use super::families;
use super::retention;
use super::setbacks;
use super::webhooks;
use crate::failure::{failed_as, failed_at};
use crate::row::{integer, to_doc};
use crate::setback::{setbacks_of, setbacks_of_batch};
use crate::write::parents_to_tell;
use crate::{Batch, HeartbeatWrite, JobWrite, JobsDbError, OffsetAdvance, filter};

/// Writes the batch inside the caller's transaction. The offset goes first: a batch that another collector
/// has applied is then refused before it does any work.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<(), JobsDbError> {
    if let Some(advance) = &batch.offset {
        advance_offset(connection, advance).await?;
    }
    for heartbeat in &batch.heartbeats {
        write_heartbeat(connection, heartbeat).await?;
    }
    for write in &batch.jobs {
        if !write_job(connection, write).await? {
            return Err(JobsDbError::Conflict(format!("job {}", write.job.id)));
        }
    }
    retention::note(connection, &batch.jobs).await?;
    setbacks::note(connection, &setbacks_of_batch(batch)).await?;
    webhooks::note(connection, &batch.jobs).await?;
    families::tell(connection, parents_to_tell(&batch.jobs)).await
}

/// Writes those whose rows are what they expect, inside the caller's transaction.
pub(super) async fn write_each(
    connection: &mut SqliteConnection,
    writes: &[JobWrite],
) -> Result<BTreeSet<JobId>, JobsDbError> {
    let mut written = BTreeSet::new();
    for write in writes {
        if write_job(connection, write).await? {
            retention::note(connection, std::slice::from_ref(write)).await?;
            setbacks::note(connection, &setbacks_of([write])).await?;
            webhooks::note(connection, [write]).await?;
            written.insert(write.job.id);
        }
    }
    let of = writes.iter().filter(|write| written.contains(&write.job.id));
    families::tell(connection, parents_to_tell(of)).await?;
    Ok(written)
}

async fn advance_offset(
    connection: &mut SqliteConnection,
    advance: &OffsetAdvance,
) -> Result<(), JobsDbError> {
    // A partition that was never seen stands at 0. If that is not what is expected, the row goes away again
    // with the transaction.
    sqlx::query(
        "INSERT INTO partitions (log_id, partition, next_offset, caught_up_at, restarted_at)
         VALUES (?, ?, 0, 0, 0) ON CONFLICT (log_id, partition) DO NOTHING",
    )
    .bind(&advance.log_id)
    .bind(advance.partition)
    .execute(&mut *connection)
    .await?;
    let advanced = sqlx::query(
        "UPDATE partitions SET next_offset = ? WHERE log_id = ? AND partition = ? AND next_offset = ?",
    )
    .bind(integer(advance.to))
    .bind(&advance.log_id)
    .bind(advance.partition)
    .bind(integer(advance.from))
    .execute(connection)
    .await?;
    if advanced.rows_affected() == 0 {
        let OffsetAdvance { log_id, partition, from, .. } = advance;
        return Err(JobsDbError::Conflict(format!(
            "offset {from} of partition {partition} of log {log_id}"
        )));
    }
    Ok(())
}

async fn write_heartbeat(
    connection: &mut SqliteConnection,
    heartbeat: &HeartbeatWrite,
) -> Result<(), JobsDbError> {
    let worker = &heartbeat.worker;
    let written = sqlx::query(
        "INSERT INTO workers (worker, started_at, beat_at, claims, doc) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (worker) DO UPDATE SET
            started_at = excluded.started_at, beat_at = excluded.beat_at,
            claims = excluded.claims, doc = excluded.doc
         WHERE excluded.started_at >= workers.started_at",
    )
    .bind(worker.worker.as_str())
    .bind(worker.started_at.as_millis())
    .bind(heartbeat.at.as_millis())
    .bind(to_doc(&heartbeat.claims))
    .bind(to_doc(worker))
    .execute(&mut *connection)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(()); // Of an earlier life of the worker: its claims are not held any more.
    }
    for (job, progress) in &heartbeat.progress {
        write_progress(connection, *job, (progress, heartbeat.at)).await?;
    }
    Ok(())
}

async fn write_progress(
    connection: &mut SqliteConnection,
    job: JobId,
    (progress, at): (&Progress, Timestamp),
) -> Result<(), JobsDbError> {
    sqlx::query(
        "INSERT INTO progress (job, doc, changed_at)
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ?1)
         ON CONFLICT (job) DO UPDATE SET doc = excluded.doc,
            changed_at = CASE WHEN doc = excluded.doc THEN coalesce(changed_at, excluded.changed_at)
                              ELSE excluded.changed_at END",
    )
    .bind(job_key(job))
    .bind(to_doc(progress))
    .bind(at.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the row was what is expected; otherwise nothing is written.
async fn write_job(
    connection: &mut SqliteConnection,
    write: &JobWrite,
) -> Result<bool, JobsDbError> {
    let job = &write.job;
    let failure = failed_as(job);
    let end = write.end_of_attempt();
    let last_said = if end.is_some() { last_said(connection, job.id).await? } else { None };
    let updated = sqlx::query(
        "UPDATE jobs SET region = ?, lane = ?, state = ?, band = ?, deadline_at = ?, timer_at = ?, doc = ?,
            failure = ?, failed_at = CASE WHEN ? IS NOT NULL THEN coalesce(?, failed_at) END,
            worker = coalesce(?, worker), attempt = ?, ended_at = ?, version = version + 1
         WHERE id = ? AND version = ?",
    )
    .bind(job.region.as_str())
    .bind(job.lane.as_str())
    .bind(job.state.name())
    .bind(job.spec.priority.band())
    .bind(job.deadline_at.as_millis())
    .bind(write.timer_at.map(Timestamp::as_millis))
    .bind(to_doc(job))
    .bind(&failure)
    .bind(&failure)
    .bind(failed_at(write).map(Timestamp::as_millis))
    .bind(filter::worker(write))
    .bind(filter::attempt(job))
    .bind(job.finished_at.map(Timestamp::as_millis))
    .bind(job_key(job.id))
    .bind(integer(write.expected_version))
    .execute(&mut *connection)
    .await?;
    if updated.rows_affected() == 0 {
        return Ok(false);
    }
    if !matches!(job.state, State::Running { .. }) {
        // The next attempt starts at nothing.
        sqlx::query("DELETE FROM progress WHERE job = ?")
            .bind(job_key(job.id))
            .execute(&mut *connection)
            .await?;
    }
    for child in &write.children {
        insert_row(connection, child).await?;
    }
    write_history(connection, write, end.zip(last_said)).await?;
    Ok(true)
}

/// What a job has said, if it is running.
async fn last_said(
    connection: &mut SqliteConnection,
    job: JobId,
) -> Result<Option<String>, JobsDbError> {
    let said = sqlx::query_scalar(
        "SELECT progress.doc FROM progress JOIN jobs ON jobs.id = progress.job
         WHERE progress.job = ? AND jobs.state = 'running'",
    );
    Ok(said.bind(job_key(job)).fetch_optional(connection).await?)
}

async fn write_history(
    connection: &mut SqliteConnection,
    JobWrite { job, history: entries, .. }: &JobWrite,
    ended: Option<(usize, String)>,
) -> Result<(), JobsDbError> {
    if entries.is_empty() {
        return Ok(());
    }
    let (end, last_said) = ended.unzip();
    sqlx::query(
        "INSERT INTO history (job, seq, doc, progress)
         SELECT ?1, (SELECT coalesce(max(seq), 0) FROM history WHERE job = ?1) + 1 + entry.key, entry.value,
            CASE WHEN entry.key = ?3 THEN ?4 END
         FROM json_each(?2) AS entry",
    )
    .bind(job_key(job.id))
    .bind(to_doc(&entries))
    .bind(end.map(|end| integer(end as u64)))
    .bind(last_said)
    .execute(connection)
    .await?;
    Ok(())
}
