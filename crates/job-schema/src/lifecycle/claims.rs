//! What workers report about claims.
//!
//! A job is Running as long as one claim holds it; only the last one that ends sends it again. A claim of an
//! earlier attempt that turns out to be alive takes an unclaimed job back.

use super::endings::{self, Ending};
use super::{Decision, Effect, Reason, Refusal, family};
use crate::ids::{Attempt, ClaimId, WorkerId};
use crate::job::{Claim, CloseTarget, Job, Placement, State};
use crate::limits::{CLAIMS_MAX, ENDED_CLAIMS_MAX, TIMEOUT_S};
use crate::manifest::ManifestSummary;
use crate::message::{AttemptId, ClaimEvent, Report};
use crate::policy::Policy;
use crate::time::{Span, Timestamp};

/// Who holds what.
pub(super) struct Holder<'a> {
    pub(super) id: AttemptId,
    pub(super) claim: ClaimId,
    pub(super) worker: &'a WorkerId,
    pub(super) heartbeat_partition: u32,
}

pub(super) fn reported(
    job: &Job,
    event: &ClaimEvent,
    now: Timestamp,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    check_identity(job, event.id)?;
    if let Report::Succeeded { manifest } = &event.report {
        return Ok(succeeded(job, event, manifest, now));
    }
    if matches!(job.state, State::Closing { .. }) {
        return Err(Refusal::Closing);
    }
    family::check_not_before(job, event.id.attempt)?;
    let decision = match &event.report {
        Report::Claimed => held(job, &event.into(), now),
        Report::Probed { timeout } => probed(job, event.claim, *timeout),
        Report::Dropped => dropped(job, event.id.attempt, now, policy),
        Report::Released { started: false, .. } => released_unstarted(job, event, now, policy),
        Report::Released { started: true, .. } => {
            ended(job, event.claim, &Ending::Released, now, policy)
        }
        Report::Failed { failure } => {
            ended(job, event.claim, &Ending::Failed(failure.clone()), now, policy)
        }
        Report::Expanded { children, join } => {
            family::expanded(job, event, (children, *join), now, policy)
        }
        Report::Abandoned => ended(job, event.claim, &Ending::Abandoned, now, policy),
        Report::Succeeded { .. } => Err(Refusal::NothingNew),
    }?;
    let decision = decision.about(Some(event.id.attempt), Some(&event.worker));
    Ok(match &event.report {
        Report::Released { reason, .. } => decision.saying(reason.clone()),
        Report::Failed { failure } => {
            decision.saying(format!("{}: {}", failure.code, failure.message)).because(failure)
        }
        _ => decision,
    })
}

/// A heartbeat lists the claim: news only if nobody thought it alive.
pub(super) fn renewed(job: &Job, holder: &Holder<'_>, now: Timestamp) -> Result<Decision, Refusal> {
    check_identity(job, holder.id)?;
    if matches!(job.state, State::Closing { .. }) {
        return Err(Refusal::Closing);
    }
    family::check_not_before(job, holder.id.attempt)?;
    let decision = held(job, holder, now)?;
    Ok(decision.about(Some(holder.id.attempt), Some(holder.worker)))
}

fn check_identity(job: &Job, id: AttemptId) -> Result<(), Refusal> {
    let Attempt(attempt) = id.attempt;
    let sent = job.counters.before_generation < attempt && attempt <= job.counters.last_attempt;
    match id.generation.cmp(&job.generation) {
        std::cmp::Ordering::Less => Err(Refusal::StaleGeneration),
        std::cmp::Ordering::Greater => Err(Refusal::UnknownAttempt),
        std::cmp::Ordering::Equal if !sent => Err(Refusal::UnknownAttempt),
        std::cmp::Ordering::Equal if job.state.is_terminal() => Err(Refusal::Ended),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// The manifest stands, whoever reports it: the first finisher has won.
fn succeeded(
    job: &Job,
    event: &ClaimEvent,
    manifest: &ManifestSummary,
    now: Timestamp,
) -> Decision {
    let mut next = job.clone();
    give_loss_back(&mut next, event.claim);
    next.state = State::Succeeded { manifest: manifest.clone() };
    next.failure = None;
    next.finished_at = Some(now);
    let lost_race = matches!(job.state, State::Closing { target: CloseTarget::Cancelled, .. });
    let reason = if lost_race { Reason::CancelLostRace } else { Reason::Succeeded };
    // A job that went out once and came back has no copy left that somebody could start.
    let sent_once = job.counters.last_attempt == job.counters.before_generation + 1;
    let held_once = matches!(&job.state, State::Running { claims, .. }
        if claims.iter().all(|claim| claim.claim == event.claim));
    let effects = if sent_once && held_once { Vec::new() } else { vec![Effect::Control] };
    Decision::new(next, reason).with(effects).about(Some(event.id.attempt), Some(&event.worker))
}

/// A claim holds the job, whichever attempt it is of.
fn held(job: &Job, holder: &Holder<'_>, now: Timestamp) -> Result<Decision, Refusal> {
    if job.ended_claims.contains(&holder.claim) {
        return Err(Refusal::EndedClaim);
    }
    let attempt = holder.id.attempt;
    let claim = Claim {
        claim: holder.claim,
        attempt,
        worker: holder.worker.clone(),
        heartbeat_partition: holder.heartbeat_partition,
        claimed_at: now,
        renewed_at: now,
        excused_at: None,
    };
    let mut next = job.clone();
    give_loss_back(&mut next, holder.claim);
    if let State::Running { claims, .. } = &mut next.state {
        if claims.iter().any(|known| known.claim == holder.claim) {
            return Err(Refusal::NothingNew);
        }
        if claims.len() >= CLAIMS_MAX {
            return Err(Refusal::TooManyClaims);
        }
        claims.push(claim);
        return Ok(Decision::new(next, Reason::Joined));
    }
    let (expected, placement) = match &job.state {
        State::Sent { attempt: sent, placement, .. } => (*sent == attempt, *placement),
        _ => (false, None),
    };
    be_where_sent(&mut next, attempt);
    next.state = State::Running { claims: vec![claim], placement };
    let reason = if expected { Reason::Claimed } else { Reason::Revived };
    // The message that nobody has claimed is superseded: it is not to start beside the one that lives.
    let effects = if expected { Vec::new() } else { vec![Effect::Control] };
    Ok(Decision::new(next, reason).with(effects))
}

/// What the source is like holds for every attempt, so they all have that time. The submitter's word stands above it.
fn probed(job: &Job, claim: ClaimId, timeout: Span) -> Result<Decision, Refusal> {
    if job.ended_claims.contains(&claim) {
        return Err(Refusal::EndedClaim);
    }
    let timeout = timeout.min(Span::from_secs(*TIMEOUT_S.end()));
    if job.spec.timeout.is_some() || timeout <= job.timeout {
        return Err(Refusal::NothingNew);
    }
    Ok(Decision::new(Job { timeout, ..job.clone() }, Reason::Probed))
}

/// A job is where the attempt was sent that holds it, or that waits in the queue.
fn be_where_sent(job: &mut Job, attempt: Attempt) {
    if let Some(region) = job.region_of(attempt).cloned() {
        job.region = region;
    }
}

/// A claim ended in a way of its own; the last one decides what becomes of the job.
pub(super) fn ended(
    job: &Job,
    claim: ClaimId,
    ending: &Ending,
    now: Timestamp,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let was_lapsed = job.lapsed_claims.contains(&claim);
    let mut next = job.clone();
    remove_claim(&mut next, claim)?;
    if let Ending::Failed(failure) = ending {
        next.failure = Some(failure.clone());
    }
    if holds_nobody(&next) {
        return Ok(endings::attempt_over(next, ending, now, policy));
    }
    if was_lapsed || *ending == Ending::Abandoned {
        return Ok(endings::counted_late(next, ending, now));
    }
    Ok(Decision::new(next, Reason::ClaimEnded))
}

/// Whether the last claim has just been taken out.
fn holds_nobody(job: &Job) -> bool {
    matches!(&job.state, State::Running { claims, .. } if claims.is_empty())
}

/// The worker was too late to start: the message went back to the queue by itself. Or it did not: a worker whose
/// acknowledgement went through and who only looked at its clock too late lets go as well, and nobody gets that message.
/// So the copy is looked for soon, not after the queue timeout.
fn released_unstarted(
    job: &Job,
    event: &ClaimEvent,
    now: Timestamp,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let was_lapsed = job.lapsed_claims.contains(&event.claim);
    let mut next = job.clone();
    let placement = remove_claim(&mut next, event.claim)?;
    let last = next.counters.last_attempt;
    if !holds_nobody(&next) {
        return Ok(if was_lapsed {
            endings::counted_late(next, &Ending::Released, now)
        } else {
            Decision::new(next, Reason::ClaimEnded)
        });
    }
    if event.id.attempt.0 < last || endings::is_spent_by(&next, &Ending::Released) {
        return Ok(endings::attempt_over(next, &Ending::Released, now, policy));
    }
    next.counters.releases += 1;
    be_where_sent(&mut next, Attempt(last));
    next.state = State::Sent {
        attempt: Attempt(last),
        sent_at: now,
        look_at: now + policy.place_timeout.0,
        placement,
        gone_at: None,
    };
    Ok(Decision::new(next, Reason::ReleasedUnstarted))
}

/// A worker refused to start the message. If it was the living one, its control record was wrong or late.
fn dropped(
    job: &Job,
    attempt: Attempt,
    now: Timestamp,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    match &job.state {
        State::Sent { attempt: sent, .. } if *sent == attempt => {
            Ok(endings::attempt_over(job.clone(), &Ending::Dropped, now, policy))
        }
        _ => Err(Refusal::NothingNew),
    }
}

/// Takes a claim out for good, and says where the job's last message lies.
pub(super) fn remove_claim(job: &mut Job, claim: ClaimId) -> Result<Option<Placement>, Refusal> {
    if job.ended_claims.contains(&claim) {
        return Err(Refusal::EndedClaim);
    }
    let lapsed = give_loss_back(job, claim);
    let mut place = None;
    let mut was_held = false;
    if let State::Running { claims, placement } = &mut job.state {
        let before = claims.len();
        claims.retain(|known| known.claim != claim);
        was_held = claims.len() < before;
        place = *placement;
    }
    if !was_held && !lapsed {
        return Err(Refusal::UnknownClaim);
    }
    remember(&mut job.ended_claims, claim);
    Ok(place)
}

/// A claim that was given up as lost shows signs of life: its loss did not happen.
fn give_loss_back(job: &mut Job, claim: ClaimId) -> bool {
    let before = job.lapsed_claims.len();
    job.lapsed_claims.retain(|lapsed| *lapsed != claim);
    let was_lapsed = job.lapsed_claims.len() < before;
    if was_lapsed {
        job.counters.losses = job.counters.losses.saturating_sub(1);
    }
    was_lapsed
}

/// Adds to a bounded list, dropping the oldest.
pub(super) fn remember(list: &mut Vec<ClaimId>, claim: ClaimId) {
    if list.len() >= ENDED_CLAIMS_MAX {
        list.remove(0);
    }
    list.push(claim);
}

impl<'a> From<&'a ClaimEvent> for Holder<'a> {
    fn from(event: &'a ClaimEvent) -> Self {
        Self {
            id: event.id,
            claim: event.claim,
            worker: &event.worker,
            heartbeat_partition: event.heartbeat_partition,
        }
    }
}
