//! Time, as far as a decision can tell: which times have come, and whether the watermark is past them.
//!
//! The world keeps no clock. For each time that a timer waits for it keeps a [`Mark`]: not come yet; come, and
//! so many entries of a partition were in the log before it; or come, and so many entries lie before an end that
//! was observed after it. A tick is then given timestamps in the same order. Durations are free: any timer may
//! come due before any other, except that a lease does not end under a worker that can speak and has not.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::ids::ClaimId;
use panofleet_job_schema::job::{Job, State};
use panofleet_job_schema::lifecycle::{Event, Horizon, PartitionHorizon};
use panofleet_job_schema::policy::Policy;
use uuid::Uuid;

use crate::world::{BEATS, CLAIMS_MAX, EVENTS};

/// Every tick happens now.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);

/// How a time that a timer waits for stands to one partition of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mark {
    /// It has not come.
    #[default]
    Ahead,
    /// It has come; so many entries from before it are not applied yet.
    Come(u8),
    /// The end of the log was observed after it; so many entries before that end are not applied yet.
    Observed(u8),
}

impl Mark {
    pub(crate) fn come(log: &[impl Copy]) -> Self {
        Self::Come(log.len() as u8)
    }

    pub(crate) fn observe(&mut self, log: &[impl Copy]) {
        if matches!(self, Self::Come(_)) {
            *self = Self::Observed(log.len() as u8);
        }
    }

    /// An entry was applied.
    pub(crate) fn apply(&mut self) {
        match self {
            Self::Ahead => {}
            Self::Come(before) | Self::Observed(before) => *before = before.saturating_sub(1),
        }
    }

    /// How many entries at the front of the log are from before that time, or from before the observed end.
    pub(crate) fn waiting(self) -> usize {
        match self {
            Self::Ahead => 0,
            Self::Come(before) | Self::Observed(before) => before.into(),
        }
    }

    pub(crate) fn is_come(self) -> bool {
        self != Self::Ahead
    }

    /// Whether the watermark is past it.
    pub(crate) fn is_past(self) -> bool {
        self == Self::Observed(0)
    }
}

/// The lease of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lease {
    /// The claim does not hold the job.
    #[default]
    None,
    /// Runs: by the row, by a heartbeat that the row does not know, or because the log could not be observed for
    /// too long. Every way is tried when it comes up; from there on they do not differ.
    Runs,
    /// Its time is up.
    Over {
        events: Mark,
        beats: Mark,
        /// Whether nobody was there to speak when it ended: its worker was dead or frozen.
        asleep: bool,
    },
}

impl Lease {
    pub(crate) fn marks(&mut self) -> Option<(&mut Mark, &mut Mark)> {
        match self {
            Self::Over { events, beats, .. } => Some((events, beats)),
            Self::None | Self::Runs => None,
        }
    }
}

/// What a dispatcher sees when it looks after the job's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Silence {
    pub(crate) leases: [LeaseSeen; CLAIMS_MAX + 1],
    pub(crate) timeouts: [TimeSeen; CLAIMS_MAX + 1],
    pub(crate) deadline: TimeSeen,
    pub(crate) gone: TimeSeen,
    pub(crate) copy_gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LeaseSeen {
    Row,
    Beat,
    Restarted,
    Over { past_events: bool, past_beats: bool },
}

impl From<Lease> for LeaseSeen {
    fn from(lease: Lease) -> Self {
        match lease {
            Lease::None | Lease::Runs => Self::Row,
            Lease::Over { events, beats, .. } => {
                Self::Over { past_events: events.is_past(), past_beats: beats.is_past() }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TimeSeen {
    Ahead,
    Come { past_events: bool },
}

impl From<Mark> for TimeSeen {
    fn from(mark: Mark) -> Self {
        if mark.is_come() { Self::Come { past_events: mark.is_past() } } else { Self::Ahead }
    }
}

fn ago(seconds: u64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

/// Times that have come, from the earliest: both partitions are past it, one is, none is.
const PAST_BOTH_S: u64 = 500;
const PAST_ONE_S: u64 = 300;
const PAST_NONE_S: u64 = 100;
/// Up to where the partitions are applied: in between.
const AHEAD_S: u64 = 200;
const BEHIND_S: u64 = 400;
/// Before anything else.
const LONG_AGO_S: u64 = 1_000_000;

fn came(past_events: bool, past_beats: bool) -> Timestamp {
    ago(match (past_events, past_beats) {
        (true, true) => PAST_BOTH_S,
        (false, false) => PAST_NONE_S,
        (true, false) | (false, true) => PAST_ONE_S,
    })
}

fn came_by_events(past: bool) -> Timestamp {
    came(past, past)
}

/// The claim of a number.
pub(crate) fn claim_id(number: u8) -> ClaimId {
    ClaimId(Uuid::from_u128(number.into()))
}

/// The number of a claim.
pub(crate) fn claim_no(claim: ClaimId) -> u8 {
    u8::try_from(claim.0.as_u128()).expect("made by `claim_id`")
}

/// Gives a job the times that `silence` says, and the tick that finds it so.
pub(crate) fn tick(job: &mut Job, silence: &Silence, policy: &Policy) -> Event {
    let seen = silence.leases;
    let restarted = seen.contains(&LeaseSeen::Restarted);
    let one_sided =
        |events: bool| seen.contains(&LeaseSeen::Over { past_events: events, past_beats: !events });
    assert!(!(one_sided(true) && one_sided(false)), "time has an order: {silence:?}");
    let partition = |behind: bool| PartitionHorizon {
        caught_up_at: ago(if behind { BEHIND_S } else { AHEAD_S }),
        restarted_at: ago(if restarted { 1 } else { LONG_AGO_S }),
    };
    let partitions = BTreeMap::from([
        (EVENTS as u32, partition(one_sided(false))),
        (BEATS as u32, partition(one_sided(true))),
    ]);
    let mut horizon = Horizon { partitions, copy_gone: silence.copy_gone, ..Horizon::default() };
    let timeout = job.timeout.0 + policy.timeout_grace.0;
    match &mut job.state {
        State::Running { claims, .. } => {
            for claim in claims {
                let number = usize::from(claim_no(claim.claim));
                let lease_end = match seen[number] {
                    LeaseSeen::Row => NOW + policy.lease.0 - Duration::from_secs(1),
                    LeaseSeen::Beat => {
                        horizon.beats.insert(claim.claim, ago(1));
                        came(true, true)
                    }
                    LeaseSeen::Restarted => came(true, true),
                    LeaseSeen::Over { past_events, past_beats } => came(past_events, past_beats),
                };
                claim.renewed_at = lease_end - policy.lease.0;
                claim.claimed_at = match silence.timeouts[number] {
                    TimeSeen::Ahead => ago(1),
                    TimeSeen::Come { past_events } => came_by_events(past_events) - timeout,
                };
            }
        }
        State::Sent { gone_at: Some(gone_at), .. } => {
            if let TimeSeen::Come { past_events } = silence.gone {
                *gone_at = came_by_events(past_events);
            }
        }
        _ => {}
    }
    if let TimeSeen::Come { past_events } = silence.deadline {
        job.deadline_at = came_by_events(past_events);
    }
    Event::Tick { now: NOW, horizon }
}
