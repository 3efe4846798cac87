//! A worker's membership in the share group of a queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::member::{Lock, Member, Settlement, deliveries};
use super::{Shared, dead_letters};
use crate::{BusError, DeadLetter, JobSource, Queue, Receipt, Received};

/// Messages that one question asks for at most.
const BATCH_MAX: usize = 64;
/// Members of one source: more batches than this are not held at once.
const MEMBERS_MAX: usize = 16;
/// The shortest poll: a question has to reach the broker and come back.
const POLL_MIN: Duration = Duration::from_millis(100);

/// One member of a queue's workers: to the broker, one for each batch that it holds.
#[derive(Debug)]
pub(super) struct KafkaSource {
    shared: Arc<Shared>,
    lock: Lock,
    queue: Queue,
    members: Vec<Member>,
}

impl KafkaSource {
    pub(super) async fn join(shared: Arc<Shared>, queue: Queue) -> Result<Self, BusError> {
        let lock = Lock::new(&shared.config);
        let mut source = Self { shared, lock, queue, members: Vec::new() };
        source.add(1).await?;
        Ok(source)
    }

    async fn add(&mut self, batch: usize) -> Result<usize, BusError> {
        self.members.push(Member::join(&self.shared, &self.queue, batch).await?);
        Ok(self.members.len() - 1)
    }

    async fn settle(
        &mut self,
        receipts: &[Receipt],
        settlement: Settlement,
    ) -> Result<(), BusError> {
        let mut outcome = Ok(());
        for member in &mut self.members {
            outcome = outcome.and(member.settle(receipts, settlement).await);
        }
        outcome
    }

    /// A member that may ask for up to `max` messages, and does not ask for far fewer.
    async fn idle(&mut self, max: usize) -> Result<Option<usize>, BusError> {
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
                let larger = self.add(wanted).await?;
                self.members.swap(at, larger);
                self.members.pop(); // The smaller one leaves, and gives back what it may have.
                Ok(Some(at))
            }
            None if self.members.len() < MEMBERS_MAX => Ok(Some(self.add(wanted).await?)),
            None => Ok(None),
        }
    }

    /// Takes up to `max` messages, waiting up to `wait`; `ends` if they are not asked for again at once. Messages that
    /// were handed out too often become dead letters instead.
    async fn take(
        &mut self,
        max: usize,
        (wait, ends): (Duration, bool),
    ) -> Result<Vec<Received>, BusError> {
        let Some(at) = self.idle(max).await? else {
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
            let held = member.held(&receipt).expect("what was just polled is held");
            let message = Received {
                receipt,
                queue: self.queue.clone(),
                deliveries: deliveries(&held.record),
                received_at: held.received_at,
                payload: held.record.value.clone().unwrap_or_default(),
            };
            if message.deliveries <= self.shared.config.delivery_limit {
                received.push(message);
            } else if let Err(error) = bury(&self.shared, member, message).await {
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
        let poll_max = self.lock.poll_max();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let poll = left.clamp(POLL_MIN.min(poll_max), poll_max);
            let taken = self.take(max, (poll, left <= poll)).await?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
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
