//! Everything that can happen next.
//!
//! | in | is |
//! |---|---|
//! | `steps/worker.rs` | the claim protocol, the child, the manifest, a worker's crashes |
//! | `steps/dispatcher.rs` | dispatch, timers, seals, and a leader that was deposed |
//! | `steps/collector.rs` | applying, the watermark, a second collector |
//! | `steps/outside.rs` | time, Kafka, the queue, the store, people |

use panofleet_job_schema::lifecycle::Reason;

use crate::clock::{Lease, Mark};
use crate::faults::Fault;
use crate::jobs::{Deed, Done, Jobs};
use crate::rules::Rule;
use crate::scenarios::Bounds;
use crate::world::{Effects, Hand, World};

mod collector;
mod dispatcher;
mod outside;
mod worker;

/// What happened, for people who read a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Abandoned(usize),
    Applied(usize),
    AttemptTimePassed(u8),
    BatchCommitted,
    BatchTaken(usize),
    Beat(usize),
    CameTooLate(usize),
    CancelRequested,
    Claimed(usize),
    Committed(usize),
    Crashed(usize),
    DeadlinePassed,
    Dispatched,
    DispatcherCrashed(usize),
    Dropped(usize),
    Failed(usize),
    Finished(usize),
    Froze(usize),
    HandedOver,
    KafkaDown,
    KafkaUp,
    LeaseTimePassed(u8),
    LetGo(usize),
    LockLapsed(u8),
    MessageVanished(u8),
    Observed(usize),
    PlaceRecorded(usize),
    Produced(usize),
    PutAnsweredNobody(usize),
    PutLanded,
    PutLost,
    Released(usize),
    Replayed,
    SealPut(usize),
    SealReported(usize),
    Started(usize),
    SucceededSaid(usize),
    Thawed(usize),
    Ticked,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) after: World,
    /// What the lifecycle said, if it decided anything.
    pub(crate) reason: Option<Reason>,
    /// Whether nobody may count on it.
    pub(crate) is_fault: bool,
}

/// What holds throughout a search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) broken: Option<Rule>,
    /// The partition of the workers' heartbeats.
    pub(crate) beats: usize,
    pub(crate) bounds: Bounds,
}

/// Finds what may happen next.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    jobs: &'a mut Jobs,
    broken: Option<Rule>,
    beats: usize,
    bounds: Bounds,
    found: Vec<Step>,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(jobs: &'a mut Jobs, setup: Setup) -> Self {
        let Setup { broken, beats, bounds } = setup;
        Self { jobs, broken, beats, bounds, found: Vec::new() }
    }

    /// Whether an event can be made durable now.
    fn can_say(&self, world: &World, partition: usize, entries: usize) -> bool {
        let waiting_max = self.bounds.waiting_max[partition];
        world.kafka_up && world.log[partition].len() + entries <= waiting_max
    }

    /// Everything that may happen next in `world`.
    pub(crate) fn of(&mut self, world: &World, found: &mut Vec<Step>) {
        found.clear();
        std::mem::swap(&mut self.found, found);
        for worker in 0..world.workers.len() {
            self.worker(world, worker);
        }
        self.dispatcher(world);
        self.collector(world);
        self.outside(world);
        std::mem::swap(&mut self.found, found);
    }

    fn can(&mut self, action: Action, after: World) {
        self.found.push(Step { action, after, reason: None, is_fault: false });
    }

    fn fault(&mut self, fault: Fault, action: Action, mut after: World) {
        after.spend(fault);
        self.found.push(Step { action, after, reason: None, is_fault: true });
    }

    /// Decides and commits; what follows from it is the caller's.
    fn commit(&mut self, world: &mut World, deed: Deed) -> Option<Done> {
        let done = self.jobs.decide(world.job, deed)?;
        self.adopt(world, &done);
        Some(done)
    }

    /// Writes a decision: the row, and the times that begin or are forgotten with it.
    fn adopt(&mut self, world: &mut World, done: &Done) {
        let before = self.jobs.facts(world.job);
        let after = self.jobs.facts(done.job);
        for claim in 1..world.leases.len() {
            let (held, holds) = (before.held >> claim & 1, after.held >> claim & 1);
            if held != holds {
                world.leases[claim] = if holds == 1 { Lease::Runs } else { Lease::None };
                world.timeouts[claim] = Mark::Ahead;
            }
        }
        if after.gone != before.gone {
            world.gone =
                if after.gone { Mark::come(&world.log[crate::world::EVENTS]) } else { Mark::Ahead };
        }
        if !after.has_place {
            world.placed = 0;
        }
        if after.generation != before.generation {
            world.deadline = Mark::Ahead;
            world.highest_attempt = world.highest_attempt.max(before.last_attempt);
        }
        if world.job != done.job && self.broken != Some(Rule::RowCas) {
            // Whoever has read the row before will fail to commit.
            for hand in &mut world.hands {
                if matches!(hand, Hand::Decided(_)) {
                    *hand = Hand::Empty;
                }
            }
        }
        world.job = done.job;
    }

    fn publish_control(&self, world: &mut World, effects: Effects) {
        if effects.control {
            let record = self.jobs.facts(world.job).control;
            world.control = world.control.merge(record);
        }
    }

    /// A decision by a process that carries out nothing but the control record, or not even that.
    fn decided_elsewhere(&mut self, action: Action, world: World, reason: Reason, of: Effects) {
        let mut after = world;
        self.publish_control(&mut after, of);
        self.found.push(Step { action, after, reason: Some(reason), is_fault: false });
        if after.control != world.control && world.may(Fault::ControlLost) {
            let mut after = world;
            after.spend(Fault::ControlLost);
            self.found.push(Step { action, after, reason: Some(reason), is_fault: true });
        }
    }
}
