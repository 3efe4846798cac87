//! Silence of workers that nobody could have heard.

use super::*;
use crate::time::Span;

/// The log is applied up to now; nothing is concluded from what a region did not say before `excused`.
fn cut_off(now: i64, excused: i64) -> Event {
    let region = Region::new("hangzhou").unwrap();
    let excused = BTreeMap::from([(region, at(excused))]);
    Event::Tick { now: at(now), horizon: Horizon { excused, ..horizon(at(now)) } }
}

fn timer(job: &Job) -> Option<Timestamp> {
    next_timer(job, &Policy::default())
}

fn held() -> Life {
    Life::new().sent(at(1)).claimed(1, 1, at(2))
}

#[test]
fn a_claim_of_a_region_that_is_cut_off_does_not_lapse_and_its_timer_moves_on() {
    let life = held().step(cut_off(63, 63));
    assert_eq!((life.reason, life.job.state.name()), (Reason::Excused, "running"));
    assert_eq!(timer(&life.job), Some(at(123)), "nobody looks at it for a lease");
    let life = life.step(cut_off(124, 124));
    assert_eq!((life.reason, timer(&life.job)), (Reason::Excused, Some(at(184))));
    // The dispatcher's patience is over: it does not excuse the region any more.
    let life = life.step(tick(185));
    assert_eq!((life.reason, life.job.counters.losses), (Reason::LeaseLapsed, 1));
}

#[test]
fn patience_ends_when_it_is_said_to() {
    // 600 s after the last sign of life, which came at 2 s: a lease that counts from 542 s ends then.
    let life = held().step(cut_off(590, 542));
    assert_eq!(timer(&life.job), Some(at(602)));
    let tick = cut_off(602, 542);
    assert_eq!(life.try_step(&tick), Err(Refusal::NotYet), "the log is not past it");
    assert_eq!(life.step(cut_off(603, 542)).reason, Reason::LeaseLapsed);
}

#[test]
fn a_region_that_is_back_has_a_lease_to_speak_in() {
    let life = held().step(cut_off(63, 63));
    // It was heard of again at 120 s; this claim's worker has not spoken yet.
    let life = life.step(cut_off(124, 120));
    assert_eq!((life.reason, timer(&life.job)), (Reason::Excused, Some(at(180))));
    assert_eq!(life.step(cut_off(181, 120)).reason, Reason::LeaseLapsed);
}

#[test]
fn an_attempt_whose_time_is_up_waits_for_what_its_worker_has_to_say() {
    let timeout = (Policy::default().image_timeout.0 + Policy::default().timeout_grace.0).as_secs();
    let over = 2 + i64::try_from(timeout).unwrap();
    let life = held().step(cut_off(63, 63)).step(cut_off(over + 1, over + 1));
    assert_eq!((life.reason, timer(&life.job)), (Reason::Excused, Some(at(over + 61))));
    // Back, and its worker beats; what it said about the attempt may still be on its way.
    let back = |now: i64| {
        let mut back = horizon(at(now));
        back.beats.insert(claim(1), at(now - 1));
        back.excused.insert(Region::new("hangzhou").unwrap(), at(over + 40));
        Event::Tick { now: at(now), horizon: back }
    };
    let life = life.step(back(over + 62));
    assert_eq!((life.reason, timer(&life.job)), (Reason::Excused, Some(at(over + 100))));
    let life = life.step(back(over + 101));
    assert_eq!((life.reason, life.job.counters.charged), (Reason::AttemptTimedOut, 1));
}

#[test]
fn the_log_s_own_absence_excuses_too() {
    let policy = Policy { image_timeout: Span::from_secs(60), ..Policy::default() };
    let mut life = held();
    life.job.timeout = policy.image_timeout;
    let row = PartitionHorizon { caught_up_at: at(400), restarted_at: at(390) };
    let partitions = BTreeMap::from([(EVENTS, row), (BEATS, row)]);
    let back = Horizon { partitions, ..Horizon::default() };
    let life = life.step(Event::Tick { now: at(400), horizon: back });
    assert_eq!((life.reason, timer(&life.job)), (Reason::Excused, Some(at(450))));
}

#[test]
fn another_region_s_silence_excuses_nobody() {
    let excused = BTreeMap::from([(Region::new("far").unwrap(), at(63))]);
    let tick = Event::Tick { now: at(63), horizon: Horizon { excused, ..horizon(at(63)) } };
    assert_eq!(held().step(tick).reason, Reason::LeaseLapsed);
}
