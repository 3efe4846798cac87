//! The dispatcher: it sends, looks after timers, and seals. The one that led before may still finish what it holds.

use panofleet_job_schema::lifecycle::Reason;

use super::{Action, Step, Steps};
use crate::clock::Silence;
use crate::faults::Fault;
use crate::jobs::{Deed, Done};
use crate::world::{Effects, Flying, Hand, Id, QueuedCopy, SEAL, World};

const LEADER: usize = 0;
const DEPOSED: usize = 1;

impl Steps<'_> {
    pub(super) fn dispatcher(&mut self, world: &World) {
        for dispatcher in [LEADER, DEPOSED] {
            self.carry_on(world, dispatcher);
            if world.hands[dispatcher] != Hand::Empty && world.may(Fault::DispatcherCrash) {
                let mut after = *world;
                after.hands[dispatcher] = Hand::Empty;
                self.fault(Fault::DispatcherCrash, Action::DispatcherCrashed(dispatcher), after);
            }
        }
        if world.hands[LEADER] == Hand::Empty {
            self.decide_as_leader(world, Deed::Dispatch, Action::Dispatched);
            if !self.jobs.facts(world.job).is_terminal() {
                let tick = Deed::Tick(self.silence(world));
                self.decide_as_leader(world, tick, Action::Ticked);
            }
        } else if world.hands[DEPOSED] == Hand::Empty && world.may(Fault::Handover) {
            let mut after = *world;
            after.hands = [Hand::Empty, world.hands[LEADER]];
            self.fault(Fault::Handover, Action::HandedOver, after);
        }
    }

    fn decide_as_leader(&mut self, world: &World, deed: Deed, action: Action) {
        let mut after = *world;
        let Some(done) = self.commit(&mut after, deed) else { return };
        if after == *world && done.effects == Effects::default() {
            return;
        }
        self.carry_out(after, &done, action, LEADER);
        // Deposed between reading the row and writing it.
        if world.may(Fault::Handover) && world.hands[DEPOSED] == Hand::Empty {
            let mut after = *world;
            after.hands[DEPOSED] = Hand::Decided(done);
            self.fault(Fault::Handover, Action::HandedOver, after);
        }
    }

    /// What is done after a commit: the control record at once, the rest from the hand.
    fn carry_out(&mut self, mut committed: World, done: &Done, action: Action, by: usize) {
        let generation = self.jobs.facts(done.job).generation;
        if done.reason == Reason::Dispatched {
            committed.highest_attempt = done.effects.produce.max(committed.highest_attempt);
        }
        committed.hands[by] = Hand::Empty;
        let mut after = committed;
        self.publish_control(&mut after, done.effects);
        after.hands[by] = match done.effects {
            Effects { produce: 0, close: false, .. } => Hand::Empty,
            Effects { produce: 0, .. } => Hand::Seal { generation },
            Effects { produce, .. } => Hand::Produce(Id { generation, attempt: produce, claim: 0 }),
        };
        let reason = Some(done.reason);
        self.found.push(Step { action, after, reason, is_fault: false });
        if after != committed && committed.may(Fault::DispatcherCrash) {
            committed.spend(Fault::DispatcherCrash);
            self.found.push(Step { action, after: committed, reason, is_fault: true });
        }
    }

    pub(super) fn silence(&self, world: &World) -> Silence {
        let copy_gone =
            world.placed != 0 && world.queue.iter().all(|copy| copy.number != world.placed);
        Silence {
            leases: world.leases.map(Into::into),
            timeouts: world.timeouts.map(Into::into),
            deadline: world.deadline.into(),
            gone: world.gone.into(),
            copy_gone,
        }
    }

    /// The next step of what a dispatcher has in its hands.
    fn carry_on(&mut self, world: &World, by: usize) {
        let mut after = *world;
        match world.hands[by] {
            Hand::Empty => {}
            Hand::Decided(done) => {
                self.adopt(&mut after, &done);
                self.carry_out(after, &done, Action::Committed(by), by);
            }
            Hand::Produce(id) if world.kafka_up && world.queue.has_room(1) => {
                let number = (1..).find(|n| {
                    *n != world.placed
                        && world.queue.iter().all(|copy| copy.number != *n)
                        && world.workers.iter().all(|worker| worker.copy != *n)
                });
                let number = number.unwrap_or_default();
                after.queue.push(QueuedCopy { id, number, lock: 0 });
                after.hands[by] = Hand::Place { id, copy: number };
                self.can(Action::Produced(by), after);
            }
            Hand::Produce(_) => {}
            Hand::Place { id, copy } => {
                after.hands[by] = Hand::Empty;
                let had_place = self.jobs.facts(world.job).has_place;
                if self.commit(&mut after, Deed::Place { attempt: id.attempt }).is_some()
                    && !had_place
                {
                    after.placed = copy;
                }
                self.can(Action::PlaceRecorded(by), after);
            }
            Hand::Seal { generation } => self.put_seal(world, generation, by),
            Hand::Closed { generation, winner } => {
                after.hands[by] = Hand::Empty;
                let deed = if winner == 0 {
                    Deed::Sealed { generation }
                } else {
                    Deed::Found { generation, winner }
                };
                match self.commit(&mut after, deed) {
                    Some(done) => {
                        let action = Action::SealReported(by);
                        self.decided_elsewhere(action, after, done.reason, done.effects);
                    }
                    None => self.can(Action::SealReported(by), after),
                }
            }
        }
    }

    fn put_seal(&mut self, world: &World, generation: u8, by: usize) {
        let mut after = *world;
        let stands = after.put_if_absent(generation, SEAL);
        let winner = if stands == SEAL { 0 } else { stands };
        after.hands[by] = Hand::Closed { generation, winner };
        self.can(Action::SealPut(by), after);
        if world.may(Fault::StoreSilent) {
            // The seal stands and nobody says so; or it is still on its way.
            after.hands[by] = Hand::Empty;
            self.fault(Fault::StoreSilent, Action::PutAnsweredNobody(by), after);
            if world.flying == Flying::None {
                let mut after = *world;
                (after.hands[by], after.flying) = (Hand::Empty, Flying::Seal { generation });
                self.fault(Fault::StoreSilent, Action::PutAnsweredNobody(by), after);
            }
        }
    }
}
