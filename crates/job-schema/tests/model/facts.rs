//! What the world asks about a job.

use panofleet_job_schema::job::{Job, State};
use panofleet_job_schema::lifecycle::next_timer;
use panofleet_job_schema::limits;
use panofleet_job_schema::policy::Policy;

use crate::clock::claim_no;
use crate::world::{Control, small};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Waiting,
    Queued,
    Sent,
    Running,
    Blocked,
    Closing,
    Succeeded,
    /// Ended without a result.
    Ended,
}

/// A job, as far as the world looks at it. Sets of claims have a bit for each number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) generation: u8,
    pub(crate) last_attempt: u8,
    pub(crate) possibly_sent: bool,
    pub(crate) has_place: bool,
    pub(crate) gone: bool,
    pub(crate) held: u8,
    pub(crate) lapsed: u8,
    pub(crate) ended: u8,
    pub(crate) winner: u8,
    pub(crate) control: Control,
    pub(crate) within_limits: bool,
    /// Whether a counter can grow no further.
    pub(crate) at_a_limit: bool,
    /// What tries have cost, of whatever kind.
    pub(crate) cost: u32,
    pub(crate) has_timer: bool,
}

impl Facts {
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.kind, Kind::Succeeded | Kind::Ended)
    }
}

pub(crate) fn facts(job: &Job, policy: &Policy) -> Facts {
    let set = |claims: &mut dyn Iterator<Item = u8>| claims.fold(0, |set, claim| set | 1 << claim);
    let (mut has_place, mut gone, mut held, mut winner) = (false, false, 0_u8, 0);
    let kind = match &job.state {
        State::Waiting { .. } => Kind::Waiting,
        State::Queued { .. } => Kind::Queued,
        State::Sent { placement, gone_at, .. } => {
            (has_place, gone) = (placement.is_some(), gone_at.is_some());
            Kind::Sent
        }
        State::Running { claims, placement } => {
            has_place = placement.is_some();
            held = set(&mut claims.iter().map(|claim| claim_no(claim.claim)));
            Kind::Running
        }
        State::Blocked { .. } => Kind::Blocked,
        State::Closing { .. } => Kind::Closing,
        State::Succeeded { manifest } => {
            winner = claim_no(manifest.claim);
            Kind::Succeeded
        }
        State::Dead { .. } | State::Cancelled | State::Expired => Kind::Ended,
    };
    let counters = &job.counters;
    Facts {
        kind,
        generation: small(job.generation.0),
        last_attempt: small(counters.last_attempt),
        possibly_sent: job.possibly_sent(),
        has_place,
        gone,
        held,
        lapsed: set(&mut job.lapsed_claims.iter().map(|claim| claim_no(*claim))),
        ended: set(&mut job.ended_claims.iter().map(|claim| claim_no(*claim))),
        winner,
        control: Control::of(&job.control()),
        within_limits: within_limits(job),
        at_a_limit: counters.charged >= job.max_attempts,
        cost: counters.charged + counters.losses + counters.releases,
        has_timer: next_timer(job, policy).is_some(),
    }
}

/// Counters stop at their limits; a job that goes again has not reached any.
fn within_limits(job: &Job) -> bool {
    let counters = &job.counters;
    let below = counters.charged < job.max_attempts
        && counters.crashes < limits::CRASHES_MAX
        && counters.releases <= limits::RELEASES_MAX;
    let at_most = counters.charged <= job.max_attempts
        && counters.crashes <= limits::CRASHES_MAX
        && counters.releases <= limits::RELEASES_MAX + 1;
    match &job.state {
        State::Waiting { .. } | State::Queued { .. } | State::Sent { .. } => {
            below && counters.losses < limits::LOSSES_MAX
        }
        // What ends beside a claim that holds the job is counted, and looked at when that one ends.
        _ => at_most,
    }
}
