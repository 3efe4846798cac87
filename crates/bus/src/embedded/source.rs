//! A worker's membership: it takes from several queues, in turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::Shared;
use super::queue::JobQueue;
use super::signal::Waiter;
use crate::{BusError, JobSource, Receipt, Received};

/// One member of the workers of a process.
#[derive(Debug)]
pub(super) struct EmbeddedSource {
    shared: Arc<Shared>,
    queues: Vec<Arc<JobQueue>>,
    /// The queue that is looked into first: the next one each time, so that none starves.
    first: usize,
    arrivals: Waiter,
}

impl EmbeddedSource {
    pub(super) fn new(shared: Arc<Shared>, queues: Vec<Arc<JobQueue>>) -> Self {
        let arrivals = shared.job_arrivals.waiter();
        Self { shared, queues, first: 0, arrivals }
    }

    /// What the first queue that has anything gives. One queue a call: what was taken from one cannot be lost
    /// to an error of the next.
    async fn take(&mut self, max: usize) -> Result<Vec<Received>, BusError> {
        let count = self.queues.len();
        for turn in 0..count {
            let at = (self.first + turn) % count;
            let taken =
                self.queues[at].take(&self.shared.pools, max, self.shared.handing()).await?;
            if !taken.is_empty() {
                self.first = (at + 1) % count;
                return Ok(taken);
            }
        }
        Ok(Vec::new())
    }

    /// The time of the next lapse, `deadline` at the latest.
    async fn next_lapse(&self, deadline: Instant) -> Instant {
        let mut next = deadline;
        for queue in &self.queues {
            next = queue.next_lapse().await.map_or(next, |lapse| lapse.min(next));
        }
        next
    }
}

#[async_trait]
impl JobSource for EmbeddedSource {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            self.arrivals.arm();
            let taken = self.take(max).await?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let lapse = self.next_lapse(deadline).await;
            self.arrivals.wait_until(lapse).await;
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        for queue in &self.queues {
            queue.acknowledge(&self.shared.pools, receipts).await?;
        }
        Ok(())
    }

    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        for queue in &self.queues {
            queue.release(receipts).await;
        }
        self.shared.job_arrivals.raise();
        Ok(())
    }

    fn lock(&self) -> Duration {
        self.shared.config.lock.0
    }
}
