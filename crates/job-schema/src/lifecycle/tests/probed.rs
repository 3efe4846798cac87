//! Sources that take longer than their attempts had.

use super::*;
use crate::time::Span;

const SHORT: Span = Span::from_secs(600);
const LONG: Span = Span::from_secs(7200);

/// The first claim has looked at the source.
fn probed(life: &Life, timeout: Span, seconds: i64) -> Event {
    life.said(1, 1, Report::Probed { timeout }, at(seconds))
}

fn held() -> Life {
    Life::new().sent(at(1)).claimed(1, 1, at(2))
}

/// The time at which a claim that is heard of is ended by its timeout alone.
fn timed_out(life: &Life, seconds: i64) -> bool {
    let beats = BTreeMap::from([(claim(1), at(seconds))]);
    let horizon = Horizon { beats, ..horizon(at(seconds + 1)) };
    let decision = life.try_step(&Event::Tick { now: at(seconds), horizon });
    decision.is_ok_and(|decision| decision.reason == Reason::AttemptTimedOut)
}

#[test]
fn a_source_that_takes_longer_has_that_time_in_every_attempt() {
    let life = held();
    assert_eq!(life.job.timeout, SHORT);
    assert!(timed_out(&life, 2 + 630) && !timed_out(&life, 2 + 629), "with its grace");
    let life = life.report(1, 1, Report::Probed { timeout: LONG }, at(3));
    assert_eq!((life.reason, life.job.timeout), (Reason::Probed, LONG));
    assert!(timed_out(&life, 2 + 7230) && !timed_out(&life, 2 + 7229));
    let message = life.job.message(Attempt(2), &[]);
    assert_eq!((message.timeout, message.own_timeout), (LONG, false));
}

#[test]
fn it_is_news_once_and_never_shortens_anything() {
    let life = held().report(1, 1, Report::Probed { timeout: LONG }, at(3));
    for timeout in [LONG, SHORT, Span::from_secs(0)] {
        assert_eq!(life.try_step(&probed(&life, timeout, 4)).err(), Some(Refusal::NothingNew));
    }
    let year = Span::from_secs(365 * 24 * 3600);
    let life = life.report(1, 1, Report::Probed { timeout: year }, at(5));
    assert_eq!(life.job.timeout, Span::from_secs(*limits::TIMEOUT_S.end()), "within the limit");
}

#[test]
fn what_the_submitter_said_stands() {
    let mut life = held();
    life.job.spec.timeout = Some(SHORT);
    assert_eq!(life.try_step(&probed(&life, LONG, 3)).err(), Some(Refusal::NothingNew));
    assert!(life.job.message(Attempt(1), &[]).own_timeout);
}

#[test]
fn a_claim_that_has_ended_says_nothing_about_the_next() {
    let life = held().report(1, 1, Report::Abandoned, at(3));
    assert_eq!(life.try_step(&probed(&life, LONG, 4)).err(), Some(Refusal::EndedClaim));
}
