//! Job queues: locks that lapse, deliveries that are counted, a start that moves behind what is settled.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::{BusError, CopyFate, DeadLetter, JobSource, Queue, Receipt, Received};
use panofleet_job_schema::job::Placement;
use tokio::time::timeout_at;

use super::NEVER_SETTLED;
use crate::link::Link;
use crate::mutant::Mutant;
use crate::splitting;
use crate::world::Shared;

/// One topic of jobs, with one partition.
#[derive(Debug, Default)]
pub(super) struct JobQueue {
    messages: Vec<Message>,
    /// Everything below is settled.
    start: usize,
}

#[derive(Debug)]
struct Message {
    payload: Bytes,
    deliveries: u32,
    hand: Hand,
}

/// Whose a message is.
#[derive(Debug, PartialEq, Eq)]
enum Hand {
    Nobodys,
    Of { member: u64, until: Duration },
    Settled,
}

impl JobQueue {
    pub(super) fn send(&mut self, payload: Bytes) -> Placement {
        self.messages.push(Message { payload, deliveries: 0, hand: Hand::Nobodys });
        Placement { partition: 0, offset: self.messages.len() as u64 - 1 }
    }

    pub(super) fn fate(&self, placement: Placement) -> CopyFate {
        if placement.offset < self.start as u64 { CopyFate::Gone } else { CopyFate::Present }
    }

    pub(super) fn forget_locks(&mut self) {
        for message in &mut self.messages {
            if matches!(message.hand, Hand::Of { .. }) {
                message.hand = Hand::Nobodys;
            }
        }
    }

    fn lapse(&mut self, now: Duration) {
        for message in &mut self.messages[self.start..] {
            if matches!(message.hand, Hand::Of { until, .. } if until <= now) {
                message.hand = Hand::Nobodys;
            }
        }
    }

    /// The message that a receipt settles, if it is still in the hand that got it.
    fn held(&mut self, member: u64, receipt: &Receipt) -> Option<&mut Message> {
        let message = self.messages.get_mut(usize::try_from(receipt.placement.offset).ok()?)?;
        let holds = matches!(message.hand, Hand::Of { member: holder, .. } if holder == member);
        (holds && u64::from(message.deliveries) == receipt.delivery).then_some(message)
    }

    fn settle(&mut self) {
        while self.messages.get(self.start).is_some_and(|message| message.hand == Hand::Settled) {
            self.start += 1;
        }
    }
}

/// What a member takes, from one queue.
fn take(
    shared: &mut Shared,
    member: u64,
    queue: &Queue,
    max: usize,
) -> Vec<(Placement, u32, Bytes)> {
    let (now, settings, topic) = (shared.now, shared.bus.settings, queue.topic());
    let is_unlocked = shared.is_mutant(Mutant::LocksAreIgnored);
    let messages = shared.bus.queue(&topic);
    messages.lapse(now);
    let (mut taken, mut given_up) = (Vec::new(), Vec::new());
    let start = messages.start;
    for (offset, message) in messages.messages.iter_mut().enumerate().skip(start) {
        let is_free = match message.hand {
            Hand::Nobodys => true,
            Hand::Of { member: holder, .. } => is_unlocked && holder != member,
            Hand::Settled => false,
        };
        if !is_free || taken.len() == max {
            continue;
        }
        let placement = Placement { partition: 0, offset: offset as u64 };
        if message.deliveries >= settings.delivery_limit {
            message.hand = Hand::Settled;
            given_up.push((placement, message.payload.clone()));
            continue;
        }
        message.deliveries += 1;
        message.hand = Hand::Of { member, until: now + settings.lock };
        taken.push((placement, message.deliveries, message.payload.clone()));
    }
    messages.settle();
    for (placement, payload) in given_up {
        let reason = format!("{NEVER_SETTLED}{} times and never settled", settings.delivery_limit);
        shared.note(format_args!("bus: {topic} {} was handed out too often", placement.offset));
        shared.keep_letter(DeadLetter { topic: topic.clone(), placement, reason, payload });
    }
    if !taken.is_empty() {
        let lapse_at = now + settings.lock;
        let wake_at = shared.bus.wake_at.get_or_insert(lapse_at);
        *wake_at = (*wake_at).min(lapse_at);
    }
    let taken = taken.into_iter().map(|(placement, deliveries, payload)| {
        (placement, deliveries, splitting::to_worker(shared, payload))
    });
    taken.collect()
}

/// One worker's membership.
#[derive(Debug)]
pub(super) struct Member {
    link: Link,
    id: u64,
    queue: Queue,
    lock: Duration,
}

impl Member {
    pub(super) fn new(link: Link, id: u64, queue: &Queue, lock: Duration) -> Self {
        Self { link, id, queue: queue.clone(), lock }
    }

    async fn take(&mut self, max: usize) -> Result<Vec<Received>, BusError> {
        let (id, queue) = (self.id, self.queue.clone());
        let received_at = tokio::time::Instant::now().into_std();
        let take = move |shared: &mut Shared| {
            let taken = take(shared, id, &queue, max);
            for (placement, ..) in &taken {
                let (topic, offset) = (queue.topic(), placement.offset);
                shared.note(format_args!("bus: {topic} {offset} → member {id}"));
            }
            taken
        };
        let taken = self.link.call("receive", take).await?;
        Ok(taken
            .into_iter()
            .map(|taken| received(self.queue.clone(), taken, received_at))
            .collect())
    }

    /// Settles what is still in this member's hands.
    async fn settle(
        &self,
        what: &'static str,
        receipts: &[Receipt],
        is_over: bool,
    ) -> Result<(), BusError> {
        let (id, receipts) = (self.id, receipts.to_vec());
        let settle = move |shared: &mut Shared| {
            let now = shared.now;
            for receipt in &receipts {
                let queue = shared.bus.queue(&receipt.topic);
                queue.lapse(now);
                if let Some(message) = queue.held(id, receipt) {
                    message.hand = if is_over { Hand::Settled } else { Hand::Nobodys };
                }
                queue.settle();
            }
        };
        let settled = self.link.call(what, settle).await;
        self.link.world.arrivals.notify_waiters();
        Ok(settled?)
    }
}

fn received(queue: Queue, taken: (Placement, u32, Bytes), received_at: Instant) -> Received {
    let (placement, deliveries, payload) = taken;
    let receipt = Receipt { topic: queue.topic(), placement, delivery: u64::from(deliveries) };
    Received { receipt, queue, deliveries, received_at, payload }
}

#[async_trait]
impl JobSource for Member {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        let deadline = tokio::time::Instant::now() + wait;
        let arrivals = std::sync::Arc::clone(&self.link.world.arrivals);
        loop {
            let mut arrival = std::pin::pin!(arrivals.notified());
            arrival.as_mut().enable();
            let received = self.take(max).await?;
            if !received.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(received);
            }
            // Locks lapse at a time that nobody announces outside the simulation.
            let look_at = deadline.min(tokio::time::Instant::now() + self.lock / 4);
            drop(timeout_at(look_at, arrival).await);
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.settle("acknowledge", receipts, true).await
    }

    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.settle("release", receipts, false).await
    }

    fn lock(&self) -> Duration {
        self.lock
    }
}

impl Drop for Member {
    /// A process that lives says goodbye; of one that died, the locks lapse.
    fn drop(&mut self) {
        let mut world = self.link.world.lock();
        if !world.is_alive(self.link.process, self.link.life) {
            return;
        }
        for message in &mut world.bus.queue(&self.queue.topic()).messages {
            if matches!(message.hand, Hand::Of { member, .. } if member == self.id) {
                message.hand = Hand::Nobodys;
            }
        }
        drop(world);
        self.link.world.arrivals.notify_waiters();
    }
}
