//! The bus on Apache Kafka: 4.2 or later, or before it through classic groups.
//!
//! | you look for | file |
//! |---|---|
//! | which topics and groups there must be, and with which settings | `kafka/topics.rs` |
//! | who may do what | `kafka/acls.rs` |
//! | the settings, and which of them do not go together | `kafka/config.rs` |
//! | how the clients are made, and what their errors mean | `kafka/clients.rs`, `kafka/producer.rs`, `kafka/errors.rs` |
//! | sending, taking and settling messages | `kafka/queue.rs`, `kafka/source.rs`, `kafka/member.rs`, `kafka/share_runtime.rs` |
//! | the same for brokers without share groups | `kafka/classic.rs` |
//! | the event log and who reads which partition | `kafka/events.rs`, `kafka/reader.rs`, `kafka/reader_group.rs` |
//!
//! Messages are taken through share groups, by `krafka`; everything else goes through `rdkafka`, and questions to
//! the cluster through krafka's admin client. Nothing but messages is ever committed to Kafka: where the event
//! log was read to is in the job database.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{JobId, Region, WorkerId};

use crate::{
    Bus, BusError, ControlFollower, CopyFate, DeadLetter, EventReader, JobSource, KeptLetter,
    LetterPage, Queue, control_key,
};

pub mod acls;
mod classic;
mod clients;
mod config;
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

pub use acls::{KafkaUsers, WorkerUser};
use clients::Clients;
pub use config::{KafkaConfig, KafkaGroups, KafkaSasl, KafkaTls};

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

    async fn take_jobs(&self, queue: &Queue, member: &str) -> Result<Box<dyn JobSource>, BusError> {
        tracing::debug!(member, queue = queue.topic(), "member joins");
        let shared = Arc::clone(&self.shared);
        if self.shared.config.groups == KafkaGroups::Classic {
            return Ok(Box::new(classic::ClassicSource::join(shared, queue)?));
        }
        let joining = source::KafkaSource::join(shared, queue.clone());
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
        control::publish(&self.shared, region, (&control_key::of_job(job), &payload)).await
    }

    async fn publish_order(
        &self,
        region: &Region,
        worker: &WorkerId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        control::publish(&self.shared, region, (&control_key::of_worker(worker), &payload)).await
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

    async fn letters(&self, page: LetterPage) -> Result<Vec<KeptLetter>, BusError> {
        self.within(dead_letters::page(&self.shared, page)).await
    }
}
