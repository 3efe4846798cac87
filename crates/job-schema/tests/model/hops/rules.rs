//! The rules of hops, each of which can be broken; and from a deed to the lifecycle's event.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::failure::{ErrorClass, Failure};
use panofleet_job_schema::job::{Placement, State};
use panofleet_job_schema::lifecycle::{
    self, Decision, Effect, Event, Horizon, PartitionHorizon, Reason, Refusal,
};
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::message::{AttemptId, ClaimEvent, Report};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Attempt, Job, Timestamp, WorkerId};

use super::world::{Deed, Entry, Said, region};
use crate::clock::{NOW, claim_id};
use crate::world::{BEATS, EVENTS};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A sent job hops only when every claim from before is applied.
    Watermark,
    /// A job is where it is claimed.
    TakesBack,
    /// What a region says of an attempt counts if it was sent there.
    OwnWordOnly,
    /// It is remembered where attempts were sent.
    Remembers,
    /// What is sent after a hop is a new attempt.
    NewAttempt,
    /// The region that a job leaves is told.
    TellsTheOldRegion,
    /// A job's result stays where it was to go.
    ResultStays,
}

pub(crate) fn decide(broken: Option<Rule>, mut job: Job, deed: Deed) -> Result<Decision, Refusal> {
    let deed = match deed {
        Deed::Waited { .. } if broken == Some(Rule::Watermark) => Deed::Waited { past: true },
        deed => deed,
    };
    let was_in = job.region.clone();
    let event = event(&mut job, deed);
    let mut decision = lifecycle::decide(&job, &event, &Policy::default())?;
    match (broken, decision.reason) {
        (Some(Rule::TakesBack), Reason::Claimed | Reason::Revived) => decision.job.region = was_in,
        (Some(Rule::Remembers), Reason::Dispatched) => {
            decision.job.sent_to.drain(..decision.job.sent_to.len().saturating_sub(1));
            decision.job.sent_to.iter_mut().for_each(|sent| sent.from = Attempt(1));
        }
        (Some(Rule::NewAttempt), Reason::Dispatched) if decision.job.sent_to.len() > 1 => {
            decision.job.counters.last_attempt -= 1;
            let last = Attempt(decision.job.counters.last_attempt);
            if let State::Sent { attempt, .. } = &mut decision.job.state {
                *attempt = last;
            }
        }
        (Some(Rule::TellsTheOldRegion), Reason::Hopped) => decision.effects.clear(),
        (Some(Rule::ResultStays), Reason::Hopped) => {
            decision.job.bucket = decision.job.region.to_string();
        }
        _ => {}
    }
    Ok(decision)
}

/// Whether control records follow.
pub(crate) fn tells(decision: &Decision) -> bool {
    decision.effects.contains(&Effect::Control)
}

fn event(job: &mut Job, deed: Deed) -> Event {
    let (now, generation) = (NOW, job.generation);
    // Nothing is due but what the deed says.
    let later = NOW + Duration::from_secs(3600);
    if let State::Sent { look_at, .. } = &mut job.state {
        *look_at = later;
    }
    match deed {
        Deed::Dispatch => Event::Dispatched { now },
        Deed::Placed { attempt } => {
            let placement = Placement { partition: 0, offset: attempt.into() };
            Event::Placed { attempt: Attempt(attempt.into()), placement, now }
        }
        Deed::Report(entry) => Event::Reported { event: report(job, entry), now },
        Deed::Waited { past } => {
            let due = ago(100);
            match &mut job.state {
                State::Queued { since: time } | State::Sent { sent_at: time, .. } => {
                    *time = ago(1_000_000);
                }
                _ => {}
            }
            if let Some(route) = &mut job.route {
                route.arrived_at = due - route.hop_after.0;
            }
            let takes = Some([region(0), region(1)].into());
            let read_up_to = if past { NOW } else { due };
            Event::Tick { now, horizon: Horizon { takes, ..read(read_up_to) } }
        }
        Deed::Silence { claim } => {
            if let State::Running { claims, .. } = &mut job.state {
                let silent = claims.iter_mut().find(|held| held.claim == claim_id(claim));
                if let Some(silent) = silent {
                    silent.renewed_at = ago(500);
                }
            }
            Event::Tick { now, horizon: read(NOW) }
        }
        Deed::Due => Event::Tick { now: now + Duration::from_secs(1), horizon: read(NOW) },
        Deed::Cancel => Event::CancelRequested { now },
        Deed::Sealed => Event::Sealed { generation, now },
        Deed::Found { winner } => {
            Event::ManifestFound { generation, manifest: summary(winner), now }
        }
    }
}

fn report(job: &Job, entry: Entry) -> ClaimEvent {
    let report = match entry.said {
        Said::Claimed => Report::Claimed,
        Said::Dropped => Report::Dropped,
        Said::Failed => {
            Report::Failed { failure: Failure::new(ErrorClass::Transient, "code", "message") }
        }
        Said::Succeeded => Report::Succeeded { manifest: summary(entry.winner) },
    };
    ClaimEvent {
        id: AttemptId {
            job: job.id,
            generation: job.generation,
            attempt: Attempt(entry.held.attempt.into()),
        },
        claim: claim_id(entry.held.claim),
        worker: worker(entry.region),
        heartbeat_partition: BEATS as u32,
        report,
    }
}

/// The worker of a region.
pub(crate) fn worker(region: u8) -> WorkerId {
    WorkerId::new(format!("w{region}")).expect("a name")
}

fn summary(claim: u8) -> ManifestSummary {
    ManifestSummary {
        bucket: "out".into(),
        key: "m".into(),
        attempt: Attempt(1),
        claim: claim_id(claim),
        outputs: 1,
        files: 1,
        total_bytes: 1,
        source_bytes: None,
    }
}

fn ago(seconds: u64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

/// The log is applied up to an end that was observed then.
fn read(caught_up_at: Timestamp) -> Horizon {
    let row = PartitionHorizon { caught_up_at, restarted_at: Timestamp::default() };
    let partitions = BTreeMap::from([(EVENTS as u32, row), (BEATS as u32, row)]);
    Horizon { partitions, ..Horizon::default() }
}
