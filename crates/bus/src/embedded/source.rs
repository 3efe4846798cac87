//! A worker's membership: it takes from a queue.

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
    queue: Arc<JobQueue>,
    arrivals: Waiter,
}

impl EmbeddedSource {
    pub(super) fn new(shared: Arc<Shared>, queue: Arc<JobQueue>) -> Self {
        let arrivals = shared.job_arrivals.waiter();
        Self { shared, queue, arrivals }
    }
}

#[async_trait]
impl JobSource for EmbeddedSource {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            self.arrivals.arm();
            let taken = self.queue.take(&self.shared.pools, max, self.shared.handing()).await?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let lapse = self.queue.next_lapse().await;
            self.arrivals.wait_until(lapse.map_or(deadline, |lapse| lapse.min(deadline))).await;
        }
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.queue.acknowledge(&self.shared.pools, receipts).await
    }

    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.queue.release(receipts).await;
        self.shared.job_arrivals.raise();
        Ok(())
    }

    fn lock(&self) -> Duration {
        self.shared.config.lock.0
    }
}
