//! The world of a family as a value, and its jobs by number.

use std::collections::HashMap;

use panofleet_job_schema::family::OnChildFailure;
use panofleet_job_schema::lifecycle::Reason;
use panofleet_job_schema::{Job, JobId};

use super::rules::{self, Rule};
use crate::jobs::forget_times;
use crate::list::List;

/// What may go wrong, or be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A claim is given up although its worker lives.
    Silence,
    /// An event is applied twice.
    SaidTwice,
    /// A child's input is at fault.
    ChildFails,
    /// Nobody hears that a child has ended.
    NoticeLost,
    /// It is said twice that a child has ended.
    NoticeTwice,
    /// An attempt makes the whole result, and does not split.
    Whole,
    Cancel,
    Deadline,
    Replay,
}

pub(crate) const FAULTS: usize = Fault::Replay as usize + 1;
/// The number of a job that there is not.
pub(crate) const NONE: JobNo = 0;

pub(crate) type JobNo = u16;

/// The parent, or one of two children; of which generation of the parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Who {
    /// 0 is the parent.
    pub(crate) member: u8,
    pub(crate) generation: u8,
}

/// An attempt of a member. Its claim has the same number: a message has one copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Turn {
    pub(crate) who: Who,
    pub(crate) attempt: u8,
    /// Whether it is to join.
    pub(crate) joins: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Said {
    #[default]
    Claimed,
    Expanded,
    Failed,
    Succeeded,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) turn: Turn,
    pub(crate) said: Said,
}

/// How children stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tally {
    pub(crate) succeeded: u8,
    pub(crate) failed: u8,
    pub(crate) open: u8,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) parent: JobNo,
    /// By generation.
    pub(crate) children: [[JobNo; 2]; 2],
    pub(crate) queue: List<Turn, 4>,
    pub(crate) workers: [Option<Turn>; 2],
    pub(crate) log: List<Entry, 3>,
    /// By generation and member: 0 nothing, 1 a manifest, 2 a seal.
    pub(crate) manifests: [[u8; 3]; 2],
    /// What a dispatcher has counted and not written yet.
    pub(crate) counted: Option<Tally>,
    /// The parent's timer is due because a child has ended.
    pub(crate) told: bool,
    /// How often that was said.
    pub(crate) notices: u8,
    pub(crate) budget: [u8; FAULTS],
}

impl World {
    pub(crate) fn number(&self, who: Who) -> JobNo {
        match who.member {
            0 => self.parent,
            child => self.children[usize::from(who.generation) - 1][usize::from(child) - 1],
        }
    }

    pub(crate) fn set(&mut self, who: Who, number: JobNo) {
        match who.member {
            0 => self.parent = number,
            child => {
                let of = &mut self.children[usize::from(who.generation) - 1];
                of[usize::from(child) - 1] = number;
            }
        }
    }

    pub(crate) fn manifest(&mut self, who: Who) -> &mut u8 {
        &mut self.manifests[usize::from(who.generation) - 1][usize::from(who.member)]
    }
}

/// Something that happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Dispatch,
    Report(Entry),
    Silence { attempt: u8 },
    Due,
    Count(Tally),
    Deadline,
    Cancel,
    Sealed,
    Found,
    Replay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) job: JobNo,
    pub(crate) reason: Reason,
    pub(crate) children: Option<[JobNo; 2]>,
}

/// All jobs that there are, and what was decided about them.
pub(crate) struct Jobs {
    pub(crate) broken: Option<Rule>,
    pub(crate) on_failure: OnChildFailure,
    jobs: Vec<Job>,
    numbers: HashMap<String, JobNo>,
    decided: HashMap<(JobNo, Deed), Option<Done>>,
}

impl Jobs {
    pub(crate) fn new(broken: Option<Rule>, on_failure: OnChildFailure) -> Self {
        let nobody = Job { id: JobId(uuid::Uuid::max()), ..crate::jobs::accepted(3) };
        let mut jobs = Self {
            broken,
            on_failure,
            jobs: Vec::new(),
            numbers: HashMap::new(),
            decided: HashMap::new(),
        };
        jobs.number(nobody);
        jobs
    }

    pub(crate) fn get(&self, number: JobNo) -> &Job {
        &self.jobs[usize::from(number)]
    }

    pub(crate) fn number(&mut self, mut job: Job) -> JobNo {
        // Whether it failed counts here, and how does not.
        let failure = job.failure.take();
        forget_times(&mut job);
        job.failure = failure
            .map(|failure| panofleet_job_schema::Failure { message: String::new(), ..failure });
        let key = serde_json::to_string(&job).expect("a job is JSON");
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = JobNo::try_from(self.jobs.len()).expect("fewer jobs than 65,536");
        self.jobs.push(job);
        self.numbers.insert(key, number);
        number
    }

    /// What a deed makes of a job; `None` if it changes nothing.
    pub(crate) fn decide(&mut self, number: JobNo, deed: Deed) -> Option<Done> {
        if let Some(done) = self.decided.get(&(number, deed)) {
            return *done;
        }
        let job = self.get(number).clone();
        let decision = rules::decide(self.broken, self.on_failure, job, deed).ok();
        let done = decision.map(|decision| {
            let made: Vec<JobNo> =
                decision.children.into_iter().map(|child| self.number(child)).collect();
            Done {
                reason: decision.reason,
                children: made.try_into().ok(),
                job: self.number(decision.job),
            }
        });
        self.decided.insert((number, deed), done);
        done
    }
}
