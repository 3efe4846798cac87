//! What can happen next to a job that hops.

use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::Reason;
use panofleet_job_schema::{Attempt, Job};

use super::rules::Rule;
use super::world::{CLOSED, Deed, Entry, Fault, Held, Jobs, SEAL, Said, World, place, region};
use crate::clock::{Mark, claim_no};

/// What happened, for people who read a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Applied(Entry),
    CancelRequested,
    Decided(Reason),
    Dispatched(u8),
    EndObserved,
    Lied(Entry),
    PutAway(Entry),
    Said(Entry),
    Sealed,
    Silent { claim: u8 },
    TimeCame,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) after: World,
    pub(crate) is_fault: bool,
}

/// Finds what may happen next.
pub(crate) struct Steps<'a> {
    pub(crate) jobs: &'a mut Jobs,
    pub(crate) found: Vec<Step>,
}

impl Steps<'_> {
    pub(crate) fn of(&mut self, world: &World) {
        self.found.clear();
        self.dispatcher(world);
        self.hop(world);
        for place in 0..2 {
            self.worker(world, place);
        }
        self.collector(world);
        if !self.jobs.get(world.job).state.is_terminal() {
            let mut after = *world;
            if self.commit(&mut after, Deed::Cancel).is_some() {
                self.fault(Fault::Cancel, Action::CancelRequested, after);
            }
        }
    }

    fn can(&mut self, action: Action, after: World) {
        self.found.push(Step { action, after, is_fault: false });
    }

    fn fault(&mut self, fault: Fault, action: Action, mut after: World) {
        if after.budget[fault as usize] > 0 {
            after.budget[fault as usize] -= 1;
            self.found.push(Step { action, after, is_fault: true });
        }
    }

    /// Decides and writes. Control records that follow arrive; [`Self::unless_lost`] takes that back.
    fn commit(&mut self, world: &mut World, deed: Deed) -> Option<Reason> {
        let done = self.jobs.decide(world.job, deed)?;
        world.job = done.job;
        world.hop = Mark::Ahead;
        if done.control {
            let job = self.jobs.get(done.job);
            let control = job.control();
            let lowest = match control.cancelled || control.closed {
                true => CLOSED,
                false => small(control.lowest_live.0),
            };
            for region in job.regions() {
                let told = &mut world.told[place(region)];
                *told = lowest.max(*told);
            }
        }
        Some(done.reason)
    }

    /// The step, and the same with what should have been told lost on its way.
    fn unless_lost(&mut self, before: &World, action: Action, after: World) {
        self.can(action, after);
        self.lost(before, action, after);
    }

    fn lost(&mut self, before: &World, action: Action, after: World) {
        if after.told != before.told {
            self.fault(Fault::ControlLost, action, World { told: before.told, ..after });
        }
    }

    fn dispatcher(&mut self, world: &World) {
        let job = self.jobs.get(world.job).clone();
        let mut after = *world;
        match &job.state {
            State::Queued { .. } if world.queues[place(&job.region)].has_room(1) => {
                self.commit(&mut after, Deed::Dispatch);
                let attempt = small(self.jobs.get(after.job).counters.last_attempt);
                after.sent = attempt;
                self.commit(&mut after, Deed::Placed { attempt });
                after.queues[place(&job.region)].push(attempt);
                self.unless_lost(world, Action::Dispatched(attempt), after);
            }
            State::Waiting { .. } => {
                if let Some(reason) = self.commit(&mut after, Deed::Due) {
                    self.can(Action::Decided(reason), after);
                }
            }
            State::Closing { .. } => {
                let deed = match world.manifest {
                    0 | SEAL => Deed::Sealed,
                    winner => Deed::Found { winner },
                };
                if after.manifest == 0 {
                    after.manifest = SEAL;
                }
                self.commit(&mut after, deed);
                self.unless_lost(world, Action::Sealed, after);
            }
            State::Running { claims, .. } => {
                for held in claims {
                    let (claim, mut after) = (claim_no(held.claim), *world);
                    if self.commit(&mut after, Deed::Silence { claim }).is_some() {
                        self.fault(Fault::Silence, Action::Silent { claim }, after);
                    }
                }
            }
            _ => {}
        }
    }

    /// Its time to go on comes, the log's end is observed after that, and a dispatcher looks, whenever it likes.
    fn hop(&mut self, world: &World) {
        let waits =
            matches!(self.jobs.get(world.job).state, State::Queued { .. } | State::Sent { .. });
        if !waits || world.budget[Fault::Hop as usize] == 0 {
            return;
        }
        let mut after = *world;
        match world.hop {
            Mark::Ahead => {
                after.hop = Mark::come(&world.log);
                self.can(Action::TimeCame, after);
            }
            Mark::Come(_) => {
                after.hop.observe(&world.log);
                self.can(Action::EndObserved, after);
            }
            Mark::Observed(_) => {}
        }
        let mut after = *world;
        let past = world.hop.is_past();
        if world.hop.is_come()
            && let Some(reason) = self.commit(&mut after, Deed::Waited { past })
        {
            self.fault(Fault::Hop, Action::Decided(reason), after);
            if after.told != world.told && world.budget[Fault::ControlLost as usize] > 0 {
                after.budget[Fault::ControlLost as usize] -= 1;
                let lost = World { told: world.told, ..after };
                self.fault(Fault::Hop, Action::Decided(reason), lost);
            }
        }
    }

    fn worker(&mut self, world: &World, place: u8) {
        if !world.log.has_room(1) {
            return;
        }
        let at = usize::from(place);
        let entry = |held, said| Entry { held, region: place, said, winner: 0, is_lie: false };
        let lie = Held { attempt: world.sent, claim: world.claims + 1 };
        if world.sent > 0 && self.sent_elsewhere(world, lie.attempt, place) {
            let mut after = World { claims: lie.claim, ..*world };
            let lied = Entry { is_lie: true, ..entry(lie, Said::Claimed) };
            after.log.push(lied);
            self.fault(Fault::Lie, Action::Lied(lied), after);
        }
        let Some(held) = world.workers[at] else { return self.idle(world, place) };
        let mut after = *world;
        after.workers[at] = None;
        if after.manifest == 0 {
            after.manifest = held.claim;
        }
        if after.manifest == SEAL {
            self.can(Action::Said(Entry::default()), after);
        } else {
            let done = Entry { winner: after.manifest, ..entry(held, Said::Succeeded) };
            after.log.push(done);
            self.can(Action::Said(done), after);
        }
        let mut after = *world;
        after.workers[at] = None;
        let failed = entry(held, Said::Failed);
        after.log.push(failed);
        self.fault(Fault::Failure, Action::Said(failed), after);
    }

    /// Takes a message, and claims it if it may start.
    fn idle(&mut self, world: &World, place: u8) {
        let at = usize::from(place);
        for index in 0..world.queues[at].len() {
            let mut after = *world;
            let attempt = after.queues[at].remove(index);
            let entry = |claim, said| {
                let held = Held { attempt, claim };
                Entry { held, region: place, said, winner: 0, is_lie: false }
            };
            if attempt < world.told[at] {
                let dropped = entry(0, Said::Dropped);
                after.log.push(dropped);
                self.can(Action::Said(dropped), after);
                continue;
            }
            after.claims += 1;
            let claimed = entry(after.claims, Said::Claimed);
            after.workers[at] = Some(claimed.held);
            after.log.push(claimed);
            self.can(Action::Said(claimed), after);
            after.queues[at] = world.queues[at];
            self.fault(Fault::CopyTwice, Action::Said(claimed), after);
        }
    }

    fn sent_elsewhere(&self, world: &World, attempt: u8, place: u8) -> bool {
        let sent_to = self.jobs.get(world.job).region_of(Attempt(attempt.into()));
        sent_to.is_some_and(|sent_to| *sent_to != region(place))
    }

    /// Applies the first event, if its region may say that.
    fn collector(&mut self, world: &World) {
        let Some(entry) = world.log.first().copied() else { return };
        let mut after = *world;
        after.log.remove(0);
        after.hop.apply();
        let sent_to = self.jobs.get(world.job).region_of(Attempt(entry.held.attempt.into()));
        let is_own = sent_to == Some(&region(entry.region));
        if !is_own && self.jobs.broken != Some(Rule::OwnWordOnly) {
            return self.can(Action::PutAway(entry), after);
        }
        self.commit(&mut after, Deed::Report(entry));
        self.unless_lost(world, Action::Applied(entry), after);
    }
}

fn small(number: u32) -> u8 {
    u8::try_from(number).expect("few attempts")
}

/// Whether a worker of another region than its attempt was sent to holds a job.
pub(crate) fn is_held_elsewhere(job: &Job) -> bool {
    let State::Running { claims, .. } = &job.state else { return false };
    claims.iter().any(|held| {
        let sent_to = job.region_of(held.attempt).map(place);
        sent_to.is_some_and(|place| {
            held.worker != super::rules::worker(u8::try_from(place).expect("two regions"))
        })
    })
}
