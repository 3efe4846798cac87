//! The rules of families, each of which can be broken; and from a deed to the lifecycle's event.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::failure::Failure;
use panofleet_job_schema::family::{
    ChildSpec, Children, FailedChild, Join, OnChildFailure, child_id,
};
use panofleet_job_schema::job::{Claim, State};
use panofleet_job_schema::lifecycle::{self, Decision, Event, Horizon, PartitionHorizon, Refusal};
use panofleet_job_schema::manifest::ManifestSummary;
use panofleet_job_schema::message::{AttemptId, ClaimEvent, Report};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Attempt, Generation, Job, Rerun, Timestamp, WorkerId};

use super::world::{Deed, Entry, Said, Tally};
use crate::clock::{NOW, claim_id};
use crate::world::{BEATS, EVENTS};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The first split of a generation counts, and no other.
    FirstSplitWins,
    /// A job that closes or has ended makes no children.
    ClosedMakesNone,
    /// Children are counted from their rows, not from what was said of them.
    CountsRows,
    /// A blocked job is looked after though nobody says that a child has ended.
    TimerLooks,
    /// The end of a child refuses what was counted before it.
    EndsRefuseOlderCounts,
    /// Children are cancelled before their parent ends.
    ChildrenFirst,
    /// Children that nobody waits for are found.
    Strays,
    /// Whatever was sent before the split is over.
    SplitEndsWhatWasBefore,
    /// An event of another generation changes nothing.
    Generations,
    /// A child without a result ends a family that fails fast.
    FailsFast,
}

pub(crate) fn decide(
    broken: Option<Rule>,
    on_failure: OnChildFailure,
    mut job: Job,
    deed: Deed,
) -> Result<Decision, Refusal> {
    let mut event = event(&mut job, on_failure, deed);
    match (broken, deed) {
        (Some(Rule::FirstSplitWins), Deed::Report(entry))
            if entry.said == Said::Expanded && job.family.is_some() =>
        {
            let was = job.family.take();
            hold_again(&mut job, entry);
            let decision = lifecycle::decide(&job, &event, &Policy::default());
            return decision.map(|mut decision| {
                decision.job.family = was;
                decision
            });
        }
        (Some(Rule::ClosedMakesNone), Deed::Report(entry)) if entry.said == Said::Expanded => {
            if matches!(job.state, State::Closing { .. }) {
                hold_again(&mut job, entry);
            }
        }
        (Some(Rule::SplitEndsWhatWasBefore), Deed::Report(entry))
            if entry.said == Said::Claimed =>
        {
            if let Some(family) = &mut job.family {
                family.last_before = Attempt(0);
            }
        }
        (Some(Rule::Generations), Deed::Report(_)) => {
            if let Event::Reported { event, .. } = &mut event {
                event.id.generation = job.generation;
                event.id.attempt = Attempt(job.counters.last_attempt);
            }
        }
        (Some(Rule::FailsFast), Deed::Count(_)) => {
            if let Some(family) = &mut job.family {
                family.join.on_failure = OnChildFailure::WaitForAll;
            }
        }
        _ => {}
    }
    lifecycle::decide(&job, &event, &Policy::default())
}

/// As if the claim held the job, and nothing had been split.
fn hold_again(job: &mut Job, entry: Entry) {
    job.ended_claims.clear();
    let claim = Claim {
        claim: claim_id(entry.turn.attempt),
        attempt: Attempt(entry.turn.attempt.into()),
        worker: WorkerId::new("w").expect("a name"),
        heartbeat_partition: BEATS as u32,
        claimed_at: NOW,
        renewed_at: NOW,
        excused_at: None,
    };
    job.state = State::Running { claims: vec![claim], placement: None };
}

fn event(job: &mut Job, on_failure: OnChildFailure, deed: Deed) -> Event {
    let now = NOW;
    let generation = job.generation;
    match deed {
        Deed::Dispatch => Event::Dispatched { now },
        Deed::Report(entry) => Event::Reported { event: report(job, on_failure, entry), now },
        Deed::Silence { attempt } => {
            if let State::Running { claims, .. } = &mut job.state {
                let silent = claims.iter_mut().find(|claim| claim.claim == claim_id(attempt));
                if let Some(silent) = silent {
                    (silent.renewed_at, silent.claimed_at) = (ago(500), ago(500));
                }
            }
            Event::Tick { now, horizon: caught_up() }
        }
        Deed::Due => Event::Tick { now: now + Duration::from_secs(1), horizon: caught_up() },
        Deed::Count(tally) => {
            let children = Some(children(job, tally));
            Event::Tick { now, horizon: Horizon { children, ..caught_up() } }
        }
        Deed::Deadline => {
            job.deadline_at = ago(500);
            Event::Tick { now, horizon: caught_up() }
        }
        Deed::Cancel => Event::CancelRequested { now },
        Deed::Sealed => Event::Sealed { generation, now },
        Deed::Found => Event::ManifestFound { generation, manifest: summary(), now },
        Deed::Replay => {
            Event::ReplayRequested { now, parent_waits: false, changes: Rerun::default() }
        }
    }
}

fn report(job: &Job, on_failure: OnChildFailure, entry: Entry) -> ClaimEvent {
    // A child's own generation is always its first here; the parent's is that of the turn.
    let generation = match entry.turn.who.member {
        0 => Generation(entry.turn.who.generation.into()),
        _ => job.generation,
    };
    let report = match entry.said {
        Said::Claimed => Report::Claimed,
        Said::Expanded => {
            Report::Expanded { children: vec![child(), child()], join: Join { on_failure } }
        }
        Said::Failed => Report::Failed { failure: Failure::rejected("code", "message") },
        Said::Succeeded => Report::Succeeded { manifest: summary() },
    };
    let attempt = Attempt(entry.turn.attempt.into());
    ClaimEvent {
        id: AttemptId { job: job.id, generation, attempt },
        claim: claim_id(entry.turn.attempt),
        worker: WorkerId::new("w").expect("a name"),
        heartbeat_partition: BEATS as u32,
        report,
    }
}

fn children(job: &Job, tally: Tally) -> Children {
    let first_failed = (tally.failed > 0).then(|| FailedChild {
        job: child_id(job.id, job.generation, 0),
        index: 0,
        state: "dead",
        failure: None,
    });
    let Tally { succeeded, failed, open } = tally;
    Children { succeeded: succeeded.into(), failed: failed.into(), open: open.into(), first_failed }
}

fn child() -> ChildSpec {
    let outputs = serde_json::from_str(r#"{"p": {"op": "media.probe"}}"#).expect("outputs");
    ChildSpec { part: None, outputs, timeout: None, max_attempts: None }
}

fn summary() -> ManifestSummary {
    ManifestSummary {
        bucket: "out".into(),
        key: "m".into(),
        attempt: Attempt(1),
        claim: claim_id(0),
        outputs: 1,
        files: 1,
        total_bytes: 1,
        source_bytes: None,
    }
}

fn ago(seconds: u64) -> Timestamp {
    NOW - Duration::from_secs(seconds)
}

/// Everything is applied, up to now.
fn caught_up() -> Horizon {
    let row = PartitionHorizon { caught_up_at: NOW, restarted_at: Timestamp::default() };
    let partitions = BTreeMap::from([(EVENTS as u32, row), (BEATS as u32, row)]);
    Horizon { partitions, ..Horizon::default() }
}
