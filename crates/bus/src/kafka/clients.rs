//! The clients of one process: how they are made, what they ask the cluster, and what their errors mean.

use std::fmt;

use krafka::Kafka;
use krafka::admin::{
    AdminClient, DescribeTopicsOptions, ListOffsetsOptions, OffsetSpec, TopicDescription,
    TopicPartition,
};
use krafka::error::{ErrorCode, KrafkaError};
use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use rdkafka::ClientConfig;
use rdkafka::consumer::{ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::KafkaConfig;
use crate::{BusError, PartitionBounds};

/// Bytes of a record beyond its payload: key, headers, framing.
const OVERHEAD_BYTES: usize = 64 * 1024;

/// The clients that a process shares between its parts.
pub(super) struct Clients {
    pub(super) admin: AdminClient,
    pub(super) producer: FutureProducer,
    base: ClientConfig,
}

impl fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    pub(super) async fn connect(config: &KafkaConfig) -> Result<Self, BusError> {
        let admin = connect(config).await?.admin();
        let timeout_ms = config.timeout.0.as_millis().to_string();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", config.bootstrap_servers.join(","))
            .set("client.id", &config.client_id)
            .set("socket.keepalive.enable", "true");
        let producer = base
            .clone()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("message.timeout.ms", &timeout_ms)
            .set("message.max.bytes", (ENVELOPE_BYTES_MAX + OVERHEAD_BYTES).to_string())
            .create()?;
        Ok(Self { admin, producer, base })
    }

    /// A consumer that begins where it is told and commits nothing.
    pub(super) fn consumer<C: ConsumerContext + 'static>(
        &self,
        group: &str,
        reset: &str,
        context: C,
    ) -> Result<StreamConsumer<C>, BusError> {
        let mut config = self.base.clone();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", reset)
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "1000")
            .set("queued.max.messages.kbytes", "8192")
            .set("fetch.wait.max.ms", "100") // A partition that is sought waits for the fetch under way.
            .set("fetch.queue.backoff.ms", "20");
        Ok(config.create_with_context(context)?)
    }

    /// Writes one record, and returns its partition and offset when it is durable.
    pub(super) async fn produce(
        &self,
        record: FutureRecord<'_, [u8], [u8]>,
    ) -> Result<(u32, u64), BusError> {
        let patience = rdkafka::util::Timeout::Never; // The record's own timeout ends the wait.
        let delivery = self
            .producer
            .send(record, patience)
            .await
            .map_err(|(error, _)| BusError::from(error))?;
        Ok((index(delivery.partition), offset(delivery.offset)))
    }

    /// A topic that must be there.
    pub(super) async fn describe(&self, topic: &str) -> Result<TopicDescription, BusError> {
        let mut described =
            self.admin.describe_topics([topic], DescribeTopicsOptions::default()).await?;
        described.remove(topic).unwrap_or_else(|| Err(KrafkaError::unknown_topic(topic))).map_err(
            |error| match BusError::from(error) {
                BusError::Refused(reason) => {
                    BusError::Refused(format!("topic {topic}: {reason}; apply the topics first"))
                }
                unavailable @ BusError::Unavailable(_) => unavailable,
            },
        )
    }

    /// The bounds of some partitions of a topic, by partition.
    pub(super) async fn bounds(
        &self,
        topic: &str,
        partitions: &[u32],
    ) -> Result<Vec<PartitionBounds>, BusError> {
        let at = |spec| {
            let places = partitions.iter().map(move |partition| (place(topic, *partition), spec));
            self.admin.list_offsets(places, ListOffsetsOptions::default())
        };
        let mut starts = at(OffsetSpec::Earliest).await?;
        let mut ends = at(OffsetSpec::Latest).await?;
        let missing = || KrafkaError::unknown_topic(topic);
        let mut bounds = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let place = place(topic, *partition);
            let start = starts.remove(&place).ok_or_else(missing)??.offset;
            let end = ends.remove(&place).ok_or_else(missing)??.offset;
            bounds.push(PartitionBounds {
                partition: *partition,
                start: offset(start),
                end: offset(end),
            });
        }
        Ok(bounds)
    }
}

/// The connections that share consumers and questions to the cluster use.
pub(super) async fn connect(config: &KafkaConfig) -> Result<Kafka, BusError> {
    let servers = config.bootstrap_servers.join(",");
    let builder = Kafka::builder(servers)
        .client_id(&config.client_id)
        .request_timeout(config.timeout.0)
        .allow_auto_create_topics(false);
    Ok(builder.connect().await?)
}

pub(super) fn place(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, number(partition))
}

/// A partition as Kafka's protocol says it.
pub(super) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// A partition as the broker gave it.
pub(super) fn index(partition: i32) -> u32 {
    u32::try_from(partition).expect("a broker numbers partitions from 0")
}

/// An offset as the broker gave it.
pub(super) fn offset(offset: i64) -> u64 {
    u64::try_from(offset).expect("a broker numbers records from 0")
}

/// Refuses what no broker with our settings would take.
pub(super) fn check_length(payload: &[u8]) -> Result<(), BusError> {
    if payload.len() > ENVELOPE_BYTES_MAX {
        let bytes = payload.len();
        return Err(BusError::Refused(format!(
            "a record has {bytes} bytes; the limit is {ENVELOPE_BYTES_MAX}"
        )));
    }
    Ok(())
}

impl From<KafkaError> for BusError {
    fn from(error: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        let refused = match error.rdkafka_error_code() {
            Some(code) => matches!(
                code,
                Code::UnknownTopic
                    | Code::UnknownPartition
                    | Code::UnknownTopicOrPartition
                    | Code::MessageSizeTooLarge
                    | Code::InvalidMessageSize
                    | Code::InvalidTopic
                    | Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::AutoOffsetReset
                    | Code::OffsetOutOfRange
            ),
            None => matches!(error, KafkaError::ClientConfig(..) | KafkaError::Nul(_)),
        };
        if refused {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

impl From<KrafkaError> for BusError {
    fn from(error: KrafkaError) -> Self {
        let refused = match &error {
            KrafkaError::Config { .. } | KrafkaError::Auth { .. } => true,
            KrafkaError::Broker { code, .. } => {
                *code == ErrorCode::UnknownTopicOrPartition || !code.is_retriable()
            }
            _ => !error.is_retriable(),
        };
        if refused {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}
