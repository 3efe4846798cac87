//! Jobs that may run in several regions.

use std::collections::BTreeSet;

use super::*;
use crate::time::Span;

pub(super) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// A job that begins in hangzhou, and may go on after 5 min.
pub(super) fn routed() -> Life {
    let regions = ["hangzhou", "us-west", "paris"].map(region).to_vec();
    let mut life = Life::new();
    life.job = life.job.routed(regions, &Policy::default());
    life
}

/// Time, and who takes jobs.
fn time(seconds: i64, takes: &[&str]) -> Event {
    let takes = Some(takes.iter().map(|name| region(name)).collect::<BTreeSet<_>>());
    Event::Tick { now: at(seconds), horizon: Horizon { takes, ..horizon(at(seconds)) } }
}

const ALL: [&str; 3] = ["hangzhou", "us-west", "paris"];

fn place(life: &Life) -> (&str, &str) {
    (life.job.state.name(), life.job.region.as_str())
}

#[test]
fn a_queued_job_goes_on_to_the_next_region_that_takes_jobs() {
    let life = routed();
    assert_eq!(next_timer(&life.job, &Policy::default()), Some(at(300)));
    assert_eq!(life.try_step(&time(299, &ALL)), Err(Refusal::NotYet));
    let key = life.job.manifest_address();
    let life = life.step(time(300, &["paris"]));
    assert_eq!((place(&life), life.reason), (("queued", "paris"), Reason::Hopped));
    assert!(life.effects.is_empty(), "nobody has heard of it");
    assert_eq!(life.job.manifest_address(), key, "its result lies where it was to lie");
    let State::Queued { since } = life.job.state else { panic!() };
    assert_eq!(since, at(0), "it has waited all the time");
    assert_eq!(next_timer(&life.job, &Policy::default()), Some(at(600)));
    let life = life.step(time(600, &ALL)).step(time(900, &ALL));
    assert_eq!(place(&life), ("queued", "us-west"));
    assert_eq!(next_timer(&life.job, &Policy::default()), Some(at(1500)), "a second round");
}

#[test]
fn where_nobody_takes_jobs_it_stays_and_waits_anew() {
    let life = routed().step(time(300, &["hangzhou"]));
    assert_eq!((place(&life), life.reason), (("queued", "hangzhou"), Reason::StillQueued));
    assert_eq!(next_timer(&life.job, &Policy::default()), Some(at(600)));
    let unknown = Event::Tick { now: at(600), horizon: horizon(at(600)) };
    assert_eq!(life.try_step(&unknown), Err(Refusal::NotYet), "nobody knows who takes jobs");
    let pinned = Life::new();
    assert_eq!(pinned.try_step(&time(3000, &ALL)), Err(Refusal::NotYet));
}

#[test]
fn a_sent_job_goes_on_only_when_no_claim_can_be_on_its_way() {
    let life = routed().sent(at(1));
    let takes = Some(ALL.iter().map(|name| region(name)).collect::<BTreeSet<_>>());
    let behind = Horizon { takes, ..horizon(at(301)) };
    let early = Event::Tick { now: at(400), horizon: behind };
    assert_eq!(life.try_step(&early), Err(Refusal::NotYet));
    let life = life.step(time(400, &ALL));
    assert_eq!((place(&life), life.reason), (("queued", "us-west"), Reason::Hopped));
    assert_eq!(life.effects, [Effect::Control]);
    let told: Vec<_> = life.job.regions().map(Region::as_str).collect();
    assert_eq!(told, ["hangzhou", "us-west"], "the old region hears of it");
    assert!(life.job.control().forbids_start(life.job.attempt_id(Attempt(1))));
    let life = life.sent(at(401));
    assert_eq!(life.job.message(Attempt(2), &[]).region, region("us-west"));
    let sent_to = |attempt| life.job.region_of(Attempt(attempt)).map(Region::as_str);
    assert_eq!((sent_to(1), sent_to(2)), (Some("hangzhou"), Some("us-west")));
}

#[test]
fn an_old_copy_that_is_claimed_all_the_same_takes_the_job_back() {
    let life = routed().sent(at(1)).step(time(400, &ALL)).sent(at(401));
    let life = life.claimed(1, 1, at(402));
    assert_eq!((place(&life), life.reason), (("running", "hangzhou"), Reason::Revived));
    assert!(life.job.control().forbids_start(life.job.attempt_id(Attempt(2))));
    // Both run: whoever is first wins.
    let life = life.claimed(2, 2, at(403)).report(2, 2, success(2), at(404));
    assert_eq!(life.job.state.name(), "succeeded");
    let late = life.said(1, 1, success(1), at(405));
    assert_eq!(life.try_step(&late), Err(Refusal::Ended), "nothing is published twice");
}

#[test]
fn a_job_may_be_started_anew_elsewhere_and_within_other_limits() {
    let life = Life::new().sent(at(1)).claimed(1, 1, at(2));
    let life = life.report(1, 1, failure(ErrorClass::Rejected), at(3)).sealed(at(4));
    let hour = Span(Duration::from_secs(3600));
    let changes = Rerun {
        region: Some(region("us-west")),
        timeout: Some(hour),
        deadline: Some(hour),
        max_attempts: Some(9),
        priority: Some(Priority::High),
        ..Rerun::default()
    };
    let bucket = life.job.bucket.clone();
    let life = life.step(Event::ReplayRequested { now: at(5), parent_waits: false, changes });
    assert_eq!(place(&life), ("queued", "us-west"));
    let job = &life.job;
    assert_eq!((job.timeout, job.max_attempts, job.deadline_at), (hour, 9, at(3605)));
    assert_eq!((job.spec.priority, &job.bucket), (Priority::High, &bucket));
    assert_eq!(job.spec.region, Some(region("us-west")), "what is asked for now");
    let told: Vec<_> = job.regions().map(Region::as_str).collect();
    assert_eq!(told, ["hangzhou", "us-west"], "where it was, they hear that it is over there");
    let life = life.sent(at(6));
    let sent_to = |attempt| life.job.region_of(Attempt(attempt)).map(Region::as_str);
    assert_eq!((sent_to(1), sent_to(2)), (Some("hangzhou"), Some("us-west")));
    assert_eq!(life.job.message(Attempt(2), &[]).region, region("us-west"));
}

#[test]
fn a_job_that_is_started_anew_in_several_regions_goes_on_from_one_to_the_next() {
    let life = Life::new().step(Event::CancelRequested { now: at(1) });
    let regions = vec![region("us-west"), region("paris")];
    let changes = Rerun { regions: regions.clone(), ..Rerun::default() };
    let life = life.step(Event::ReplayRequested { now: at(5), parent_waits: false, changes });
    assert_eq!(place(&life), ("queued", "us-west"));
    assert_eq!(life.job.spec.regions, regions);
    assert_eq!(life.job.hop_due(), Some(at(305)));
    assert!(life.job.sent_to.is_empty(), "nothing was ever sent where it was");
}

#[test]
fn hops_are_remembered_up_to_a_limit() {
    let mut life = routed();
    let mut seconds = 0;
    for hop in 0..40_u32 {
        life = life.sent(at(seconds));
        seconds += (300 << 6) + 1;
        life.job.deadline_at = at(seconds + 1_000_000);
        life = life.step(time(seconds, &ALL));
        assert_eq!(life.job.route.as_ref().unwrap().hops, hop + 1);
    }
    assert_eq!(life.job.sent_to.len(), limits::SENT_TO_MAX);
    assert_eq!(life.job.region_of(Attempt(40)), Some(&region("hangzhou")));
    assert_eq!(life.job.region_of(Attempt(39)), Some(&region("paris")));
    assert_eq!(life.job.region_of(Attempt(20)), None, "too long ago to say anything");
}
