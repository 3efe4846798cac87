//! What travels over the bus: jobs to workers, events and heartbeats back, control records to everybody.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::failure::Failure;
use crate::family::{ChildSpec, Join, JoinTask};
use crate::ids::{Attempt, ClaimId, Generation, JobId, Lane, OutputName, Region, Tenant, WorkerId};
use crate::manifest::{ManifestAddress, ManifestSummary};
use crate::operation::Operation;
use crate::source::SourceLocation;
use crate::time::{Span, Timestamp};

/// Which attempt of which job a message or an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// Its generation.
    pub generation: Generation,
    /// Its attempt.
    pub attempt: Attempt,
}

/// A job on its way to a worker. It carries everything that the worker needs: a worker has no database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobMessage {
    /// Which attempt this is.
    pub id: AttemptId,
    /// Whose job it is.
    pub tenant: Tenant,
    /// The queue that it was sent to.
    pub region: Region,
    /// The kind of worker that runs it.
    pub lane: Lane,
    /// Where the input lies.
    pub source: SourceLocation,
    /// What to make of it.
    pub outputs: BTreeMap<OutputName, Operation>,
    /// Where the result goes, whichever region runs it.
    pub manifest: ManifestAddress,
    /// The partition of the event log to answer on, so that a job's events stay in order.
    pub events_partition: u32,
    /// Longest run of this attempt.
    pub timeout: Span,
    /// Whether the job's submitter said so: then a source that takes longer changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_timeout: bool,
    /// No manifest is put after this, by the worker's own clock.
    pub deadline: Timestamp,
    /// Since when the job could have been started, by the database's clock; the first attempt's only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// What to join: this attempt makes one result of what the children have made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<JoinTask>,
}

/// Something that happened to one claim of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimEvent {
    /// The attempt.
    pub id: AttemptId,
    /// The claim.
    pub claim: ClaimId,
    /// Who holds it.
    pub worker: WorkerId,
    /// The partition of the event log that carries this worker's heartbeats.
    pub heartbeat_partition: u32,
    /// What happened.
    pub report: Report,
}

/// What a worker reports about a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The worker has taken the job and will start it.
    Claimed,
    /// The source was looked at: an attempt at this job takes longer than it may.
    Probed {
        /// How long an attempt may take.
        timeout: Span,
    },
    /// The worker let the job go.
    Released {
        /// Whether the child had been started; if not, the message is still in the queue.
        started: bool,
        /// Why.
        reason: String,
    },
    /// The attempt failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// The manifest stands; it may be another claim's.
    Succeeded {
        /// Which one.
        manifest: ManifestSummary,
    },
    /// The job was split: its children do the work, and a later attempt joins what they make. The claim ends by it.
    Expanded {
        /// The children, in their order.
        children: Vec<ChildSpec>,
        /// How they become one result.
        join: Join,
    },
    /// Found by the worker's next life: the claim died with the process that held it.
    Abandoned,
    /// The message was not started: control says that the job is closed or the attempt superseded.
    Dropped,
}

impl Report {
    /// Its name in metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Probed { .. } => "probed",
            Self::Released { .. } => "released",
            Self::Failed { .. } => "failed",
            Self::Succeeded { .. } => "succeeded",
            Self::Expanded { .. } => "expanded",
            Self::Abandoned => "abandoned",
            Self::Dropped => "dropped",
        }
    }
}

/// A worker's sign of life, listing every claim that it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who it is.
    pub worker: WorkerInfo,
    /// What it holds.
    pub claims: Vec<HeldClaim>,
}

/// Who a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerInfo {
    /// Its name, the same over restarts.
    pub worker: WorkerId,
    /// Where it stands.
    pub region: Region,
    /// The lanes that it takes from.
    pub lanes: Vec<Lane>,
    /// Jobs that it runs at once, of all lanes together.
    pub slots: u32,
    /// How many of them are for each lane. A worker that does not say takes as many of any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lane_slots: BTreeMap<Lane, u32>,
    /// Version of its program.
    pub version: String,
    /// Whether it has stopped taking jobs: it ends, or was told to drain.
    pub draining: bool,
    /// Revision of the order that it follows; 0 for none.
    #[serde(default)]
    pub order_revision: u64,
    /// When the process began, by its own clock: tells its lives apart.
    pub started_at: Timestamp,
}

impl WorkerInfo {
    /// How many jobs of a lane it runs at once.
    pub fn slots_of(&self, lane: Lane) -> u32 {
        let of_any = if self.lanes.contains(&lane) { self.slots } else { 0 };
        self.lane_slots.get(&lane).copied().unwrap_or(of_any)
    }
}

/// One claim in a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldClaim {
    /// The attempt.
    pub id: AttemptId,
    /// The claim.
    pub claim: ClaimId,
    /// How far it is, if it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Share of the work done, [0, 1].
    pub fraction: f64,
    /// The step at work.
    pub step: String,
    /// Bytes of outputs uploaded.
    pub uploaded_bytes: u64,
    /// How it came so far.
    #[serde(default, skip_serializing_if = "Curve::is_empty")]
    pub curve: Curve,
}

/// What everybody may know about a job before starting it: one merged record a job.
///
/// It saves work; safety never depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRecord {
    /// The job.
    pub job: JobId,
    /// Its generation.
    pub generation: Generation,
    /// Somebody cancelled it: running children are to stop.
    pub cancelled: bool,
    /// It has ended: nothing is to start.
    pub closed: bool,
    /// Attempts below this are not to start.
    pub lowest_live: Attempt,
    /// Attempts up to this one are to be let go, and no copy of them is to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_go: Option<Attempt>,
}

impl ControlRecord {
    /// The merge of two records of one job; the order does not matter, and merging twice changes nothing.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        match self.generation.cmp(&other.generation) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => Self {
                cancelled: self.cancelled || other.cancelled,
                closed: self.closed || other.closed,
                lowest_live: self.lowest_live.max(other.lowest_live),
                let_go: self.let_go.max(other.let_go),
                ..self
            },
        }
    }

    /// Whether a message of this attempt must not be started.
    pub fn forbids_start(&self, id: AttemptId) -> bool {
        match id.generation.cmp(&self.generation) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => {
                self.cancelled || self.closed || id.attempt < self.lowest_live || self.lets_go(id)
            }
            std::cmp::Ordering::Greater => false,
        }
    }

    /// Whether a running child of this attempt must stop.
    pub fn stops(&self, id: AttemptId) -> bool {
        id.generation < self.generation || id.generation == self.generation && self.cancelled
    }

    /// Whether a running child of this attempt is to be let go, so that the job goes again.
    pub fn lets_go(&self, id: AttemptId) -> bool {
        id.generation == self.generation && Some(id.attempt) <= self.let_go
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn record(generation: u32, cancelled: bool, lowest_live: u32) -> ControlRecord {
        ControlRecord {
            job: JobId(Uuid::nil()),
            generation: Generation(generation),
            cancelled,
            closed: false,
            lowest_live: Attempt(lowest_live),
            let_go: None,
        }
    }

    fn id(generation: u32, attempt: u32) -> AttemptId {
        AttemptId {
            job: JobId(Uuid::nil()),
            generation: Generation(generation),
            attempt: Attempt(attempt),
        }
    }

    #[test]
    fn control_merges_to_the_same_record_in_any_order() {
        let asked =
            |attempt| ControlRecord { let_go: Some(Attempt(attempt)), ..record(2, false, 4) };
        let records = [
            record(1, true, 2),
            record(1, false, 5),
            record(2, false, 6),
            record(2, false, 4),
            asked(4),
            asked(5),
        ];
        for a in records {
            for b in records {
                assert_eq!(a.merge(b), b.merge(a));
                assert_eq!(a.merge(b).merge(b), a.merge(b));
            }
        }
        assert_eq!(record(1, true, 9).merge(record(2, false, 3)), record(2, false, 3));
    }

    #[test]
    fn a_superseded_attempt_may_not_start_but_runs_on() {
        let superseded = record(2, false, 6);
        assert!(superseded.forbids_start(id(2, 5)) && !superseded.stops(id(2, 5)));
        assert!(!superseded.forbids_start(id(2, 6)));
        assert!(superseded.forbids_start(id(1, 9)) && superseded.stops(id(1, 9)));
        assert!(!superseded.forbids_start(id(3, 1)) && !superseded.stops(id(3, 1)));
        assert!(record(2, true, 0).stops(id(2, 5)));
    }

    #[test]
    fn attempts_up_to_the_one_that_was_asked_for_are_let_go() {
        let asked = ControlRecord { let_go: Some(Attempt(5)), ..record(2, false, 4) };
        assert!(asked.lets_go(id(2, 4)) && asked.lets_go(id(2, 5)));
        assert!(!asked.lets_go(id(2, 6)) && !asked.lets_go(id(1, 5)) && !asked.lets_go(id(3, 1)));
        assert!(asked.forbids_start(id(2, 5)) && !asked.forbids_start(id(2, 6)));
        assert!(!asked.stops(id(2, 5)), "it is not cancelled");
        assert!(!record(2, false, 4).lets_go(id(2, 4)), "nobody asked");
    }
}
