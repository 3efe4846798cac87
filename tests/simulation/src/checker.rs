//! What the contract of delivery promises, held against everything that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::DeadLetter;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::job::State;
use panofleet_job_schema::manifest::{Manifest, ManifestObject};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Job, JobId, limits};
use panofleet_jobs_db::HistoryEntry;

use crate::bus::NEVER_SETTLED;
use crate::mutant::Mutant;
use crate::world::Shared;

mod families;
mod hops;

/// No child lives longer than this, whatever befalls its worker.
const CHILD_LIFE_MAX: Duration = Duration::from_secs(200);

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// A job that a client was told is accepted is there.
    AcceptedIsNeverLost,
    /// Only an operator's replay leaves an end.
    OnlyAReplayLeavesAnEnd,
    /// Once faults are over, every job ends in bounded time.
    EveryJobEnds,
    /// What stands at a manifest key stays.
    OneManifest,
    /// A job that succeeded has the manifest that it names.
    SuccessHasItsManifest,
    /// Every file that a result names is in the store.
    ResultsAreWhole,
    /// A job that may have been sent ends without a result only behind a seal.
    AnEndWithoutResultIsSealed,
    /// No job fails, crashes, is lost or let go more often than its limits say.
    LimitsHold,
    /// Attempt numbers grow, and one number is one message.
    AttemptNumbersAreUsedOnce,
    /// No child outlives its job for long, and none lives for ever.
    NothingRunsForEver,
    /// Nobody writes what nobody can read.
    EverythingIsReadable,
    /// Without a fault of its worker, a job is not sent again.
    NotSentAgainForNothing,
    /// Results and events of a job stay where they were to go, and it runs only where it may.
    AHopMovesTheJobOnly,
    /// A claim is of a worker of the region that its attempt was sent to.
    ARegionsWordCountsForItsOwn,
    /// A job is where it is held, also if an old copy was claimed after it had gone on.
    WhoClaimsAJobHasIt,
    /// The first split of a generation is the only one.
    AJobIsSplitOnce,
    /// A job that was split is joined, and ends, when its children have.
    AJobEndsAfterItsChildren,
    /// No process gives up.
    ProcessesGoOn,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How.
    pub how: String,
}

/// What the checker has seen.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub(crate) broken: Option<Broken>,
    /// Jobs that clients were told are accepted.
    pub(crate) accepted: BTreeSet<JobId>,
    /// Reasons that no job may have in this run.
    pub(crate) for_nothing: &'static [&'static str],
    /// Messages by job and attempt number, without what differs from copy to copy.
    messages: BTreeMap<(JobId, u32), String>,
    /// Failures of each generation of a job.
    failures: BTreeMap<(JobId, u32), u32>,
    /// Writes of jobs.
    pub(crate) writes: u64,
}

impl Checker {
    pub(crate) fn fail(&mut self, promise: Promise, how: String) {
        self.broken.get_or_insert(Broken { promise, how });
    }
}

fn open(payload: &Bytes) -> Option<Envelope> {
    let body = payload.split_at_checked(payload.iter().position(|byte| *byte == b'\n')? + 1)?.1;
    serde_json::from_slice(body).ok()
}

/// A job in a few words.
pub(crate) fn shown(job: &Job) -> String {
    let counters = &job.counters;
    let held = match &job.state {
        State::Running { claims, .. } => {
            let claims =
                claims.iter().map(|claim| format!(" {}@{}", claim.claim.short(), claim.worker));
            claims.collect()
        }
        State::Sent { attempt, placement, .. } => {
            format!(" a{attempt} at {:?}", placement.map(|placement| placement.offset))
        }
        _ => String::new(),
    };
    format!(
        "{}{held} g{} a{} charged {} crashes {} losses {} releases {}",
        job.state.name(),
        job.generation,
        counters.last_attempt,
        counters.charged,
        counters.crashes,
        counters.losses,
        counters.releases
    )
}

/// A message is put on a queue. Gives what it is.
pub(crate) fn message_sent(shared: &mut Shared, payload: &Bytes) -> String {
    let Some(Body::Job(message)) = open(payload).map(|envelope| envelope.body) else {
        shared.checker.fail(Promise::EverythingIsReadable, "a message that is no job".to_owned());
        return "?".to_owned();
    };
    let said = serde_json::to_string(&message).expect("a message has only string keys");
    let (job, attempt) = (message.id.job, message.id.attempt);
    let first = shared.checker.messages.entry((job, attempt.0)).or_insert_with(|| said.clone());
    if *first != said {
        let how = format!("attempt {attempt} of {job} was sent as {first} and as {said}");
        shared.checker.fail(Promise::AttemptNumbersAreUsedOnce, how);
    }
    format!("g{} a{attempt}", message.id.generation)
}

/// Whether a mutant swallows an event.
pub(crate) fn is_lost_by_mutant(shared: &mut Shared, payload: &Bytes) -> bool {
    let Some(mutant) = shared.mutant else { return false };
    match (mutant, open(payload).map(|envelope| envelope.body)) {
        (Mutant::HeartbeatsAreLost, Some(Body::Heartbeat(_))) => true,
        (Mutant::EndsAreLost, Some(Body::Event(event))) => {
            let is_end = matches!(event.report, Report::Succeeded { .. } | Report::Failed { .. });
            is_end && shared.random.happens(3000)
        }
        _ => false,
    }
}

/// An event is put on the log. Gives what it is.
pub(crate) fn event_published(shared: &mut Shared, payload: &Bytes) -> String {
    match open(payload).map(|envelope| envelope.body) {
        Some(Body::Event(event)) => {
            let (id, claim) = (event.id, event.claim.short());
            format!("{} {} a{} {claim}", event.report.name(), id.job, id.attempt)
        }
        Some(Body::Heartbeat(beat)) => {
            let claims = beat.claims.iter().map(|held| format!(" {}", held.claim.short()));
            format!("heartbeat of {}{}", beat.worker.worker, claims.collect::<String>())
        }
        _ => {
            shared.checker.fail(Promise::EverythingIsReadable, "an event that is none".to_owned());
            "?".to_owned()
        }
    }
}

/// A record goes to the dead letters.
pub(crate) fn buried(shared: &mut Shared, letter: &DeadLetter) {
    if !letter.reason.starts_with(NEVER_SETTLED) {
        let how =
            format!("a record of {} went to the dead letters: {}", letter.topic, letter.reason);
        shared.checker.fail(Promise::EverythingIsReadable, how);
    }
}

/// An object is put.
pub(crate) fn stored(shared: &mut Shared, object: &str, body: &Bytes) {
    if !object.ends_with("/manifest.json") {
        return;
    }
    if serde_json::from_slice::<ManifestObject>(body).is_err() {
        let how = format!("{object} is neither a manifest nor a seal");
        shared.checker.fail(Promise::EverythingIsReadable, how);
    }
    if shared.store.objects.get(object).is_some_and(|there| there != body) {
        let how = format!("{object} was put over what stood there");
        shared.checker.fail(Promise::OneManifest, how);
    }
}

/// What stands at the manifest key of a job's generation.
fn manifest_of(shared: &Shared, job: &Job) -> Option<ManifestObject> {
    let address = job.manifest_address();
    let object = format!("/{}/{}", address.bucket, address.manifest_key());
    serde_json::from_slice(shared.store.objects.get(&object)?).ok()
}

/// A job is about to be written as it will be.
pub(crate) fn written(shared: &mut Shared, job: &Job, history: &[HistoryEntry]) {
    shared.checker.writes += 1;
    let before = shared.db.jobs.get(&job.id).map(|row| row.job.clone());
    let before = before.expect("the batch was checked");
    let mut broken = None;
    let mut fail = |promise, how: &str| {
        broken.get_or_insert(Broken { promise, how: format!("{}: {how}: {}", job.id, shown(job)) });
    };
    let is_replay = job.generation.0 == before.generation.0 + 1;
    if before.state.is_terminal() && !is_replay {
        fail(Promise::OnlyAReplayLeavesAnEnd, "it had ended");
    }
    if job.generation < before.generation
        || job.counters.last_attempt < before.counters.last_attempt
    {
        fail(Promise::AttemptNumbersAreUsedOnce, "its numbers went back");
    }
    let failures = history.iter().filter(|line| is_charged(line)).count();
    let key = (job.id, job.generation.0);
    let failures = u32::try_from(failures).unwrap_or(u32::MAX);
    let all = shared.checker.failures.get(&key).copied().unwrap_or(0) + failures;
    let counters = &job.counters;
    let is_sent_anew = counters.last_attempt > before.counters.last_attempt;
    let may_go_on = counters.charged < job.max_attempts
        && counters.crashes < limits::CRASHES_MAX
        && counters.losses < limits::LOSSES_MAX
        && counters.releases < limits::RELEASES_MAX
        && all < job.max_attempts;
    if is_sent_anew && !may_go_on {
        fail(Promise::LimitsHold, "sent again past its limits");
    }
    match (&job.state, manifest_of(shared, job)) {
        (State::Succeeded { manifest }, Some(ManifestObject::Manifest(found)))
            if found.claim == manifest.claim && names(&found, job) => {}
        (State::Succeeded { .. }, _) if !job.spec.makes_nothing() => {
            fail(Promise::SuccessHasItsManifest, "its manifest is not there")
        }
        (State::Dead { .. } | State::Cancelled | State::Expired, found)
            if job.possibly_sent()
                && !matches!(&found, Some(ManifestObject::Seal(seal)) if seal.job == job.id) =>
        {
            fail(Promise::AnEndWithoutResultIsSealed, "no seal stands");
        }
        _ => {}
    }
    let moved =
        hops::broken(&before, job).or_else(|| families::broken(shared, (&before, job), history));
    if let Some((promise, how)) = moved {
        fail(promise, how);
    }
    let for_nothing = shared.checker.for_nothing;
    for line in history.iter().filter(|line| for_nothing.contains(&line.reason.as_str())) {
        fail(Promise::NotSentAgainForNothing, &line.reason);
    }
    shared.checker.failures.insert(key, all);
    if let Some(broken) = broken {
        shared.checker.broken.get_or_insert(broken);
    }
}

fn is_charged(line: &HistoryEntry) -> bool {
    matches!(line.reason.as_str(), "attempt_failed" | "attempt_timed_out")
}

fn names(manifest: &Manifest, job: &Job) -> bool {
    manifest.job == job.id && manifest.generation == job.generation
}

/// Looks at what has to hold at every time.
pub(crate) fn look(shared: &mut Shared) {
    let now = shared.now;
    let old =
        shared.children.living.iter().find(|(_, (_, _, since))| *since + CHILD_LIFE_MAX < now);
    if let Some((number, (worker, claim, _))) = old {
        let how = format!("child {number} of {worker} for claim {claim} has lived too long");
        shared.checker.fail(Promise::NothingRunsForEver, how);
    }
    let lost = shared.checker.accepted.iter().find(|id| !shared.db.jobs.contains_key(id));
    if let Some(id) = lost {
        let how = format!("a client was told that {id} is accepted, and it is not there");
        shared.checker.fail(Promise::AcceptedIsNeverLost, how);
    }
}

/// Whether everything has come to an end.
pub(crate) fn is_over(shared: &Shared) -> bool {
    shared.children.living.is_empty()
        && shared.db.jobs.values().all(|row| row.job.state.is_terminal())
}

/// Looks at what has to hold when all is over, or should be.
pub(crate) fn conclude(shared: &mut Shared) {
    let open = shared.db.jobs.values().find(|row| !row.job.state.is_terminal());
    if let Some(row) = open {
        let how = format!("{} is still {}", row.job.id, shown(&row.job));
        return shared.checker.fail(Promise::EveryJobEnds, how);
    }
    if let Some((number, (worker, claim, since))) = shared.children.living.iter().next() {
        let how = format!("child {number} of {worker} for claim {claim} lives since {since:?}");
        return shared.checker.fail(Promise::NothingRunsForEver, how);
    }
    let missing = shared.db.jobs.values().find_map(|row| missing_file(shared, &row.job));
    if let Some(file) = missing {
        shared.checker.fail(Promise::ResultsAreWhole, format!("{file} is not in the store"));
    }
}

fn missing_file(shared: &Shared, job: &Job) -> Option<String> {
    let (State::Succeeded { .. }, Some(ManifestObject::Manifest(manifest))) =
        (&job.state, manifest_of(shared, job))
    else {
        return None;
    };
    let files = manifest.outputs.values().flat_map(|output| {
        output.files.iter().map(move |file| {
            (format!("/{}/{}/{}", job.bucket, output.prefix, file.path), file.bytes)
        })
    });
    let is_missing = |(object, bytes): &(String, u64)| {
        shared.store.objects.get(object).is_none_or(|found| found.len() as u64 != *bytes)
    };
    files.clone().find(is_missing).map(|(object, _)| object)
}
