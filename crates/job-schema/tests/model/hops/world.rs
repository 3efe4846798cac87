//! The world of a job that hops as a value, and the job by number.

use std::collections::HashMap;

use panofleet_job_schema::lifecycle::Reason;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Job, Region};

use super::rules::{self, Rule};
use crate::clock::{Mark, NOW};
use crate::jobs::{accepted, forget_times};
use crate::list::List;

/// What may go wrong, or be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A job has waited for too long.
    Hop,
    /// A claim is given up although its worker lives.
    Silence,
    /// A message that was claimed is handed out once more.
    CopyTwice,
    /// Control records do not arrive.
    ControlLost,
    /// A region says that it has claimed what was sent to the other.
    Lie,
    /// An attempt fails.
    Failure,
    Cancel,
}

pub(crate) const FAULTS: usize = Fault::Cancel as usize + 1;
/// What stands at the manifest key when the job was sealed.
pub(crate) const SEAL: u8 = 99;
/// The lowest attempt that may start, where none may.
pub(crate) const CLOSED: u8 = 99;

/// The region of a place, 0 or 1.
pub(crate) fn region(place: u8) -> Region {
    Region::new(["hangzhou", "us-west"][usize::from(place)]).expect("a name")
}

/// The place of a region.
pub(crate) fn place(name: &Region) -> usize {
    usize::from(*name != region(0))
}

/// A claim, as its worker has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) attempt: u8,
    pub(crate) claim: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Said {
    #[default]
    Claimed,
    Dropped,
    Failed,
    Succeeded,
}

/// An event, signed by the worker of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) held: Held,
    pub(crate) region: u8,
    pub(crate) said: Said,
    /// What stands at the manifest key, if it says so.
    pub(crate) winner: u8,
    pub(crate) is_lie: bool,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) job: u16,
    /// By region: the attempts whose messages lie there.
    pub(crate) queues: [List<u8, 4>; 2],
    pub(crate) workers: [Option<Held>; 2],
    pub(crate) log: List<Entry, 3>,
    /// By region: attempts below this are not to start.
    pub(crate) told: [u8; 2],
    /// The claim whose manifest stands; 0 for none.
    pub(crate) manifest: u8,
    /// The last attempt that a message was put for.
    pub(crate) sent: u8,
    /// Claims that were made.
    pub(crate) claims: u8,
    /// When the job is to go on, since it last changed.
    pub(crate) hop: Mark,
    pub(crate) budget: [u8; FAULTS],
}

/// Something that happens to the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Dispatch,
    /// The bus has its message.
    Placed {
        attempt: u8,
    },
    Report(Entry),
    /// It has waited for long; whether the watermark is past that.
    Waited {
        past: bool,
    },
    Silence {
        claim: u8,
    },
    Due,
    Cancel,
    Sealed,
    Found {
        winner: u8,
    },
}

/// What follows from a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) job: u16,
    pub(crate) reason: Reason,
    pub(crate) control: bool,
}

/// Every form of the job that there is, and what was decided about it.
pub(crate) struct Jobs {
    pub(crate) broken: Option<Rule>,
    jobs: Vec<Job>,
    numbers: HashMap<String, u16>,
    decided: HashMap<(u16, Deed), Option<Done>>,
}

impl Jobs {
    pub(crate) fn new(broken: Option<Rule>) -> Self {
        let (jobs, numbers, decided) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { broken, jobs, numbers, decided }
    }

    /// The job as it is accepted, in the first region.
    pub(crate) fn first(&mut self) -> u16 {
        let regions = vec![region(0), region(1)];
        self.number(accepted(3).routed(regions, &Policy::default()))
    }

    pub(crate) fn get(&self, number: u16) -> &Job {
        &self.jobs[usize::from(number)]
    }

    fn number(&mut self, mut job: Job) -> u16 {
        forget_times(&mut job);
        if let Some(route) = &mut job.route {
            // Whether it has waited stands in the world, and how long it waits does not matter.
            (route.arrived_at, route.hops) = (NOW, 0);
        }
        let key = serde_json::to_string(&job).expect("a job is JSON");
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = u16::try_from(self.jobs.len()).expect("fewer jobs than 65,536");
        self.jobs.push(job);
        self.numbers.insert(key, number);
        number
    }

    /// What a deed makes of a job; `None` if it changes nothing.
    pub(crate) fn decide(&mut self, number: u16, deed: Deed) -> Option<Done> {
        if let Some(done) = self.decided.get(&(number, deed)) {
            return *done;
        }
        let decision = rules::decide(self.broken, self.get(number).clone(), deed).ok();
        let done = decision.map(|decision| Done {
            reason: decision.reason,
            control: rules::tells(&decision),
            job: self.number(decision.job),
        });
        self.decided.insert((number, deed), done);
        done
    }
}
