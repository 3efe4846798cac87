//! Jobs that are split, and joined.

use super::*;
use crate::family::{ChildSpec, Children, FailedChild, Join, OnChildFailure, child_id};

fn child() -> ChildSpec {
    let outputs = serde_json::from_str(r#"{"probe": {"op": "media.probe"}}"#).unwrap();
    ChildSpec { part: None, outputs, timeout: None, max_attempts: None }
}

pub(super) fn expanded(children: usize, on_failure: OnChildFailure) -> Report {
    Report::Expanded { children: vec![child(); children], join: Join { on_failure } }
}

/// A look at the children.
fn look(children: Children, seconds: i64) -> Event {
    let horizon = Horizon { children: Some(children), ..horizon(at(seconds)) };
    Event::Tick { now: at(seconds), horizon }
}

fn stand(succeeded: u32, failed: u32, open: u32) -> Children {
    let first_failed = (failed > 0).then(|| FailedChild {
        job: child_id(job().id, Generation(1), 1),
        index: 1,
        state: "dead",
        failure: Some(Failure::rejected("file_truncated", "upload it again")),
    });
    Children { succeeded, failed, open, first_failed }
}

/// Claim 1 of attempt 1 has split the job in three.
fn blocked(on_failure: OnChildFailure) -> Life {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    life.report(1, 1, expanded(3, on_failure), at(3))
}

#[test]
fn children_are_made_once_and_are_their_parent_s() {
    let mut life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    life.job.trace = Some("trace".into());
    life.job.spec.priority = Priority::High;
    life.job.spec.labels.insert("album".into(), "42".into());
    let part = ChildSpec { part: Some("cut/1.jpg".into()), max_attempts: Some(2), ..child() };
    let report = Report::Expanded { children: vec![child(), part], join: Join::default() };
    let event = life.said(1, 1, report.clone(), at(3));
    let decision = life.try_step(&event).unwrap();
    let [first, second] = decision.children.as_slice() else { panic!("{decision:?}") };
    for (child, index) in [(first, 0), (second, 1)] {
        assert_eq!(child.id, child_id(life.job.id, Generation(1), index));
        let of = child.child_of.unwrap();
        assert_eq!((of.parent, of.generation, of.index), (life.job.id, Generation(1), index));
        assert_eq!(child.state, State::Queued { since: at(3) });
        assert_eq!(child.deadline_at, life.job.deadline_at, "never later than the parent's");
        assert_eq!((&child.tenant, &child.region), (&life.job.tenant, &life.job.region));
        assert_eq!((&child.trace, &child.bucket), (&life.job.trace, &life.job.bucket));
        assert_eq!(child.spec.priority, life.job.spec.priority);
        assert_eq!(child.spec.labels, life.job.spec.labels);
        assert_eq!(child.counters, Counters::default());
        assert!(!child.possibly_sent() && child.family.is_none());
    }
    assert_eq!(first.source, life.job.source);
    let folder = life.job.manifest_address().attempt_prefix(Attempt(1), claim(1));
    let key = format!("{folder}/cut/1.jpg");
    assert_eq!(second.source, SourceLocation::object("out", key));
    assert_eq!((first.max_attempts, second.max_attempts), (5, 2));

    life.job = decision.job;
    assert_eq!(life.job.state.name(), "blocked");
    // Said twice, by another claim, and by one that nobody has heard of.
    for n in 1..4 {
        let again = life.said(1, n, report.clone(), at(4));
        assert_eq!(life.try_step(&again), Err(Refusal::Split));
    }
}

#[test]
fn of_two_attempts_that_split_the_first_wins_and_the_other_is_over() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).step(tick(70));
    let life = life.sent(at(71)).claimed(2, 2, at(72));
    // The one that had fallen silent is faster.
    let life = life.report(1, 1, expanded(3, OnChildFailure::FailFast), at(80));
    assert_eq!((life.job.state.name(), life.job.counters.losses), ("blocked", 0));
    for late in [
        life.said(2, 2, expanded(2, OnChildFailure::FailFast), at(81)),
        life.said(2, 2, failure(ErrorClass::Transient), at(81)),
        life.said(2, 3, Report::Claimed, at(81)),
        life.beat(2, 2, at(81)),
        life.beat(1, 1, at(81)),
    ] {
        assert_eq!(life.try_step(&late), Err(Refusal::Split), "{late:?}");
    }
    let control = life.job.control();
    assert!(control.forbids_start(life.job.attempt_id(Attempt(2))), "copies in the queue");
    assert!(!control.forbids_start(life.job.attempt_id(Attempt(3))), "the join");
    // A manifest counts whoever made it.
    assert_eq!(life.report(2, 2, success(2), at(82)).job.state.name(), "succeeded");
}

#[test]
fn the_last_child_that_ends_lets_the_parent_join() {
    let life = blocked(OnChildFailure::FailFast).step(look(stand(2, 0, 1), 5));
    assert_eq!(life.job.state, State::Blocked { look_at: at(65) });
    let life = life.step(look(stand(3, 0, 0), 6));
    assert_eq!((life.job.state.name(), life.reason), ("queued", Reason::ChildrenEnded));
    let life = life.sent(at(7));
    let parts: Vec<Job> = (0..3)
        .map(|index| {
            let state = State::Succeeded { manifest: summary(1) };
            Job { id: child_id(life.job.id, Generation(1), index), state, ..job() }
        })
        .collect();
    let message = life.job.message(Attempt(2), &parts);
    let join = message.join.unwrap();
    assert_eq!((join.attempt, join.claim), (Attempt(1), claim(1)));
    let manifests: Vec<_> = join.children.into_iter().map(|child| child.manifest).collect();
    assert_eq!(manifests, parts.iter().map(|p| Some(p.manifest_address())).collect::<Vec<_>>());
    // The join fails once, and is tried as any attempt.
    let life = life.claimed(2, 2, at(8)).report(2, 2, failure(ErrorClass::Transient), at(9));
    assert_eq!(life.job.state.name(), "waiting");
    assert!(life.job.message(Attempt(3), &parts).join.is_some());
    let life = life.step(tick(100)).sent(at(101)).claimed(3, 3, at(102));
    assert_eq!(life.report(3, 3, success(3), at(103)).job.state.name(), "succeeded");
}

#[test]
fn a_child_without_a_result_ends_the_family_or_is_left_to_the_join() {
    let life = blocked(OnChildFailure::FailFast).step(look(stand(1, 1, 1), 5));
    let target = CloseTarget::Dead { reason: DeadReason::ChildFailed };
    assert_eq!(life.job.state, State::Closing { target, try_at: at(5) });
    let said = life.job.failure.as_ref().unwrap();
    assert_eq!(said.code, "child_failed");
    assert!(said.message.starts_with("child 2 of 3, job 0000"), "{}", said.message);
    assert!(said.message.ends_with("is dead: file_truncated: upload it again"));
    assert_eq!(life.sealed(at(6)).job.state.name(), "dead");

    let life = blocked(OnChildFailure::WaitForAll).step(look(stand(1, 1, 1), 5));
    assert_eq!(life.job.state.name(), "blocked");
    assert_eq!(life.step(look(stand(2, 1, 0), 6)).job.state.name(), "queued");
}

#[test]
fn a_blocked_job_is_looked_after_and_never_joins_by_guessing() {
    let life = blocked(OnChildFailure::FailFast);
    assert_eq!(next_timer(&life.job, &Policy::default()), Some(at(63)), "a lost notice is found");
    assert_eq!(life.try_step(&tick(64)), Err(Refusal::NotYet), "nobody has counted");
    let life = life.step(look(stand(2, 0, 0), 64));
    assert_eq!(life.job.state.name(), "blocked", "one is missing from the count");
}

#[test]
fn cancel_deadline_and_replay_end_a_blocked_job_and_its_family() {
    let cancelled = blocked(OnChildFailure::FailFast).step(Event::CancelRequested { now: at(4) });
    assert_eq!(cancelled.job.state.name(), "closing");
    assert!(cancelled.effects.contains(&Effect::Close));
    let day = 24 * 3600;
    let late = blocked(OnChildFailure::WaitForAll).step(tick(day + 1));
    assert_eq!(
        late.job.state,
        State::Closing { target: CloseTarget::Expired, try_at: at(day + 1) }
    );

    let old = cancelled.said(1, 1, expanded(2, OnChildFailure::FailFast), at(5));
    assert_eq!(cancelled.try_step(&old), Err(Refusal::Closing), "a closing job makes no children");
    let ended = cancelled.sealed(at(5));
    assert_eq!(ended.try_step(&old), Err(Refusal::Ended));
    let again = ended.step(Event::ReplayRequested {
        now: at(6),
        parent_waits: false,
        changes: Rerun::default(),
    });
    assert_eq!(again.job.family, None);
    assert_eq!(again.try_step(&old), Err(Refusal::StaleGeneration));
    let again = again.sent(at(7)).claimed(2, 2, at(8));
    let event = again.said(2, 2, expanded(2, OnChildFailure::FailFast), at(9));
    let children = again.try_step(&event).unwrap().children;
    assert_eq!(children[0].id, child_id(again.job.id, Generation(2), 0), "others than before");
}

#[test]
fn who_asks_for_what_no_family_is_fails() {
    let fails = |life: Life, report: Report, code: &str| {
        let attempt = life.job.counters.last_attempt;
        let life = life.report(attempt, 9, report, at(200));
        assert_eq!(life.job.failure.as_ref().map(|failure| failure.code.as_str()), Some(code));
        life.job.state.name()
    };
    let held = || Life::new().sent(at(1)).claimed(1, 9, at(2));
    assert_eq!(fails(held(), expanded(0, OnChildFailure::FailFast), "bad_expansion"), "waiting");
    assert_eq!(fails(held(), expanded(1001, OnChildFailure::FailFast), "bad_expansion"), "waiting");
    let mut child = held();
    child.job.child_of =
        Some(crate::family::ChildOf { parent: child.job.id, generation: Generation(1), index: 0 });
    assert_eq!(fails(child, expanded(2, OnChildFailure::FailFast), "child_expanded"), "closing");
    let join = blocked(OnChildFailure::FailFast).step(look(stand(3, 0, 0), 4));
    let join = join.sent(at(5)).claimed(2, 9, at(6));
    assert_eq!(fails(join, expanded(2, OnChildFailure::FailFast), "join_expanded"), "closing");
}

#[test]
fn a_child_is_run_anew_only_for_a_parent_that_waits() {
    let mut life = Life::new();
    life.job.child_of =
        Some(crate::family::ChildOf { parent: life.job.id, generation: Generation(1), index: 0 });
    let life = life.sent(at(1)).claimed(1, 1, at(2));
    let life = life.report(1, 1, failure(ErrorClass::Rejected), at(3)).sealed(at(4));
    let deadline_at = life.job.deadline_at;
    let replay = |parent_waits| Event::ReplayRequested {
        now: at(5),
        parent_waits,
        changes: Rerun::default(),
    };
    assert_eq!(life.try_step(&replay(false)), Err(Refusal::NoParentWaits));
    let life = life.step(replay(true));
    assert_eq!((life.job.state.name(), life.job.deadline_at), ("queued", deadline_at));
}
