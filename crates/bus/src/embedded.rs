//! The bus in tables of a SQLite file that one process owns.
//!
//! | you look for | file |
//! |---|---|
//! | the schema and its versions | `embedded/migrations/`, `embedded/schema.rs` |
//! | who may be handed which message | `embedded/locks.rs` |
//! | sending, taking and settling messages | `embedded/queue.rs`, `embedded/source.rs` |
//! | the event log and who reads which partition | `embedded/events.rs`, `embedded/reader_group.rs` |
//!
//! What was sent is in the file, durable when its call returns; who holds it is in memory. So a process that
//! died holds nothing: when the file is opened again, everything that was not acknowledged is handed out anew.
//!
//! A call that is dropped half-way may have happened or not; nothing is lost or locked by it for longer than a
//! lock lasts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{JobId, Region, Span, WorkerId};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

use crate::{
    Bus, BusError, ControlFollower, CopyFate, DeadLetter, EventReader, JobSource, KeptLetter,
    LetterPage, Queue, control_key,
};

mod control;
mod dead_letters;
mod events;
mod locks;
mod pools;
mod queue;
mod reader;
mod reader_group;
mod schema;
mod signal;
mod source;

use pools::Pools;
use queue::{Handing, JobQueue};
use reader_group::ReaderGroup;
use schema::LogIdentity;
use signal::Signal;

/// Settings of the embedded bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// How long a received message is its receiver's.
    pub lock: Span,
    /// How often a message is handed out before it becomes a dead letter; at least 1.
    pub delivery_limit: u32,
    /// Partitions of the event log, at least 1; a file's can only grow.
    pub event_partitions: u32,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { lock: Span::from_secs(15), delivery_limit: 10, event_partitions: 4 }
    }
}

/// The bus of one process. Clones are the same bus.
#[derive(Clone, Debug)]
pub struct EmbeddedBus {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pools: Pools,
    config: EmbeddedConfig,
    log: LogIdentity,
    /// By topic.
    queues: Mutex<HashMap<String, Arc<JobQueue>>>,
    readers: Mutex<ReaderGroup>,
    job_arrivals: Signal,
    event_arrivals: Signal,
    control_arrivals: Signal,
}

impl EmbeddedBus {
    /// Opens the bus in a SQLite file, and brings its schema up to this program's.
    ///
    /// `writer` has one connection, which nobody but this process writes by; other parts that write to the same
    /// file share it, because SQLite has one writer at a time and a queue of callers is better than busy
    /// connections. `readers` see every commit at once. Both are plain pools, so that the bus knows nothing of
    /// what else is in the file.
    ///
    /// # Errors
    /// [`BusError::Refused`] if a newer program wrote the file, if the writer's commits are not durable, or if
    /// the settings do not fit; otherwise as any call.
    pub async fn open(
        writer: SqlitePool,
        readers: SqlitePool,
        config: EmbeddedConfig,
    ) -> Result<Self, BusError> {
        if config.delivery_limit == 0 || config.lock.0.is_zero() {
            return Err(BusError::Refused(
                "bus.delivery_limit and bus.lock must not be 0".to_owned(),
            ));
        }
        let pools = Pools { writer, readers };
        pools.check().await?;
        let log = schema::migrate(&pools, config.event_partitions).await?;
        let readers = Mutex::new(ReaderGroup::new(log.partitions));
        Ok(Self {
            shared: Arc::new(Shared {
                pools,
                config,
                log,
                queues: Mutex::default(),
                readers,
                job_arrivals: Signal::new(),
                event_arrivals: Signal::new(),
                control_arrivals: Signal::new(),
            }),
        })
    }

    /// Deletes the events of a partition below an offset: those that the job database has applied. Without it
    /// the file grows for ever.
    ///
    /// # Errors
    /// [`BusError`].
    pub async fn trim_events(&self, partition: u32, below: u64) -> Result<(), BusError> {
        events::trim(&self.shared.pools, partition, below).await
    }

    /// Deletes the control records that were put longer ago than `age`, which must be more than the longest
    /// deadline, and returns how many there were.
    ///
    /// # Errors
    /// [`BusError`].
    pub async fn trim_control(&self, age: Duration) -> Result<u64, BusError> {
        control::trim(&self.shared.pools, age).await
    }
}

impl Shared {
    /// The queue, opened if it is not yet.
    async fn queue(&self, queue: &Queue) -> Result<Arc<JobQueue>, BusError> {
        let topic = queue.topic();
        if let Some(open) = locked(&self.queues).get(&topic) {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(JobQueue::open(&self.pools, queue).await?);
        // Two callers may have opened it at once; the first one's locks are those that count.
        Ok(Arc::clone(locked(&self.queues).entry(topic).or_insert(opened)))
    }

    const fn handing(&self) -> Handing {
        Handing { lock: self.config.lock.0, delivery_limit: self.config.delivery_limit }
    }
}

/// The value behind a lock. Nothing that is done under these locks can panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn send_job(
        &self,
        queue: &Queue,
        job: JobId,
        payload: Bytes,
    ) -> Result<Placement, BusError> {
        let queue = self.shared.queue(queue).await?;
        queue.send(&self.shared.pools, &self.shared.job_arrivals, job, &payload).await
    }

    async fn copy_fate(&self, queue: &Queue, placement: Placement) -> Result<CopyFate, BusError> {
        self.shared.queue(queue).await?.fate(&self.shared.pools, placement).await
    }

    async fn take_jobs(&self, queue: &Queue, member: &str) -> Result<Box<dyn JobSource>, BusError> {
        let opened = self.shared.queue(queue).await?;
        tracing::debug!(member, queue = queue.topic(), "member joined");
        Ok(Box::new(source::EmbeddedSource::new(Arc::clone(&self.shared), opened)))
    }

    fn event_partitions(&self) -> u32 {
        self.shared.log.partitions
    }

    async fn event_log_id(&self) -> Result<String, BusError> {
        Ok(self.shared.log.log_id.clone())
    }

    async fn publish_events(&self, events: Vec<(u32, Bytes)>) -> Result<(), BusError> {
        let Shared { pools, log, event_arrivals, .. } = &*self.shared;
        events::publish(pools, event_arrivals, log.partitions, &events).await
    }

    async fn read_events(&self, member: &str) -> Result<Box<dyn EventReader>, BusError> {
        tracing::debug!(member, "reader joined");
        Ok(Box::new(reader::EmbeddedReader::join(Arc::clone(&self.shared))))
    }

    async fn publish_control(
        &self,
        region: &Region,
        job: JobId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        let Shared { pools, control_arrivals, .. } = &*self.shared;
        control::publish(pools, control_arrivals, region, (&control_key::of_job(job), &payload))
            .await
    }

    async fn publish_order(
        &self,
        region: &Region,
        worker: &WorkerId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        let Shared { pools, control_arrivals, .. } = &*self.shared;
        control::publish(
            pools,
            control_arrivals,
            region,
            (&control_key::of_worker(worker), &payload),
        )
        .await
    }

    async fn follow_control(&self, region: &Region) -> Result<Box<dyn ControlFollower>, BusError> {
        Ok(Box::new(control::EmbeddedFollower::new(Arc::clone(&self.shared), region.clone())))
    }

    async fn dead_letter(&self, letter: DeadLetter) -> Result<(), BusError> {
        pools::check_length(&letter.payload)?;
        let mut transaction = self.shared.pools.write().await?;
        dead_letters::insert(&mut transaction, &letter).await?;
        Ok(transaction.commit().await?)
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        dead_letters::newest(&self.shared.pools, limit).await
    }

    async fn letters(&self, page: LetterPage) -> Result<Vec<KeptLetter>, BusError> {
        dead_letters::page(&self.shared.pools, page).await
    }
}
