//! Writing records: a client that is replaced when it gave up for good.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use super::clients::{index, offset};
use crate::BusError;

/// Bytes of a record beyond its payload: key, headers, framing.
const OVERHEAD_BYTES: usize = 64 * 1024;
/// Memory of the records that wait for a broker, in KiB.
const QUEUE_KIB_MAX: u32 = 128 * 1024;

/// The producer of one process. It numbers its records, so that a broker drops a repetition; when numbers and log no
/// longer fit together, or the broker took its rights away, `librdkafka` refuses everything from then on. The next
/// call gets a new one.
pub(super) struct Producer {
    config: ClientConfig,
    current: Mutex<FutureProducer>,
}

/// Why a record was not queued.
pub(super) enum Unqueued<'a> {
    /// The queue is full; here is the record.
    Full(FutureRecord<'a, [u8], [u8]>),
    Failed(BusError),
}

impl fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Producer {
    pub(super) fn new(base: &ClientConfig, timeout_ms: &str) -> Result<Self, BusError> {
        let mut config = base.clone();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("message.timeout.ms", timeout_ms)
            .set("request.timeout.ms", timeout_ms)
            .set("message.max.bytes", (ENVELOPE_BYTES_MAX + OVERHEAD_BYTES).to_string())
            .set("queue.buffering.max.kbytes", QUEUE_KIB_MAX.to_string());
        let current = Mutex::new(config.create()?);
        Ok(Self { config, current })
    }

    /// Writes one record, and returns its partition and offset when it is durable.
    pub(super) async fn send(
        &self,
        record: FutureRecord<'_, [u8], [u8]>,
        patience: Duration,
    ) -> Result<(u32, u64), BusError> {
        let delivery = self.usable()?.send(record, patience).await;
        let delivery = delivery.map_err(|(error, _)| self.explain(error))?;
        Ok((index(delivery.partition), offset(delivery.offset)))
    }

    /// Queues one record.
    pub(super) fn queue<'a>(
        &self,
        record: FutureRecord<'a, [u8], [u8]>,
    ) -> Result<DeliveryFuture, Unqueued<'a>> {
        match self.usable().map_err(Unqueued::Failed)?.send_result(record) {
            Ok(delivery) => Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                Err(Unqueued::Full(record))
            }
            Err((error, _)) => Err(Unqueued::Failed(error.into())),
        }
    }

    /// Why a record was not written. A client that gave up only says of the records that it drops them.
    pub(super) fn explain(&self, error: KafkaError) -> BusError {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = current.client().fatal_error().map(|(code, _)| code);
        cause.map_or(error, KafkaError::MessageProduction).into()
    }

    fn usable(&self) -> Result<FutureProducer, BusError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reason)) = current.client().fatal_error() {
            tracing::warn!(reason, "the producer gave up, and is replaced");
            *current = self.config.create()?;
        }
        Ok(current.clone())
    }
}
