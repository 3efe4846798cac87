//! The collector: it applies events in order, and observes the ends of the log. A second one may read the same.

use panofleet_job_schema::lifecycle::Reason;

use super::{Action, Steps};
use crate::clock::{Lease, LeaseSeen, Mark, TimeSeen};
use crate::faults::Fault;
use crate::jobs::Deed;
use crate::rules::Rule;
use crate::world::{BEATS, Batch, CLAIMS_MAX, EVENTS, Effects, Entry, Said, World};

impl Steps<'_> {
    pub(super) fn collector(&mut self, world: &World) {
        for partition in [EVENTS, BEATS] {
            if !world.log[partition].is_empty() {
                let mut after = *world;
                let (reason, effects) = self.pop_and_apply(&mut after, partition);
                self.outdate(&mut after, partition);
                self.applied(Action::Applied(partition), after, reason, effects);
            }
            self.observe(world, partition);
            self.take_batch(world, partition);
        }
        self.commit_batch(world);
    }

    fn applied(&mut self, action: Action, after: World, reason: Option<Reason>, of: Effects) {
        match reason {
            Some(reason) => self.decided_elsewhere(action, after, reason, of),
            None => self.can(action, after),
        }
    }

    fn pop_and_apply(&mut self, after: &mut World, partition: usize) -> (Option<Reason>, Effects) {
        let entry = after.log[partition].remove(0);
        self.for_each_mark(after, partition, Mark::apply);
        self.apply(after, entry)
    }

    fn apply(&mut self, after: &mut World, entry: Entry) -> (Option<Reason>, Effects) {
        let done = self.commit(after, Deed::Report(entry));
        let facts = self.jobs.facts(after.job);
        let claim = usize::from(entry.id.claim);
        let holds = facts.held >> claim & 1 == 1;
        if entry.said == Said::Beat && holds {
            self.renew(after, LeaseSeen::Beat, |other| other == claim);
        }
        let own_word = entry.said.ends_claim() && entry.id.generation == facts.generation;
        if own_word && facts.ended >> claim & 1 == 1 {
            after.ended |= 1 << claim;
        }
        done.map_or((None, Effects::default()), |done| (Some(done.reason), done.effects))
    }

    /// Leases run anew. However the job's row lags behind, no tick ends one of them.
    fn renew(&mut self, after: &mut World, seen: LeaseSeen, which: impl Fn(usize) -> bool) {
        let mut silence = self.silence(after);
        for (claim, lease) in after.leases.iter_mut().enumerate() {
            if which(claim) && *lease != Lease::None {
                *lease = Lease::Runs;
                silence.leases[claim] = seen;
                silence.timeouts[claim] = TimeSeen::Ahead;
            }
        }
        silence.deadline = TimeSeen::Ahead;
        let held = self.jobs.facts(after.job).held;
        let tick = self.jobs.decide(after.job, Deed::Tick(silence));
        let still = tick.map_or(held, |done| self.jobs.facts(done.job).held);
        let ended = (1..=CLAIMS_MAX).any(|claim| which(claim) && (held & !still) >> claim & 1 == 1);
        assert!(!ended, "a tick ended a lease that runs: {silence:?}");
    }

    /// Who has read the same records will fail to commit, and read anew.
    fn outdate(&self, after: &mut World, partition: usize) {
        if usize::from(after.batch.partition) == partition && !after.batch.entries.is_empty() {
            after.batch.outdated = true;
            if self.broken != Some(Rule::OffsetCas) {
                after.batch = Batch::default();
            }
        }
    }

    /// The end of a partition is read: what came before is known to lie before it.
    fn observe(&mut self, world: &World, partition: usize) {
        if !world.kafka_up {
            return;
        }
        let mut after = *world;
        let log = after.log[partition];
        self.for_each_mark(&mut after, partition, |mark| mark.observe(&log));
        let restarts = std::mem::take(&mut after.restart[partition]);
        let counts = partition == EVENTS || partition == self.beats;
        if restarts && counts && self.broken != Some(Rule::Restart) {
            self.renew(&mut after, LeaseSeen::Restarted, |_| true);
        }
        if after != *world {
            self.can(Action::Observed(partition), after);
        }
    }

    fn take_batch(&mut self, world: &World, partition: usize) {
        if !world.batch.entries.is_empty() || !world.may(Fault::SecondCollector) {
            return;
        }
        let mut batch = Batch { partition: partition as u8, ..Batch::default() };
        for entry in world.log[partition].iter().take(2) {
            batch.entries.push(*entry);
            let after = World { batch, ..*world };
            self.fault(Fault::SecondCollector, Action::BatchTaken(partition), after);
        }
    }

    fn commit_batch(&mut self, world: &World) {
        let batch = world.batch;
        if batch.entries.is_empty() {
            return;
        }
        let mut after = World { batch: Batch::default(), ..*world };
        let (mut last, mut all) = (None, Effects::default());
        for entry in batch.entries.iter() {
            let (reason, effects) = if batch.outdated {
                self.apply(&mut after, *entry)
            } else {
                self.pop_and_apply(&mut after, batch.partition.into())
            };
            last = reason.or(last);
            all.control |= effects.control;
        }
        self.applied(Action::BatchCommitted, after, last, all);
    }

    /// Every time that is compared with how far this partition is applied.
    fn for_each_mark(&self, world: &mut World, partition: usize, change: impl Fn(&mut Mark)) {
        for (events, beats) in world.leases.iter_mut().filter_map(Lease::marks) {
            if partition == EVENTS {
                change(events);
            }
            if partition == self.beats {
                change(beats);
            }
        }
        if partition == EVENTS {
            world.timeouts.iter_mut().for_each(&change);
            change(&mut world.deadline);
            change(&mut world.gone);
        }
    }
}
