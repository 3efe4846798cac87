//! Workers: the claim protocol, the child, the manifest.

use super::{Action, Steps};
use crate::canonical::for_each_claim;
use crate::faults::Fault;
use crate::rules::Rule;
use crate::world::{CLAIMS_MAX, EVENTS, Entry, Flying, Id, Phase, QueuedCopy, SEAL, Said, World};

impl Steps<'_> {
    pub(super) fn worker(&mut self, world: &World, w: usize) {
        let worker = &world.workers[w];
        self.life_and_death(world, w);
        if worker.left_behind != Id::default() && self.can_say(world, EVENTS, 1) {
            let mut after = *world;
            after.workers[w].left_behind = Id::default();
            after.say(EVENTS, Said::Abandoned, worker.left_behind);
            self.can(Action::Abandoned(w), after);
        }
        if worker.frozen {
            return;
        }
        match worker.phase {
            Phase::Free => self.receive(world, w),
            Phase::Received => self.judge(world, w),
            Phase::Claimed => self.acknowledge(world, w),
            Phase::TooLate => self.let_go(world, w),
            Phase::Running => {
                self.beat(world, w);
                self.run(world, w);
                self.finish(world, w);
            }
            Phase::Finished => {
                self.beat(world, w);
                self.report_success(world, w);
            }
        }
    }

    fn life_and_death(&mut self, world: &World, w: usize) {
        let worker = &world.workers[w];
        if worker.phase == Phase::Free {
            return;
        }
        for fault in [Fault::WorkerLost, Fault::WorkerCrash] {
            if world.may(fault) && worker.phase != Phase::Received {
                let mut after = *world;
                after.workers[w].free();
                if fault == Fault::WorkerCrash {
                    after.workers[w].left_behind = worker.id;
                }
                self.fault(fault, Action::Crashed(w), after);
            }
        }
        let mut after = *world;
        if worker.frozen {
            after.workers[w].frozen = false;
            self.can(Action::Thawed(w), after);
        } else if world.may(Fault::Freeze) {
            after.workers[w].frozen = true;
            self.fault(Fault::Freeze, Action::Froze(w), after);
        }
    }

    /// Receives and judges at once, unless it freezes in between.
    fn receive(&mut self, world: &World, w: usize) {
        if !world.kafka_up {
            return;
        }
        for (index, copy) in world.queue.iter().enumerate().filter(|(_, copy)| copy.lock == 0) {
            let mut after = *world;
            after.queue.as_mut()[index].lock = w as u8 + 1;
            let worker = &mut after.workers[w];
            (worker.phase, worker.id, worker.copy) = (Phase::Received, copy.id, copy.number);
            self.judge(&after, w);
            if world.may(Fault::Freeze) {
                after.workers[w].frozen = true;
                self.fault(Fault::Freeze, Action::Froze(w), after);
            }
        }
    }

    /// Control, then the message's age, then `Claimed`. What it knows of control may be old.
    fn judge(&mut self, world: &World, w: usize) {
        let worker = &world.workers[w];
        if worker.late && self.broken != Some(Rule::SecondLook) {
            let mut after = *world;
            after.workers[w].free();
            self.can(Action::LetGo(w), after);
            return;
        }
        if !self.can_say(world, EVENTS, 1) {
            return;
        }
        if world.control.record().forbids_start(worker.id.attempt_id()) {
            let mut after = *world;
            after.say(EVENTS, Said::Dropped, worker.id);
            after.workers[w].free();
            if world.may(Fault::WorkerLost) {
                self.fault(Fault::WorkerLost, Action::Dropped(w), after);
            }
            take_away(&mut after, worker.copy, w);
            self.can(Action::Dropped(w), after);
        }
        let Some(claim) = self.free_claim(world) else { return };
        let mut after = *world;
        let id = Id { claim, ..worker.id };
        after.workers[w].id = id;
        after.workers[w].phase = Phase::Claimed;
        after.say(EVENTS, Said::Claimed, id);
        self.can(Action::Claimed(w), after);
        if world.may(Fault::SaidTwice) && self.can_say(&after, EVENTS, 1) {
            after.say(EVENTS, Said::Claimed, id);
            self.fault(Fault::SaidTwice, Action::Claimed(w), after);
        }
    }

    /// The lowest number that nobody mentions.
    fn free_claim(&self, world: &World) -> Option<u8> {
        let mut used = self.jobs.facts(world.job).held;
        for_each_claim(&mut world.clone(), |claim| {
            if *claim != SEAL {
                used |= 1 << *claim;
            }
        });
        (1..=CLAIMS_MAX as u8).find(|claim| used >> claim & 1 == 0)
    }

    /// Acknowledges, and looks at the clock a second time.
    fn acknowledge(&mut self, world: &World, w: usize) {
        let worker = &world.workers[w];
        if !world.kafka_up {
            return;
        }
        let mut after = *world;
        take_away(&mut after, worker.copy, w);
        if worker.late && self.broken != Some(Rule::SecondLook) {
            // The lock is somebody else's: the acknowledgement said yes and did nothing.
            return self.let_go(&after, w);
        }
        let mut started = after;
        started.workers[w].phase = Phase::Running;
        (started.workers[w].late, started.workers[w].copy) = (false, 0);
        self.can(Action::Started(w), started);
        if world.may(Fault::SlowLock) {
            after.workers[w].phase = Phase::TooLate;
            after.workers[w].copy = 0;
            self.fault(Fault::SlowLock, Action::CameTooLate(w), after);
            // It was no good, and the message is locked until the lock lapses.
            after.queue = world.queue;
            self.fault(Fault::SlowLock, Action::CameTooLate(w), after);
        }
    }

    fn let_go(&mut self, world: &World, w: usize) {
        if self.can_say(world, EVENTS, 1) {
            self.can(Action::LetGo(w), ended(world, w, Said::LetGo));
        }
    }

    fn beat(&mut self, world: &World, w: usize) {
        let id = world.workers[w].id;
        let beat = Entry { said: Said::Beat, id, winner: 0 };
        if self.can_say(world, self.beats, 1) && !world.log[self.beats].contains(&beat) {
            let mut after = *world;
            after.log[self.beats].push(beat);
            self.can(Action::Beat(w), after);
        }
    }

    /// Ways in which an attempt ends without a manifest.
    fn run(&mut self, world: &World, w: usize) {
        if !self.can_say(world, EVENTS, 1) {
            return;
        }
        let id = world.workers[w].id;
        for (fault, said) in [
            (Fault::Failure, Said::FailedTransient),
            (Fault::ChildCrash, Said::FailedCrashed),
            (Fault::Rejection, Said::FailedRejected),
            (Fault::Drain, Said::Released),
        ] {
            if world.may(fault) {
                let after = ended(world, w, said);
                self.fault(fault, Action::Failed(w), after);
                // Its last heartbeat may go out behind its last word.
                if self.beats == EVENTS && self.can_say(&after, EVENTS, 1) {
                    let mut after = after;
                    after.say(EVENTS, Said::Beat, id);
                    self.fault(fault, Action::Failed(w), after);
                }
            }
        }
        if world.control.record().stops(id.attempt_id()) {
            self.can(Action::Released(w), ended(world, w, Said::Released));
        }
    }

    /// Puts the manifest, and learns whose stands.
    fn finish(&mut self, world: &World, w: usize) {
        let id = world.workers[w].id;
        let mut after = *world;
        let stands = if self.broken == Some(Rule::IfNoneMatch) {
            after.manifests[usize::from(id.generation) - 1] = id.claim;
            id.claim
        } else {
            after.put_if_absent(id.generation, id.claim)
        };
        if stands == SEAL {
            after.workers[w].free();
        } else {
            after.workers[w].phase = Phase::Finished;
            after.workers[w].winner = stands;
        }
        self.can(Action::Finished(w), after);
        if world.may(Fault::StoreSilent) && world.flying == Flying::None {
            // The put is on its way, and nobody says so: it is tried again, or given up.
            let mut silent = *world;
            silent.flying = Flying::Manifest(id);
            self.fault(Fault::StoreSilent, Action::PutAnsweredNobody(w), silent);
            if self.can_say(world, EVENTS, 1) {
                let given_up = ended(&silent, w, Said::FailedTransient);
                self.fault(Fault::StoreSilent, Action::Failed(w), given_up);
            }
        }
    }

    fn report_success(&mut self, world: &World, w: usize) {
        let worker = &world.workers[w];
        let entry = Entry { said: Said::Succeeded, id: worker.id, winner: worker.winner };
        if !self.can_say(world, EVENTS, 1) {
            return;
        }
        let mut after = *world;
        after.log[EVENTS].push(entry);
        after.workers[w].free();
        self.can(Action::SucceededSaid(w), after);
        if world.may(Fault::SaidTwice) && self.can_say(&after, EVENTS, 1) {
            after.log[EVENTS].push(entry);
            self.fault(Fault::SaidTwice, Action::SucceededSaid(w), after);
        }
    }
}

fn ended(world: &World, w: usize, said: Said) -> World {
    let mut after = *world;
    after.say(EVENTS, said, world.workers[w].id);
    after.workers[w].free();
    after
}

/// Removes a copy from the queue, if this worker still has the lock.
fn take_away(world: &mut World, copy: u8, w: usize) {
    let mine = |queued: &QueuedCopy| queued.number == copy && usize::from(queued.lock) == w + 1;
    if let Some(index) = world.queue.iter().position(mine) {
        world.queue.remove(index);
    }
}
