//! What nobody in the fleet does: time, Kafka, the queue, the store, people.

use super::{Action, Steps};
use crate::clock::{Lease, Mark};
use crate::facts::Kind;
use crate::faults::Fault;
use crate::jobs::Deed;
use crate::world::{CLAIMS_MAX, EVENTS, Flying, GENERATIONS_MAX, Phase, SEAL, Said, Worker, World};

impl Steps<'_> {
    pub(super) fn outside(&mut self, world: &World) {
        self.time(world);
        self.kafka(world);
        self.queue(world);
        self.store(world);
        self.people(world);
    }

    fn time(&mut self, world: &World) {
        let facts = self.jobs.facts(world.job);
        let held = (1..=CLAIMS_MAX).filter(|claim| facts.held >> claim & 1 == 1);
        let open = |lease: &Lease| match lease {
            Lease::Over { events, beats, .. } => !(events.is_past() && beats.is_past()),
            Lease::None | Lease::Runs => false,
        };
        let busy = !self.bounds.leases_overlap && world.leases.iter().any(open);
        for claim in held {
            if world.leases[claim] == Lease::Runs
                && !busy
                && self.may_fall_silent(world, claim as u8)
            {
                self.lease_passes(world, claim);
            }
            if world.may(Fault::AttemptTimeout) && !world.timeouts[claim].is_come() {
                let mut after = *world;
                after.timeouts[claim] = Mark::come(&world.log[EVENTS]);
                let action = Action::AttemptTimePassed(claim as u8);
                self.fault(Fault::AttemptTimeout, action, after);
            }
        }
        let unended = !facts.is_terminal() && facts.kind != Kind::Closing;
        if unended && world.may(Fault::Deadline) && !world.deadline.is_come() {
            let mut after = *world;
            after.deadline = Mark::come(&world.log[EVENTS]);
            self.fault(Fault::Deadline, Action::DeadlinePassed, after);
        }
    }

    /// A worker that lives and can speak has spoken within any time that a lease lasts.
    fn may_fall_silent(&self, world: &World, claim: u8) -> bool {
        if !world.kafka_up {
            return true;
        }
        world.workers.iter().filter(|worker| worker.id.claim == claim && !worker.frozen).all(
            |worker| match worker.phase {
                Phase::Running | Phase::Finished => world.log[self.beats]
                    .iter()
                    .any(|entry| entry.said == Said::Beat && entry.id.claim == claim),
                Phase::Claimed | Phase::TooLate => false,
                Phase::Free | Phase::Received => true,
            },
        )
    }

    fn lease_passes(&mut self, world: &World, claim: usize) {
        let mut after = *world;
        let awake = |worker: &Worker| usize::from(worker.id.claim) == claim && !worker.frozen;
        after.leases[claim] = Lease::Over {
            events: Mark::come(&world.log[EVENTS]),
            beats: Mark::come(&world.log[self.beats]),
            asleep: !world.workers.iter().any(awake),
        };
        self.can(Action::LeaseTimePassed(claim as u8), after);
    }

    fn kafka(&mut self, world: &World) {
        let mut after = *world;
        after.kafka_up = !world.kafka_up;
        if world.kafka_up && world.may(Fault::KafkaDown) {
            self.fault(Fault::KafkaDown, Action::KafkaDown, after);
        } else if !world.kafka_up {
            after.restart = [true; 2];
            self.can(Action::KafkaUp, after);
        }
    }

    fn queue(&mut self, world: &World) {
        for (index, copy) in world.queue.iter().enumerate() {
            let mut after = *world;
            if copy.lock == 0 {
                if world.may(Fault::MessageGone) {
                    after.queue.remove(index);
                    self.fault(Fault::MessageGone, Action::MessageVanished(copy.number), after);
                }
                continue;
            }
            let holder = usize::from(copy.lock) - 1;
            let worker = &world.workers[holder];
            after.queue.as_mut()[index].lock = 0;
            let holds = worker.copy == copy.number
                && matches!(worker.phase, Phase::Received | Phase::Claimed);
            after.workers[holder].late |= holds;
            let action = Action::LockLapsed(copy.number);
            if !holds || worker.frozen || !world.kafka_up {
                self.can(action, after);
            } else if world.may(Fault::SlowLock) {
                self.fault(Fault::SlowLock, action, after);
            }
        }
    }

    fn store(&mut self, world: &World) {
        let mut after = World { flying: Flying::None, ..*world };
        match world.flying {
            Flying::None => return,
            Flying::Manifest(id) => after.put_if_absent(id.generation, id.claim),
            Flying::Seal { generation } => after.put_if_absent(generation, SEAL),
        };
        self.can(Action::PutLanded, after);
        self.can(Action::PutLost, World { flying: Flying::None, ..*world });
    }

    fn people(&mut self, world: &World) {
        let facts = self.jobs.facts(world.job);
        let ended = facts.is_terminal() && usize::from(facts.generation) < GENERATIONS_MAX;
        let again = ended || facts.kind == Kind::Waiting;
        for (fault, deed, action, may) in [
            (Fault::Cancel, Deed::Cancel, Action::CancelRequested, true),
            (Fault::Replay, Deed::Replay, Action::Replayed, again),
        ] {
            if !may || !world.may(fault) {
                continue;
            }
            let mut after = *world;
            after.spend(fault);
            if let Some(done) = self.commit(&mut after, deed) {
                let first = self.found.len();
                self.decided_elsewhere(action, after, done.reason, done.effects);
                for step in &mut self.found[first..] {
                    step.is_fault = true;
                }
            }
        }
    }
}
