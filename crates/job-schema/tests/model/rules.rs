//! The rules of the contract, and what the fleet would be without each.
//!
//! The lifecycle cannot be switched, so a rule is broken around it: what goes in or what comes out is rewritten.
//! Rules that are not the lifecycle's (a worker's clock, compare-and-set, `If-None-Match`) are broken where the
//! world takes that step.

use panofleet_job_schema::job::{CloseTarget, Job, State};
use panofleet_job_schema::lifecycle::{
    self, Decision, Effect, Event, Horizon, PartitionHorizon, Reason, Refusal,
};
use panofleet_job_schema::message::{AttemptId, Report};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Attempt, Timestamp};

use crate::clock::NOW;
use crate::world::{BEATS, EVENTS};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// Every claim that has not ended holds the job.
    AllClaimsHold,
    /// An event of another generation changes nothing.
    Generations,
    /// What closing found out is of the generation that is closing.
    ClosingGeneration,
    /// An attempt number is never used twice.
    AttemptNumbers,
    /// A seal comes before an end without a result.
    Seal,
    /// Silence means nothing before the watermark is past it.
    Watermark,
    /// The watermark of the heartbeats' partition counts too.
    BothWatermarks,
    /// Leases start anew when the log could not be observed.
    Restart,
    /// A message is sent again only if its copy is gone.
    CopyGone,
    /// A copy that is gone may have been claimed: the log is waited for.
    GoneWait,
    /// A worker that is too late does not start.
    SecondLook,
    /// A claim that never started gives the message back.
    Unstarted,
    /// A living claim of an earlier attempt takes the job back.
    Revival,
    /// Success counts from any attempt of the generation.
    AnyAttempt,
    /// Ended claims are remembered.
    EndedClaims,
    /// A claim that was given up counts as what it was when it ends.
    EndsArePaid,
    /// A batch of events commits only at the offset that it was read from.
    OffsetCas,
    /// A decision commits only over the row that it was made from.
    RowCas,
    /// A manifest is put only where nothing stands.
    IfNoneMatch,
}

/// [`lifecycle::decide`], without one rule.
pub(crate) fn decide(
    broken: Option<Rule>,
    job: &Job,
    event: &Event,
    policy: &Policy,
) -> Result<Decision, Refusal> {
    let (mut job, mut event) = (job.clone(), event.clone());
    match broken {
        Some(Rule::Generations) => with_id(&mut event, |id| {
            if id.generation < job.generation {
                id.generation = job.generation;
                id.attempt = Attempt(job.counters.last_attempt);
            }
        }),
        Some(Rule::ClosingGeneration) => match &mut event {
            Event::Sealed { generation, .. } | Event::ManifestFound { generation, .. } => {
                *generation = job.generation;
            }
            _ => {}
        },
        Some(Rule::Watermark) => with_horizon(&mut event, |horizon| {
            catch_up(horizon, EVENTS);
            catch_up(horizon, BEATS);
        }),
        Some(Rule::BothWatermarks) => {
            with_horizon(&mut event, |horizon| catch_up(horizon, BEATS));
        }
        Some(Rule::CopyGone) => with_horizon(&mut event, |horizon| horizon.copy_gone = true),
        Some(Rule::Unstarted) => {
            if let Event::Reported { event, .. } = &mut event
                && let Report::Released { started, .. } = &mut event.report
            {
                *started = true;
            }
        }
        Some(Rule::EndedClaims) => job.ended_claims.clear(),
        Some(Rule::Revival) if is_life_of_earlier_attempt(&job, &event) => {
            return Err(Refusal::UnknownClaim);
        }
        Some(Rule::AnyAttempt) if is_success_of_earlier_attempt(&job, &event) => {
            return Err(Refusal::UnknownAttempt);
        }
        _ => {}
    }
    let mut decision = lifecycle::decide(&job, &event, policy)?;
    if broken == Some(Rule::EndsArePaid)
        && let Event::Reported { event, .. } = &event
        && job.lapsed_claims.contains(&event.claim)
    {
        decision.job.counters = job.counters;
        decision.job.counters.losses -= 1;
    }
    Ok(rewritten(broken, decision, policy))
}

fn rewritten(broken: Option<Rule>, mut decision: Decision, policy: &Policy) -> Decision {
    let job = &mut decision.job;
    match (broken, decision.reason) {
        (Some(Rule::AllClaimsHold), Reason::Joined) => {
            if let State::Running { claims, .. } = &mut job.state {
                claims.drain(..claims.len() - 1);
            }
        }
        (Some(Rule::AttemptNumbers), Reason::Released | Reason::Dropped) => {
            job.counters.last_attempt -= 1;
        }
        (Some(Rule::Seal), _) => {
            if let State::Closing { target, .. } = job.state {
                job.state = match target {
                    CloseTarget::Dead { reason } => State::Dead { reason },
                    CloseTarget::Cancelled => State::Cancelled,
                    CloseTarget::Expired => State::Expired,
                };
                job.finished_at = Some(NOW);
                decision.effects.retain(|effect| *effect != Effect::Close);
            }
        }
        (Some(Rule::GoneWait), Reason::CopyGone) => {
            let mut horizon = Horizon { copy_gone: true, ..Horizon::default() };
            catch_up(&mut horizon, EVENTS);
            let later = Event::Tick { now: NOW + policy.place_timeout.0, horizon };
            return lifecycle::decide(job, &later, policy).unwrap_or(decision);
        }
        _ => {}
    }
    decision
}

fn with_id(event: &mut Event, change: impl FnOnce(&mut AttemptId)) {
    match event {
        Event::Reported { event, .. } => change(&mut event.id),
        Event::Renewed { id, .. } => change(id),
        _ => {}
    }
}

fn with_horizon(event: &mut Event, change: impl FnOnce(&mut Horizon)) {
    if let Event::Tick { horizon, .. } = event {
        change(horizon);
    }
}

fn catch_up(horizon: &mut Horizon, partition: usize) {
    let restarted_at = Timestamp::default();
    let known = PartitionHorizon { caught_up_at: NOW, restarted_at };
    let row = horizon.partitions.entry(partition as u32).or_insert(known);
    row.caught_up_at = NOW + std::time::Duration::from_secs(1);
}

fn is_life_of_earlier_attempt(job: &Job, event: &Event) -> bool {
    let id = match event {
        Event::Reported { event, .. } if event.report == Report::Claimed => event.id,
        Event::Renewed { id, .. } => *id,
        _ => return false,
    };
    id.attempt.0 < job.counters.last_attempt
}

fn is_success_of_earlier_attempt(job: &Job, event: &Event) -> bool {
    matches!(event, Event::Reported { event, .. }
        if matches!(event.report, Report::Succeeded { .. })
            && event.id.attempt.0 < job.counters.last_attempt)
}
