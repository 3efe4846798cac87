//! One form for worlds that differ only in names: which worker, which number of a claim or a copy.

use crate::clock::{Lease, Mark};
use crate::jobs::{Jobs, Renaming};
use crate::world::{BEATS, CLAIMS_MAX, EVENTS, Entry, GONE, Hand, Id, SEAL, Said, World};

/// The world in its one form.
pub(crate) fn canonical(jobs: &mut Jobs, world: &World) -> World {
    let mut world = *world;
    order_workers(&mut world);
    forget_what_cannot_wait(&mut world);
    number_copies(&mut world);
    number_claims(jobs, &mut world);
    world
}

fn order_workers(world: &mut World) {
    let lock = |worker: usize| {
        let held = world.queue.iter().find(|copy| usize::from(copy.lock) == worker + 1);
        held.map_or((0, false), |copy| (copy.id.attempt, copy.number == world.placed))
    };
    // Claims are numbered by the order of their workers, so the order cannot depend on them.
    let key = |worker: usize| {
        let mut of = world.workers[worker];
        let has_winner = of.winner != 0;
        let own = of.winner == of.id.claim;
        (of.id.claim, of.left_behind.claim, of.winner, of.copy) = (0, 0, 0, 0);
        (of, has_winner, own, lock(worker))
    };
    if key(1) < key(0) {
        world.workers.swap(0, 1);
        for copy in world.queue.as_mut().iter_mut().filter(|copy| copy.lock != 0) {
            copy.lock = 3 - copy.lock;
        }
    }
}

/// Before the end of a partition is observed, only entries that could stop the timer count; see
/// [`Mark::Come`].
fn forget_what_cannot_wait(world: &mut World) {
    let log = world.log;
    let trim = |mark: &mut Mark, partition: usize, counts: &dyn Fn(&Entry) -> bool| {
        if let Mark::Come(before) = mark {
            let log = &log[partition];
            let entries = &log[..log.len().min(usize::from(*before))];
            *before = entries.iter().rposition(counts).map_or(0, |last| last as u8 + 1);
        }
    };
    for claim in 1..=CLAIMS_MAX {
        let about =
            |entry: &Entry| usize::from(entry.id.claim) == claim || entry.said == Said::Succeeded;
        if let Some((events, beats)) = world.leases[claim].marks() {
            trim(events, EVENTS, &about);
            trim(beats, BEATS, &about);
        }
        trim(&mut world.timeouts[claim], EVENTS, &about);
    }
    trim(&mut world.deadline, EVENTS, &|entry| entry.said == Said::Succeeded);
    trim(&mut world.gone, EVENTS, &|entry| entry.said == Said::Claimed);
}

/// Copies are numbered as they lie; those that have left the queue all look alike.
fn number_copies(world: &mut World) {
    let placed = world.placed;
    world
        .queue
        .as_mut()
        .sort_unstable_by_key(|copy| (copy.id, copy.lock, copy.number != placed, copy.number));
    let queue = world.queue;
    let new = |number: u8| match queue.iter().position(|copy| copy.number == number) {
        Some(position) => position as u8 + 1,
        None if number == 0 => 0,
        None => GONE,
    };
    world.placed = new(world.placed);
    for worker in &mut world.workers {
        worker.copy = new(worker.copy);
    }
    for hand in &mut world.hands {
        if let Hand::Place { copy, .. } = hand {
            *copy = new(*copy);
        }
    }
    for (position, copy) in world.queue.as_mut().iter_mut().enumerate() {
        copy.number = position as u8 + 1;
    }
}

/// Gives new numbers in the order in which claims are come across.
struct Numbering {
    renaming: Renaming,
    next: u8,
}

impl Numbering {
    fn meet(&mut self, claim: u8) {
        if claim != 0 && claim != SEAL && self.renaming[usize::from(claim)] == 0 {
            self.next += 1;
            self.renaming[usize::from(claim)] = self.next;
        }
    }

    fn new_of(&self, claim: u8) -> u8 {
        if claim == SEAL { SEAL } else { self.renaming[usize::from(claim)] }
    }
}

fn number_claims(jobs: &mut Jobs, world: &mut World) {
    let mut numbering = Numbering { renaming: [0; CLAIMS_MAX + 1], next: 0 };
    for_each_claim(world, |claim| numbering.meet(*claim));
    let facts = jobs.facts(world.job);
    let held = (1..=CLAIMS_MAX as u8).filter(|claim| facts.held & 1 << claim != 0);
    held.for_each(|claim| numbering.meet(claim));
    numbering.meet(facts.winner);
    if let Hand::Decided(done) = world.hands[1] {
        let held = jobs.facts(done.job).held;
        (1..=CLAIMS_MAX as u8)
            .filter(|claim| held & 1 << claim != 0)
            .for_each(|claim| numbering.meet(claim));
    }
    let forgotten =
        |set: u8| (1..=CLAIMS_MAX).any(|c| set & 1 << c != 0 && numbering.renaming[c] == 0);
    let same = (1..=numbering.next).all(|claim| numbering.renaming[usize::from(claim)] == claim);
    if same && !forgotten(facts.lapsed | facts.ended) {
        world.ended &= (2 << numbering.next) - 1;
        return;
    }
    for_each_claim(world, |claim| *claim = numbering.new_of(*claim));
    let renaming = numbering.renaming;
    world.job = jobs.rename(world.job, &renaming);
    if let Hand::Decided(done) = &mut world.hands[1] {
        done.job = jobs.rename(done.job, &renaming);
    }
    let (leases, timeouts, ended) = (world.leases, world.timeouts, world.ended);
    world.leases = [Lease::None; CLAIMS_MAX + 1];
    world.timeouts = [Mark::Ahead; CLAIMS_MAX + 1];
    world.ended = 0;
    for (old, new) in renaming.into_iter().enumerate().filter(|(_, new)| *new != 0) {
        let new = usize::from(new);
        world.leases[new] = leases[old];
        world.timeouts[new] = timeouts[old];
        world.ended |= (ended >> old & 1) << new;
    }
}

/// Every place outside the job that mentions a claim.
pub(crate) fn for_each_claim(world: &mut World, mut visit: impl FnMut(&mut u8)) {
    let mut both = |id: &mut Id, winner: &mut u8| {
        visit(&mut id.claim);
        visit(winner);
    };
    let mut none = 0;
    for worker in &mut world.workers {
        both(&mut worker.id, &mut worker.winner);
        both(&mut worker.left_behind, &mut none);
    }
    for entry in world.log.iter_mut().flat_map(|log| log.as_mut()) {
        both(&mut entry.id, &mut entry.winner);
    }
    for entry in world.batch.entries.as_mut() {
        both(&mut entry.id, &mut entry.winner);
    }
    if let crate::world::Flying::Manifest(id) = &mut world.flying {
        both(id, &mut none);
    }
    for hand in &mut world.hands {
        if let Hand::Closed { winner, .. } = hand {
            visit(winner);
        }
    }
    world.manifests.iter_mut().for_each(visit);
}
