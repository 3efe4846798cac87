//! A family: a job that is split in two, its children, two workers, one partition of the log, a dispatcher that counts
//! and then writes, and people. Smaller than the world of one job, whose rules hold here too: a message has one copy,
//! and what only concerns leases and placements is left out.

use std::collections::BTreeSet;

use crate::family::rules::Rule;
use crate::family::search::{Found, Promise, search};
use crate::family::world::{FAULTS, Fault, World};

mod rules;
mod search;
mod steps;
mod world;

use panofleet_job_schema::family::OnChildFailure::{self, FailFast, WaitForAll};

struct Scenario {
    name: &'static str,
    on_failure: OnChildFailure,
    faults: &'static [(Fault, u8)],
}

const fn scenario(
    name: &'static str,
    on_failure: OnChildFailure,
    faults: &'static [(Fault, u8)],
) -> Scenario {
    Scenario { name, on_failure, faults }
}

const SCENARIOS: &[Scenario] = &[
    scenario("nothing", FailFast, &[]),
    scenario("silence", FailFast, &[(Fault::Silence, 2)]),
    scenario(
        "silence and a split said twice",
        FailFast,
        &[(Fault::Silence, 1), (Fault::SaidTwice, 2)],
    ),
    scenario("a child fails", FailFast, &[(Fault::ChildFails, 2), (Fault::Silence, 1)]),
    scenario(
        "a child fails, all are waited for",
        WaitForAll,
        &[(Fault::ChildFails, 2), (Fault::Silence, 1)],
    ),
    scenario("lost notices", FailFast, &[(Fault::NoticeLost, 2), (Fault::ChildFails, 1)]),
    scenario("notices twice", FailFast, &[(Fault::NoticeTwice, 2), (Fault::Silence, 1)]),
    scenario("cancel", FailFast, &[(Fault::Cancel, 1), (Fault::Silence, 1)]),
    scenario("deadline", WaitForAll, &[(Fault::Deadline, 1), (Fault::ChildFails, 1)]),
    scenario("made whole", FailFast, &[(Fault::Whole, 1), (Fault::Silence, 1)]),
    scenario("replay", FailFast, &[(Fault::Cancel, 1), (Fault::Replay, 1)]),
    scenario(
        "replay of what was made whole",
        FailFast,
        &[(Fault::Whole, 1), (Fault::Silence, 1), (Fault::Replay, 1)],
    ),
];

impl Scenario {
    fn run(&self, broken: Option<Rule>) -> Found {
        let mut budget = [0; FAULTS];
        for (fault, times) in self.faults {
            budget[*fault as usize] = *times;
        }
        search(broken, self.on_failure, |first| World { budget, ..first })
    }
}

#[test]
fn no_order_of_faults_breaks_a_promise_of_a_family() {
    let mut broken = Vec::new();
    for scenario in SCENARIOS {
        let found = scenario.run(None);
        println!("{:36} {found}", scenario.name);
        broken.extend(found.violation.map(|violation| (scenario.name, violation)));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Each rule, a scenario that needs it, and the promise that falls without it.
const NEEDED: &[(Rule, &str, Promise)] = &[
    (Rule::FirstSplitWins, "silence", Promise::ChildrenAreMadeOnce),
    (Rule::ClosedMakesNone, "cancel", Promise::AClosedJobMakesNoChildren),
    (Rule::CountsRows, "notices twice", Promise::TheJoinWaitsForAll),
    (Rule::TimerLooks, "lost notices", Promise::EveryFamilyEnds),
    (Rule::EndsRefuseOlderCounts, "a child fails", Promise::NewsOfAnEndIsNotWrittenOver),
    (Rule::ChildrenFirst, "cancel", Promise::ChildrenAreToldBeforeTheEnd),
    (Rule::Strays, "made whole", Promise::NobodyWorksForNothing),
    (Rule::SplitEndsWhatWasBefore, "silence", Promise::OnlyTheJoinRunsAfterTheSplit),
    (Rule::Generations, "replay", Promise::OldGenerationsChangeNothing),
    (Rule::FailsFast, "a child fails", Promise::AFailedChildEndsTheFamily),
];

#[test]
fn without_a_rule_a_promise_of_a_family_falls() {
    let mut wrong = Vec::new();
    for (rule, name, promise) in NEEDED {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == *name).expect("its name");
        let found = scenario.run(Some(*rule));
        println!("without {rule:?}, {name}: {found}");
        if found.violation.as_ref().map(|(promise, _)| *promise) != Some(*promise) {
            wrong.push(format!("{rule:?} in {name}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let broken: BTreeSet<_> = NEEDED.iter().map(|(rule, ..)| format!("{rule:?}")).collect();
    assert_eq!(broken.len(), NEEDED.len(), "each rule once");
}
