//! The lifecycle by its promises: each test is named after one.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::failure::{ErrorClass, Failure};
use crate::ids::{Generation, JobId, Tenant};
use crate::job::{Acceptance, CloseTarget, Counters, DeadReason};
use crate::limits;
use crate::message::Report;
use crate::source::SourceLocation;
use crate::spec::JobSpec;

mod by_hand;
mod families;
mod held;
mod hops;
mod orders;
mod probed;
mod properties;
mod silence;

const EVENTS: u32 = 0;
const BEATS: u32 = 1;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn claim(n: u128) -> ClaimId {
    ClaimId(Uuid::from_u128(n))
}

fn job() -> Job {
    let spec: JobSpec = serde_json::from_str(
        r#"{"source": "s3://photos/a.jpg", "outputs": {"tiles": {"op": "pano.tiles"}}}"#,
    )
    .unwrap();
    let acceptance = Acceptance {
        id: JobId(Uuid::from_u128(7)),
        tenant: Tenant::new("t").unwrap(),
        source: SourceLocation::object("photos", "a.jpg"),
        region: Region::new("hangzhou").unwrap(),
        bucket: "out".into(),
        events_partition: EVENTS,
        trace: None,
        now: at(0),
    };
    Job::accept(spec, acceptance, &Policy::default())
}

/// A job under test: each step must be accepted and is checked against the invariants.
struct Life {
    job: Job,
    effects: Vec<Effect>,
    reason: Reason,
}

impl Life {
    fn new() -> Self {
        Self { job: job(), effects: Vec::new(), reason: Reason::Due }
    }

    fn try_step(&self, event: &Event) -> Result<Decision, Refusal> {
        decide(&self.job, event, &Policy::default())
    }

    #[expect(clippy::needless_pass_by_value, reason = "steps read as a chain")]
    fn step(self, event: Event) -> Self {
        let decision = self.try_step(&event).unwrap_or_else(|refusal| {
            panic!("{event:?} refused in {}: {refusal}", self.job.state.name())
        });
        properties::check_invariants(&self.job, &event, &decision);
        Self { job: decision.job, effects: decision.effects, reason: decision.reason }
    }

    fn sent(self, now: Timestamp) -> Self {
        let life = self.step(Event::Dispatched { now });
        let attempt = Attempt(life.job.counters.last_attempt);
        life.step(Event::Placed { attempt, placement: Placement { partition: 0, offset: 9 }, now })
    }

    fn report(self, attempt: u32, n: u128, report: Report, now: Timestamp) -> Self {
        let event = self.said(attempt, n, report, now);
        self.step(event)
    }

    fn said(&self, attempt: u32, n: u128, report: Report, now: Timestamp) -> Event {
        let event = ClaimEvent {
            id: self.job.attempt_id(Attempt(attempt)),
            claim: claim(n),
            worker: WorkerId::new(format!("w{n}")).unwrap(),
            heartbeat_partition: BEATS,
            report,
        };
        Event::Reported { event, now }
    }

    fn claimed(self, attempt: u32, n: u128, now: Timestamp) -> Self {
        self.report(attempt, n, Report::Claimed, now)
    }

    fn sealed(self, now: Timestamp) -> Self {
        let generation = self.job.generation;
        self.step(Event::Sealed { generation, now })
    }

    fn beat(&self, attempt: u32, n: u128, now: Timestamp) -> Event {
        Event::Renewed {
            id: self.job.attempt_id(Attempt(attempt)),
            claim: claim(n),
            worker: WorkerId::new(format!("w{n}")).unwrap(),
            heartbeat_partition: BEATS,
            now,
        }
    }
}

fn failure(class: ErrorClass) -> Report {
    Report::Failed { failure: Failure::new(class, "code", "message") }
}

fn summary(n: u128) -> ManifestSummary {
    ManifestSummary {
        bucket: "out".into(),
        key: "m".into(),
        attempt: Attempt(1),
        claim: claim(n),
        outputs: 1,
        files: 1,
        total_bytes: 1,
        source_bytes: None,
    }
}

fn success(n: u128) -> Report {
    Report::Succeeded { manifest: summary(n) }
}

/// Every partition applied up to an end observed at `caught_up_at`.
fn horizon(caught_up_at: Timestamp) -> Horizon {
    let row = PartitionHorizon { caught_up_at, restarted_at: at(0) };
    Horizon { partitions: BTreeMap::from([(EVENTS, row), (BEATS, row)]), ..Horizon::default() }
}

fn tick(seconds: i64) -> Event {
    Event::Tick { now: at(seconds), horizon: horizon(at(seconds)) }
}

#[test]
fn a_job_runs_and_succeeds() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).report(1, 1, success(1), at(9));
    assert_eq!(life.job.state, State::Succeeded { manifest: summary(1) });
    assert_eq!(life.job.finished_at, Some(at(9)));
    assert_eq!(next_timer(&life.job, &Policy::default()), None);
}

#[test]
fn success_is_accepted_from_any_attempt_of_the_generation() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).step(tick(70)).sent(at(71));
    assert_eq!(life.job.counters.losses, 1);
    let life = life.claimed(2, 2, at(72)).report(1, 1, success(1), at(80));
    assert_eq!(life.job.state.name(), "succeeded");
    assert_eq!(life.job.counters.losses, 0, "the claim was alive: its loss is given back");
}

#[test]
fn a_silent_claim_lapses_only_past_the_watermark() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let tick = |caught_up: i64| Event::Tick { now: at(300), horizon: horizon(at(caught_up)) };
    assert_eq!(
        life.try_step(&tick(62)),
        Err(Refusal::NotYet),
        "the end was observed when it lapsed"
    );
    let lapsed = life.try_step(&tick(63)).unwrap();
    assert_eq!((lapsed.reason, lapsed.job.state.name()), (Reason::LeaseLapsed, "queued"));
    let unobserved = Event::Tick { now: at(300), horizon: Horizon::default() };
    assert_eq!(life.try_step(&unobserved), Err(Refusal::NotYet));
}

#[test]
fn heartbeats_and_restarts_of_the_log_renew_a_lease() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let mut alive = horizon(at(100));
    alive.beats.insert(claim(1), at(95));
    let renewed = life.try_step(&Event::Tick { now: at(100), horizon: alive }).unwrap();
    assert_eq!(renewed.reason, Reason::Renewed);
    assert_eq!(next_timer(&renewed.job, &Policy::default()), Some(at(155)));

    let row = PartitionHorizon { caught_up_at: at(400), restarted_at: at(390) };
    let after_outage =
        Horizon { partitions: BTreeMap::from([(EVENTS, row), (BEATS, row)]), ..Horizon::default() };
    let renewed = life.try_step(&Event::Tick { now: at(400), horizon: after_outage }).unwrap();
    assert_eq!(next_timer(&renewed.job, &Policy::default()), Some(at(450)));
}

#[test]
fn only_the_last_claim_sends_again() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).claimed(1, 2, at(3));
    assert_eq!(life.reason, Reason::Joined);
    let life = life.report(1, 1, failure(ErrorClass::Transient), at(4));
    assert_eq!((life.job.state.name(), life.job.counters.charged), ("running", 0));
    let life = life.report(1, 2, failure(ErrorClass::Transient), at(5));
    assert_eq!((life.job.state.name(), life.job.counters.charged), ("waiting", 1));
}

#[test]
fn a_living_claim_takes_an_unclaimed_job_back_and_supersedes_its_message() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).step(tick(70)).sent(at(71));
    let beat = life.beat(1, 1, at(75));
    let life = life.step(beat);
    assert_eq!((life.reason, life.job.state.name()), (Reason::Revived, "running"));
    assert_eq!(life.effects, [Effect::Control]);
    assert!(life.job.control().forbids_start(life.job.attempt_id(Attempt(2))));
    assert_eq!(life.job.counters.losses, 0);
}

#[test]
fn an_ended_claim_never_comes_back() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let life = life.report(1, 1, failure(ErrorClass::Transient), at(3));
    assert_eq!(life.try_step(&life.beat(1, 1, at(4))), Err(Refusal::EndedClaim));
    let again = life.said(1, 1, Report::Claimed, at(4));
    assert_eq!(life.try_step(&again), Err(Refusal::EndedClaim));
}

#[test]
fn a_claim_that_was_given_up_counts_as_what_it_was() {
    let lapsed = || Life::new().sent(at(1)).claimed(1, 1, at(2)).step(tick(70)).sent(at(71));
    let costs = |life: &Life| {
        let Counters { charged, crashes, losses, releases, .. } = life.job.counters;
        (charged, crashes, losses, releases)
    };
    assert_eq!(costs(&lapsed()), (0, 0, 1, 0));
    for (report, expected) in [
        (Report::Abandoned, (0, 0, 1, 0)),
        (failure(ErrorClass::Transient), (1, 0, 0, 0)),
        (failure(ErrorClass::Crashed), (1, 1, 0, 0)),
        (Report::Released { started: true, reason: "drain".into() }, (0, 0, 0, 1)),
        (Report::Released { started: false, reason: "late".into() }, (0, 0, 0, 1)),
    ] {
        let life = lapsed().report(1, 1, report.clone(), at(80));
        assert_eq!((costs(&life), life.job.state.name()), (expected, "sent"), "{report:?}");
        let life = lapsed().claimed(2, 2, at(75)).report(1, 1, report.clone(), at(80));
        assert_eq!((costs(&life), life.job.state.name()), (expected, "running"), "{report:?}");
    }
}

#[test]
fn a_worker_that_dies_of_a_job_and_comes_back_late_does_not_make_it_immortal() {
    let mut life = Life::new();
    for attempt in 1..=5 {
        let now = i64::from(attempt) * 1000;
        let claim = u128::from(attempt);
        life = life.sent(at(now)).claimed(attempt, claim, at(now)).step(tick(now + 100));
        if attempt < 5 {
            life = life.report(attempt, claim, Report::Abandoned, at(now + 200));
        }
    }
    let target = CloseTarget::Dead { reason: DeadReason::LossLimit };
    assert!(matches!(life.job.state, State::Closing { target: found, .. } if found == target));
}

#[test]
fn a_timed_out_attempt_goes_again_though_its_worker_still_beats() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let mut alive = horizon(at(700));
    alive.beats.insert(claim(1), at(699));
    let life = life.step(Event::Tick { now: at(700), horizon: alive });
    assert_eq!((life.reason, life.job.counters.charged), (Reason::AttemptTimedOut, 1));
    assert_eq!(life.try_step(&life.beat(1, 1, at(701))), Err(Refusal::EndedClaim));
}

#[test]
fn limits_end_a_job() {
    let run = |class: ErrorClass| {
        let mut life = Life::new();
        for attempt in 1.. {
            let now = i64::from(attempt) * 1000;
            if life.job.state.name() == "waiting" {
                life = life.step(tick(now));
            }
            life = life.sent(at(now)).claimed(attempt, attempt.into(), at(now + 1));
            life = life.report(attempt, attempt.into(), failure(class), at(now + 2));
            if let State::Closing { target, .. } = life.job.state {
                assert_eq!(life.effects, [Effect::Control, Effect::Close]);
                let life = life.sealed(at(now + 3));
                assert_eq!(life.job.state.name(), "dead");
                return (attempt, target);
            }
        }
        unreachable!()
    };
    let dead = |reason| CloseTarget::Dead { reason };
    assert_eq!(run(ErrorClass::Rejected), (1, dead(DeadReason::Rejected)));
    assert_eq!(run(ErrorClass::Crashed), (3, dead(DeadReason::CrashLimit)));
    assert_eq!(run(ErrorClass::Bug), (3, dead(DeadReason::CrashLimit)));
    assert_eq!(run(ErrorClass::Transient), (5, dead(DeadReason::AttemptsExhausted)));

    let mut life = Life::new();
    for attempt in 1..=5 {
        let now = i64::from(attempt) * 1000;
        life = life.sent(at(now)).claimed(attempt, attempt.into(), at(now)).step(tick(now + 100));
    }
    assert!(
        matches!(life.job.state, State::Closing { target, .. } if target == dead(DeadReason::LossLimit))
    );
}

#[test]
fn a_claim_that_never_started_gives_the_message_back() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let released = Report::Released { started: false, reason: "too late".into() };
    let life = life.report(1, 1, released, at(3));
    assert!(matches!(life.job.state, State::Sent { attempt: Attempt(1), placement: Some(_), .. }));
    assert_eq!((life.job.counters.charged, life.job.counters.releases), (0, 1));
    // It may have settled the message all the same, so that is looked for soon.
    let soon = at(3) + Policy::default().place_timeout.0;
    assert_eq!(next_timer(&life.job, &Policy::default()), Some(soon));
    let life = life.claimed(1, 2, at(4));
    let drained = Report::Released { started: true, reason: "drain".into() };
    let life = life.report(1, 2, drained, at(5));
    assert_eq!((life.job.state.name(), life.job.counters.charged), ("queued", 0));
    assert_eq!(life.sent(at(6)).job.counters.last_attempt, 2, "attempt numbers are never reused");
}

#[test]
fn an_unclaimed_message_is_sent_again_only_when_it_is_gone() {
    let life = Life::new().sent(at(1));
    let present = life.try_step(&tick(1000)).unwrap();
    assert_eq!(present.reason, Reason::StillQueued);
    let gone = |now: i64, caught_up: i64| {
        let horizon = Horizon { copy_gone: true, ..horizon(at(caught_up)) };
        Event::Tick { now: at(now), horizon }
    };
    let life = life.step(gone(1000, 1000));
    assert_eq!(life.reason, Reason::CopyGone);
    // A claim from just before may still be in the log: an end observed earlier proves nothing.
    assert_eq!(life.try_step(&gone(1003, 1000)), Err(Refusal::NotYet));
    let life = life.step(gone(1003, 1001));
    assert_eq!((life.reason, life.job.state.name()), (Reason::MessageLost, "queued"));
}

#[test]
fn a_send_that_was_never_confirmed_is_made_again() {
    let life = Life::new().step(Event::Dispatched { now: at(1) });
    assert_eq!(life.effects, [Effect::Produce(Attempt(1))]);
    let life = life.step(tick(3));
    assert_eq!(
        (life.reason, &life.effects[..]),
        (Reason::SentAgain, &[Effect::Produce(Attempt(1))][..])
    );
}

#[test]
fn cancelling_a_queued_job_is_immediate_and_a_sent_one_is_sealed_first() {
    let queued = Life::new().step(Event::CancelRequested { now: at(1) });
    assert_eq!((queued.job.state.name(), queued.effects.len()), ("cancelled", 0));

    let life =
        Life::new().sent(at(1)).claimed(1, 1, at(2)).step(Event::CancelRequested { now: at(3) });
    assert_eq!(life.effects, [Effect::Control, Effect::Close]);
    assert!(life.job.control().stops(life.job.attempt_id(Attempt(1))));
    let retried = life.try_step(&tick(5)).unwrap();
    assert_eq!(retried.effects, [Effect::Close], "closing is tried until the store answers");
    let generation = life.job.generation;
    let found = Event::ManifestFound { generation, manifest: summary(1), now: at(4) };
    let won = life.try_step(&found).unwrap();
    assert_eq!((won.reason, won.job.state.name()), (Reason::CancelLostRace, "succeeded"));
    assert_eq!(life.sealed(at(4)).job.state.name(), "cancelled");
}

#[test]
fn a_deadline_waits_for_the_watermark_once_the_job_was_sent() {
    let day = 24 * 3600;
    let queued = Life::new().step(Event::Tick { now: at(day), horizon: Horizon::default() });
    assert_eq!(queued.job.state.name(), "expired");
    let sent = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let late = |caught_up: i64| Event::Tick { now: at(day + 9), horizon: horizon(at(caught_up)) };
    assert_eq!(sent.try_step(&late(day)), Err(Refusal::NotYet));
    assert_eq!(sent.try_step(&late(day + 1)).unwrap().job.state.name(), "closing");
}

#[test]
fn a_replay_is_a_new_generation_that_old_events_cannot_touch() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let life = life.report(1, 1, failure(ErrorClass::Rejected), at(3)).sealed(at(4));
    let old = life.said(1, 1, success(1), at(5));
    let life = life.step(Event::ReplayRequested {
        now: at(5),
        parent_waits: false,
        changes: Rerun::default(),
    });
    assert_eq!((life.job.generation, life.job.state.name()), (Generation(2), "queued"));
    assert!(!life.job.possibly_sent());
    assert_eq!(life.try_step(&old), Err(Refusal::StaleGeneration));
    let life = life.sent(at(6));
    assert_eq!(life.job.counters.last_attempt, 2);
    let made_up = life.said(3, 1, Report::Claimed, at(7));
    assert_eq!(life.try_step(&made_up), Err(Refusal::UnknownAttempt));
    let before = life.said(1, 1, Report::Claimed, at(7));
    assert_eq!(life.try_step(&before), Err(Refusal::UnknownAttempt));
}

#[test]
fn what_stands_at_an_old_key_ends_no_later_generation() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let life = life.step(Event::CancelRequested { now: at(3) }).sealed(at(4));
    let life = life
        .step(Event::ReplayRequested { now: at(5), parent_waits: false, changes: Rerun::default() })
        .sent(at(6))
        .claimed(2, 2, at(7));
    let life = life.step(Event::CancelRequested { now: at(8) });
    // A dispatcher that closed the first generation wakes up and reports what it found there.
    let generation = Generation(1);
    let sealed = Event::Sealed { generation, now: at(9) };
    let found = Event::ManifestFound { generation, manifest: summary(1), now: at(9) };
    for old in [sealed, found] {
        assert_eq!(life.try_step(&old), Err(Refusal::StaleGeneration), "{old:?}");
    }
    assert_eq!(life.sealed(at(9)).job.state.name(), "cancelled");
}

#[test]
fn backoff_waits_differ_between_jobs() {
    let wait = |n: u128| {
        let mut life = Life::new();
        life.job.id = JobId(Uuid::from_u128(n));
        let life = life.sent(at(1)).claimed(1, 1, at(2));
        match life.report(1, 1, failure(ErrorClass::Transient), at(3)).job.state {
            State::Waiting { due_at } => due_at.since(at(3)),
            other => panic!("{other:?}"),
        }
    };
    let waits: Vec<Duration> = (0..64).map(wait).collect();
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(2)));
    let mean = waits.iter().sum::<Duration>() / 64;
    assert!((700..1300).contains(&mean.as_millis()), "full jitter has its mean at half: {mean:?}");
}
