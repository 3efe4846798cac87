//! What is written: jobs with what happened to them, heartbeats, and how far the log is applied.

use panofleet_job_schema::message::{Progress, WorkerInfo};
use panofleet_job_schema::{Attempt, ClaimId, Job, JobId, Region, Tenant, Timestamp, WorkerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is written together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Changed jobs, each job once.
    pub jobs: Vec<JobWrite>,
    /// How far the event log is applied with this batch.
    pub offset: Option<OffsetAdvance>,
    /// Heartbeats that the batch applies, in order.
    pub heartbeats: Vec<HeartbeatWrite>,
    /// Results that came and changed nothing.
    pub refusals: Vec<RefusedResult>,
}

/// What a worker reported of the end of an attempt that was over for the fleet already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedResult {
    /// When it was applied, by the database's clock.
    pub at: Timestamp,
    /// Of which job.
    pub job: JobId,
    /// Whose job that is.
    pub tenant: Tenant,
    /// Where the attempt ran.
    pub region: Region,
    /// Who ran it.
    pub worker: WorkerId,
    /// Which attempt.
    pub attempt: Attempt,
    /// Why it changed nothing: a word of the lifecycle, such as `ended_claim` or `stale_generation`.
    pub why: &'static str,
}

/// One changed job.
#[derive(Clone, Debug)]
pub struct JobWrite {
    /// The version that the row must have.
    pub expected_version: u64,
    /// The job as it will be.
    pub job: Job,
    /// When its next timer is due; `None` only for a job that has ended.
    pub timer_at: Option<Timestamp>,
    /// Children that are made with it. One that is there already is left alone.
    pub children: Vec<Job>,
    /// What happened to it, in order.
    pub history: Vec<HistoryEntry>,
}

/// One line of a job's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// When it was written, by the database's clock.
    pub at: Timestamp,
    /// The state that the job was in afterwards.
    pub state: String,
    /// Why: a word of the lifecycle, such as `claimed` or `lease_lapsed`.
    pub reason: String,
    /// The generation that it belongs to.
    pub generation: u32,
    /// The attempt, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The worker, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// For people: the failure's message, the reason of a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The failure's code, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The failure's fingerprint, if it is about one: `failure` in a filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How long the worker held the job, in milliseconds, if that ended here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_ms: Option<u64>,
    /// How far the attempt was when it was last heard of, if it ended here and anything was heard. Whoever writes a line
    /// leaves it out: the database knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// Moves the applied offset of a partition: a compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAdvance {
    /// The log's identity.
    pub log_id: String,
    /// The partition.
    pub partition: u32,
    /// The next offset to apply as it must be now; a partition never seen stands at 0.
    pub from: u64,
    /// The next offset to apply afterwards.
    pub to: u64,
}

/// A worker's heartbeat, as applied.
#[derive(Clone, Debug, PartialEq)]
pub struct HeartbeatWrite {
    /// Who it is.
    pub worker: WorkerInfo,
    /// The claims that it holds.
    pub claims: Vec<ClaimId>,
    /// How far its jobs are.
    pub progress: Vec<(JobId, Progress)>,
    /// When it was applied, by the database's clock.
    pub at: Timestamp,
}
