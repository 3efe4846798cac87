//! The partitions that a member has, shared between its thread and its callers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use panofleet_job_schema::job::Placement;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Message as _, Offset};
use tokio::sync::Notify;

use super::super::clients::{index, number, offset};
use super::ledger::{Ledger, Taken};
use crate::Receipt;

/// How long a partition that goes to another member waits for its messages to be settled.
const SETTLE: Duration = Duration::from_secs(2);
/// Messages of one partition that lie here at most, beside those of one more fetch. Each time that a partition is
/// stopped and goes on costs what was fetched ahead, so that this is not to be small.
const ENOUGH: usize = 256;
/// And how many bytes.
const ENOUGH_BYTES: usize = 8 * 1024 * 1024;
/// How long the coordinator may take to say where a partition was left.
const COMMITTED: Duration = Duration::from_secs(10);

/// The partitions of one member.
#[derive(Debug)]
pub(super) struct Partitions {
    topic: String,
    lock: Duration,
    state: Mutex<State>,
    /// Commits go one after the other, or an old note could follow a new one.
    committing: Mutex<()>,
    /// Told when a message was settled.
    settled: Condvar,
    /// Told when there may be something to take.
    pub(super) arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    ledgers: BTreeMap<u32, Ledger>,
    changed: BTreeSet<u32>,
    /// Partitions that are about to go: nothing of them is handed out.
    leaving: BTreeSet<u32>,
    /// Messages in our caller's hands, and until when.
    held: HashMap<Receipt, Instant>,
    /// Those that it settled, and the coordinator does not know it yet.
    settling: HashMap<Receipt, Instant>,
    /// Those whose partition went to another member.
    lost: HashMap<Receipt, Instant>,
    /// Whether an assignment could not be taken up.
    failed: bool,
}

impl Partitions {
    pub(super) fn new(topic: String, lock: Duration) -> Self {
        Self {
            topic,
            lock,
            state: Mutex::default(),
            committing: Mutex::new(()),
            settled: Condvar::new(),
            arrived: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an assignment could not be taken up, since the last call.
    pub(super) fn take_failed(&self) -> bool {
        std::mem::take(&mut self.state().failed)
    }

    /// Takes in what the broker gave.
    pub(super) fn arrive(&self, message: &BorrowedMessage<'_>) {
        let payload = bytes::Bytes::copy_from_slice(message.payload().unwrap_or_default());
        if let Some(ledger) = self.state().ledgers.get_mut(&index(message.partition())) {
            ledger.arrive(offset(message.offset()), payload);
        }
        self.arrived.notify_one();
    }

    /// Partitions that are to bring no more for now; those that brought enough go on when half of it is gone.
    pub(super) fn full(&self, stopped: &BTreeSet<u32>) -> BTreeSet<u32> {
        let state = self.state();
        let is_full = |(at, ledger): &(&u32, &Ledger)| {
            let part = if stopped.contains(at) { 2 } else { 1 };
            let (count, bytes) = ledger.free();
            ledger.is_full() || count >= ENOUGH / part || bytes >= ENOUGH_BYTES / part
        };
        state.ledgers.iter().filter(is_full).map(|(at, _)| *at).collect()
    }

    /// Notes that up to `max` messages are handed out; it counts when it is committed.
    pub(super) fn take(
        &self,
        max: usize,
        mut receipt: impl FnMut(Placement, u32) -> Receipt,
    ) -> Vec<(Receipt, Taken)> {
        let now = Instant::now();
        let mut state = self.state();
        let State { ledgers, changed, leaving, held, .. } = &mut *state;
        held.retain(|_, until| *until > now);
        let mut all = Vec::new();
        for (partition, ledger) in ledgers.iter_mut().filter(|(at, _)| !leaving.contains(at)) {
            for taken in ledger.take(max - all.len(), now, self.lock) {
                let placement = Placement { partition: *partition, offset: taken.offset };
                let receipt = receipt(placement, taken.deliveries);
                held.insert(receipt.clone(), now + self.lock);
                changed.insert(*partition);
                all.push((receipt, taken));
            }
        }
        all
    }

    /// Of messages that are about to be handed out, those whose partition stays. The others were not handed out.
    pub(super) fn keep(&self, taken: Vec<(Receipt, Taken)>) -> Vec<(Receipt, Taken)> {
        let state = self.state();
        let stays = |at: &u32| state.ledgers.contains_key(at) && !state.leaving.contains(at);
        let (kept, going): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|(receipt, _)| stays(&receipt.placement.partition));
        drop(state);
        self.untake(&going);
        kept
    }

    /// Takes back that messages were handed out.
    pub(super) fn untake(&self, taken: &[(Receipt, Taken)]) {
        let mut state = self.state();
        for (receipt, taken) in taken {
            state.held.remove(receipt);
            state.lost.remove(receipt);
            let partition = receipt.placement.partition;
            if let Some(ledger) = state.ledgers.get_mut(&partition) {
                ledger.untake(taken.offset);
                state.changed.insert(partition);
            }
        }
        drop(state);
        self.settled.notify_all();
    }

    /// Notes settlements of what is held; they count when they are committed. Returns when the first of their locks
    /// lapses: `None` if there are none.
    pub(super) fn settle(&self, receipts: &[Receipt], consume: bool) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.state();
        state.held.retain(|_, until| *until > now);
        state.lost.retain(|_, until| *until > now);
        let mut lapse = None;
        for receipt in receipts {
            let Some(until) = state.held.remove(receipt) else {
                continue;
            };
            let Placement { partition, offset } = receipt.placement;
            if let Some(ledger) = state.ledgers.get_mut(&partition) {
                ledger.settle(offset, consume);
                state.changed.insert(partition);
                state.settling.insert(receipt.clone(), until);
                lapse = Some(lapse.map_or(until, |lapse: Instant| lapse.min(until)));
            }
        }
        lapse
    }

    /// What became of settlements: `None` while some are not committed, `Some(false)` if the partition of some went to
    /// another member while their locks stand.
    pub(super) fn outcome(&self, receipts: &[Receipt]) -> Option<bool> {
        let state = self.state();
        let waiting = receipts.iter().any(|receipt| state.settling.contains_key(receipt));
        (!waiting).then(|| !receipts.iter().any(|receipt| state.lost.contains_key(receipt)))
    }

    /// Settlements that are given up: whether they count is not known, and they may be tried again.
    pub(super) fn unsettle(&self, receipts: &[Receipt]) {
        let mut state = self.state();
        for receipt in receipts {
            let Some(until) = state.settling.remove(receipt) else {
                continue;
            };
            let Placement { partition, offset } = receipt.placement;
            if let Some(ledger) = state.ledgers.get_mut(&partition) {
                ledger.hold(offset, until);
                state.changed.insert(partition);
            }
            state.held.insert(receipt.clone(), until);
        }
    }

    /// Gives back everything that is held.
    pub(super) fn release_all(&self) {
        let receipts: Vec<Receipt> = self.state().held.keys().cloned().collect();
        self.settle(&receipts, false);
    }

    /// When the next lock lapses.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        self.state().ledgers.values().filter_map(Ledger::next_lapse).min()
    }

    /// Commits what has changed. It waits for the coordinator.
    pub(super) fn commit<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
    ) -> Result<(), KafkaError> {
        let _one_at_a_time = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut offsets = TopicPartitionList::new();
        let (changed, settling) = {
            let mut state = self.state();
            let changed = std::mem::take(&mut state.changed);
            let noted = |receipt: &&Receipt| changed.contains(&receipt.placement.partition);
            let settling: Vec<Receipt> = state.settling.keys().filter(noted).cloned().collect();
            for partition in &changed {
                if let Some(ledger) = state.ledgers.get_mut(partition) {
                    let (position, note) = ledger.note();
                    let position = i64::try_from(position).unwrap_or(i64::MAX);
                    let mut element = offsets.add_partition(&self.topic, number(*partition));
                    element.set_offset(Offset::Offset(position))?;
                    element.set_metadata(note);
                }
            }
            (changed, settling)
        };
        if offsets.count() == 0 {
            return Ok(());
        }
        let committed = consumer.commit(&offsets, CommitMode::Sync);
        let mut state = self.state();
        match &committed {
            Ok(()) => state.settling.retain(|receipt, _| !settling.contains(receipt)),
            Err(_) => state.changed.extend(changed),
        }
        drop(state);
        self.settled.notify_all();
        committed
    }

    /// Takes up partitions where their last owner left them.
    fn assign(
        &self,
        consumer: &BaseConsumer<Membership>,
        partitions: &TopicPartitionList,
    ) -> Result<(), KafkaError> {
        let committed = consumer.committed_offsets(partitions.clone(), COMMITTED)?;
        let locked_until = Instant::now() + self.lock;
        let mut from = TopicPartitionList::new();
        let mut state = self.state();
        for element in committed.elements() {
            element.error()?;
            let partition = index(element.partition());
            let (begin, ledger) = match element.offset() {
                Offset::Offset(position) => (
                    Offset::Offset(position),
                    Ledger::resume(offset(position), element.metadata(), locked_until),
                ),
                _ => (Offset::Beginning, Ledger::default()),
            };
            from.add_partition_offset(&self.topic, element.partition(), begin)?;
            state.ledgers.insert(partition, ledger);
            state.leaving.remove(&partition);
        }
        drop(state);
        consumer.incremental_assign(&from)
    }

    /// Lets partitions go: settlements that are under way are waited for, the rest is in the note.
    fn revoke(&self, consumer: &BaseConsumer<Membership>, partitions: &TopicPartitionList) {
        let going: BTreeSet<u32> =
            partitions.elements().iter().map(|element| index(element.partition())).collect();
        let mut state = self.state();
        state.leaving.extend(&going);
        if !consumer.assignment_lost() {
            let held = |state: &mut State| {
                let mut held = state.held.keys().chain(state.settling.keys());
                held.any(|receipt| going.contains(&receipt.placement.partition))
            };
            let waited = self.settled.wait_timeout_while(state, SETTLE, held);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            if let Err(error) = self.commit(consumer) {
                tracing::debug!(%error, "partitions go without a last note");
            }
            state = self.state();
        }
        for partition in &going {
            state.ledgers.remove(partition);
            state.changed.remove(partition);
            state.leaving.remove(partition);
        }
        let State { held, settling, lost, .. } = &mut *state;
        for hands in [held, settling] {
            lost.extend(
                hands.extract_if(|receipt, _| going.contains(&receipt.placement.partition)),
            );
        }
    }
}

/// What a member's client tells of the group.
pub(super) struct Membership(pub(super) std::sync::Arc<Partitions>);

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let answered = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let assigned = self.0.assign(consumer, partitions);
            if assigned.is_err() {
                self.0.state().failed = true;
            }
            assigned
        } else {
            self.0.revoke(consumer, partitions);
            consumer.incremental_unassign(partitions)
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "a rebalance of the workers was not answered");
        }
    }
}
