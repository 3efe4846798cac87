//! The clients of one process: how they are made, and what they ask the cluster.

use std::fmt;
use std::time::Duration;

use krafka::Kafka;
use krafka::admin::{
    AdminClient, DescribeTopicsOptions, ListOffsetsOptions, OffsetSpec, TopicDescription,
    TopicPartition,
};
use krafka::auth::{AuthConfig, TlsConfig};
use krafka::error::KrafkaError;
use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, StreamConsumer};
use rdkafka::producer::FutureRecord;

use super::producer::Producer;
use super::share_runtime::ShareRuntime;
use super::{KafkaConfig, KafkaTls};
use crate::{BusError, PartitionBounds};

/// The longest that making one connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The longest pause between two tries to reach a broker that is away.
const RECONNECT_MAX_MS: &str = "1000";

/// The clients that a process shares between its parts.
pub(super) struct Clients {
    pub(super) admin: AdminClient,
    pub(super) producer: Producer,
    pub(super) share_runtime: ShareRuntime,
    base: ClientConfig,
    timeout: Duration,
}

impl fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    pub(super) async fn connect(config: &KafkaConfig) -> Result<Self, BusError> {
        let admin = admin(config).await?;
        let timeout = config.timeout.0;
        let timeout_ms = timeout.as_millis().to_string();
        let mut base = ClientConfig::new();
        base.set("bootstrap.servers", config.bootstrap_servers.join(","))
            .set("client.id", &config.client_id)
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", timeout.max(Duration::from_secs(1)).as_millis().to_string())
            .set(
                "socket.connection.setup.timeout.ms",
                connect_timeout(config).as_millis().to_string(),
            )
            .set("reconnect.backoff.max.ms", RECONNECT_MAX_MS);
        secure(&mut base, config)?;
        let producer = Producer::new(&base, &timeout_ms)?;
        Ok(Self { admin, producer, share_runtime: ShareRuntime::start()?, base, timeout })
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

    /// A member of a classic group, which says itself what is committed.
    pub(super) fn group_consumer<C: ConsumerContext>(
        &self,
        group: &str,
        context: C,
    ) -> Result<BaseConsumer<C>, BusError> {
        let mut config = self.base.clone();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "1000")
            .set("queued.min.messages", "1")
            .set("queued.max.messages.kbytes", "1024")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.queue.backoff.ms", "20");
        Ok(config.create_with_context(context)?)
    }

    /// Writes one record, and returns its partition and offset when it is durable.
    pub(super) async fn produce(
        &self,
        record: FutureRecord<'_, [u8], [u8]>,
    ) -> Result<(u32, u64), BusError> {
        self.producer.send(record, self.timeout).await
    }

    /// The answer to a question, if it comes in time.
    pub(super) fn within<T, E: Into<BusError>>(
        &self,
        question: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, BusError>> {
        within(self.timeout, question)
    }

    /// A topic that must be there.
    pub(super) async fn describe(&self, topic: &str) -> Result<TopicDescription, BusError> {
        let asked = self.admin.describe_topics([topic], DescribeTopicsOptions::default());
        let mut described = self.within(asked).await?;
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
        let asked = async { tokio::try_join!(at(OffsetSpec::Earliest), at(OffsetSpec::Latest)) };
        let (mut starts, mut ends) = self.within(asked).await?;
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
    let mut builder = Kafka::builder(servers)
        .client_id(&config.client_id)
        .request_timeout(config.timeout.0)
        .connect_timeout(connect_timeout(config))
        .allow_auto_create_topics(false);
    if let Some(security) = security(config)? {
        builder = builder.security(security);
    }
    within(config.timeout.0, builder.connect()).await
}

/// What asks questions and changes settings, of settings that can work.
pub(super) async fn admin(config: &KafkaConfig) -> Result<AdminClient, BusError> {
    config.validate()?;
    Ok(connect(config).await?.admin().default_api_timeout(config.timeout.0))
}

/// TLS and SASL as krafka is told of them; `None` for neither.
fn security(config: &KafkaConfig) -> Result<Option<AuthConfig>, BusError> {
    let sasl = config.sasl.as_ref();
    let sasl =
        sasl.map(|sasl| AuthConfig::sasl_scram_sha512(&sasl.username, sasl.password.expose()));
    if config.tls() == KafkaTls::Off {
        return Ok(sasl);
    }
    let tls = match ca_file(config)? {
        Some(file) => TlsConfig::new().with_ca_cert(file),
        None => TlsConfig::new().with_native_roots(),
    };
    Ok(Some(sasl.unwrap_or_else(AuthConfig::plaintext).with_tls(tls)))
}

/// TLS and SASL as librdkafka is told of them.
fn secure(base: &mut ClientConfig, config: &KafkaConfig) -> Result<(), BusError> {
    let protocol = match (config.tls(), &config.sasl) {
        (KafkaTls::Off, None) => "plaintext",
        (KafkaTls::Off, Some(_)) => "sasl_plaintext",
        (KafkaTls::Verified, None) => "ssl",
        (KafkaTls::Verified, Some(_)) => "sasl_ssl",
    };
    base.set("security.protocol", protocol);
    if config.tls() == KafkaTls::Verified {
        base.set("ssl.ca.location", ca_file(config)?.unwrap_or("probe"));
    }
    if let Some(sasl) = &config.sasl {
        base.set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", &sasl.username)
            .set("sasl.password", sasl.password.expose());
    }
    Ok(())
}

fn ca_file(config: &KafkaConfig) -> Result<Option<&str>, BusError> {
    let Some(file) = &config.tls_ca_file else {
        return Ok(None);
    };
    let file = file.to_str();
    file.map(Some).ok_or_else(|| BusError::Refused("tls_ca_file is no text".to_owned()))
}

fn connect_timeout(config: &KafkaConfig) -> Duration {
    config.timeout.0.clamp(Duration::from_secs(1), CONNECT_MAX)
}

/// The result of a call, if it comes in time.
pub(super) fn within<T, E: Into<BusError>>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, BusError>> {
    let call = Box::pin(call); // Calls to a cluster are large.
    async move {
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(Into::into),
            Err(_elapsed) => Err(BusError::Unavailable(format!("no answer within {limit:?}"))),
        }
    }
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
