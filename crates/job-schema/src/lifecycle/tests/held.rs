//! How long a worker held a job for nothing.

use super::*;

fn note(life: &Life, event: &Event) -> Note {
    life.try_step(event).unwrap().note
}

#[test]
fn what_ends_a_claim_says_since_when_it_was_held() {
    let held = || Life::new().sent(at(1)).claimed(1, 1, at(2));
    let failed = failure(ErrorClass::Transient);
    for report in [failed.clone(), Report::Abandoned, success(1)] {
        let life = held();
        let note = note(&life, &life.said(1, 1, report, at(9)));
        assert_eq!(note.held_since, Some(at(2)));
    }
    let life = held();
    let note_of_failure = note(&life, &life.said(1, 1, failed, at(9)));
    assert_eq!(note_of_failure.failure, life_failure());
    let lapse = Event::Tick { now: at(70), horizon: horizon(at(70)) };
    assert_eq!(note(&life, &lapse).held_since, Some(at(2)));
    assert_eq!(note(&life, &lapse).failure, None, "no worker said why");
}

fn life_failure() -> Option<Failure> {
    Some(Failure::new(ErrorClass::Transient, "code", "message"))
}

#[test]
fn what_ends_no_claim_says_nothing_of_it() {
    let life = Life::new().sent(at(1));
    let claimed = life.said(1, 1, Report::Claimed, at(2));
    assert_eq!(note(&life, &claimed).held_since, None);
    let life = life.claimed(1, 1, at(2));
    let joined = life.said(1, 2, Report::Claimed, at(3));
    assert_eq!(note(&life, &joined).held_since, None);
    let cancel = Event::CancelRequested { now: at(5) };
    assert_eq!(note(&life, &cancel).held_since, None);
}
