//! Control records: the last one of each job, for each region, in a compacted topic.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use panofleet_job_schema::{JobId, Region};
use rdkafka::Message as _;
use rdkafka::consumer::{Consumer as _, DefaultConsumerContext, StreamConsumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::FutureRecord;
use rdkafka::{Offset, TopicPartitionList};

use super::Shared;
use super::clients::{check_length, index, number, offset};
use crate::{BusError, ControlFollower};

/// Records of one wait; the rest come with the next.
const RECORDS_MAX: usize = 1000;

pub(super) async fn publish(
    shared: &Shared,
    region: &Region,
    (job, payload): (JobId, &Bytes),
) -> Result<(), BusError> {
    check_length(payload)?;
    let topic = shared.config.control_topic(region);
    let key = job.0.as_bytes().as_slice();
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
        Ok(Self { shared, topic, consumer, next })
    }
}

/// Notes that a message was seen. A deleted record says nothing.
fn see(next: &mut BTreeMap<u32, u64>, message: &BorrowedMessage<'_>) -> Option<Bytes> {
    next.insert(index(message.partition()), offset(message.offset()) + 1);
    message.payload().map(Bytes::copy_from_slice)
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
        let mut records = Vec::new();
        while bounds.iter().any(|bounds| self.next[&bounds.partition] < bounds.end) {
            let received =
                tokio::time::timeout(self.shared.config.timeout.0, self.consumer.recv()).await;
            let message = received.map_err(|late| BusError::Unavailable(late.to_string()))??;
            records.extend(see(&mut self.next, &message));
        }
        Ok(records)
    }

    async fn next(&mut self, wait: Duration) -> Result<Vec<Bytes>, BusError> {
        let deadline = Instant::now() + wait;
        let mut records = Vec::new();
        while records.is_empty() {
            match tokio::time::timeout_at(deadline.into(), self.consumer.recv()).await {
                Ok(message) => records.extend(see(&mut self.next, &message?)),
                Err(_elapsed) => return Ok(records),
            }
        }
        while records.len() < RECORDS_MAX
            && let Some(message) = self.consumer.recv().now_or_never()
        {
            records.extend(see(&mut self.next, &message?));
        }
        Ok(records)
    }
}
