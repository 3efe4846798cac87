//! Jobs as the world numbers them. Only [`decide`](crate::rules::decide) makes a new one.
//!
//! A job's timestamps are taken out before it gets a number, so that there are few; the world's marks stand for
//! them. What was decided once is remembered.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::time::Duration;

use panofleet_job_schema::failure::{ErrorClass, Failure};
use panofleet_job_schema::job::{Acceptance, Job, Placement, State};
use panofleet_job_schema::lifecycle::{Effect, Event, Reason};
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::message::{ClaimEvent, Report};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::SourceLocation;
use panofleet_job_schema::{Attempt, Generation, JobId, Region, Rerun, Tenant, WorkerId};
use uuid::Uuid;

use crate::clock::{self, NOW, Silence, claim_id, claim_no};
use crate::facts::{Facts, facts};
use crate::rules::{self, Rule};
use crate::search::Mixer;
use crate::world::{CLAIMS_MAX, EVENTS, Effects, Entry, Said, small};

/// The number of a job in [`Jobs`].
pub(crate) type JobNo = u16;
/// New numbers of claims, by the old one; 0 for a claim that nobody will mention again.
pub(crate) type Renaming = [u8; CLAIMS_MAX + 1];

/// The only job.
pub(crate) const JOB: JobId = JobId(Uuid::from_u128(7));

/// An event without its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Dispatch,
    Place { attempt: u8 },
    Report(Entry),
    Tick(Silence),
    Cancel,
    Sealed { generation: u8 },
    Found { generation: u8, winner: u8 },
    Replay,
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Done {
    pub(crate) job: JobNo,
    pub(crate) reason: Reason,
    pub(crate) effects: Effects,
}

type Known<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// All jobs that there are, and what was decided about them.
#[derive(Debug)]
pub(crate) struct Jobs {
    policy: Policy,
    broken: Option<Rule>,
    beats_partition: u32,
    jobs: Vec<Job>,
    facts: Vec<Facts>,
    numbers: HashMap<String, JobNo>,
    decided: Known<(JobNo, Deed), Option<Done>>,
    renamed: Known<(JobNo, Renaming), JobNo>,
}

impl Jobs {
    /// `broken` is the rule that does not hold; `beats` the partition of the heartbeats.
    pub(crate) fn new(broken: Option<Rule>, beats: usize) -> Self {
        Self {
            policy: Policy::default(),
            broken,
            beats_partition: beats as u32,
            jobs: Vec::new(),
            facts: Vec::new(),
            numbers: HashMap::new(),
            decided: Known::default(),
            renamed: Known::default(),
        }
    }

    pub(crate) fn facts(&self, job: JobNo) -> Facts {
        self.facts[usize::from(job)]
    }

    /// What an event makes of a job; `None` if it changes nothing.
    pub(crate) fn decide(&mut self, number: JobNo, deed: Deed) -> Option<Done> {
        if let Some(done) = self.decided.get(&(number, deed)) {
            return *done;
        }
        let mut job = self.jobs[usize::from(number)].clone();
        let event = self.event(&mut job, deed);
        let decision = rules::decide(self.broken, &job, &event, &self.policy).ok();
        let done = decision.map(|decision| Done {
            reason: decision.reason,
            effects: effects(&decision.effects),
            job: self.number(decision.job),
        });
        self.decided.insert((number, deed), done);
        done
    }

    /// The job after its claims have got new numbers.
    pub(crate) fn rename(&mut self, number: JobNo, renaming: &Renaming) -> JobNo {
        if let Some(renamed) = self.renamed.get(&(number, *renaming)) {
            return *renamed;
        }
        let mut job = self.jobs[usize::from(number)].clone();
        let new = |claim| claim_id(renaming[usize::from(claim_no(claim))]);
        let mentioned = |claim: &_| *claim != claim_id(0);
        match &mut job.state {
            State::Running { claims, .. } => {
                claims.iter_mut().for_each(|claim| claim.claim = new(claim.claim));
            }
            State::Succeeded { manifest } => manifest.claim = new(manifest.claim),
            _ => {}
        }
        for list in [&mut job.lapsed_claims, &mut job.ended_claims] {
            *list = list.iter().map(|claim| new(*claim)).filter(mentioned).collect();
        }
        let renamed = self.number(job);
        self.renamed.insert((number, *renaming), renamed);
        renamed
    }

    /// The number of a job, after its times are taken out.
    pub(crate) fn number(&mut self, mut job: Job) -> JobNo {
        forget_times(&mut job);
        let key = serde_json::to_string(&job).expect("a job is JSON");
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = JobNo::try_from(self.jobs.len()).expect("fewer jobs than 65,536");
        self.facts.push(facts(&job, &self.policy));
        self.jobs.push(job);
        self.numbers.insert(key, number);
        number
    }

    fn event(&self, job: &mut Job, deed: Deed) -> Event {
        let now = NOW;
        match deed {
            Deed::Dispatch => Event::Dispatched { now },
            Deed::Place { attempt } => Event::Placed {
                attempt: Attempt(attempt.into()),
                placement: Placement { partition: 0, offset: 0 },
                now,
            },
            Deed::Report(entry) => self.reported(job, entry),
            Deed::Tick(silence) => clock::tick(job, &silence, &self.policy),
            Deed::Cancel => Event::CancelRequested { now },
            Deed::Sealed { generation } => {
                Event::Sealed { generation: Generation(generation.into()), now }
            }
            Deed::Found { generation, winner } => Event::ManifestFound {
                generation: Generation(generation.into()),
                manifest: summary(winner),
                now,
            },
            Deed::Replay => {
                Event::ReplayRequested { now, parent_waits: false, changes: Rerun::default() }
            }
        }
    }

    fn reported(&self, job: &Job, entry: Entry) -> Event {
        let id = panofleet_job_schema::message::AttemptId { job: job.id, ..entry.id.attempt_id() };
        let claim = claim_id(entry.id.claim);
        let worker = WorkerId::new("w").expect("a name");
        let failure = |class| Report::Failed { failure: Failure::new(class, "code", "message") };
        let released = |started| Report::Released { started, reason: "reason".into() };
        let report = match entry.said {
            Said::Beat => {
                let heartbeat_partition = self.beats_partition;
                return Event::Renewed { id, claim, worker, heartbeat_partition, now: NOW };
            }
            Said::Claimed => Report::Claimed,
            Said::LetGo => released(false),
            Said::Released => released(true),
            Said::FailedTransient => failure(ErrorClass::Transient),
            Said::FailedCrashed => failure(ErrorClass::Crashed),
            Said::FailedRejected => failure(ErrorClass::Rejected),
            Said::Succeeded => Report::Succeeded { manifest: summary(entry.winner) },
            Said::Abandoned => Report::Abandoned,
            Said::Dropped => Report::Dropped,
        };
        let heartbeat_partition = self.beats_partition;
        Event::Reported {
            event: ClaimEvent { id, claim, worker, heartbeat_partition, report },
            now: NOW,
        }
    }
}

/// A job that was just accepted.
pub(crate) fn accepted(max_attempts: u32) -> Job {
    let spec = r#"{"source": "s3://photos/a.jpg", "outputs": {"tiles": {"op": "pano.tiles"}}}"#;
    let acceptance = Acceptance {
        id: JOB,
        tenant: Tenant::new("t").expect("a name"),
        source: SourceLocation::object("photos", "a.jpg"),
        region: Region::new("hangzhou").expect("a name"),
        bucket: "out".into(),
        events_partition: EVENTS as u32,
        trace: None,
        now: NOW,
    };
    let spec = serde_json::from_str(spec).expect("a spec");
    Job { max_attempts, ..Job::accept(spec, acceptance, &Policy::default()) }
}

fn summary(claim: u8) -> ManifestSummary {
    ManifestSummary {
        bucket: "out".into(),
        key: "m".into(),
        attempt: Attempt(1),
        claim: claim_id(claim),
        outputs: 1,
        files: 1,
        total_bytes: 1,
        source_bytes: None,
    }
}

fn effects(effects: &[Effect]) -> Effects {
    let mut sum = Effects::default();
    for effect in effects {
        match effect {
            Effect::Produce(attempt) => sum.produce = small(attempt.0),
            Effect::Control => sum.control = true,
            Effect::Close => sum.close = true,
        }
    }
    sum
}

/// Every time becomes now: the world's marks say what has come.
pub(crate) fn forget_times(job: &mut Job) {
    job.deadline_at = NOW + Duration::from_secs(24 * 3600);
    job.finished_at = job.finished_at.map(|_| NOW);
    job.failure = None;
    job.lapsed_claims.sort_unstable();
    job.ended_claims.sort_unstable();
    match &mut job.state {
        State::Waiting { due_at: time }
        | State::Queued { since: time }
        | State::Blocked { look_at: time }
        | State::Closing { try_at: time, .. } => *time = NOW,
        State::Sent { sent_at, look_at, gone_at, .. } => {
            (*sent_at, *look_at) = (NOW, NOW);
            *gone_at = gone_at.map(|_| NOW);
        }
        State::Running { claims, .. } => {
            claims.sort_unstable_by_key(|claim| claim.claim);
            for claim in claims {
                (claim.claimed_at, claim.renewed_at, claim.excused_at) = (NOW, NOW, None);
            }
        }
        State::Succeeded { .. } | State::Dead { .. } | State::Cancelled | State::Expired => {}
    }
}
