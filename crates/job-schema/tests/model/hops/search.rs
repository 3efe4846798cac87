//! What must hold of a job that hops, looked at in every step of every order.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::Reason;

use super::steps::{Action, Step, Steps, is_held_elsewhere};
use super::world::{FAULTS, Fault, Jobs, SEAL, Said, World, place};
use crate::clock::Mark;
use crate::list::List;

/// A promise, by what it is called in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A sent job goes on only when no claim from before that is on its way.
    NoHopOverAWaitingClaim,
    /// Who claims a job that nobody holds has it in its own region.
    WhoClaimsAJobHasIt,
    /// A worker holds only what was sent to its region.
    NobodyHoldsWhatWasSentElsewhere,
    /// What a worker says of an attempt that it was sent is listened to.
    NoTrueWordIsRefused,
    AttemptNumbersAreUsedOnce,
    /// The region that a job leaves learns that what lies there is not to start.
    TheOldRegionIsTold,
    TheResultStaysWhereItWas,
    SuccessHasItsManifest,
    /// From everywhere, without a further fault, an end can be reached.
    EveryJobEnds,
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
pub(crate) fn search(broken: Option<super::rules::Rule>, budget: [u8; FAULTS]) -> Found {
    let begun = Instant::now();
    let mut jobs = Jobs::new(broken);
    let first = World {
        job: jobs.first(),
        queues: [List::default(); 2],
        workers: [None; 2],
        log: List::default(),
        told: [0; 2],
        manifest: 0,
        sent: 0,
        claims: 0,
        hop: Mark::Ahead,
        budget,
    };
    let (mut worlds, mut came) = (vec![first], vec![None]);
    let mut numbers = HashMap::from([(first, 0_usize)]);
    let mut back: Vec<Vec<usize>> = vec![Vec::new()];
    let mut steps = Steps { jobs: &mut jobs, found: Vec::new() };
    let mut next = 0;
    while next < worlds.len() {
        let world = worlds[next];
        steps.of(&world);
        for step in std::mem::take(&mut steps.found) {
            if let Some(promise) = broken_by(steps.jobs, &world, &step) {
                let violation = Some((promise, trace(&came, next, Some(step.action))));
                return Found { states: worlds.len(), took: begun.elapsed(), violation };
            }
            let to = *numbers.entry(step.after).or_insert_with(|| {
                worlds.push(step.after);
                came.push(Some((next, step.action)));
                back.push(Vec::new());
                worlds.len() - 1
            });
            if !step.is_fault {
                back[to].push(next);
            }
        }
        next += 1;
    }
    let mut ends: Vec<bool> =
        worlds.iter().map(|world| jobs.get(world.job).state.is_terminal()).collect();
    let mut open: Vec<usize> = (0..worlds.len()).filter(|world| ends[*world]).collect();
    while let Some(world) = open.pop() {
        for from in &back[world] {
            if !std::mem::replace(&mut ends[*from], true) {
                open.push(*from);
            }
        }
    }
    let stuck = ends.iter().position(|ends| !ends);
    let violation = stuck.map(|stuck| (Promise::EveryJobEnds, trace(&came, stuck, None)));
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

/// The first promise that a step breaks.
fn broken_by(jobs: &Jobs, before: &World, step: &Step) -> Option<Promise> {
    let after = &step.after;
    let (was, is) = (jobs.get(before.job), jobs.get(after.job));
    if is.manifest_address() != was.manifest_address() {
        return Some(Promise::TheResultStaysWhereItWas);
    }
    if is_held_elsewhere(is) {
        return Some(Promise::NobodyHoldsWhatWasSentElsewhere);
    }
    let is_running = |state: &State| matches!(state, State::Running { .. });
    match step.action {
        Action::PutAway(entry) if !entry.is_lie => return Some(Promise::NoTrueWordIsRefused),
        Action::Dispatched(attempt) if attempt <= before.sent => {
            return Some(Promise::AttemptNumbersAreUsedOnce);
        }
        Action::Applied(entry)
            if !is_running(&was.state)
                && is_running(&is.state)
                && place(&is.region) != usize::from(entry.region) =>
        {
            return Some(Promise::WhoClaimsAJobHasIt);
        }
        Action::Decided(Reason::Hopped) => {
            let waiting = &before.log[..before.hop.waiting()];
            let is_sent = matches!(was.state, State::Sent { .. });
            let claims = |entry: &super::world::Entry| entry.said == Said::Claimed && !entry.is_lie;
            if is_sent && waiting.iter().any(claims) {
                return Some(Promise::NoHopOverAWaitingClaim);
            }
            let old = place(&was.region);
            let is_lost = after.budget[Fault::ControlLost as usize]
                < before.budget[Fault::ControlLost as usize];
            if !is_lost && after.queues[old].iter().any(|copy| *copy >= after.told[old]) {
                return Some(Promise::TheOldRegionIsTold);
            }
        }
        _ => {}
    }
    let succeeded = matches!(is.state, State::Succeeded { .. });
    (succeeded && matches!(after.manifest, 0 | SEAL)).then_some(Promise::SuccessHasItsManifest)
}
