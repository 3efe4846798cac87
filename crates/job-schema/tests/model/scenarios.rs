//! The scenarios: a small budget of faults each, so that every order of them can be looked at.

use panofleet_job_schema::Job;
use panofleet_job_schema::limits;

use crate::faults::{Budget, Fault};
use crate::jobs::{Jobs, accepted};
use crate::rules::Rule;
use crate::search::{Found, search};
use crate::steps::{Setup, Steps};
use crate::world::{BEATS, EVENTS, World};

/// What may happen, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    faults: &'static [(Fault, u8)],
    /// What the job has cost before it is looked at.
    spent: Spent,
    /// Whether heartbeats travel in the partition of the job's events.
    one_partition: bool,
}

/// What the job has cost before.
#[derive(Clone, Copy, Debug)]
enum Spent {
    Nothing,
    Losses(u32),
    Releases(u32),
    Charged(u32),
}

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Events, and heartbeats, that may wait in the log.
    pub(crate) waiting_max: [usize; 2],
    /// Whether a lease may end while it is open whether another has ended.
    pub(crate) leases_overlap: bool,
    /// A search that comes to more is given up.
    pub(crate) states_max: usize,
}

/// What every run of the tests looks at.
pub(crate) const SMALL: Bounds =
    Bounds { waiting_max: [2, 2], leases_overlap: false, states_max: 3_000_000 };
/// What is looked at on request.
pub(crate) const LARGE: Bounds =
    Bounds { waiting_max: [3, 2], leases_overlap: true, states_max: 20_000_000 };

const fn scenario(name: &'static str, faults: &'static [(Fault, u8)]) -> Scenario {
    Scenario { name, faults, spent: Spent::Nothing, one_partition: false }
}

impl Scenario {
    const fn after(self, spent: Spent) -> Self {
        Self { spent, ..self }
    }

    const fn in_one_partition(self) -> Self {
        Self { one_partition: true, ..self }
    }

    /// Looks at everything that can happen; `broken` is the rule that does not hold.
    pub(crate) fn run(&self, broken: Option<Rule>, bounds: Bounds) -> Found {
        let beats = if self.one_partition { EVENTS } else { BEATS };
        let mut jobs = Jobs::new(broken, beats);
        let job = jobs.number(self.job());
        let mut budget = Budget::default();
        for (fault, times) in self.faults {
            budget[*fault as usize] = *times;
        }
        let first = World::new(job, jobs.facts(job).control, budget);
        let setup = Setup { broken, beats, bounds };
        search(&mut jobs, first, bounds.states_max, |jobs, world, found| {
            Steps::new(jobs, setup).of(world, found);
        })
    }

    fn job(&self) -> Job {
        let mut job = accepted(3);
        match self.spent {
            Spent::Nothing => {}
            Spent::Losses(losses) => job.counters.losses = losses,
            Spent::Releases(releases) => job.counters.releases = releases,
            Spent::Charged(charged) => job.counters.charged = charged,
        }
        job
    }
}

/// Every scenario.
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("nothing", &[]),
    scenario("freeze and loss", &[(Fault::Freeze, 1), (Fault::WorkerLost, 1)]),
    scenario("losses to the limit", &[(Fault::WorkerLost, 2)])
        .after(Spent::Losses(limits::LOSSES_MAX - 2)),
    scenario("next life", &[(Fault::WorkerCrash, 1), (Fault::Failure, 1)]),
    scenario("late next life", &[(Fault::WorkerCrash, 1)])
        .after(Spent::Losses(limits::LOSSES_MAX - 2)),
    scenario("two copies and a failure", &[(Fault::DispatcherCrash, 1), (Fault::Failure, 1)]),
    scenario("two copies and a loss", &[(Fault::DispatcherCrash, 1), (Fault::WorkerLost, 1)]),
    scenario("drain", &[(Fault::DispatcherCrash, 1), (Fault::Drain, 1), (Fault::ControlLost, 1)]),
    scenario("failures to the limit", &[(Fault::Failure, 2), (Fault::ChildCrash, 1)]),
    scenario("late failure", &[(Fault::Freeze, 1), (Fault::Failure, 2)]).after(Spent::Charged(1)),
    scenario("rejection", &[(Fault::Rejection, 1), (Fault::Freeze, 1)]),
    scenario("heartbeat behind its event", &[(Fault::Failure, 1), (Fault::Freeze, 1)])
        .in_one_partition(),
    scenario("slow locks", &[(Fault::SlowLock, 2), (Fault::Drain, 1)]),
    scenario("releases to the limit", &[(Fault::SlowLock, 2), (Fault::Drain, 1)])
        .after(Spent::Releases(limits::RELEASES_MAX - 1)),
    scenario("vanished message", &[(Fault::MessageGone, 2), (Fault::SlowLock, 1)]),
    scenario("one copy of two vanishes", &[(Fault::DispatcherCrash, 1), (Fault::MessageGone, 1)]),
    scenario("kafka outage", &[(Fault::KafkaDown, 1), (Fault::WorkerLost, 1)]),
    scenario("two outages", &[(Fault::KafkaDown, 2), (Fault::Drain, 1)]),
    scenario("attempt timeout", &[(Fault::AttemptTimeout, 1), (Fault::WorkerLost, 1)]),
    scenario("deadline", &[(Fault::Deadline, 1), (Fault::Freeze, 1)]),
    scenario("cancel", &[(Fault::Cancel, 1), (Fault::Freeze, 1), (Fault::ControlLost, 1)]),
    scenario("replay", &[(Fault::Cancel, 2), (Fault::Replay, 2), (Fault::ControlLost, 1)]),
    scenario("replay beside the living", &[(Fault::Replay, 1), (Fault::AttemptTimeout, 1)]),
    scenario("two collectors", &[(Fault::SecondCollector, 1), (Fault::WorkerLost, 1)]),
    scenario(
        "said twice",
        &[(Fault::SaidTwice, 2), (Fault::SecondCollector, 1), (Fault::Drain, 1)],
    ),
    scenario("standby dispatcher", &[(Fault::Handover, 1), (Fault::Failure, 1)]),
    scenario("standby and loss", &[(Fault::Handover, 1), (Fault::WorkerLost, 1)]),
    scenario(
        "deposed while closing",
        &[(Fault::Handover, 1), (Fault::Cancel, 2), (Fault::Replay, 1)],
    ),
    scenario("silent store", &[(Fault::StoreSilent, 2), (Fault::Failure, 1), (Fault::Cancel, 1)]),
    scenario("silent store and loss", &[(Fault::StoreSilent, 1), (Fault::WorkerLost, 1)]),
];
