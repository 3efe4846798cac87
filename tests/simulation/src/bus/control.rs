//! Control records: the last one of each job, and of each worker.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::{BusError, ControlFollower};
use panofleet_job_schema::{JobId, Region, WorkerId};
use tokio::time::timeout_at;

use crate::link::Link;
use crate::world::Shared;

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ControlKey {
    Job(JobId),
    Worker(WorkerId),
}

/// The records of a region, each with the number of its putting.
#[derive(Debug, Default)]
pub(super) struct ControlLog {
    records: BTreeMap<ControlKey, (u64, Bytes)>,
    puts: u64,
}

impl ControlLog {
    pub(super) fn put(&mut self, key: ControlKey, payload: Bytes) {
        self.puts += 1;
        self.records.insert(key, (self.puts, payload));
    }
}

/// A follower of one region.
#[derive(Debug)]
pub(super) struct Follower {
    link: Link,
    region: Region,
    seen: u64,
}

impl Follower {
    pub(super) const fn new(link: Link, region: Region) -> Self {
        Self { link, region, seen: 0 }
    }
}

#[async_trait]
impl ControlFollower for Follower {
    async fn catch_up(&mut self) -> Result<Vec<Bytes>, BusError> {
        let (region, seen) = (self.region.clone(), self.seen);
        let read = move |shared: &mut Shared| {
            let Some(log) = shared.bus.control.get(&region) else { return (seen, Vec::new()) };
            let mut news: Vec<_> =
                log.records.values().filter(|(put, _)| *put > seen).cloned().collect();
            news.sort_by_key(|(put, _)| *put);
            (log.puts, news)
        };
        let (seen, news) = self.link.call("catch_up", read).await?;
        self.seen = seen;
        Ok(news.into_iter().map(|(_, payload)| payload).collect())
    }

    async fn next(&mut self, wait: Duration) -> Result<Vec<Bytes>, BusError> {
        let deadline = tokio::time::Instant::now() + wait;
        let arrivals = std::sync::Arc::clone(&self.link.world.arrivals);
        loop {
            let mut arrival = std::pin::pin!(arrivals.notified());
            arrival.as_mut().enable();
            let records = self.catch_up().await?;
            if !records.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(records);
            }
            drop(timeout_at(deadline, arrival).await);
        }
    }
}
