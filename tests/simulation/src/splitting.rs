//! An operation that splits jobs, as a worker of a later version would have one; this one's has none.
//!
//! A child that is to split its job fails in words of its own. As the worker's report of that is put on the log, it becomes
//! the report that splits the job; and as the message of a join is handed to a worker, what to join is taken out of it,
//! because a worker of this version refuses that. All between is production code.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use panofleet_job_schema::Failure;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::family::{ChildSpec, Join, OnChildFailure};
use panofleet_job_schema::message::{AttemptId, ClaimEvent, Report};

use crate::roles::keys;
use crate::world::Shared;

/// The code of the failure that is none.
const TO_BE_SPLIT: &str = "to_be_split";
/// Children that a job is split into, at most.
const CHILDREN_MAX: u128 = 4;

/// Who runs what, as far as it matters to a job that is split.
#[derive(Debug, Default)]
pub(crate) struct Splits {
    joins: BTreeSet<AttemptId>,
    claims: BTreeMap<String, AttemptId>,
}

/// What an attempt of a job that is to be split has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// To split it.
    Split,
    /// To be one of its children.
    Child,
    /// To join what its children have made.
    Join,
}

/// What a child says that splits its job.
pub(crate) fn to_be_split() -> Failure {
    Failure::transient(TO_BE_SPLIT, "this is no failure")
}

/// What the attempt has to do that this claim is of.
pub(crate) fn share(shared: &Shared, claim: &str) -> Share {
    let Some(id) = shared.splits.claims.get(claim) else { return Share::Child };
    let job = shared.db.jobs.get(&id.job).map(|row| &row.job);
    if job.is_none_or(|job| job.child_of.is_some()) {
        Share::Child
    } else if shared.splits.joins.contains(id) {
        Share::Join
    } else {
        Share::Split
    }
}

/// A message, as the worker is handed it.
pub(crate) fn to_worker(shared: &mut Shared, payload: Bytes) -> Bytes {
    let changed = change(&payload, |body| {
        let Body::Job(message) = body else { return false };
        let is_join = message.join.take().is_some();
        if is_join {
            shared.splits.joins.insert(message.id);
        }
        is_join
    });
    changed.unwrap_or(payload)
}

/// An event, as it stands in the log.
pub(crate) fn from_worker(shared: &mut Shared, payload: &Bytes) -> Bytes {
    let changed = change(payload, |body| {
        let Body::Event(event) = body else { return false };
        match &event.report {
            Report::Claimed => {
                shared.splits.claims.insert(event.claim.to_string(), event.id);
                false
            }
            Report::Failed { failure } if failure.code == TO_BE_SPLIT => {
                event.report = expanded(shared, event);
                true
            }
            _ => false,
        }
    });
    changed.unwrap_or_else(|| payload.clone())
}

/// The same, however often it is said.
fn expanded(shared: &Shared, event: &ClaimEvent) -> Report {
    let job = shared.db.jobs.get(&event.id.job).map(|row| &row.job);
    let outputs = job.map(|job| job.spec.outputs.clone()).unwrap_or_default();
    let child = ChildSpec { part: None, outputs, timeout: None, max_attempts: None };
    let drawn = event.claim.0.as_u128();
    let children = usize::try_from(1 + drawn % CHILDREN_MAX).unwrap_or(1);
    let on_failure = match drawn / CHILDREN_MAX % 2 {
        0 => OnChildFailure::FailFast,
        _ => OnChildFailure::WaitForAll,
    };
    Report::Expanded { children: vec![child; children], join: Join { on_failure } }
}

/// A record with another body, signed by the same key; `None` if it is to stay, or nobody can read it.
fn change(payload: &Bytes, change: impl FnOnce(&mut Body) -> bool) -> Option<Bytes> {
    let keys = keys();
    let (mut envelope, region): (Envelope, _) = keys.open(payload).ok()?;
    if !change(&mut envelope.body) {
        return None;
    }
    let sealed = envelope.seal(keys.ring(region)?);
    Some(sealed.expect("it was read from a record").into())
}
