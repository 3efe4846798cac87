//! The event log: its identity, and appending to it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::FutureRecord;
use rdkafka::producer::future_producer::DeliveryFuture;

use super::Shared;
use super::clients::{check_length, number};
use super::producer::Unqueued;
use crate::BusError;

/// How long others' records get to make room in the client's queue, before it is looked at again.
const QUEUE_FULL: Duration = Duration::from_millis(10);

/// The topic's id, as 32 hexadecimal digits: Kafka gives another to a topic that is made anew.
pub(super) async fn log_id(shared: &Shared) -> Result<String, BusError> {
    let log = shared.clients.describe(&shared.config.events_topic()).await?;
    Ok(log.topic_id.iter().fold(String::with_capacity(32), |mut id, byte| {
        write!(id, "{byte:02x}").expect("a string takes whatever is written");
        id
    }))
}

pub(super) async fn publish(shared: &Shared, events: &[(u32, Bytes)]) -> Result<(), BusError> {
    for (partition, payload) in events {
        check_length(payload)?;
        if *partition >= shared.event_partitions {
            return Err(BusError::Refused(format!("the event log has no partition {partition}")));
        }
    }
    let topic = shared.config.events_topic();
    let mut waiting = VecDeque::with_capacity(events.len());
    for (partition, payload) in events {
        let mut record = FutureRecord::<[u8], [u8]>::to(&topic)
            .partition(number(*partition))
            .payload(payload.as_ref());
        // The client's queue is bounded; room is made by what was written before.
        let deadline = Instant::now() + shared.config.timeout.0;
        loop {
            match shared.clients.producer.queue(record) {
                Ok(delivery) => break waiting.push_back(delivery),
                Err(Unqueued::Full(back)) => record = back,
                Err(Unqueued::Failed(error)) => return Err(error),
            }
            match waiting.pop_front() {
                Some(delivery) => delivered(shared, delivery).await?,
                None if Instant::now() < deadline => tokio::time::sleep(QUEUE_FULL).await,
                None => return Err(KafkaError::MessageProduction(Code::QueueFull).into()),
            }
        }
    }
    for delivery in waiting {
        delivered(shared, delivery).await?;
    }
    Ok(())
}

async fn delivered(shared: &Shared, delivery: DeliveryFuture) -> Result<(), BusError> {
    match delivery.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err((error, _))) => Err(shared.clients.producer.explain(error)),
        Err(_canceled) => Err(KafkaError::Canceled.into()),
    }
}
