//! Between rows and types, as every database keeps them.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::{ClaimId, Job, JobId, Tenant, Timestamp, WorkerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Backlog, ChildCount, HistoryEntry, JobsDbError, PartitionRow, WorkerRow};

/// The columns of `workers` that make a [`WorkerRow`]: `worker`, `beat_at`, `claims`, `doc`.
pub(crate) type WorkerColumns = (String, i64, String, String);

/// The columns of `workers` that tell when a claim was last listed: `worker`, `beat_at`, `claims`.
pub(crate) type BeatColumns = (String, i64, String);

/// The columns of `partitions` but the first two: `next_offset`, `observed_at`, `caught_up_at`, `restarted_at`.
pub(crate) type PartitionColumns = (i64, Option<i64>, i64, i64);

/// The columns of `history` that make a line: `doc`, `progress`.
pub(crate) type LineColumns = (String, Option<String>);

pub(crate) fn line(job: JobId, (doc, progress): LineColumns) -> Result<HistoryEntry, JobsDbError> {
    let name = || format!("history of job {job}");
    let progress = progress.map(|progress| from_doc(&progress, name)).transpose()?;
    Ok(HistoryEntry { progress, ..from_doc(&doc, name)? })
}

pub(crate) fn worker_row(columns: WorkerColumns) -> Result<WorkerRow, JobsDbError> {
    let (worker, beat_at, claims, doc) = columns;
    Ok(WorkerRow {
        worker: from_doc(&doc, || format!("worker {worker}"))?,
        beat_at: time(beat_at),
        claims: from_doc(&claims, || format!("claims of worker {worker}"))?,
    })
}

/// When each claim that its worker's row lists was last listed.
pub(crate) fn beats(
    claims: &[(WorkerId, ClaimId)],
    rows: Vec<BeatColumns>,
) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
    let mut held = BTreeMap::new();
    for (worker, beat_at, listed) in rows {
        let listed: BTreeSet<ClaimId> = from_doc(&listed, || format!("claims of worker {worker}"))?;
        held.insert(worker, (time(beat_at), listed));
    }
    let beat = |(worker, claim): &(WorkerId, ClaimId)| {
        let (beat_at, listed) = held.get(worker.as_str())?;
        listed.contains(claim).then_some((*claim, *beat_at))
    };
    Ok(claims.iter().filter_map(beat).collect())
}

pub(crate) fn partition_row(
    log_id: &str,
    partition: u32,
    columns: PartitionColumns,
) -> Result<PartitionRow, JobsDbError> {
    let (next_offset, observed_at, caught_up_at, restarted_at) = columns;
    let name = format_args!("partition {partition} of log {log_id}");
    Ok(PartitionRow {
        next_offset: u64::try_from(next_offset).map_err(|error| corrupt(name, error))?,
        observed_at: time(observed_at.unwrap_or(0)),
        caught_up_at: time(caught_up_at),
        restarted_at: time(restarted_at),
    })
}

/// A tenant and its number of jobs.
pub(crate) fn in_flight_row((tenant, jobs): (String, i64)) -> Result<(Tenant, u32), JobsDbError> {
    let tenant = Tenant::new(tenant).map_err(|error| corrupt("a job's tenant", error))?;
    Ok((tenant, u32::try_from(jobs).unwrap_or(u32::MAX)))
}

/// So many jobs of the queue and in the state of the oldest of them.
pub(crate) fn backlog_row(jobs: i64, oldest: &str) -> Result<Backlog, JobsDbError> {
    let jobs = u64::try_from(jobs).map_err(|error| corrupt("a count of jobs", error))?;
    let oldest: Job = from_doc(oldest, || "the oldest job of a queue".to_owned())?;
    Ok(Backlog {
        state: oldest.state.name(),
        lane: oldest.lane,
        jobs,
        oldest_accepted_at: oldest.accepted_at,
        region: oldest.region,
    })
}

/// So many children of a family in a state.
pub(crate) fn child_count(state: String, jobs: i64, first: JobId) -> ChildCount {
    ChildCount { state, jobs: u32::try_from(jobs).unwrap_or(u32::MAX), first }
}

pub(crate) fn from_doc<T: DeserializeOwned>(
    doc: &str,
    name: impl FnOnce() -> String,
) -> Result<T, JobsDbError> {
    serde_json::from_str(doc).map_err(|error| corrupt(name(), error))
}

pub(crate) fn to_doc<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("every schema type can be written as JSON")
}

pub(crate) fn corrupt(name: impl std::fmt::Display, why: impl std::fmt::Display) -> JobsDbError {
    JobsDbError::Corrupt(format!("{name}: {why}"))
}

/// Refuses what an insert that leaves alone what is there has not inserted.
pub(crate) fn is_new(inserted: u64, what: impl FnOnce() -> String) -> Result<(), JobsDbError> {
    if inserted > 0 { Ok(()) } else { Err(JobsDbError::Conflict(what())) }
}

/// The databases' integers are signed. Only a number that no log or file ever reaches is cut.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}
