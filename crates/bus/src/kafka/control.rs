//! Control records: the last one of each job and each worker, for each region, in a compacted topic.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use panofleet_job_schema::Region;
use rdkafka::Message as _;
use rdkafka::consumer::{Consumer as _, DefaultConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::FutureRecord;
use rdkafka::{Offset, TopicPartitionList};

use super::Shared;
use super::clients::{self, check_length, index, number, offset};
use crate::{BusError, ControlFollower};

/// Records of one wait; the rest come with the next.
const RECORDS_MAX: usize = 1000;

pub(super) async fn publish(
    shared: &Shared,
    region: &Region,
    (key, payload): (&[u8], &Bytes),
) -> Result<(), BusError> {
    check_length(payload)?;
    let topic = shared.config.control_topic(region);
    let record = FutureRecord::to(&topic).key(key).payload(payload.as_ref());
    shared.clients.produce(record).await.map(|_| ())
}

/// One follower of one region.
pub(super) struct KafkaFollower {
    shared: Arc<Shared>,
    topic: String,
    consumer: StreamConsumer,
    /// The next offset to see, by partition.
    next: BTreeMap<u32, u64>,
    /// What was seen and not yet told: a call that fails in between loses nothing.
    seen: Vec<Bytes>,
}

impl fmt::Debug for KafkaFollower {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, next, .. } = self;
        formatter
            .debug_struct("KafkaFollower")
            .field("topic", topic)
            .field("next", next)
            .finish_non_exhaustive()
    }
}

impl KafkaFollower {
    pub(super) async fn start(shared: Arc<Shared>, region: &Region) -> Result<Self, BusError> {
        let topic = shared.config.control_topic(region);
        let described = shared.clients.describe(&topic).await?;
        let next: BTreeMap<u32, u64> =
            described.partitions.iter().map(|partition| (index(partition.partition), 0)).collect();
        let consumer = shared.clients.consumer(&topic, "earliest", DefaultConsumerContext)?;
        let mut assignment = TopicPartitionList::new();
        for partition in next.keys() {
            assignment.add_partition_offset(&topic, number(*partition), Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        Ok(Self { shared, topic, consumer, next, seen: Vec::new() })
    }

    /// Waits for the next record.
    async fn see(&mut self) -> Result<(), KafkaError> {
        let message = self.consumer.recv().await?;
        self.next.insert(index(message.partition()), offset(message.offset()) + 1);
        // A deleted record says nothing.
        self.seen.extend(message.payload().map(Bytes::copy_from_slice));
        Ok(())
    }
}

#[async_trait]
impl ControlFollower for KafkaFollower {
    async fn catch_up(&mut self) -> Result<Vec<Bytes>, BusError> {
        let partitions: Vec<u32> = self.next.keys().copied().collect();
        let bounds = self.shared.clients.bounds(&self.topic, &partitions).await?;
        for bounds in &bounds {
            let next = self.next.entry(bounds.partition).or_default();
            *next = bounds.start.max(*next); // What retention deleted will not come.
        }
        let timeout = self.shared.config.timeout.0;
        while bounds.iter().any(|bounds| self.next[&bounds.partition] < bounds.end) {
            clients::within(timeout, self.see()).await?;
        }
        Ok(std::mem::take(&mut self.seen))
    }

    async fn next(&mut self, wait: Duration) -> Result<Vec<Bytes>, BusError> {
        let deadline = Instant::now() + wait;
        while self.seen.is_empty() {
            match tokio::time::timeout_at(deadline.into(), self.see()).await {
                Ok(seen) => seen?,
                Err(_elapsed) => return Ok(Vec::new()),
            }
        }
        while self.seen.len() < RECORDS_MAX
            && let Some(seen) = self.see().now_or_never()
        {
            if let Err(error) = seen {
                tracing::debug!(%error, "control records end here for now");
                break;
            }
        }
        Ok(std::mem::take(&mut self.seen))
    }
}
