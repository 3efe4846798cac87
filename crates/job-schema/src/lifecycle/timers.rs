//! What time brings.
//!
//! A timer that concludes from silence fires only when every event that could break the silence has been
//! applied: the watermark. It looks at each partition involved: the job's own, and the one that carries the
//! heartbeats of a claim's worker. And where nobody could have heard the worker, because the log was out of sight or its
//! region cut off, everything that concludes from its silence waits for a lease more.

use super::claims::remember;
use super::endings::{self, Ending};
use super::{Decision, Effect, Horizon, Reason, Refusal, family, hops};
use crate::ids::ClaimId;
use crate::job::{Claim, CloseTarget, Job, State};
use crate::policy::Policy;
use crate::time::Timestamp;

/// When a timer of the job is due next; `None` only for a job that has ended.
pub fn next_timer(job: &Job, policy: &Policy) -> Option<Timestamp> {
    let own = match &job.state {
        State::Waiting { due_at } => *due_at,
        State::Queued { .. } => job.hop_due().unwrap_or(job.deadline_at),
        State::Sent { look_at, .. } => job.hop_due().map_or(*look_at, |hop| hop.min(*look_at)),
        State::Blocked { look_at } => *look_at,
        State::Running { claims, .. } => claims
            .iter()
            .map(|claim| lease_end(claim, policy).min(timeout_end(job, claim, policy)))
            .min()
            .unwrap_or(job.deadline_at),
        State::Closing { try_at, .. } => return Some(*try_at),
        state if state.is_terminal() => return None,
        _ => job.deadline_at,
    };
    Some(own.min(job.deadline_at))
}

fn lease_end(claim: &Claim, policy: &Policy) -> Timestamp {
    not_excused(claim, claim.renewed_at + policy.lease.0, policy)
}

/// The worker ends an attempt by itself when its time is up; this is for the worker that does not.
fn timeout_end(job: &Job, claim: &Claim, policy: &Policy) -> Timestamp {
    not_excused(claim, claim.claimed_at + job.timeout.0 + policy.timeout_grace.0, policy)
}

/// When `end` has come, and a worker that can be heard again has had its time to speak.
fn not_excused(claim: &Claim, end: Timestamp, policy: &Policy) -> Timestamp {
    claim.excused_at.map_or(end, |excused_at| end.max(excused_at + policy.lease.0))
}

pub(super) fn tick(
    job: &Job,
    now: Timestamp,
    horizon: &Horizon,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    if let State::Closing { target, try_at } = job.state {
        if now < try_at {
            return Err(Refusal::NotYet);
        }
        let mut next = job.clone();
        next.state = State::Closing { target, try_at: now + policy.seal_retry.0 };
        return Ok(Decision::new(next, Reason::SealTried).with(vec![Effect::Close]));
    }
    if job.state.is_terminal() {
        return Err(Refusal::Ended);
    }
    if now >= job.deadline_at {
        return deadline_passed(job, now, horizon);
    }
    match &job.state {
        State::Waiting { due_at } if now >= *due_at => {
            let mut next = job.clone();
            next.state = State::Queued { since: now };
            Ok(Decision::new(next, Reason::Due))
        }
        State::Queued { .. } => hops::waited(job, now, horizon),
        State::Sent { look_at, .. } => match hops::waited(job, now, horizon) {
            Err(_) if now >= *look_at => sent_too_long(job, now, horizon, policy),
            hop => hop,
        },
        State::Running { .. } => look_after_claims(job, now, horizon, policy),
        State::Blocked { .. } => family::look_after_children(job, now, horizon, policy),
        _ => Err(Refusal::NotYet),
    }
}

fn deadline_passed(job: &Job, now: Timestamp, horizon: &Horizon) -> Result<Decision, Refusal> {
    if !job.possibly_sent() {
        return Ok(endings::close(job.clone(), CloseTarget::Expired, now, Reason::Expired));
    }
    if !horizon.is_past(job.events_partition, job.deadline_at) {
        return Err(Refusal::NotYet);
    }
    Ok(endings::close(job.clone(), CloseTarget::Expired, now, Reason::DeadlinePassed))
}

/// Sent again only if the copy is provably gone, and every claim that it may have led to has been applied.
fn sent_too_long(
    job: &Job,
    now: Timestamp,
    horizon: &Horizon,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let mut next = job.clone();
    let State::Sent { attempt, look_at, placement, gone_at, .. } = &mut next.state else {
        return Err(Refusal::NotYet);
    };
    let attempt = *attempt;
    if placement.is_none() {
        *look_at = now + policy.place_timeout.0;
        let again = Decision::new(next, Reason::SentAgain).with(vec![Effect::Produce(attempt)]);
        return Ok(again.about(Some(attempt), None));
    }
    match *gone_at {
        _ if !horizon.copy_gone => {
            *gone_at = None;
            *look_at = now + policy.queue_timeout.0;
            Ok(Decision::new(next, Reason::StillQueued))
        }
        // A claim made just before the copy went may still be on its way through the log.
        None => {
            *gone_at = Some(now);
            *look_at = now + policy.place_timeout.0;
            Ok(Decision::new(next, Reason::CopyGone))
        }
        Some(gone_at) if horizon.is_past(job.events_partition, gone_at) => {
            let over = endings::attempt_over(job.clone(), &Ending::MessageLost, now, policy);
            Ok(over.about(Some(attempt), None))
        }
        Some(_) => Err(Refusal::NotYet),
    }
}

fn look_after_claims(
    job: &Job,
    now: Timestamp,
    horizon: &Horizon,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let mut next = job.clone();
    let State::Running { claims, .. } = &mut next.state else { return Err(Refusal::NotYet) };
    let mut lapsed: Vec<Claim> = Vec::new();
    let mut timed_out: Vec<Claim> = Vec::new();
    let (mut excused, mut renewed) = (false, false);
    claims.retain_mut(|claim| {
        excused |= excuse(claim, job, horizon, policy);
        let timeout_end = timeout_end(job, claim, policy);
        if now >= timeout_end && horizon.is_past(job.events_partition, timeout_end) {
            timed_out.push(claim.clone());
            return false;
        }
        renewed |= renew(claim, horizon);
        let lease_end = lease_end(claim, policy);
        let silent = now >= lease_end
            && horizon.is_past(job.events_partition, lease_end)
            && horizon.is_past(claim.heartbeat_partition, lease_end);
        if silent {
            lapsed.push(claim.clone());
        }
        !silent
    });
    let last_ended = claims.is_empty();
    for claim in &timed_out {
        // Whatever its worker says later, its time is up; only its manifest still counts.
        remember(&mut next.ended_claims, claim.claim);
    }
    for claim in &lapsed {
        remember_lapsed(&mut next, claim.claim);
    }
    let Some(about) = timed_out.first().or(lapsed.first()) else {
        return match (excused, renewed) {
            (true, _) => Ok(Decision::new(next, Reason::Excused)),
            (false, true) => Ok(Decision::new(next, Reason::Renewed)),
            (false, false) => Err(Refusal::NotYet),
        };
    };
    let decision = if !last_ended {
        Decision::new(next, Reason::ClaimEnded)
    } else if timed_out.is_empty() {
        endings::attempt_over(next, &Ending::Lapsed, now, policy)
    } else {
        endings::attempt_over(next, &Ending::TimedOut, now, policy)
    };
    Ok(decision.about(Some(about.attempt), Some(&about.worker)))
}

/// Takes over until when nobody could have heard the claim's worker; whether that moves what silence would end.
fn excuse(claim: &mut Claim, job: &Job, horizon: &Horizon, policy: &Policy) -> bool {
    let ends = |claim: &Claim| (lease_end(claim, policy), timeout_end(job, claim, policy));
    let region = job.region_of(claim.attempt).unwrap_or(&job.region);
    let known = [
        horizon.restarted_at(job.events_partition),
        horizon.restarted_at(claim.heartbeat_partition),
        horizon.excused.get(region).copied(),
    ];
    let excused_at = known.into_iter().fold(claim.excused_at, Option::max);
    let excused = Claim { excused_at, ..claim.clone() };
    let moves = ends(&excused) != ends(claim);
    if moves {
        *claim = excused;
    }
    moves
}

/// Takes over what the worker's heartbeats say; whether that was news.
fn renew(claim: &mut Claim, horizon: &Horizon) -> bool {
    let beat = horizon.beats.get(&claim.claim).copied();
    let newest = beat.map_or(claim.renewed_at, |beat| beat.max(claim.renewed_at));
    let news = newest > claim.renewed_at;
    claim.renewed_at = newest;
    news
}

fn remember_lapsed(job: &mut Job, claim: ClaimId) {
    job.counters.losses += 1;
    remember(&mut job.lapsed_claims, claim);
}
