//! What people ask for while a job waits or runs: to have it go at once, and to have it let go.

use super::*;

/// A job that failed once and waits out its backoff.
fn in_backoff() -> Life {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    life.report(1, 1, failure(ErrorClass::Transient), at(3))
}

fn now(changes: Rerun, now: Timestamp) -> Event {
    Event::ReplayRequested { now, parent_waits: false, changes }
}

#[test]
fn a_job_in_its_backoff_goes_at_once_and_keeps_what_it_has_cost() {
    let waiting = in_backoff();
    let (counters, deadline_at) = (waiting.job.counters, waiting.job.deadline_at);
    let life = waiting.step(now(Rerun::default(), at(4)));
    assert_eq!(life.job.state, State::Queued { since: at(4) });
    assert_eq!(life.reason, Reason::BroughtForward);
    assert_eq!((life.job.generation, life.job.counters), (Generation(1), counters));
    assert_eq!(life.job.deadline_at, deadline_at);
    let life = life.sent(at(5)).claimed(2, 2, at(6)).report(2, 2, success(2), at(9));
    assert_eq!(life.job.state.name(), "succeeded");
}

#[test]
fn a_job_in_its_backoff_goes_elsewhere_and_within_other_limits() {
    let changes = Rerun {
        region: Region::new("us-west").ok(),
        max_attempts: Some(1),
        deadline: Some(crate::Span::from_secs(100)),
        ..Rerun::default()
    };
    let life = in_backoff().step(now(changes, at(4)));
    assert_eq!(life.job.region.as_str(), "us-west");
    assert_eq!(life.job.deadline_at, at(104));
    assert_eq!(life.job.max_attempts, 2, "one more try at least: one has failed");
    assert_eq!(life.effects, [Effect::Control], "copies in the old region are superseded");
    let life = life.sent(at(5)).claimed(2, 2, at(6));
    assert_eq!(life.job.regions().count(), 2, "both hear of its end");
}

/// A drop says that nobody wanted to start it; another copy may have been started all the same.
#[test]
fn a_claim_where_it_was_before_takes_it_back_for_one_attempt_only() {
    let dropped = Life::new().sent(at(1)).report(1, 1, Report::Dropped, at(2));
    let changes = Rerun { region: Region::new("us-west").ok(), ..Rerun::default() };
    let life = dropped.step(now(changes, at(3))).claimed(1, 2, at(4));
    assert_eq!((life.reason, life.job.region.as_str()), (Reason::Revived, "hangzhou"));
    let life = life.report(1, 2, failure(ErrorClass::Transient), at(5));
    assert_eq!((life.job.state.name(), life.job.region.as_str()), ("waiting", "us-west"));
}

#[test]
fn a_job_that_was_to_start_later_was_due_when_it_was_brought_forward() {
    let mut life = Life::new();
    life.job.spec.start_at = Some(at(1000));
    life.job.state = State::Waiting { due_at: at(1000) };
    let life = life.step(now(Rerun::default(), at(5))).sent(at(6));
    assert!(life.effects.is_empty(), "nobody was ever told of it");
    assert_eq!(life.job.message(Attempt(1), &[]).due_at, Some(at(5)));
}

#[test]
fn a_child_in_its_backoff_keeps_the_deadline_of_its_family() {
    let mut life = in_backoff();
    life.job.child_of = Some(crate::family::ChildOf {
        parent: JobId(Uuid::from_u128(1)),
        generation: Generation(1),
        index: 0,
    });
    let deadline_at = life.job.deadline_at;
    let changes = Rerun { deadline: Some(crate::Span::from_secs(1)), ..Rerun::default() };
    let life = life.step(now(changes, at(4)));
    assert_eq!((life.job.deadline_at, life.job.state.name()), (deadline_at, "queued"));
}

#[test]
fn only_a_job_that_waits_is_brought_forward() {
    let queued = Life::new();
    let sent = Life::new().sent(at(1));
    let running = Life::new().sent(at(1)).claimed(1, 1, at(2));
    for life in [queued, sent, running] {
        assert_eq!(life.try_step(&now(Rerun::default(), at(4))), Err(Refusal::NotEnded));
    }
}

#[test]
fn a_running_job_is_let_go_at_no_cost_and_goes_again() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).step(Event::ReleaseRequested);
    assert_eq!((life.job.state.name(), life.reason), ("running", Reason::ReleaseRequested));
    assert_eq!(life.effects, [Effect::Control]);
    assert!(life.job.control().lets_go(life.job.attempt_id(Attempt(1))));
    assert_eq!(life.try_step(&Event::ReleaseRequested), Err(Refusal::NothingNew), "once is enough");

    let released = Report::Released { started: true, reason: "asked".into() };
    let life = life.report(1, 1, released, at(4));
    assert_eq!(life.job.state, State::Queued { since: at(4) });
    assert_eq!((life.job.counters.charged, life.job.counters.releases), (0, 1));
    let life = life.sent(at(5)).claimed(2, 2, at(6));
    assert!(!life.job.control().lets_go(life.job.attempt_id(Attempt(2))), "the next one runs");
    let life = life.step(Event::ReleaseRequested);
    assert!(life.job.control().lets_go(life.job.attempt_id(Attempt(2))), "until it is asked for");
}

#[test]
fn a_worker_that_does_not_let_go_is_believed_and_its_result_counts() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2)).step(Event::ReleaseRequested);
    let life = life.report(1, 1, success(1), at(4));
    assert_eq!(life.job.state.name(), "succeeded");
}

#[test]
fn nobody_lets_go_what_nobody_holds() {
    let asked = Event::ReleaseRequested;
    assert_eq!(Life::new().try_step(&asked), Err(Refusal::NotHeld));
    assert_eq!(in_backoff().try_step(&asked), Err(Refusal::NotHeld));
    assert_eq!(Life::new().sent(at(1)).try_step(&asked), Err(Refusal::NotHeld));
    let running = || Life::new().sent(at(1)).claimed(1, 1, at(2));
    let closing = running().step(Event::CancelRequested { now: at(3) });
    assert_eq!(closing.try_step(&asked), Err(Refusal::Closing));
    let ended = running().report(1, 1, success(1), at(3));
    assert_eq!(ended.try_step(&asked), Err(Refusal::Ended));
}
