//! A worker's membership: it takes from several queues. Those of one region have one group and are asked about in one
//! question; several regions take turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::member::{Lock, Member, Settlement, deliveries};
use super::{Shared, dead_letters};
use crate::{BusError, DeadLetter, JobSource, Queue, Receipt, Received};

/// Messages that one question asks for at most.
const BATCH_MAX: usize = 64;
/// Members of one source in one group: more batches than this are not held at once.
const MEMBERS_MAX: usize = 16;
/// The shortest poll: a question has to reach the broker and come back.
const POLL_MIN: Duration = Duration::from_millis(100);

/// One member of the workers of a fleet.
#[derive(Debug)]
pub(super) struct KafkaSource {
    shared: Arc<Shared>,
    lock: Lock,
    groups: Vec<Membership>,
    /// The group that is asked first: the next one each time, so that none starves.
    first: usize,
}

/// The members of one group, which has the queues of a region.
#[derive(Debug)]
struct Membership {
    group: String,
    queues: Vec<Queue>,
    members: Vec<Member>,
}

impl KafkaSource {
    pub(super) async fn join(shared: Arc<Shared>, queues: &[Queue]) -> Result<Self, BusError> {
        let lock = Lock::new(&shared.config);
        let mut groups: Vec<Membership> = Vec::new();
        for queue in queues {
            let group = shared.config.workers_group(queue);
            match groups.iter_mut().find(|membership| membership.group == group) {
                Some(membership) => membership.queues.push(queue.clone()),
                None => groups.push(Membership {
                    group,
                    queues: vec![queue.clone()],
                    members: Vec::new(),
                }),
            }
        }
        for membership in &mut groups {
            membership.join(&shared, 1).await?;
        }
        Ok(Self { shared, lock, groups, first: 0 })
    }

    /// The longest question to one group. With several, each waits for the others' turns.
    fn turn_max(&self) -> Duration {
        let alone = self.lock.poll_max();
        if self.groups.len() > 1 { alone.min(POLL_MIN) } else { alone }
    }

    async fn settle(
        &mut self,
        receipts: &[Receipt],
        settlement: Settlement,
    ) -> Result<(), BusError> {
        let mut outcome = Ok(());
        for member in self.groups.iter_mut().flat_map(|membership| &mut membership.members) {
            outcome = outcome.and(member.settle(receipts, settlement).await);
        }
        outcome
    }
}

impl Membership {
    async fn join(&mut self, shared: &Shared, batch: usize) -> Result<usize, BusError> {
        self.members.push(Member::join(shared, &self.group, &self.queues, batch).await?);
        Ok(self.members.len() - 1)
    }

    /// The queue that a receipt is of. The group gives messages of its members' topics only.
    fn queue_of(&self, receipt: &Receipt) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.topic() == receipt.topic)
    }

    /// A member that may ask for up to `max` messages, and does not ask for far fewer.
    async fn idle(&mut self, shared: &Shared, max: usize) -> Result<Option<usize>, BusError> {
        let now = Instant::now();
        for member in &mut self.members {
            member.lapse(now);
        }
        self.members.retain(|member| !member.is_spent());
        let fits = |(_, member): &(usize, &Member)| member.is_idle() && member.batch <= max;
        // One that may have an answer under way comes first, lest messages lie there locked.
        let best = self.members.iter().enumerate().filter(fits);
        let best = best.max_by_key(|(_, member)| (member.may_have_more(), member.batch));
        let best = best.map(|(at, member)| (at, member.batch));
        let wanted = (max.min(BATCH_MAX) + 1).next_power_of_two() / 2;
        match best {
            Some((at, batch)) if batch * 4 > wanted => Ok(Some(at)),
            Some((at, _)) => {
                let larger = self.join(shared, wanted).await?;
                self.members.swap(at, larger);
                self.members.pop(); // The smaller one leaves, and gives back what it may have.
                Ok(Some(at))
            }
            None if self.members.len() < MEMBERS_MAX => Ok(Some(self.join(shared, wanted).await?)),
            None => Ok(None),
        }
    }

    /// Takes up to `max` messages, waiting up to `wait`; `ends` if this group is not asked again at once. Messages
    /// that were handed out too often become dead letters instead.
    async fn take(
        &mut self,
        shared: &Shared,
        max: usize,
        (wait, ends): (Duration, bool),
    ) -> Result<Vec<Received>, BusError> {
        let Some(at) = self.idle(shared, max).await? else {
            let lapses = self.members.iter().filter_map(Member::first_lapse).min();
            let until = lapses.unwrap_or_else(Instant::now).min(Instant::now() + wait);
            tokio::time::sleep_until(until.into()).await;
            return Ok(Vec::new());
        };
        let member = &mut self.members[at];
        let mut receipts = member.poll(wait).await?;
        if receipts.is_empty() && ends {
            receipts = member.drain().await?;
        }
        let mut received = Vec::new();
        for receipt in receipts {
            let Some(queue) = self.queue_of(&receipt).cloned() else { continue };
            let member = &mut self.members[at];
            let held = member.held(&receipt).expect("what was just polled is held");
            let message = Received {
                receipt,
                queue,
                deliveries: deliveries(&held.record),
                received_at: held.received_at,
                payload: held.record.value.clone().unwrap_or_default(),
            };
            if message.deliveries <= shared.config.delivery_limit {
                received.push(message);
            } else if let Err(error) = bury(shared, member, message).await {
                tracing::warn!(%error, "a dead letter is not kept; its lock returns it");
            }
        }
        Ok(received)
    }
}

/// Makes a message a dead letter, and only then takes it from the queue. The brokers' own limit is one more than
/// ours, so that this delivery happens.
async fn bury(shared: &Shared, member: &mut Member, message: Received) -> Result<(), BusError> {
    let Receipt { topic, placement, .. } = message.receipt.clone();
    let limit = shared.config.delivery_limit;
    let reason = format!("handed out {limit} times, and never settled");
    let letter = DeadLetter { topic, placement, reason, payload: message.payload };
    dead_letters::publish(shared, &letter).await?;
    member.settle(&[message.receipt], Settlement::Reject).await
}

#[async_trait]
impl JobSource for KafkaSource {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        let deadline = Instant::now() + wait;
        let turn_max = self.turn_max();
        loop {
            for _ in 0..self.groups.len() {
                let at = self.first;
                let left = deadline.saturating_duration_since(Instant::now());
                let turn = left.clamp(POLL_MIN.min(turn_max), turn_max);
                self.first = (at + 1) % self.groups.len();
                let ends = left <= turn || self.groups.len() > 1;
                let taken = self.groups[at].take(&self.shared, max, (turn, ends)).await?;
                if !taken.is_empty() {
                    return Ok(taken);
                }
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.settle(receipts, Settlement::Acknowledge).await
    }

    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.settle(receipts, Settlement::Release).await
    }

    fn lock(&self) -> Duration {
        self.lock.promised()
    }
}
