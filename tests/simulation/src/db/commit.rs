//! Writing: every row by compare-and-set.

use std::collections::BTreeSet;

use panofleet_job_schema::JobId;
use panofleet_job_schema::job::State;
use panofleet_jobs_db::{Batch, HistoryEntry, JobWrite, JobsDbError, OffsetAdvance};

use super::state::unseen;
use crate::mutant::Mutant;
use crate::world::Shared;

/// Writes all of a batch or nothing.
pub(super) fn commit(shared: &mut Shared, batch: &Batch) -> Result<(), JobsDbError> {
    if let Some(OffsetAdvance { log_id, partition, from, .. }) = &batch.offset {
        let row = shared.db.partitions.get(&(log_id.clone(), *partition));
        if row.map_or(0, |row| row.next_offset) != *from {
            return Err(JobsDbError::Conflict(format!("offset {from} of partition {partition}")));
        }
    }
    let mut seen = BTreeSet::new();
    for write in &batch.jobs {
        let id = write.job.id;
        if !is_expected(shared, write)? || !seen.insert(id) {
            return Err(JobsDbError::Conflict(format!("job {id}")));
        }
    }
    if let Some(OffsetAdvance { log_id, partition, to, .. }) = &batch.offset {
        let key = (log_id.clone(), *partition);
        shared.db.partitions.entry(key).or_insert_with(unseen).next_offset = *to;
        if shared.is_mutant(Mutant::OffsetsWithoutTheirBatch) && shared.random.happens(1000) {
            return Ok(());
        }
    }
    for heartbeat in &batch.heartbeats {
        shared.db.heartbeat(heartbeat);
    }
    for write in &batch.jobs {
        write_job(shared, write);
    }
    shared.db.changes += 1;
    Ok(())
}

/// Writes each that is as expected, and gives those.
pub(super) fn write_each(
    shared: &mut Shared,
    writes: &[JobWrite],
) -> Result<BTreeSet<JobId>, JobsDbError> {
    let mut expected = Vec::new();
    for write in writes {
        if is_expected(shared, write)? {
            expected.push(write);
        }
    }
    for write in &expected {
        write_job(shared, write);
    }
    shared.db.changes += 1;
    Ok(expected.into_iter().map(|write| write.job.id).collect())
}

/// Whether the row is as a write expects it.
fn is_expected(shared: &Shared, write: &JobWrite) -> Result<bool, JobsDbError> {
    let job = &write.job;
    if write.timer_at.is_none() && !job.state.is_terminal() {
        return Err(JobsDbError::Refused(format!("job {} has no timer", job.id)));
    }
    let Some(row) = shared.db.jobs.get(&job.id) else { return Ok(false) };
    Ok(row.version == write.expected_version || shared.is_mutant(Mutant::VersionsAreNotCompared))
}

fn write_job(shared: &mut Shared, write: &JobWrite) {
    let mut job = write.job.clone();
    if shared.is_mutant(Mutant::CostsAreForgotten) {
        (job.counters.charged, job.counters.crashes) = (0, 0);
    }
    if shared.is_mutant(Mutant::HopsAreForgotten) {
        job.sent_to.clear();
    }
    let has_no_timer =
        shared.is_mutant(Mutant::ClosingHasNoTimer) && matches!(job.state, State::Closing { .. });
    let reasons: Vec<&str> = write.history.iter().map(|line| line.reason.as_str()).collect();
    let reasons = reasons.join(", ");
    shared.note(format_args!(
        "db: {} → {} ({reasons})",
        job.id,
        panofleet_test_promises::shown(&job)
    ));
    crate::checker::written(shared, &job, &write.history);
    let was_said = match job.state {
        State::Running { .. } => None,
        _ => shared.db.progress.remove(&job.id),
    };
    let row = shared.db.jobs.get_mut(&job.id).expect("the row was looked at before");
    row.version += 1;
    row.timer_at = write.timer_at.filter(|_| !has_no_timer);
    let ran = matches!(row.job.state, State::Running { .. });
    let end = write.end_of_attempt().filter(|_| ran);
    row.history.extend(write.history.iter().enumerate().map(|(at, line)| HistoryEntry {
        progress: was_said.clone().filter(|_| end == Some(at)),
        ..line.clone()
    }));
    row.job = job.clone();
    shared.db.add_children(&write.children);
    shared.db.tell_parent(&job);
}
