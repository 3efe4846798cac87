//! A job that is split, and what follows from how its children stand.
//!
//! The first `Expanded` of a generation wins. With it every claim of the job is over: the one that split it has done
//! its work, and nobody else's is needed. Children are counted from their rows, so that a notice that comes twice
//! counts once and one that is lost is made up for by the next look.

use super::claims::{remember, remove_claim};
use super::endings::{self, Ending};
use super::{Decision, Effect, Horizon, Reason, Refusal};
use crate::failure::{ErrorClass, Failure};
use crate::family::{ChildSpec, Children, FailedChild, Family, Join, OnChildFailure, check};
use crate::ids::Attempt;
use crate::job::{CloseTarget, DeadReason, Job, State};
use crate::message::ClaimEvent;
use crate::policy::Policy;
use crate::time::Timestamp;

/// What was sent before the job was split is over, whatever its workers say; only a manifest still counts.
pub(super) fn check_not_before(job: &Job, attempt: Attempt) -> Result<(), Refusal> {
    match job.family {
        Some(family) if attempt <= family.last_before => Err(Refusal::Split),
        _ => Ok(()),
    }
}

/// Blocks the job on its children, or ends the attempt as one that asked for what it may not.
pub(super) fn expanded(
    job: &Job,
    event: &ClaimEvent,
    (children, join): (&[ChildSpec], Join),
    now: Timestamp,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    if let Err(failure) = may_expand(job, children) {
        return super::claims::ended(job, event.claim, &Ending::Failed(failure), now, policy);
    }
    let mut next = job.clone();
    remove_claim(&mut next, event.claim)?;
    if let State::Running { claims, .. } = &next.state {
        let others: Vec<_> = claims.iter().map(|claim| claim.claim).collect();
        for other in others {
            remember(&mut next.ended_claims, other);
        }
    }
    next.family = Some(Family {
        children: u32::try_from(children.len()).unwrap_or(u32::MAX),
        join,
        attempt: event.id.attempt,
        claim: event.claim,
        last_before: Attempt(job.counters.last_attempt),
    });
    next.failure = None;
    next.state = State::Blocked { look_at: now + policy.family_look.0 };
    let made = job.children(children, (event.id, event.claim), now, policy);
    // Copies of its messages that still lie in the queue are superseded.
    let mut decision = Decision::new(next, Reason::Expanded).with(vec![Effect::Control]);
    decision.children = made;
    Ok(decision.saying(format!("{} children", children.len())))
}

fn may_expand(job: &Job, children: &[ChildSpec]) -> Result<(), Failure> {
    if job.child_of.is_some() {
        return Err(Failure::rejected("child_expanded", "a child cannot be split again"));
    }
    if job.family.is_some() {
        return Err(Failure::rejected(
            "join_expanded",
            "the attempt that joins cannot split again",
        ));
    }
    check(children).map_err(|why| Failure::new(ErrorClass::Bug, "bad_expansion", why))
}

/// Looks how the children stand: the job joins, fails with one of them, or waits on.
pub(super) fn look_after_children(
    job: &Job,
    now: Timestamp,
    horizon: &Horizon,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let (Some(family), Some(children)) = (job.family, &horizon.children) else {
        return Err(Refusal::NotYet);
    };
    let mut next = job.clone();
    let fails = family.join.on_failure == OnChildFailure::FailFast && children.failed > 0;
    if let Some(failed) = children.first_failed.as_ref().filter(|_| fails) {
        let failure = failure_of(failed, family);
        let message = failure.message.clone();
        next.failure = Some(failure);
        let target = CloseTarget::Dead { reason: DeadReason::ChildFailed };
        return Ok(endings::close(next, target, now, Reason::ChildFailed).saying(message));
    }
    if all_ended(family, children) {
        next.state = State::Queued { since: now };
        return Ok(Decision::new(next, Reason::ChildrenEnded));
    }
    next.state = State::Blocked { look_at: now + policy.family_look.0 };
    Ok(Decision::new(next, Reason::StillBlocked))
}

/// A count that misses a child says nothing about it.
fn all_ended(family: Family, children: &Children) -> bool {
    children.open == 0 && children.succeeded + children.failed == family.children
}

fn failure_of(failed: &FailedChild, family: Family) -> Failure {
    let FailedChild { job, index, state, failure } = failed;
    let class = failure.as_ref().map_or(ErrorClass::Rejected, |failure| failure.class);
    let why = failure.as_ref().map(|failure| format!(": {}: {}", failure.code, failure.message));
    let message = format!(
        "child {} of {}, job {job}, is {state}{}",
        index + 1,
        family.children,
        why.unwrap_or_default()
    );
    Failure::new(class, "child_failed", message)
}
