//! What follows when an attempt is over, and when a job is.

use super::{Decision, Effect, Reason, Refusal};
use crate::failure::{ErrorClass, Failure};
use crate::ids::Generation;
use crate::job::{CloseTarget, Counters, DeadReason, Job, State};
use crate::limits::{CRASHES_MAX, LOSSES_MAX, RELEASES_MAX};
use crate::manifest::ManifestSummary;
use crate::policy::Policy;
use crate::rerun::Rerun;
use crate::spec::Priority;
use crate::time::Timestamp;

/// How an attempt came to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// The worker said why.
    Failed(Failure),
    /// It ran for too long.
    TimedOut,
    /// Its worker fell silent.
    Lapsed,
    /// Its worker came back without it.
    Abandoned,
    /// Its worker let it go.
    Released,
    /// No worker wanted to start it.
    Dropped,
    /// Its message is gone without a claim.
    MessageLost,
}

/// No claim holds the job any more: it goes again, or it is given up.
pub(super) fn attempt_over(
    mut job: Job,
    ending: &Ending,
    now: Timestamp,
    policy: &Policy,
) -> Decision {
    count(&mut job, ending);
    let reason = ending.reason();
    if let Some(dead) = dead_reason(&job, ending) {
        return close(job, CloseTarget::Dead { reason: dead }, now, reason);
    }
    job.be_where_asked();
    job.state = if ending.waits() {
        let tries = job.counters.charged + job.counters.releases;
        State::Waiting { due_at: now + policy.backoff(tries, jitter_share(&job)) }
    } else {
        State::Queued { since: now }
    };
    Decision::new(job, reason)
}

/// A claim that is not the last one has an ending that counts all the same: its loss was counted before, and the
/// job has gone on without it. What it was counts instead, or a job could go again for ever at nobody's expense.
pub(super) fn counted_late(mut job: Job, ending: &Ending, now: Timestamp) -> Decision {
    count(&mut job, ending);
    let held = matches!(job.state, State::Running { .. });
    match dead_reason(&job, ending) {
        Some(reason) if !held => close(job, CloseTarget::Dead { reason }, now, ending.reason()),
        _ => Decision::new(job, Reason::ClaimEnded),
    }
}

/// Whether an ending leaves the job no further try.
pub(super) fn is_spent_by(job: &Job, ending: &Ending) -> bool {
    let mut next = job.clone();
    count(&mut next, ending);
    dead_reason(&next, ending).is_some()
}

/// Counts an ending. What has reached its limit stays there.
fn count(job: &mut Job, ending: &Ending) {
    let counters = &mut job.counters;
    let charged = (counters.charged + 1).min(job.max_attempts);
    match ending {
        Ending::Failed(failure) => {
            counters.charged = charged;
            if matches!(failure.class, ErrorClass::Crashed | ErrorClass::Bug) {
                counters.crashes = (counters.crashes + 1).min(CRASHES_MAX);
            }
        }
        Ending::TimedOut => counters.charged = charged,
        Ending::Abandoned => counters.losses += 1,
        Ending::Released | Ending::Dropped => {
            counters.releases = (counters.releases + 1).min(RELEASES_MAX + 1);
        }
        // Lapses are counted claim by claim, when they are noticed.
        Ending::Lapsed | Ending::MessageLost => {}
    }
}

impl Ending {
    const fn reason(&self) -> Reason {
        match self {
            Self::Failed(_) => Reason::AttemptFailed,
            Self::TimedOut => Reason::AttemptTimedOut,
            Self::Lapsed => Reason::LeaseLapsed,
            Self::Abandoned => Reason::Abandoned,
            Self::Released => Reason::Released,
            Self::Dropped => Reason::Dropped,
            Self::MessageLost => Reason::MessageLost,
        }
    }

    /// Whether the next try waits out a backoff.
    const fn waits(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::TimedOut | Self::Dropped)
    }
}

/// Why the job is not tried again, if it is not.
fn dead_reason(job: &Job, ending: &Ending) -> Option<DeadReason> {
    let counters = &job.counters;
    if matches!(ending, Ending::Failed(failure) if failure.class == ErrorClass::Rejected) {
        return Some(DeadReason::Rejected);
    }
    if counters.crashes >= CRASHES_MAX {
        return Some(DeadReason::CrashLimit);
    }
    if counters.charged >= job.max_attempts {
        return Some(DeadReason::AttemptsExhausted);
    }
    if counters.losses >= LOSSES_MAX {
        return Some(DeadReason::LossLimit);
    }
    (counters.releases > RELEASES_MAX).then_some(DeadReason::ReleaseLimit)
}

/// A number in [0, 1) that differs from job to job and try to try, and is the same each time it is asked for.
fn jitter_share(job: &Job) -> f64 {
    // FNV-1a, 64 bit (Fowler, Noll, Vo), with a final mix (splitmix64) because its high bits lag behind.
    let attempt = job.counters.last_attempt.to_be_bytes();
    let hash =
        job.id.0.as_bytes().iter().chain(&attempt).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The job is to end without a result. If a worker may have it, a seal comes first.
pub(super) fn close(mut job: Job, target: CloseTarget, now: Timestamp, reason: Reason) -> Decision {
    if job.possibly_sent() {
        job.state = State::Closing { target, try_at: now };
        return Decision::new(job, reason).with(vec![Effect::Control, Effect::Close]);
    }
    end(job, target, now, reason)
}

fn end(mut job: Job, target: CloseTarget, now: Timestamp, reason: Reason) -> Decision {
    job.state = match target {
        CloseTarget::Dead { reason } => State::Dead { reason },
        CloseTarget::Cancelled => State::Cancelled,
        CloseTarget::Expired => State::Expired,
    };
    job.finished_at = Some(now);
    let effects = if job.possibly_sent() { vec![Effect::Control] } else { Vec::new() };
    Decision::new(job, reason).with(effects)
}

pub(super) fn cancel_requested(job: &Job, now: Timestamp) -> Result<Decision, Refusal> {
    match &job.state {
        State::Closing { target: CloseTarget::Cancelled, .. } => Err(Refusal::NothingNew),
        State::Closing { .. } => Err(Refusal::Closing),
        state if state.is_terminal() => Err(Refusal::Ended),
        _ => {
            let reason =
                if job.possibly_sent() { Reason::CancelRequested } else { Reason::Cancelled };
            Ok(close(job.clone(), CloseTarget::Cancelled, now, reason))
        }
    }
}

/// Whoever holds it is to let it go, so that it goes again: a release as any other, when the worker says so.
pub(super) fn release_requested(job: &Job) -> Result<Decision, Refusal> {
    let last = match &job.state {
        State::Closing { .. } => return Err(Refusal::Closing),
        state if state.is_terminal() => return Err(Refusal::Ended),
        state => state.claims().iter().map(|claim| claim.attempt).max(),
    };
    let last = last.ok_or(Refusal::NotHeld)?;
    if job.let_go >= Some(last) {
        return Err(Refusal::NothingNew);
    }
    let next = Job { let_go: Some(last), ..job.clone() };
    let asked = Decision::new(next, Reason::ReleaseRequested).with(vec![Effect::Control]);
    Ok(asked.about(Some(last), None))
}

/// What the job is to become, if what was found at the key of `generation` is about its present end.
///
/// Who closes may be slow: an operator may have started the job anew meanwhile, and it may be closing again.
fn closing(job: &Job, generation: Generation) -> Result<CloseTarget, Refusal> {
    match job.state {
        _ if generation != job.generation => Err(Refusal::StaleGeneration),
        State::Closing { target, .. } => Ok(target),
        _ => Err(Refusal::NothingNew),
    }
}

pub(super) fn sealed(
    job: &Job,
    generation: Generation,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let target = closing(job, generation)?;
    Ok(end(job.clone(), target, now, Reason::Sealed))
}

pub(super) fn manifest_found(
    job: &Job,
    generation: Generation,
    manifest: &ManifestSummary,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let target = closing(job, generation)?;
    let mut next = job.clone();
    next.state = State::Succeeded { manifest: manifest.clone() };
    next.failure = None;
    next.finished_at = Some(now);
    let reason = match target {
        CloseTarget::Cancelled => Reason::CancelLostRace,
        CloseTarget::Dead { .. } | CloseTarget::Expired => Reason::ManifestFound,
    };
    Ok(Decision::new(next, reason).with(vec![Effect::Control]).about(Some(manifest.attempt), None))
}

pub(super) fn replay_requested(
    job: &Job,
    (now, parent_waits): (Timestamp, bool),
    changes: &Rerun,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    if let State::Waiting { .. } = job.state {
        return Ok(brought_forward(job, now, changes, policy));
    }
    if !job.state.is_terminal() {
        return Err(Refusal::NotEnded);
    }
    if job.child_of.is_some() && !parent_waits {
        return Err(Refusal::NoParentWaits);
    }
    let last_attempt = job.counters.last_attempt;
    let mut next = job.clone();
    next.generation = Generation(job.generation.0 + 1);
    next.counters =
        Counters { last_attempt, before_generation: last_attempt, ..Counters::default() };
    next.state = State::Queued { since: now };
    next.change(changes, now, policy);
    // A child has its parent's deadline, which has not passed while the parent waits.
    if job.child_of.is_none() {
        next.deadline_at = now + next.spec.deadline.unwrap_or(policy.deadline).0;
    }
    next.family = None;
    next.let_go = None;
    if let Some(route) = &mut next.route {
        route.hops = 0;
    }
    next.lapsed_claims.clear();
    next.ended_claims.clear();
    next.failure = None;
    next.finished_at = None;
    let mut decision = Decision::new(next, Reason::Replayed).with(vec![Effect::Control]);
    decision.note.detail = changes.told();
    Ok(decision)
}

/// It goes at once instead of when its time has come. It is the same try: what it has cost so far stands, and its deadline
/// does unless another one is asked for.
fn brought_forward(job: &Job, now: Timestamp, changes: &Rerun, policy: &Policy) -> Decision {
    let mut next = job.clone();
    next.state = State::Queued { since: now };
    if !next.possibly_sent() {
        next.spec.start_at = next.spec.start_at.map(|start_at| start_at.min(now));
    }
    next.change(changes, now, policy);
    // Who has it go wants one more try at least.
    next.max_attempts = next.max_attempts.max(next.counters.charged + 1);
    if let (None, Some(deadline)) = (next.child_of, changes.deadline) {
        next.deadline_at = now + deadline.0;
    }
    let effects = if next.possibly_sent() { vec![Effect::Control] } else { Vec::new() };
    let mut decision = Decision::new(next, Reason::BroughtForward).with(effects);
    decision.note.detail = changes.told();
    decision
}

/// It waits in this band from its next attempt on: one that was sent, or runs, is not called back.
pub(super) fn reprioritised(job: &Job, priority: Priority) -> Result<Decision, Refusal> {
    match job.state {
        State::Closing { .. } => return Err(Refusal::Closing),
        _ if job.state.is_terminal() => return Err(Refusal::Ended),
        _ if job.spec.priority == priority => return Err(Refusal::NothingNew),
        _ => {}
    }
    let mut next = job.clone();
    next.spec.priority = priority;
    let mut decision = Decision::new(next, Reason::Reprioritised);
    decision.note.detail = Some(format!("{} → {}", job.spec.priority.name(), priority.name()));
    Ok(decision)
}
