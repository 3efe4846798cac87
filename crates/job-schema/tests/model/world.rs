//! The state of the world: one job and everything that moves around it, as a plain value that can be compared.

use panofleet_job_schema::message::{AttemptId, ControlRecord};
use panofleet_job_schema::{Attempt, Generation};

use crate::clock::{Lease, Mark};
use crate::faults::{Budget, Fault};
use crate::jobs::{Done, JOB, JobNo};
use crate::list::List;

/// Claims that anything may still mention at one time; numbers are given anew as soon as nobody does.
pub(crate) const CLAIMS_MAX: usize = 6;
/// Events that may wait in one partition.
pub(crate) const LOG_MAX: usize = 3;
/// Copies of messages that may lie in the queue.
pub(crate) const COPIES_MAX: usize = 3;
/// Generations that are looked at.
pub(crate) const GENERATIONS_MAX: usize = 3;
/// The partition of the job's events.
pub(crate) const EVENTS: usize = 0;
/// The partition of the workers' heartbeats.
pub(crate) const BEATS: usize = 1;
/// What stands at a manifest key when it is a seal. Manifests are the number of their claim.
pub(crate) const SEAL: u8 = 99;
/// The number of a copy that has left the queue.
pub(crate) const GONE: u8 = 15;

/// Which claim of which attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) generation: u8,
    pub(crate) attempt: u8,
    /// From 1; 0 before there is a claim.
    pub(crate) claim: u8,
}

impl Id {
    pub(crate) fn attempt_id(self) -> AttemptId {
        AttemptId {
            job: JOB,
            generation: Generation(self.generation.into()),
            attempt: Attempt(self.attempt.into()),
        }
    }

    /// Whether both are of the same attempt.
    pub(crate) fn is_of(self, other: Self) -> bool {
        (self.generation, self.attempt) == (other.generation, other.attempt)
    }
}

/// A copy of a message in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueuedCopy {
    pub(crate) id: Id,
    /// Tells copies apart.
    pub(crate) number: u8,
    /// The worker that holds the lock, from 1; 0 if nobody does.
    pub(crate) lock: u8,
}

/// Where a worker's only slot stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    #[default]
    Free,
    /// Has a message; neither dropped nor claimed it yet. Only a worker that froze stays here.
    Received,
    /// `Claimed` is in the log; the message is not acknowledged yet.
    Claimed,
    /// The acknowledgement was good, but the second look at the clock says that it is too late.
    TooLate,
    /// The child runs, or uploads go on.
    Running,
    /// A manifest stands; `Succeeded` is not in the log yet.
    Finished,
}

/// A worker with one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Worker {
    pub(crate) phase: Phase,
    pub(crate) id: Id,
    /// The copy that it holds until it has acknowledged.
    pub(crate) copy: u8,
    pub(crate) frozen: bool,
    /// Its own clock says that the lock is over.
    pub(crate) late: bool,
    /// Whose manifest it will report.
    pub(crate) winner: u8,
    /// The claim that its last life has left, if it was not reported yet.
    pub(crate) left_behind: Id,
}

impl Worker {
    /// Whether its heartbeats list this claim.
    pub(crate) fn runs(&self, claim: u8) -> bool {
        matches!(self.phase, Phase::Running | Phase::Finished) && self.id.claim == claim
    }

    /// Frees the slot.
    pub(crate) fn free(&mut self) {
        *self = Self { left_behind: self.left_behind, ..Self::default() };
    }
}

/// What an entry of the log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Said {
    #[default]
    Claimed,
    Beat,
    /// Released before it started.
    LetGo,
    Released,
    FailedTransient,
    FailedCrashed,
    FailedRejected,
    Succeeded,
    Abandoned,
    Dropped,
}

impl Said {
    /// Whether a claim ends by it.
    pub(crate) fn ends_claim(self) -> bool {
        !matches!(self, Self::Claimed | Self::Beat | Self::Succeeded | Self::Dropped)
    }
}

/// An event or a heartbeat in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) said: Said,
    pub(crate) id: Id,
    /// Whose manifest, with `Succeeded`.
    pub(crate) winner: u8,
}

/// What a dispatcher has in its hands between two steps; lost when it crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hand {
    #[default]
    Empty,
    /// Has read the row and decided; not committed. Worthless as soon as the row changes.
    Decided(Done),
    /// `Sent` is committed; the message is not in the queue yet.
    Produce(Id),
    /// The message lies there; the row does not say so yet.
    Place { id: Id, copy: u8 },
    /// Is about to put a seal.
    Seal { generation: u8 },
    /// Knows what stands at the key: the winner's claim, 0 for the seal. The row does not say so yet.
    Closed { generation: u8, winner: u8 },
}

/// What to do after a decision is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Effects {
    /// The attempt to send; 0 if none.
    pub(crate) produce: u8,
    pub(crate) control: bool,
    pub(crate) close: bool,
}

/// Records that a second collector has read and not committed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Batch {
    pub(crate) partition: u8,
    pub(crate) entries: List<Entry, 2>,
    /// Whether the offset has moved on since: then the commit fails.
    pub(crate) outdated: bool,
}

/// A request that the store may yet carry out, though nobody waits for the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Flying {
    #[default]
    None,
    Manifest(Id),
    Seal {
        generation: u8,
    },
}

/// The control record as workers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Control {
    pub(crate) generation: u8,
    pub(crate) cancelled: bool,
    pub(crate) closed: bool,
    pub(crate) lowest_live: u8,
}

impl Control {
    pub(crate) fn record(self) -> ControlRecord {
        ControlRecord {
            job: JOB,
            generation: Generation(self.generation.into()),
            cancelled: self.cancelled,
            closed: self.closed,
            lowest_live: Attempt(self.lowest_live.into()),
            // Workers of the model let go whenever they like.
            let_go: None,
        }
    }

    pub(crate) fn of(record: &ControlRecord) -> Self {
        Self {
            generation: small(record.generation.0),
            cancelled: record.cancelled,
            closed: record.closed,
            lowest_live: small(record.lowest_live.0),
        }
    }

    pub(crate) fn merge(self, other: Self) -> Self {
        Self::of(&self.record().merge(other.record()))
    }
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) job: JobNo,
    /// The leases of claims that hold the job, by claim number.
    pub(crate) leases: [Lease; CLAIMS_MAX + 1],
    /// Whether the time of a claim's attempt is up.
    pub(crate) timeouts: [Mark; CLAIMS_MAX + 1],
    pub(crate) deadline: Mark,
    /// When the message was found gone.
    pub(crate) gone: Mark,
    /// The copy that the row's placement means; 0 if it has none.
    pub(crate) placed: u8,
    pub(crate) queue: List<QueuedCopy, COPIES_MAX>,
    pub(crate) workers: [Worker; 2],
    pub(crate) log: [List<Entry, LOG_MAX>; 2],
    pub(crate) batch: Batch,
    /// The leader's, and that of the one that led before.
    pub(crate) hands: [Hand; 2],
    pub(crate) control: Control,
    /// What stands at the manifest key of each generation: 0, a claim, or [`SEAL`].
    pub(crate) manifests: [u8; GENERATIONS_MAX],
    pub(crate) flying: Flying,
    pub(crate) kafka_up: bool,
    /// Partitions whose end could not be observed for too long: the next observation starts leases anew.
    pub(crate) restart: [bool; 2],
    pub(crate) budget: Budget,
    /// For the promises only: the highest attempt number that was ever sent.
    pub(crate) highest_attempt: u8,
    /// For the promises only: claims that ended by their own word, a bit each.
    pub(crate) ended: u8,
}

impl World {
    /// A job that was just accepted, and nothing else.
    pub(crate) fn new(job: JobNo, control: Control, budget: Budget) -> Self {
        Self {
            job,
            leases: [Lease::None; CLAIMS_MAX + 1],
            timeouts: [Mark::Ahead; CLAIMS_MAX + 1],
            deadline: Mark::Ahead,
            gone: Mark::Ahead,
            placed: 0,
            queue: List::default(),
            workers: [Worker::default(); 2],
            log: [List::default(); 2],
            batch: Batch::default(),
            hands: [Hand::Empty; 2],
            control,
            manifests: [0; GENERATIONS_MAX],
            flying: Flying::None,
            kafka_up: true,
            restart: [false; 2],
            budget,
            highest_attempt: 0,
            ended: 0,
        }
    }

    /// What stands at the manifest key of a generation.
    pub(crate) fn manifest(&self, generation: u8) -> u8 {
        self.manifests[usize::from(generation) - 1]
    }

    /// A put with `If-None-Match: *`. Returns what stands there afterwards.
    pub(crate) fn put_if_absent(&mut self, generation: u8, what: u8) -> u8 {
        let key = &mut self.manifests[usize::from(generation) - 1];
        if *key == 0 {
            *key = what;
        }
        *key
    }

    /// Adds to a partition of the log.
    pub(crate) fn say(&mut self, partition: usize, said: Said, id: Id) {
        self.log[partition].push(Entry { said, id, winner: 0 });
    }

    pub(crate) fn may(&self, fault: Fault) -> bool {
        self.budget[fault as usize] > 0
    }

    pub(crate) fn spend(&mut self, fault: Fault) {
        self.budget[fault as usize] -= 1;
    }
}

/// A number of the schema as the model keeps it. Scenarios are far too small for more.
pub(crate) fn small(number: u32) -> u8 {
    u8::try_from(number).expect("a scenario is small")
}
