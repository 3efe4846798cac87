//! A collector's membership: its partitions, and where it stands in each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::signal::Waiter;
use super::{Shared, events, locked};
use crate::{BusError, EventPoll, EventReader, PartitionBounds};

/// One member of the readers of a process.
#[derive(Debug)]
pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    member: u64,
    /// The assigned partitions, and the next offset to read of those that were sought.
    positions: BTreeMap<u32, Option<u64>>,
    /// The partition that was read last: the others come first, so that none starves.
    last_read: u32,
    arrivals: Waiter,
}

impl EmbeddedReader {
    pub(super) fn join(shared: Arc<Shared>) -> Self {
        let arrivals = shared.event_arrivals.waiter();
        let member = locked(&shared.readers).join();
        shared.event_arrivals.raise(); // The others have to give something up.
        Self { shared, member, positions: BTreeMap::new(), last_read: 0, arrivals }
    }

    /// What this reader has now, if that has changed.
    fn settle(&mut self) -> Option<Vec<u32>> {
        let assigned = locked(&self.shared.readers).settle(self.member)?;
        self.positions = assigned.iter().map(|partition| (*partition, None)).collect();
        self.shared.event_arrivals.raise(); // Somebody may wait for what was let go.
        Some(assigned)
    }

    /// The records of one partition that has any.
    async fn read(&mut self) -> Result<Option<EventPoll>, BusError> {
        let sought = self
            .positions
            .iter()
            .filter_map(|(partition, position)| Some((*partition, (*position)?)));
        let mut sought: Vec<(u32, u64)> = sought.collect();
        sought.sort_by_key(|(partition, _)| (*partition <= self.last_read, *partition));
        if sought.is_empty() {
            return Ok(None);
        }
        let bounds =
            events::bounds(&self.shared.pools, sought.iter().map(|(partition, _)| *partition))
                .await?;
        for (partition, position) in sought {
            let bounds = bounds.iter().find(|bounds| bounds.partition == partition);
            let PartitionBounds { start, end, .. } = bounds.expect("an assigned partition exists");
            if !(*start..=*end).contains(&position) {
                return Err(BusError::Refused(format!(
                    "partition {partition} of the event log has offsets {start} to {end}, not {position}"
                )));
            }
            if position < *end {
                let records = events::read(&self.shared.pools, partition, position).await?;
                let next = records.last().map_or(position, |record| record.offset + 1);
                self.positions.insert(partition, Some(next));
                self.last_read = partition;
                return Ok(Some(EventPoll::Records { partition, records }));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl EventReader for EmbeddedReader {
    fn log_id(&self) -> &str {
        &self.shared.log.log_id
    }

    async fn poll(&mut self, wait: Duration) -> Result<EventPoll, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            self.arrivals.arm();
            if let Some(assigned) = self.settle() {
                return Ok(EventPoll::Assigned(assigned));
            }
            if let Some(records) = self.read().await? {
                return Ok(records);
            }
            if Instant::now() >= deadline {
                return Ok(EventPoll::Quiet);
            }
            self.arrivals.wait_until(deadline).await;
        }
    }

    async fn seek(&mut self, partition: u32, offset: u64) -> Result<(), BusError> {
        let Some(position) = self.positions.get_mut(&partition) else {
            return Err(BusError::Refused(format!(
                "partition {partition} is not assigned to this reader"
            )));
        };
        *position = Some(offset);
        Ok(())
    }

    async fn bounds(&mut self) -> Result<Vec<PartitionBounds>, BusError> {
        events::bounds(&self.shared.pools, self.positions.keys().copied()).await
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        locked(&self.shared.readers).leave(self.member);
        self.shared.event_arrivals.raise();
    }
}
