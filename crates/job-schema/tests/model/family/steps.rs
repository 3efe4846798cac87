//! What can happen next in a family.

use panofleet_job_schema::Attempt;
use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::Reason;

use super::rules::Rule;
use super::world::{Deed, Done, Entry, Fault, Jobs, NONE, Said, Tally, Turn, Who, World};

/// What happened, for people who read a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Applied(Entry),
    CancelRequested,
    Cancelled(Who),
    Counted(Tally),
    DeadlinePassed,
    Decided(Reason),
    Dispatched(Who),
    FoundStray(Who),
    NoticeLost,
    NoticeTwice,
    Replayed,
    Said(Said, Turn),
    Sealed(Who),
    Silent(Turn),
    Superseded(Turn),
    Taken(Turn),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) after: World,
    pub(crate) is_fault: bool,
    pub(crate) is_worker: bool,
    /// Whether children were made.
    pub(crate) made: bool,
}

pub(crate) fn members(world: &World) -> impl Iterator<Item = Who> + use<> {
    let children = world.children;
    let all = [1_u8, 2]
        .into_iter()
        .flat_map(|generation| [1_u8, 2].into_iter().map(move |member| Who { member, generation }));
    all.filter(move |who| {
        children[usize::from(who.generation) - 1][usize::from(who.member) - 1] != NONE
    })
}

pub(crate) fn tally(jobs: &Jobs, world: &World, generation: usize) -> Tally {
    let mut tally = Tally::default();
    for child in world.children[generation - 1] {
        match &jobs.get(child).state {
            State::Succeeded { .. } => tally.succeeded += 1,
            state if state.is_terminal() => tally.failed += 1,
            _ => tally.open += 1,
        }
    }
    tally
}

/// Finds what may happen next.
pub(crate) struct Steps<'a> {
    pub(crate) jobs: &'a mut Jobs,
    pub(crate) found: Vec<Step>,
}

impl Steps<'_> {
    pub(crate) fn of(&mut self, world: &World) {
        self.found.clear();
        let parent = self.parent(world);
        let all: Vec<Who> = std::iter::once(parent).chain(members(world)).collect();
        for who in all {
            self.dispatcher(world, who);
        }
        self.blocked(world, parent);
        for worker in 0..world.workers.len() {
            self.worker(world, worker);
        }
        self.collector(world);
        self.people(world, parent);
    }

    fn parent(&self, world: &World) -> Who {
        let generation = self.jobs.get(world.parent).generation.0;
        Who { member: 0, generation: u8::try_from(generation).expect("two generations") }
    }

    fn can(&mut self, action: Action, after: World) {
        self.found.push(Step { action, after, is_fault: false, is_worker: false, made: false });
    }

    fn fault(&mut self, fault: Fault, action: Action, mut after: World) {
        if after.budget[fault as usize] == 0 {
            return;
        }
        after.budget[fault as usize] -= 1;
        self.found.push(Step { action, after, is_fault: true, is_worker: false, made: false });
    }

    /// Decides and writes; a child that ends tells its parent in the same transaction.
    fn commit(&mut self, world: &mut World, who: Who, deed: Deed) -> Option<Done> {
        let before = world.number(who);
        let done = self.jobs.decide(before, deed)?;
        world.set(who, done.job);
        let ended = |number| self.jobs.get(number).state.is_terminal();
        if who.member == 0 && done.job != before {
            world.counted = None;
        } else if who.member > 0 && !ended(before) && ended(done.job) {
            world.told = matches!(self.jobs.get(world.parent).state, State::Blocked { .. });
            world.notices = (world.notices + 1).min(4);
            if self.jobs.broken != Some(Rule::EndsRefuseOlderCounts) {
                world.counted = None;
            }
        }
        Some(done)
    }

    fn dispatcher(&mut self, world: &World, who: Who) {
        let number = world.number(who);
        let job = self.jobs.get(number).clone();
        let mut after = *world;
        match &job.state {
            State::Queued { .. } if world.queue.has_room(1) => {
                self.commit(&mut after, who, Deed::Dispatch);
                let attempt = u8::try_from(job.counters.last_attempt + 1).expect("few attempts");
                after.queue.push(Turn { who, attempt, joins: job.family.is_some() });
                self.can(Action::Dispatched(who), after);
            }
            State::Waiting { .. } if self.commit(&mut after, who, Deed::Due).is_some() => {
                self.can(Action::Decided(Reason::Due), after);
            }
            State::Closing { .. } => self.close(world, who),
            State::Running { claims, .. } => {
                for claim in claims {
                    let attempt = u8::try_from(claim.attempt.0).expect("few attempts");
                    let mut after = *world;
                    self.commit(&mut after, who, Deed::Silence { attempt });
                    let turn = Turn { who, attempt, joins: false };
                    self.fault(Fault::Silence, Action::Silent(turn), after);
                }
            }
            _ => {}
        }
        let parent = self.jobs.get(world.parent);
        let waits = !parent.state.is_terminal() && parent.generation.0 == u32::from(who.generation);
        let open = !job.state.is_terminal() && !matches!(job.state, State::Closing { .. });
        if who.member > 0 && open && !waits && self.jobs.broken != Some(Rule::Strays) {
            let mut after = *world;
            self.commit(&mut after, who, Deed::Cancel);
            self.can(Action::FoundStray(who), after);
        }
    }

    /// Cancels the children, one after the other, then puts the seal.
    fn close(&mut self, world: &World, who: Who) {
        let mut after = *world;
        let first = self.jobs.broken != Some(Rule::ChildrenFirst);
        if who.member == 0 && first {
            let mine: Vec<Who> =
                members(world).filter(|child| child.generation == who.generation).collect();
            for child in mine {
                if self.commit(&mut after, child, Deed::Cancel).is_some() {
                    return self.can(Action::Cancelled(child), after);
                }
            }
        }
        let stands = after.manifest(who);
        if *stands == 0 {
            *stands = 2;
        }
        let deed = if *stands == 2 { Deed::Sealed } else { Deed::Found };
        self.commit(&mut after, who, deed);
        self.can(Action::Sealed(who), after);
    }

    /// Counts, then writes what follows, if nobody has written meanwhile.
    fn blocked(&mut self, world: &World, parent: Who) {
        if !matches!(self.jobs.get(world.parent).state, State::Blocked { .. }) {
            return;
        }
        let mut after = *world;
        if let Some(tally) = world.counted {
            let done = self.commit(&mut after, parent, Deed::Count(tally));
            (after.told, after.counted) = (false, None);
            return self
                .can(Action::Decided(done.map_or(Reason::StillBlocked, |d| d.reason)), after);
        }
        if world.told || self.jobs.broken != Some(Rule::TimerLooks) {
            let mut tally = tally(self.jobs, world, parent.generation.into());
            if self.jobs.broken == Some(Rule::CountsRows) {
                let ended = world.notices.min(2);
                tally = Tally { succeeded: ended, failed: 0, open: 2 - ended };
            }
            after.counted = Some(tally);
            self.can(Action::Counted(tally), after);
        }
        if world.told {
            let lost = World { told: false, ..*world };
            self.fault(Fault::NoticeLost, Action::NoticeLost, lost);
            let twice = World { notices: (world.notices + 1).min(4), ..*world };
            self.fault(Fault::NoticeTwice, Action::NoticeTwice, twice);
        }
    }

    fn worker(&mut self, world: &World, worker: usize) {
        let first = self.found.len();
        match world.workers[worker] {
            None => self.take(world, worker),
            Some(turn) => self.work(world, worker, turn),
        }
        self.found[first..].iter_mut().for_each(|step| step.is_worker = true);
    }

    fn take(&mut self, world: &World, worker: usize) {
        if worker == 1 && world.workers[0].is_none() {
            return; // Two idle workers are alike.
        }
        for (index, turn) in world.queue.iter().enumerate() {
            let mut after = *world;
            after.queue.remove(index);
            let job = self.jobs.get(world.number(turn.who));
            let mut id = job.attempt_id(Attempt(turn.attempt.into()));
            if turn.who.member == 0 {
                id.generation = panofleet_job_schema::Generation(turn.who.generation.into());
            }
            if job.control().forbids_start(id) {
                self.can(Action::Superseded(*turn), after);
                // The record may come too late.
            }
            if world.log.has_room(1) {
                after.workers[worker] = Some(*turn);
                after.log.push(Entry { turn: *turn, said: Said::Claimed });
                self.can(Action::Taken(*turn), after);
            }
        }
    }

    fn work(&mut self, world: &World, worker: usize, turn: Turn) {
        if !world.log.has_room(1) {
            return;
        }
        let says = |said| {
            let mut after = *world;
            after.workers[worker] = None;
            after.log.push(Entry { turn, said });
            after
        };
        let mut succeeds = says(Said::Succeeded);
        let stands = succeeds.manifest(turn.who);
        if *stands == 2 {
            // It meets a seal, and says nothing.
            let mut sealed = *world;
            sealed.workers[worker] = None;
            return self.can(Action::Superseded(turn), sealed);
        }
        *stands = 1;
        let succeeds = (Action::Said(Said::Succeeded, turn), succeeds);
        match turn {
            Turn { who: Who { member: 0, .. }, joins: false, .. } => {
                self.can(Action::Said(Said::Expanded, turn), says(Said::Expanded));
                self.fault(Fault::Whole, succeeds.0, succeeds.1);
            }
            Turn { who: Who { member: 0, .. }, .. } => self.can(succeeds.0, succeeds.1),
            _ => {
                self.can(succeeds.0, succeeds.1);
                let fails = says(Said::Failed);
                self.fault(Fault::ChildFails, Action::Said(Said::Failed, turn), fails);
            }
        }
    }

    fn collector(&mut self, world: &World) {
        let Some(entry) = world.log.first().copied() else { return };
        let mut after = *world;
        let made = self.apply(&mut after, entry);
        let twice = after;
        after.log.remove(0);
        let action = Action::Applied(entry);
        self.found.push(Step { action, after, is_fault: false, is_worker: false, made });
        let first = self.found.len();
        self.fault(Fault::SaidTwice, action, twice);
        self.found[first..].iter_mut().for_each(|step| step.made = made);
    }

    /// Whether children were made.
    fn apply(&mut self, world: &mut World, entry: Entry) -> bool {
        let who = entry.turn.who;
        let Some(done) = self.commit(world, who, Deed::Report(entry)) else { return false };
        let Some(children) = done.children else { return false };
        let generation = self.jobs.get(done.job).generation.0 as usize;
        world.children[generation - 1] = children;
        world.notices = 0;
        true
    }

    fn people(&mut self, world: &World, parent: Who) {
        for (fault, deed, action) in [
            (Fault::Cancel, Deed::Cancel, Action::CancelRequested),
            (Fault::Deadline, Deed::Deadline, Action::DeadlinePassed),
            (Fault::Replay, Deed::Replay, Action::Replayed),
        ] {
            let mut after = *world;
            let ends = self.jobs.get(world.parent).state.is_terminal();
            let may = deed != Deed::Replay || ends && parent.generation == 1;
            let closing = matches!(self.jobs.get(world.parent).state, State::Closing { .. });
            if may && !closing && self.commit(&mut after, parent, deed).is_some() {
                after.told = false;
                self.fault(fault, action, after);
            }
        }
    }
}
