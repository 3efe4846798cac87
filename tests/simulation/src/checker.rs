//! What the contract of delivery promises, held against everything that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::DeadLetter;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::job::State;
use panofleet_job_schema::manifest::ManifestObject;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Job, JobId};
use panofleet_jobs_db::HistoryEntry;
use panofleet_test_promises::{self as promises, Broken, Promise, shown};

use crate::bus::NEVER_SETTLED;
use crate::mutant::Mutant;
use crate::world::Shared;

mod families;
mod hops;

/// No child lives longer than this, whatever befalls its worker.
const CHILD_LIFE_MAX: Duration = Duration::from_secs(200);

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
    let failures = shared.checker.failures.entry((job.id, job.generation.0)).or_default();
    *failures = failures.saturating_add(promises::charges(history));
    let failures = *failures;
    let moved =
        hops::broken(&before, job).or_else(|| families::broken(shared, (&before, job), history));
    let moved = moved
        .map(|(promise, how)| Broken::new(promise, format!("{}: {how}: {}", job.id, shown(job))));
    let kept = promises::check_write(&before, job, failures)
        .and_then(|()| promises::check_end(job, manifest_of(shared, job).as_ref()))
        .and_then(|()| moved.map_or(Ok(()), Err))
        .and_then(|()| promises::nothing_repeated(job, history, shared.checker.for_nothing));
    if let Err(broken) = kept {
        shared.checker.broken.get_or_insert(broken);
    }
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
    let told = shared
        .db
        .jobs
        .values()
        .find_map(|row| promises::check_history(&row.job, &row.history).err());
    if let Some(broken) = told {
        shared.checker.broken.get_or_insert(broken);
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
    let is_there = |object: &str, bytes: u64| {
        let found = shared.store.objects.get(object);
        found.is_some_and(|found| found.len() as u64 == bytes)
    };
    let files = promises::files_of(&manifest);
    let mut files = files.map(|(key, bytes)| (format!("/{}/{key}", job.bucket), bytes));
    files.find(|(object, bytes)| !is_there(object, *bytes)).map(|(object, _)| object)
}
