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
//! | `lifecycle/reason.rs` | why a job changes, and why it does not |
//! | `lifecycle/claims.rs` | what workers report: claims, releases, failures, success |
//! | `lifecycle/timers.rs` | what time brings: leases, timeouts, deadlines, and when to look next |
//! | `lifecycle/hops.rs` | what time brings to a job that may run in several regions |
//! | `lifecycle/family.rs` | a job that is split: its children, and the join |
//! | `lifecycle/endings.rs` | what follows when an attempt or a job ends: retry, closing, seal; what people ask for |

use std::collections::{BTreeMap, BTreeSet};

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
mod reason;
mod timers;

#[cfg(test)]
mod tests;

pub use reason::{Reason, Refusal};
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
