//! Hops: a job that may run in two regions, a queue and a worker in each, one partition of the log, a collector that
//! knows whose key signed what, control records that may not arrive, and people. Smaller than the world of one job:
//! what only concerns leases, locks and placements is left out.

use std::collections::BTreeSet;

use crate::hops::rules::Rule;
use crate::hops::search::{Found, Promise, search};
use crate::hops::world::{FAULTS, Fault};

mod rules;
mod search;
mod steps;
mod world;

type Scenario = (&'static str, &'static [(Fault, u8)]);

const SCENARIOS: &[Scenario] = &[
    ("nothing", &[]),
    ("a hop", &[(Fault::Hop, 1)]),
    ("there and back", &[(Fault::Hop, 3), (Fault::Silence, 2)]),
    ("a hop and copies", &[(Fault::Hop, 1), (Fault::CopyTwice, 1), (Fault::ControlLost, 1)]),
    ("control lost", &[(Fault::Hop, 2), (Fault::ControlLost, 2)]),
    ("a lie", &[(Fault::Hop, 1), (Fault::Lie, 2)]),
    ("failures", &[(Fault::Hop, 2), (Fault::Failure, 1), (Fault::ControlLost, 1)]),
    (
        "silence and copies",
        &[(Fault::Hop, 2), (Fault::Silence, 1), (Fault::CopyTwice, 1), (Fault::ControlLost, 1)],
    ),
    ("cancel", &[(Fault::Hop, 1), (Fault::Cancel, 1), (Fault::ControlLost, 1)]),
];

fn run(scenario: &Scenario, broken: Option<Rule>) -> Found {
    let mut budget = [0; FAULTS];
    for (fault, times) in scenario.1 {
        budget[*fault as usize] = *times;
    }
    search(broken, budget)
}

#[test]
fn no_order_of_hops_breaks_a_promise() {
    let mut broken = Vec::new();
    for scenario in SCENARIOS {
        let found = run(scenario, None);
        println!("{:28} {found}", scenario.0);
        broken.extend(found.violation.map(|violation| (scenario.0, violation)));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Each rule, a scenario that needs it, and the promise that falls without it.
const NEEDED: &[(Rule, &str, Promise)] = &[
    (Rule::Watermark, "a hop", Promise::NoHopOverAWaitingClaim),
    (Rule::TakesBack, "control lost", Promise::WhoClaimsAJobHasIt),
    (Rule::OwnWordOnly, "a lie", Promise::NobodyHoldsWhatWasSentElsewhere),
    (Rule::Remembers, "control lost", Promise::NoTrueWordIsRefused),
    (Rule::NewAttempt, "a hop", Promise::AttemptNumbersAreUsedOnce),
    (Rule::TellsTheOldRegion, "a hop", Promise::TheOldRegionIsTold),
    (Rule::ResultStays, "a hop", Promise::TheResultStaysWhereItWas),
];

#[test]
fn without_a_rule_a_promise_of_hops_falls() {
    let mut wrong = Vec::new();
    for (rule, name, promise) in NEEDED {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.0 == *name).expect("its name");
        let found = run(scenario, Some(*rule));
        println!("without {rule:?}, {name}: {found}");
        if found.violation.as_ref().map(|(promise, _)| *promise) != Some(*promise) {
            wrong.push(format!("{rule:?} in {name}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let broken: BTreeSet<_> = NEEDED.iter().map(|(rule, ..)| format!("{rule:?}")).collect();
    assert_eq!(broken.len(), NEEDED.len(), "each rule once");
}
