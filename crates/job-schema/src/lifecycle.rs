//! The one place that decides a job's state: [`decide`], pure and total.
//!
//! ```text
//! Waiting(due) ─► Queued ─► Sent(attempt) ─► Running(claims…) ─► Succeeded(manifest)
//!    ▲             ▲  ▲         │                │   │
//!    │             │  └─ join ──┼── Blocked ◄────┼───┘ split into children
//!    └── backoff ──┴────────────┴────────────────┤ failed, lapsed, timed out, released
//!              any that is not terminal ─► Closing(target) ─► Dead · Cancelled · Expired
//! ```
//!
//! Shells load a job, call [`decide`], write the result by compare-and-set, and only then carry out the
//! effects. An effect that is lost with its process is found again: a `Sent` job without a placement and a
//! `Closing` job both have a timer.
//!
//! | in | is |
//! |---|---|
//! | `lifecycle/claims.rs` | what workers report: claims, releases, failures, success |
//! | `lifecycle/timers.rs` | what time brings: leases, timeouts, deadlines, and when to look next |
//! | `lifecycle/hops.rs` | what time brings to a job that may run in several regions |
//! | `lifecycle/family.rs` | a job that is split: its children, and the join |
//! | `lifecycle/endings.rs` | what follows when an attempt or a job ends: retry, closing, seal; what people ask for |

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::family::Children;
use crate::ids::{Attempt, ClaimId, Generation, Region, WorkerId};
use crate::job::{Claim, Job, Placement, State};
use crate::manifest::ManifestSummary;
use crate::message::{AttemptId, ClaimEvent};
use crate::policy::Policy;
use crate::rerun::Rerun;
use crate::spec::Priority;
use crate::time::Timestamp;

mod claims;
mod endings;
mod family;
mod hops;
mod timers;

#[cfg(test)]
mod tests;

pub use timers::next_timer;

/// Something that happened to a job. Every time in it is of the database's clock.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The dispatcher chose it to go next.
    Dispatched {
        /// When.
        now: Timestamp,
    },
    /// The bus has the message.
    Placed {
        /// Of which attempt.
        attempt: Attempt,
        /// Where it lies.
        placement: Placement,
        /// When.
        now: Timestamp,
    },
    /// A worker reported about a claim.
    Reported {
        /// What it said.
        event: ClaimEvent,
        /// When it was applied.
        now: Timestamp,
    },
    /// A worker's heartbeat lists a claim.
    Renewed {
        /// The attempt.
        id: AttemptId,
        /// The claim.
        claim: ClaimId,
        /// The worker.
        worker: WorkerId,
        /// The partition that carries its heartbeats.
        heartbeat_partition: u32,
        /// When it was applied.
        now: Timestamp,
    },
    /// A timer is due.
    Tick {
        /// When.
        now: Timestamp,
        /// What may be concluded from silence.
        horizon: Horizon,
    },
    /// Somebody asked to cancel it.
    CancelRequested {
        /// When.
        now: Timestamp,
    },
    /// The seal stands at the manifest key.
    Sealed {
        /// Of which generation.
        generation: Generation,
        /// When.
        now: Timestamp,
    },
    /// A manifest was found where the seal was to go.
    ManifestFound {
        /// Of which generation.
        generation: Generation,
        /// Which one.
        manifest: ManifestSummary,
        /// When.
        now: Timestamp,
    },
    /// An operator asked to run it anew; or at once, if it waits for its time.
    ReplayRequested {
        /// When.
        now: Timestamp,
        /// Whether the job that it is a child of waits for it; of no meaning for a job that is nobody's child.
        parent_waits: bool,
        /// What is to be different.
        changes: Rerun,
    },
    /// An operator asked whoever holds it to let it go.
    ReleaseRequested,
    /// Somebody asked to have it wait in another band.
    Reprioritised {
        /// Which.
        priority: Priority,
    },
}

/// What the dispatcher knows when a timer is due: without it, silence means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// How far each partition of the event log is applied. A partition that is missing concludes nothing.
    pub partitions: BTreeMap<u32, PartitionHorizon>,
    /// When each claim was last in its worker's heartbeat.
    pub beats: BTreeMap<ClaimId, Timestamp>,
    /// Whether the message of a sent job is provably gone.
    pub copy_gone: bool,
    /// How the children of a blocked job stand, read after the job.
    pub children: Option<Children>,
    /// Regions whose workers could not be heard, and the time before which nothing is concluded from their silence.
    pub excused: BTreeMap<Region, Timestamp>,
    /// The regions that take jobs of this lane: not paused, with a worker that lives.
    pub takes: Option<BTreeSet<Region>>,
}

/// How far one partition of the event log is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionHorizon {
    /// Every event up to a log end that was observed at this time is applied.
    pub caught_up_at: Timestamp,
    /// No lease counts from before this time.
    pub restarted_at: Timestamp,
}

impl Horizon {
    /// Whether everything that was in a partition just after `due` has been applied.
    fn is_past(&self, partition: u32, due: Timestamp) -> bool {
        self.partitions.get(&partition).is_some_and(|row| row.caught_up_at > due)
    }

    /// The time from which a lease on this partition counts at the earliest.
    fn restarted_at(&self, partition: u32) -> Option<Timestamp> {
        self.partitions.get(&partition).map(|row| row.restarted_at)
    }
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The job as it will be.
    pub job: Job,
    /// Why.
    pub reason: Reason,
    /// Children that are made with it: written in the same transaction, or not at all.
    pub children: Vec<Job>,
    /// What to do after it is written, in order.
    pub effects: Vec<Effect>,
    /// What the history says beside the reason.
    pub note: Note,
}

/// What the history says beside the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The attempt that it is about.
    pub attempt: Option<Attempt>,
    /// The worker that it is about.
    pub worker: Option<WorkerId>,
    /// For people.
    pub detail: Option<String>,
    /// Why the attempt failed, if it did.
    pub failure: Option<Failure>,
    /// Since when the worker held the job, if it holds it no longer.
    pub held_since: Option<Timestamp>,
}

/// Something to do after a decision is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send the message of this attempt.
    Produce(Attempt),
    /// Publish the job's control record.
    Control,
    /// Put a seal at the manifest key, and report what stood there.
    Close,
}

/// Why a job changed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its backoff is over.
    Due,
    /// It was chosen to go next.
    Dispatched,
    /// The bus has its message.
    Placed,
    /// The bus never said that it has the message; it is sent again.
    SentAgain,
    /// A worker took it.
    Claimed,
    /// Its source was looked at, and takes longer than its attempts had.
    Probed,
    /// A further worker took a copy; both hold it.
    Joined,
    /// A claim that was given up is alive; the job is running again.
    Revived,
    /// A claim is alive; its lease is extended.
    Renewed,
    /// Nobody could have heard a claim's worker; its lease begins anew.
    Excused,
    /// A worker let it go before it started.
    ReleasedUnstarted,
    /// A worker let it go.
    Released,
    /// A worker refused to start its message.
    Dropped,
    /// An attempt failed.
    AttemptFailed,
    /// An attempt ran for too long.
    AttemptTimedOut,
    /// A worker fell silent.
    LeaseLapsed,
    /// A worker came back without its claim.
    Abandoned,
    /// One of several claims ended.
    ClaimEnded,
    /// Its message is still in the queue; or it may go on, and no other region takes jobs.
    StillQueued,
    /// Its message is gone from the queue; waits until that is certain.
    CopyGone,
    /// Its message was lost.
    MessageLost,
    /// Somebody cancelled it.
    CancelRequested,
    /// Its deadline passed.
    DeadlinePassed,
    /// A further try to put the seal.
    SealTried,
    /// It ended without a result.
    Sealed,
    /// It was cancelled before anybody could have started it.
    Cancelled,
    /// Its deadline passed before anybody could have started it.
    Expired,
    /// Its manifest stands.
    Succeeded,
    /// It was to be cancelled, but its manifest stood already.
    CancelLostRace,
    /// It was to end without a result, but its manifest stood already.
    ManifestFound,
    /// An operator started it anew.
    Replayed,
    /// An operator had it go at once, before its time.
    BroughtForward,
    /// An operator asked whoever holds it to let it go.
    ReleaseRequested,
    /// It waited for too long, and went on to another region.
    Hopped,
    /// It was split into children.
    Expanded,
    /// Some of its children have not ended.
    StillBlocked,
    /// Its children have ended; it is to be joined.
    ChildrenEnded,
    /// One of its children ended without a result.
    ChildFailed,
    /// Somebody had it wait in another band.
    Reprioritised,
}

impl Reason {
    /// Whether the history keeps a line about it: not about what repeats while nothing happens.
    pub const fn is_history(self) -> bool {
        !matches!(
            self,
            Self::Placed
                | Self::Renewed
                | Self::Excused
                | Self::StillQueued
                | Self::SealTried
                | Self::StillBlocked
        )
    }

    /// The reason's name in the history.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            _ => format!("{self:?}"),
        }
    }
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is of an earlier generation.
    #[error("the event is of an earlier generation")]
    StaleGeneration,
    /// It is about an attempt that was never sent: it goes to the dead letters.
    #[error("the attempt was never sent")]
    UnknownAttempt,
    /// It is about a claim that has ended for good.
    #[error("the claim has ended")]
    EndedClaim,
    /// It is about a claim that nobody has made.
    #[error("the claim is not known")]
    UnknownClaim,
    /// More claims than a job may have.
    #[error("the job has as many claims as it may have")]
    TooManyClaims,
    /// The job has ended.
    #[error("the job has ended")]
    Ended,
    /// The job is closing.
    #[error("the job is closing")]
    Closing,
    /// The job has not ended, so it cannot be started anew.
    #[error("the job has not ended; cancel it first")]
    NotEnded,
    /// Nobody can let it go.
    #[error("no worker holds the job")]
    NotHeld,
    /// It is about an attempt from before the job was split.
    #[error("the job was split; only its join goes on")]
    Split,
    /// It is a child that nobody waits for.
    #[error("the job that it is a part of does not wait for it; start that one anew")]
    NoParentWaits,
    /// It is known already.
    #[error("nothing new")]
    NothingNew,
    /// No timer is due, or silence may not be trusted yet.
    #[error("not yet")]
    NotYet,
}

impl Refusal {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StaleGeneration => "stale_generation",
            Self::UnknownAttempt => "unknown_attempt",
            Self::EndedClaim => "ended_claim",
            Self::UnknownClaim => "unknown_claim",
            Self::TooManyClaims => "too_many_claims",
            Self::Ended => "ended",
            Self::Closing => "closing",
            Self::NotEnded => "not_ended",
            Self::NotHeld => "not_held",
            Self::Split => "split",
            Self::NoParentWaits => "no_parent_waits",
            Self::NothingNew => "nothing_new",
            Self::NotYet => "not_yet",
        }
    }
}

/// Decides what an event makes of a job.
///
/// # Errors
/// [`Refusal`]: the event changes nothing, and why.
pub fn decide(job: &Job, event: &Event, policy: &Policy) -> Result<Decision, Refusal> {
    let mut decision = decided(job, event, policy)?;
    decision.note.held_since = held_since(job, &decision);
    Ok(decision)
}

fn decided(job: &Job, event: &Event, policy: &Policy) -> Result<Decision, Refusal> {
    match event {
        Event::Dispatched { now } => dispatched(job, *now, policy),
        Event::Placed { attempt, placement, now } => {
            placed(job, *attempt, *placement, *now, policy)
        }
        Event::Reported { event, now } => claims::reported(job, event, *now, policy),
        Event::Renewed { id, claim, worker, heartbeat_partition, now } => {
            let holder = claims::Holder {
                id: *id,
                claim: *claim,
                worker,
                heartbeat_partition: *heartbeat_partition,
            };
            claims::renewed(job, &holder, *now)
        }
        Event::Tick { now, horizon } => timers::tick(job, *now, horizon, policy),
        Event::CancelRequested { now } => endings::cancel_requested(job, *now),
        Event::Sealed { generation, now } => endings::sealed(job, *generation, *now),
        Event::ManifestFound { generation, manifest, now } => {
            endings::manifest_found(job, *generation, manifest, *now)
        }
        Event::ReplayRequested { now, parent_waits, changes } => {
            endings::replay_requested(job, (*now, *parent_waits), changes, policy)
        }
        Event::ReleaseRequested => endings::release_requested(job),
        Event::Reprioritised { priority } => endings::reprioritised(job, *priority),
    }
}

/// When the claim that a decision is about was made, if it ends with it.
fn held_since(job: &Job, decision: &Decision) -> Option<Timestamp> {
    let Note { attempt, worker, .. } = &decision.note;
    let is_it =
        |claim: &&Claim| Some(claim.attempt) == *attempt && Some(&claim.worker) == worker.as_ref();
    let held = job.state.claims().iter().find(is_it)?;
    let holds = decision.job.state.claims().iter().any(|claim| claim.claim == held.claim);
    (!holds).then_some(held.claimed_at)
}

fn dispatched(job: &Job, now: Timestamp, policy: &Policy) -> Result<Decision, Refusal> {
    if !matches!(job.state, State::Queued { .. }) {
        return Err(Refusal::NothingNew);
    }
    let mut next = job.clone();
    next.counters.last_attempt += 1;
    let attempt = Attempt(next.counters.last_attempt);
    let look_at = now + policy.place_timeout.0;
    next.note_sent(attempt);
    next.state = State::Sent { attempt, sent_at: now, look_at, placement: None, gone_at: None };
    let mut effects = vec![Effect::Produce(attempt)];
    if job.possibly_sent() {
        // Copies of earlier attempts may still lie in the queue.
        effects.insert(0, Effect::Control);
    }
    Ok(Decision::new(next, Reason::Dispatched).with(effects).about(Some(attempt), None))
}

fn placed(
    job: &Job,
    attempt: Attempt,
    placement: Placement,
    now: Timestamp,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let mut next = job.clone();
    match &mut next.state {
        State::Sent { attempt: sent, placement: known @ None, look_at, .. } if *sent == attempt => {
            *known = Some(placement);
            *look_at = now + policy.queue_timeout.0;
        }
        // The claim was faster than the answer of the bus.
        State::Running { placement: known @ None, .. }
            if next.counters.last_attempt == attempt.0 =>
        {
            *known = Some(placement);
        }
        _ => return Err(Refusal::NothingNew),
    }
    Ok(Decision::new(next, Reason::Placed).about(Some(attempt), None))
}

impl Decision {
    fn new(job: Job, reason: Reason) -> Self {
        Self { job, reason, children: Vec::new(), effects: Vec::new(), note: Note::default() }
    }

    fn with(mut self, effects: Vec<Effect>) -> Self {
        self.effects = effects;
        self
    }

    fn about(mut self, attempt: Option<Attempt>, worker: Option<&WorkerId>) -> Self {
        self.note.attempt = attempt;
        self.note.worker = worker.cloned();
        self
    }

    fn because(mut self, failure: &Failure) -> Self {
        self.note.failure = Some(failure.clone());
        self
    }

    fn saying(mut self, detail: impl Into<String>) -> Self {
        self.note.detail = Some(detail.into());
        self
    }
}
