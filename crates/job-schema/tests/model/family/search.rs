//! What must hold in a family, looked at in every step of every order.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use panofleet_job_schema::family::OnChildFailure;
use panofleet_job_schema::job::State;

use super::rules::Rule;
use super::steps::{Action, Step, Steps, members, tally};
use super::world::{FAULTS, Jobs, NONE, Tally, World};
use crate::jobs::accepted;
use crate::list::List;

/// A promise, by what it is called in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    ChildrenAreMadeOnce,
    AClosedJobMakesNoChildren,
    OldGenerationsChangeNothing,
    OnlyTheJoinRunsAfterTheSplit,
    TheJoinWaitsForAll,
    AFailedChildEndsTheFamily,
    /// A child's end is looked at by a count that was made after it.
    NewsOfAnEndIsNotWrittenOver,
    ChildrenAreToldBeforeTheEnd,
    SuccessHasItsManifest,
    /// From everywhere, without a further fault, everybody's end can be reached.
    EveryFamilyEnds,
    /// Once the parent has ended, its children end without a worker doing anything for it.
    NobodyWorksForNothing,
}

/// What a search came to.
#[derive(Debug)]
pub(crate) struct Found {
    states: usize,
    took: Duration,
    pub(crate) violation: Option<(Promise, Vec<Action>)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} states {:>5.2} s", self.states, self.took.as_secs_f64())?;
        self.violation.iter().try_for_each(|(promise, trace)| write!(f, ", {promise:?}: {trace:?}"))
    }
}

/// Looks at every world that can be reached from a job that was just accepted.
pub(crate) fn search(
    broken: Option<Rule>,
    on_failure: OnChildFailure,
    begin: impl FnOnce(World) -> World,
) -> Found {
    let begun = Instant::now();
    let mut jobs = Jobs::new(broken, on_failure);
    let first = World {
        parent: jobs.number(accepted(3)),
        children: [[NONE; 2]; 2],
        queue: List::default(),
        workers: [None; 2],
        log: List::default(),
        manifests: [[0; 3]; 2],
        counted: None,
        told: false,
        notices: 0,
        budget: [0; FAULTS],
    };
    let first = begin(first);
    let mut worlds = vec![first];
    let mut came: Vec<Option<(usize, Action)>> = vec![None];
    let mut numbers = HashMap::from([(first, 0_usize)]);
    let mut ways: Vec<(usize, usize, bool)> = Vec::new();
    let mut next = 0;
    let mut violation = None;
    let mut steps = Steps { jobs: &mut jobs, found: Vec::new() };
    while next < worlds.len() && violation.is_none() {
        let world = worlds[next];
        steps.of(&world);
        for step in std::mem::take(&mut steps.found) {
            if let Some(promise) = broken_by(steps.jobs, &world, &step) {
                violation = Some((promise, trace(&came, next, Some(step.action))));
                break;
            }
            let to = *numbers.entry(step.after).or_insert_with(|| {
                worlds.push(step.after);
                came.push(Some((next, step.action)));
                worlds.len() - 1
            });
            if !step.is_fault {
                ways.push((to, next, step.is_worker));
            }
        }
        next += 1;
    }
    let done =
        |world: &World| members(world).all(|who| jobs.get(world.number(who)).state.is_terminal());
    let over = |world: &World| jobs.get(world.parent).state.is_terminal();
    let violation = violation.or_else(|| {
        let ends = |world: &World| over(world) && done(world);
        let stuck = unreached(&worlds, &ways, ends, |_| true, |_| true);
        Some((Promise::EveryFamilyEnds, trace(&came, stuck?, None)))
    });
    let violation = violation.or_else(|| {
        let stuck = unreached(&worlds, &ways, done, |is_worker| !is_worker, over);
        Some((Promise::NobodyWorksForNothing, trace(&came, stuck?, None)))
    });
    Found { states: worlds.len(), took: begun.elapsed(), violation }
}

fn trace(came: &[Option<(usize, Action)>], mut at: usize, last: Option<Action>) -> Vec<Action> {
    let mut trace: Vec<Action> = last.into_iter().collect();
    while let Some((from, action)) = came[at] {
        trace.push(action);
        at = from;
    }
    trace.reverse();
    trace
}

/// A world among those that count from which no end can be reached by the ways that count.
fn unreached(
    worlds: &[World],
    ways: &[(usize, usize, bool)],
    is_end: impl Fn(&World) -> bool,
    way_counts: impl Fn(bool) -> bool,
    world_counts: impl Fn(&World) -> bool,
) -> Option<usize> {
    let mut back: Vec<Vec<usize>> = vec![Vec::new(); worlds.len()];
    for (to, from, _) in ways.iter().filter(|(.., is_worker)| way_counts(*is_worker)) {
        back[*to].push(*from);
    }
    let mut good: Vec<bool> = worlds.iter().map(is_end).collect();
    let mut open: Vec<usize> = (0..worlds.len()).filter(|world| good[*world]).collect();
    while let Some(world) = open.pop() {
        for from in &back[world] {
            if !std::mem::replace(&mut good[*from], true) {
                open.push(*from);
            }
        }
    }
    (0..worlds.len()).find(|world| !good[*world] && world_counts(&worlds[*world]))
}

/// The first promise that a step breaks.
fn broken_by(jobs: &Jobs, before: &World, step: &Step) -> Option<Promise> {
    let after = &step.after;
    let (was, is) = (jobs.get(before.parent), jobs.get(after.parent));
    let generation = was.generation.0 as usize;
    let closed = was.state.is_terminal() || matches!(was.state, State::Closing { .. });
    if step.made && closed {
        return Some(Promise::AClosedJobMakesNoChildren);
    }
    if let Action::Applied(entry) = step.action
        && entry.turn.who.member == 0
        && usize::from(entry.turn.who.generation) < generation
        && (before.parent != after.parent || step.made)
    {
        return Some(Promise::OldGenerationsChangeNothing);
    }
    if step.made && before.children[generation - 1] != [NONE; 2] {
        return Some(Promise::ChildrenAreMadeOnce);
    }
    if let (State::Running { claims, .. }, Action::Applied(entry)) = (&is.state, step.action)
        && is.family.is_some()
        && !entry.turn.joins
        && entry.turn.who.member == 0
        && claims.iter().any(|claim| claim.attempt.0 == u32::from(entry.turn.attempt))
    {
        return Some(Promise::OnlyTheJoinRunsAfterTheSplit);
    }
    let stood = || tally(jobs, before, generation);
    if matches!(was.state, State::Blocked { .. }) {
        let joins = matches!(is.state, State::Queued { .. });
        if joins && stood().open > 0 {
            return Some(Promise::TheJoinWaitsForAll);
        }
        if joins && stood().failed > 0 && jobs.on_failure == OnChildFailure::FailFast {
            return Some(Promise::AFailedChildEndsTheFamily);
        }
        let forgets = before.told && !after.told && is.state.name() == "blocked";
        let counted: Option<Tally> = before.counted;
        let lost = matches!(step.action, Action::NoticeLost);
        if forgets && !lost && counted != Some(stood()) && jobs.broken != Some(Rule::CountsRows) {
            return Some(Promise::NewsOfAnEndIsNotWrittenOver);
        }
    }
    let ends = !was.state.is_terminal() && is.state.is_terminal();
    if let Action::Sealed(who) = step.action
        && who.member == 0
        && ends
    {
        let told = |number| {
            let state = &jobs.get(number).state;
            number == NONE || state.is_terminal() || matches!(state, State::Closing { .. })
        };
        if !after.children[generation - 1].into_iter().all(told) {
            return Some(Promise::ChildrenAreToldBeforeTheEnd);
        }
    }
    let stands = after.manifests[generation - 1][0];
    let wrong = matches!(is.state, State::Succeeded { .. }) && ends && stands != 1;
    wrong.then_some(Promise::SuccessHasItsManifest)
}
