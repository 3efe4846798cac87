//! The bus on Apache Kafka 4.2 or later.
//!
//! | you look for | file |
//! |---|---|
//! | which topics and groups there must be, and with which settings | `kafka/topics.rs` |
//! | how the clients are made, and what their errors mean | `kafka/clients.rs`, `kafka/producer.rs`, `kafka/errors.rs` |
//! | sending, taking and settling messages | `kafka/queue.rs`, `kafka/source.rs`, `kafka/member.rs`, `kafka/share_runtime.rs` |
//! | the event log and who reads which partition | `kafka/events.rs`, `kafka/reader.rs`, `kafka/reader_group.rs` |
//!
//! Messages are taken through share groups, by `krafka`; everything else goes through `rdkafka`, and questions to
//! the cluster through krafka's admin client. Nothing but messages is ever committed to Kafka: where the event
//! log was read to is in the job database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{JobId, Region, Span};
use serde::{Deserialize, Serialize};

use crate::{Bus, BusError, ControlFollower, CopyFate, DeadLetter, EventReader, JobSource, Queue};

mod clients;
mod control;
mod dead_letters;
mod errors;
mod events;
mod member;
mod producer;
mod queue;
mod reader;
mod reader_group;
mod share_runtime;
mod source;
pub mod topics;

use clients::Clients;

/// Settings of the bus on Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to ask first, each `host:port`; at least one.
    pub bootstrap_servers: Vec<String>,
    /// What the brokers' logs and quotas call this process.
    pub client_id: String,
    /// Put before the name of every topic and group, so that several fleets can share a cluster. Receipts and
    /// dead letters name topics without it.
    pub prefix: String,
    /// Replicas of every topic; at least 1, and 3 where anything is at stake.
    pub replication: u16,
    /// Replicas that must have a record before it counts as written; fewer than `replication`, unless that is 1.
    pub replicas_in_sync: u16,
    /// Partitions of the event log, at least 1; a log's can only grow.
    pub event_partitions: u32,
    /// Partitions of each job queue, at least 1. Kafka's assignor for share groups gives each partition to few
    /// members when there are several partitions, so that a busy worker's partition waits for that worker; with
    /// one, every idle worker takes the next job.
    pub job_partitions: u32,
    /// How long the broker locks a received message. A receiver is promised four fifths of it.
    pub lock: Span,
    /// How often a message is handed out before it becomes a dead letter, from 1 to one less than the brokers'
    /// `group.share.max.delivery.count.limit`, by default 10.
    pub delivery_limit: u32,
    /// How long messages, events and dead letters are kept.
    pub retention: Span,
    /// How long control records are kept; more than the longest deadline.
    pub control_retention: Span,
    /// How long one request to a broker may take, and how long a record may wait to be acknowledged.
    pub timeout: Span,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        let days = |days: u64| Span::from_secs(days * 24 * 3600);
        Self {
            bootstrap_servers: vec!["127.0.0.1:9092".to_owned()],
            client_id: "panofleet".to_owned(),
            prefix: String::new(),
            replication: 3,
            replicas_in_sync: 2,
            event_partitions: 16,
            job_partitions: 1,
            lock: Span::from_secs(15),
            delivery_limit: 9,
            retention: days(15),
            control_retention: days(15),
            timeout: Span::from_secs(30),
        }
    }
}

impl KafkaConfig {
    fn check(&self) -> Result<(), BusError> {
        let wrong = if self.bootstrap_servers.is_empty() {
            "bus.bootstrap_servers must name a broker"
        } else if self.event_partitions == 0 || self.job_partitions == 0 {
            "bus.event_partitions and bus.job_partitions must not be 0"
        } else if self.replication == 0 || self.replicas_in_sync == 0 {
            "bus.replication and bus.replicas_in_sync must not be 0"
        } else if self.delivery_limit == 0 || self.timeout.0.is_zero() {
            "bus.delivery_limit and bus.timeout must not be 0"
        } else if self.lock.0 < Duration::from_secs(1) {
            "bus.lock must be at least 1s: Kafka takes no less"
        } else {
            return Ok(());
        };
        Err(BusError::Refused(wrong.to_owned()))
    }

    fn events_topic(&self) -> String {
        format!("{}pf.events", self.prefix)
    }

    fn dead_letters_topic(&self) -> String {
        format!("{}pf.dead-letters", self.prefix)
    }

    fn control_topic(&self, region: &Region) -> String {
        format!("{}pf.control.{region}", self.prefix)
    }

    fn jobs_topic(&self, queue: &Queue) -> String {
        format!("{}{}", self.prefix, queue.topic())
    }

    /// The share group of a queue's workers.
    fn workers_group(&self, queue: &Queue) -> String {
        format!("{}pf.workers.{}.{}", self.prefix, queue.region, queue.lane)
    }

    /// The group that shares out the event log's partitions.
    fn readers_group(&self) -> String {
        format!("{}pf.collectors", self.prefix)
    }
}

/// The bus of one process. Clones are the same bus.
#[derive(Clone, Debug)]
pub struct KafkaBus {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: KafkaConfig,
    clients: Clients,
    /// As it was found when the bus was connected.
    event_partitions: u32,
}

impl KafkaBus {
    /// Connects to a cluster whose topics [`topics::apply`] has made.
    ///
    /// # Errors
    /// [`BusError::Refused`] if the settings do not fit or the event log is not there; otherwise as any call.
    pub async fn connect(config: &KafkaConfig) -> Result<Self, BusError> {
        config.check()?;
        let clients = Clients::connect(config).await?;
        let log = clients.describe(&config.events_topic()).await?;
        let event_partitions = u32::try_from(log.partitions.len()).unwrap_or(u32::MAX);
        Ok(Self { shared: Arc::new(Shared { config: config.clone(), clients, event_partitions }) })
    }

    fn within<T>(
        &self,
        call: impl Future<Output = Result<T, BusError>>,
    ) -> impl Future<Output = Result<T, BusError>> {
        self.shared.clients.within(call)
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn send_job(
        &self,
        queue: &Queue,
        job: JobId,
        payload: Bytes,
    ) -> Result<Placement, BusError> {
        queue::send(&self.shared, queue, job, &payload).await
    }

    async fn copy_fate(&self, queue: &Queue, placement: Placement) -> Result<CopyFate, BusError> {
        self.within(queue::fate(&self.shared, queue, placement)).await
    }

    async fn take_jobs(
        &self,
        queues: &[Queue],
        member: &str,
    ) -> Result<Box<dyn JobSource>, BusError> {
        tracing::debug!(member, queues = queues.len(), "member joins");
        let joining = source::KafkaSource::join(Arc::clone(&self.shared), queues);
        Ok(Box::new(self.within(joining).await?))
    }

    fn event_partitions(&self) -> u32 {
        self.shared.event_partitions
    }

    async fn event_log_id(&self) -> Result<String, BusError> {
        events::log_id(&self.shared).await
    }

    async fn publish_events(&self, events: Vec<(u32, Bytes)>) -> Result<(), BusError> {
        events::publish(&self.shared, &events).await
    }

    async fn read_events(&self, member: &str) -> Result<Box<dyn EventReader>, BusError> {
        tracing::debug!(member, "reader joins");
        Ok(Box::new(self.within(reader::KafkaReader::join(Arc::clone(&self.shared))).await?))
    }

    async fn publish_control(
        &self,
        region: &Region,
        job: JobId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        control::publish(&self.shared, region, (job, &payload)).await
    }

    async fn follow_control(&self, region: &Region) -> Result<Box<dyn ControlFollower>, BusError> {
        Ok(Box::new(control::KafkaFollower::start(Arc::clone(&self.shared), region).await?))
    }

    async fn dead_letter(&self, letter: DeadLetter) -> Result<(), BusError> {
        dead_letters::publish(&self.shared, &letter).await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        self.within(dead_letters::newest(&self.shared, limit)).await
    }
}
