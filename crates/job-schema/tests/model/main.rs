//! The contract of delivery as an exhaustive model over the real [`lifecycle::decide`].
//!
//! The world is one job and everything that moves around it: copies of its message in a queue with locks that
//! lapse, two workers of one slot that follow the claim protocol, their children, the manifest key, two
//! partitions of the event log (the job's events in one, heartbeats in the other), a collector and a second one
//! that reads the same, a dispatcher that leads and one that led before, the control record, and people. In each
//! scenario a few faults may happen, at any time; every order of everything is looked at, and in each step
//! whether a promise is broken. In the end, whether from every state an end can still be reached without another
//! fault. Every state of the job comes from `decide` and nothing else.
//!
//! Then each rule of the contract is broken, and a promise has to fall: a rule that nothing needs would be a rule
//! that nothing tests.
//!
//! | in | is |
//! |---|---|
//! | `world.rs`, `list.rs` | the world as a value |
//! | `steps.rs`, `steps/` | what can happen next |
//! | `clock.rs` | time without a clock: which times have come, and whether the watermark is past them |
//! | `jobs.rs`, `facts.rs` | jobs by number, what was decided about them, what the world asks about one |
//! | `rules.rs` | `decide`, without one rule |
//! | `promises.rs` | what must hold |
//! | `canonical.rs`, `search.rs` | one form for equal worlds; breadth first, then backwards from the ends |
//! | `faults.rs`, `scenarios.rs` | what may go wrong, how often, and how far a search goes |
//! | `family.rs`, `family/` | another, smaller world: a job that is split, its children, and the join |
//! | `hops.rs`, `hops/` | a third: a job that may run in two regions, and goes on when it has waited for too long |
//!
//! # What is left out
//!
//! More than one job (a family is a world of its own), and so the dispatcher's window. A log whose events are lost. Durations: every timer may come
//! due before every other, but a worker that lives and can speak has spoken within a lease. A worker's clock that
//! is wrong: its own deadline only saves work. At most two events and two heartbeats wait in the log at a time,
//! and a lease does not end while that of another claim is between its end and the watermark; the larger search
//! allows both:
//!
//! ```text
//! cargo test -p panofleet-job-schema --test model                                        # seconds
//! cargo test -p panofleet-job-schema --test model -- --nocapture                         # with the numbers
//! cargo test -p panofleet-job-schema --test model -- --ignored --nocapture               # 4 minutes, 5 GB
//! ```
//!
//! [`lifecycle::decide`]: panofleet_job_schema::lifecycle::decide

use std::sync::Mutex;

use crate::promises::Promise;
use crate::rules::Rule;
use crate::scenarios::{Bounds, LARGE, SCENARIOS, SMALL, Scenario};
use crate::search::Found;

mod canonical;
mod clock;
mod facts;
mod family;
mod faults;
mod hops;
mod jobs;
mod list;
mod promises;
mod rules;
mod scenarios;
mod search;
mod steps;
mod world;

/// Runs every scenario, on as many threads, and prints what each came to.
#[expect(clippy::print_stdout, reason = "the numbers are what people look for")]
fn run_all(bounds: Bounds, threads: usize) -> Vec<(&'static str, Found)> {
    let next = Mutex::new(SCENARIOS.iter());
    let found = Mutex::new(Vec::new());
    let take = || next.lock().expect("no panic while it is held").next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(scenario) = take() {
                    let result = scenario.run(None, bounds);
                    println!("{:28} {result}", scenario.name);
                    found.lock().expect("no panic while it is held").push((scenario.name, result));
                }
            });
        }
    });
    found.into_inner().expect("every thread has ended well")
}

#[test]
fn no_order_of_faults_breaks_a_promise() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found = run_all(SMALL, threads);
    let broken: Vec<_> =
        found.iter().filter(|(_, found)| found.violation.is_some() || !found.complete).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let states: usize = found.iter().map(|(_, found)| found.states).sum();
    println!("{states} states in {} scenarios", found.len());
}

#[test]
#[ignore = "takes 4 minutes and 5 GB; for changes of the contract"]
fn no_order_of_faults_breaks_a_promise_in_a_larger_world() {
    let found = run_all(LARGE, 1);
    let broken: Vec<_> = found.iter().filter(|(_, found)| found.violation.is_some()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Each rule, a scenario that needs it, and the promise that falls without it.
const NEEDED: &[(Rule, &str, Promise)] = &[
    (Rule::AllClaimsHold, "two copies and a failure", Promise::NotSentAgainBesideALivingClaim),
    (Rule::Generations, "replay beside the living", Promise::OldGenerationsChangeNothing),
    (Rule::ClosingGeneration, "deposed while closing", Promise::AnEndWithoutResultIsSealed),
    (Rule::AttemptNumbers, "drain", Promise::AttemptNumbersAreUsedOnce),
    (Rule::Seal, "cancel", Promise::AnEndWithoutResultIsSealed),
    (Rule::Watermark, "freeze and loss", Promise::NoTimerOverAWaitingEvent),
    (Rule::BothWatermarks, "freeze and loss", Promise::LivingLeasesDoNotLapse),
    (Rule::Restart, "kafka outage", Promise::LivingLeasesDoNotLapse),
    (Rule::CopyGone, "nothing", Promise::NotSentAgainWhileQueued),
    (Rule::GoneWait, "vanished message", Promise::NoTimerOverAWaitingEvent),
    (Rule::SecondLook, "slow locks", Promise::OnlyItsHolderStartsAMessage),
    (Rule::Unstarted, "slow locks", Promise::WhatNeverStartedIsNotSentAgain),
    (Rule::Revival, "freeze and loss", Promise::LivingClaimsHold),
    (Rule::AnyAttempt, "freeze and loss", Promise::SuccessCounts),
    (Rule::EndedClaims, "two copies and a failure", Promise::EndedClaimsStayEnded),
    (Rule::EndsArePaid, "late next life", Promise::NoEndMakesAJobCheaper),
    (Rule::OffsetCas, "two collectors", Promise::RecordsCountOnce),
    (Rule::RowCas, "standby dispatcher", Promise::AttemptNumbersAreUsedOnce),
    (Rule::IfNoneMatch, "cancel", Promise::OneManifest),
];

#[test]
fn without_a_rule_a_promise_falls() {
    let mut wrong = Vec::new();
    for (rule, name, promise) in NEEDED {
        let named = |scenario: &&Scenario| scenario.name == *name;
        let scenario = SCENARIOS.iter().find(named).expect("a scenario of that name");
        let found = scenario.run(Some(*rule), SMALL);
        println!("without {rule:?}, {name}: {found}");
        if found.violation.as_ref().map(|violation| violation.promise) != Some(*promise) {
            wrong.push(format!("{rule:?} in {name}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
