//! What holds after any event in any order.

use proptest::prelude::*;

use super::families::expanded;
use super::hops::{region, routed};
use super::*;
use crate::family::{Children, FailedChild, OnChildFailure};
use crate::time::Span;

/// What every decision keeps, whatever came before.
pub(super) fn check_invariants(before: &Job, event: &Event, decision: &Decision) {
    let after = &decision.job;
    let policy = Policy::default();
    assert_eq!(
        next_timer(after, &policy).is_none(),
        after.state.is_terminal(),
        "a timer, or an end"
    );
    assert!(
        after.counters.last_attempt >= before.counters.last_attempt,
        "attempt numbers only grow"
    );
    check_limits(after);
    if before.state.is_terminal() {
        assert!(matches!(event, Event::ReplayRequested { .. }), "only a replay leaves an end");
    }
    if let State::Running { claims, .. } = &after.state {
        assert!(!claims.is_empty(), "a running job is held");
        assert!(claims.iter().all(|claim| !after.ended_claims.contains(&claim.claim)));
    }
    let ends_unsealed =
        matches!(after.state, State::Dead { .. } | State::Cancelled | State::Expired);
    if ends_unsealed && before.possibly_sent() {
        assert!(
            matches!(event, Event::Sealed { .. }),
            "a seal comes before an end without a result"
        );
    }
    assert_eq!(after.finished_at.is_some(), after.state.is_terminal());
    check_family(before, event, decision);
    check_route(before, decision);
}

/// A job stays on its route, its result where it was to lie, and what was sent is remembered.
fn check_route(before: &Job, decision: &Decision) {
    let after = &decision.job;
    match &after.route {
        Some(route) => assert!(route.regions.contains(&after.region)),
        None => {
            let asked = matches!(decision.reason, Reason::Replayed | Reason::BroughtForward);
            let was_sent = before.sent_to.iter().any(|sent| sent.region == after.region);
            let is_asked_for = after.spec.region.as_ref() == Some(&after.region);
            assert!(after.region == before.region || asked || was_sent || is_asked_for);
        }
    }
    assert!(after.sent_to.len() <= limits::SENT_TO_MAX);
    assert_eq!(after.bucket, before.bucket);
    // Whoever was ever sent something of it hears of its end.
    let told: Vec<_> = after.regions().collect();
    let mut sent: Vec<_> = before.sent_to.iter().map(|sent| &sent.region).collect();
    if sent.is_empty() && before.counters.last_attempt > 0 {
        sent.push(&before.region);
    }
    let is_told = sent.iter().all(|region| told.contains(region));
    assert!(is_told || before.sent_to.len() == limits::SENT_TO_MAX);
    if decision.reason == Reason::Hopped {
        assert_ne!(after.region, before.region);
        assert!(matches!(after.state, State::Queued { .. }), "nobody holds it");
    }
    if let State::Sent { attempt, .. } = after.state {
        assert_eq!(after.region_of(attempt), Some(&after.region));
    }
}

/// A generation is split once, and its children are made with it.
fn check_family(before: &Job, event: &Event, decision: &Decision) {
    let after = &decision.job;
    let splits = decision.reason == Reason::Expanded;
    assert_eq!(splits, !decision.children.is_empty(), "children come with the split only");
    if splits {
        assert!(before.family.is_none() && matches!(event, Event::Reported { .. }));
        let family = after.family.expect("it was split");
        assert_eq!(family.children as usize, decision.children.len());
        assert!(decision.children.iter().all(|child| child.deadline_at <= after.deadline_at));
    } else if after.generation == before.generation {
        assert_eq!(after.family, before.family);
    } else {
        assert_eq!(after.family, None, "a new generation has children of its own");
    }
    if let State::Blocked { .. } = after.state {
        assert!(after.family.is_some());
    }
    if let (State::Running { claims, .. }, Some(family)) = (&after.state, after.family) {
        assert!(claims.iter().all(|claim| claim.attempt > family.last_before), "only the join");
    }
}

/// Counters stop at their limits, and a job that goes again has not reached any.
fn check_limits(job: &Job) {
    let Counters { charged, crashes, losses, releases, .. } = job.counters;
    assert!(charged <= job.max_attempts);
    assert!(crashes <= limits::CRASHES_MAX);
    assert!(releases <= limits::RELEASES_MAX + 1);
    assert!(job.ended_claims.len() <= limits::ENDED_CLAIMS_MAX);
    assert!(job.lapsed_claims.len() <= limits::ENDED_CLAIMS_MAX);
    if matches!(job.state, State::Waiting { .. } | State::Queued { .. } | State::Sent { .. }) {
        assert!(charged < job.max_attempts && crashes < limits::CRASHES_MAX);
        assert!(losses < limits::LOSSES_MAX && releases <= limits::RELEASES_MAX);
    }
}

fn report() -> impl Strategy<Value = Report> {
    let class = prop_oneof![
        4 => Just(ErrorClass::Transient),
        1 => Just(ErrorClass::Crashed),
        1 => Just(ErrorClass::Bug),
        1 => Just(ErrorClass::Rejected),
    ];
    prop_oneof![
        6 => Just(Report::Claimed),
        1 => Just(success(1)),
        3 => class.prop_map(failure),
        2 => any::<bool>().prop_map(|started| Report::Released { started, reason: "r".into() }),
        1 => Just(Report::Abandoned),
        1 => Just(Report::Dropped),
        1 => (1..100_000_u64).prop_map(|seconds| Report::Probed { timeout: Span::from_secs(seconds) }),
        1 => any::<bool>().prop_map(|wait| {
            expanded(2, if wait { OnChildFailure::WaitForAll } else { OnChildFailure::FailFast })
        }),
    ]
}

/// One thing that may happen; numbers are reduced to what exists when it does.
#[derive(Clone, Debug)]
enum Happening {
    Dispatch,
    Place,
    Report { attempt_back: u32, claim: u128, report: Report },
    Beat { attempt_back: u32, claim: u128 },
    Wait { seconds: i64, watermark: bool, gone: bool },
    Look { succeeded: u32, failed: u32 },
    Cancel,
    Seal,
    FindManifest,
    Replay { elsewhere: Option<usize> },
    Release,
    Reprioritise { band: usize },
}

fn happening() -> impl Strategy<Value = Happening> {
    let wait =
        (prop_oneof![Just(1), Just(61), Just(1000), Just(30_000)], any::<bool>(), any::<bool>());
    prop_oneof![
        6 => Just(Happening::Dispatch),
        4 => Just(Happening::Place),
        12 => (0..3u32, 0..6u128, report())
            .prop_map(|(attempt_back, claim, report)| Happening::Report { attempt_back, claim, report }),
        3 => (0..3u32, 0..6u128).prop_map(|(attempt_back, claim)| Happening::Beat { attempt_back, claim }),
        6 => wait.prop_map(|(seconds, watermark, gone)| Happening::Wait { seconds, watermark, gone }),
        3 => prop_oneof![Just((0, 0)), Just((1, 0)), Just((2, 0)), Just((0, 1)), Just((1, 1))]
            .prop_map(|(succeeded, failed)| Happening::Look { succeeded, failed }),
        1 => Just(Happening::Cancel),
        2 => Just(Happening::Seal),
        1 => Just(Happening::FindManifest),
        1 => prop::option::of(0..3_usize).prop_map(|elsewhere| Happening::Replay { elsewhere }),
        1 => Just(Happening::Release),
        1 => (0..Priority::ALL.len()).prop_map(|band| Happening::Reprioritise { band }),
    ]
}

fn event_of(happening: &Happening, life: &Life, clock: &mut i64) -> Event {
    let now = at(*clock);
    let attempt = |back: u32| life.job.counters.last_attempt.saturating_sub(back);
    match happening {
        Happening::Dispatch => Event::Dispatched { now },
        Happening::Place => {
            let placement = Placement { partition: 0, offset: 1 };
            Event::Placed { attempt: Attempt(attempt(0)), placement, now }
        }
        Happening::Report { attempt_back, claim, report } => {
            life.said(attempt(*attempt_back), *claim, report.clone(), now)
        }
        Happening::Beat { attempt_back, claim } => life.beat(attempt(*attempt_back), *claim, now),
        Happening::Wait { seconds, watermark, gone } => {
            *clock += seconds;
            let mut horizon = horizon(if *watermark { at(*clock) } else { at(0) });
            horizon.copy_gone = *gone;
            horizon.takes = gone.then(|| [region("us-west"), region("hangzhou")].into());
            Event::Tick { now: at(*clock), horizon }
        }
        Happening::Look { succeeded, failed } => {
            let children = Some(stand(life, *succeeded, *failed));
            Event::Tick { now, horizon: Horizon { children, ..horizon(at(0)) } }
        }
        Happening::Cancel => Event::CancelRequested { now },
        Happening::Seal => Event::Sealed { generation: life.job.generation, now },
        Happening::FindManifest => {
            let generation = life.job.generation;
            Event::ManifestFound { generation, manifest: summary(1), now }
        }
        Happening::Replay { elsewhere } => {
            let there = [region("hangzhou"), region("us-west"), region("paris")];
            let changes =
                Rerun { region: elsewhere.map(|at| there[at].clone()), ..Rerun::default() };
            Event::ReplayRequested { now, parent_waits: true, changes }
        }
        Happening::Release => Event::ReleaseRequested,
        Happening::Reprioritise { band } => Event::Reprioritised { priority: Priority::ALL[*band] },
    }
}

/// So many of the children have ended.
fn stand(life: &Life, succeeded: u32, failed: u32) -> Children {
    let all = life.job.family.map_or(2, |family| family.children);
    let first_failed = (failed > 0).then_some(FailedChild {
        job: life.job.id,
        index: 0,
        state: "dead",
        failure: None,
    });
    Children { succeeded, failed, open: all - succeeded - failed, first_failed }
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    proptest::collection::vec(happening(), 0..40)
}

/// Where chance leads, and when.
fn reached(happenings: &[Happening]) -> (Life, i64) {
    let mut life = routed();
    let mut clock = 0;
    for happening in happenings {
        let event = event_of(happening, &life, &mut clock);
        if let Ok(decision) = life.try_step(&event) {
            life.job = decision.job;
        }
    }
    (life, clock)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any order of anything keeps the invariants, and what is said twice changes nothing the second time.
    #[test]
    fn any_sequence_keeps_the_invariants(happenings in proptest::collection::vec(happening(), 1..60)) {
        let mut life = routed();
        let mut clock = 0;
        for happening in &happenings {
            let event = event_of(happening, &life, &mut clock);
            let Ok(decision) = life.try_step(&event) else { continue };
            check_invariants(&life.job, &event, &decision);
            life.job = decision.job;
            // Reports come at least once. A claim that timers end between the two is not a duplicate.
            if matches!(event, Event::Reported { .. } | Event::Renewed { .. } | Event::Placed { .. }) {
                prop_assert!(life.try_step(&event).is_err(), "{event:?} counted twice");
            }
        }
    }

    /// An end absorbs everything but an operator's replay.
    #[test]
    fn an_end_stays(before in happenings(), after in happenings()) {
        let (mut life, mut clock) = reached(&before);
        if !life.job.state.is_terminal() {
            life.job.state = State::Cancelled;
        }
        for happening in &after {
            let event = event_of(happening, &life, &mut clock);
            if !matches!(event, Event::ReplayRequested { .. }) {
                prop_assert!(life.try_step(&event).is_err(), "{event:?} left an end");
            }
        }
        let replay = Event::ReplayRequested { now: at(clock), parent_waits: true, changes: Rerun::default() };
        let again = life.try_step(&replay).unwrap().job;
        prop_assert_eq!(again.generation.0, life.job.generation.0 + 1);
        prop_assert_eq!(again.counters.last_attempt, life.job.counters.last_attempt);
    }

    /// The end of a claim counts once, however much later it is said again.
    #[test]
    fn an_end_of_a_claim_counts_once(happenings in happenings()) {
        let (mut life, mut clock) = reached(&[]);
        let mut ends: Vec<Event> = Vec::new();
        for happening in &happenings {
            let event = event_of(happening, &life, &mut clock);
            let Ok(decision) = life.try_step(&event) else { continue };
            life.job = decision.job;
            // A drop is the end of a message, and an attempt may have several copies of it.
            let is_end = |report: &Report| {
                !matches!(report, Report::Claimed | Report::Probed { .. } | Report::Dropped)
            };
            if matches!(&event, Event::Reported { event, .. } if is_end(&event.report)) {
                ends.push(event);
            }
            for end in &ends {
                prop_assert!(life.try_step(end).is_err(), "{end:?} counted again");
            }
        }
    }

    /// While the log cannot be observed, time takes nothing from anybody.
    #[test]
    fn silence_means_nothing_without_a_watermark(before in happenings(), days in 0..3_i64) {
        let (life, clock) = reached(&before);
        let now = at(clock + days * 24 * 3600);
        let Ok(decision) = life.try_step(&Event::Tick { now, horizon: Horizon::default() }) else {
            return Ok(());
        };
        let harmless = matches!(
            decision.reason,
            Reason::Due | Reason::SealTried | Reason::SentAgain | Reason::StillQueued
        );
        let never_sent = decision.reason == Reason::Expired && !life.job.possibly_sent();
        prop_assert!(harmless || never_sent, "{:?}", decision.reason);
    }

    /// The database keeps a job as JSON.
    #[test]
    fn a_job_is_what_was_written(happenings in happenings()) {
        let (life, _) = reached(&happenings);
        let text = serde_json::to_string(&life.job).unwrap();
        prop_assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), life.job);
    }

    /// From wherever chance has led, time alone ends a job that nobody works on, if bus and store answer.
    #[test]
    fn every_job_ends(happenings in happenings()) {
        let (mut life, mut clock) = reached(&happenings);
        for _ in 0..200 {
            let Some(due) = next_timer(&life.job, &Policy::default()) else { break };
            clock = clock.max(due.as_millis() / 1000) + 1;
            let mut horizon = horizon(at(clock));
            horizon.copy_gone = true;
            horizon.takes = Some([region("us-west"), region("paris")].into());
            horizon.children = Some(stand(&life, 2, 0));
            if let Ok(decision) = life.try_step(&Event::Tick { now: at(clock), horizon }) {
                life.job = decision.job;
            }
            let placed = event_of(&Happening::Place, &life, &mut clock);
            if let Ok(decision) = life.try_step(&placed) {
                life.job = decision.job;
            }
            if matches!(life.job.state, State::Closing { .. }) {
                let generation = life.job.generation;
                let sealed = Event::Sealed { generation, now: at(clock) };
                life.job = life.try_step(&sealed).unwrap().job;
            }
        }
        prop_assert!(life.job.state.is_terminal(), "{:?}", life.job.state);
    }
}
