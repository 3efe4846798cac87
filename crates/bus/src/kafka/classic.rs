//! Taking jobs through a classic consumer group, for brokers without share groups.
//!
//! A classic group gives each partition to one member, and keeps one offset for it. The rest is ours: a note beside
//! that offset says what is settled above it, what is held, and how often everything was handed out (`classic/ledger.rs`).
//! It is committed before a message is handed out, and before a settlement counts, so that a member that dies takes
//! nothing with it.
//!
//! A member that does not ask for messages leaves the group, so that those who do get its partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Shared, dead_letters};
use crate::{BusError, DeadLetter, JobSource, Queue, Receipt, Received};

mod ledger;
mod member;
mod partitions;

use member::Member;

/// Whether a note says of a message so far above its position that it is settled.
pub(super) fn is_settled(note: &str, above: u64) -> bool {
    ledger::is_settled(note, above)
}

/// One member of a queue's workers.
#[derive(Debug)]
pub(super) struct ClassicSource {
    shared: Arc<Shared>,
    member: Member,
}

impl ClassicSource {
    pub(super) fn join(shared: Arc<Shared>, queue: &Queue) -> Result<Self, BusError> {
        let member = Member::join(&shared, queue)?;
        Ok(Self { shared, member })
    }

    /// Makes dead letters of what was handed out too often, and returns the rest.
    async fn bury(&self, received: Vec<Received>) -> Vec<Received> {
        let limit = self.shared.config.delivery_limit;
        let mut alive = Vec::with_capacity(received.len());
        for message in received {
            if message.deliveries <= limit {
                alive.push(message);
                continue;
            }
            let letter = DeadLetter {
                topic: message.receipt.topic.clone(),
                placement: message.receipt.placement,
                reason: format!("handed out {limit} times, and never settled"),
                payload: message.payload,
            };
            let buried = match dead_letters::publish(&self.shared, &letter).await {
                Ok(()) => self.member.settle(&[message.receipt], true).await,
                failed => failed,
            };
            if let Err(error) = buried {
                tracing::warn!(%error, "a dead letter is not kept; its lock returns it");
            }
        }
        alive
    }
}

#[async_trait]
impl JobSource for ClassicSource {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        let deadline = Instant::now() + wait;
        // A member that is not asked leaves its group.
        let _asking = self.member.ask();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let taken = self.member.take(max, left).await?;
            let taken = self.bury(taken).await;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.member.settle(receipts, true).await
    }

    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.member.settle(receipts, false).await
    }

    fn lock(&self) -> Duration {
        self.shared.config.lock.0
    }
}
