//! The bus: job queues, the event log and control records, behind one interface.
//!
//! | part | embedded | fleet |
//! |---|---|---|
//! | job queue | a table of the same SQLite file | a Kafka share group, or a classic group |
//! | event log, control, dead letters | tables | Kafka topics |
//!
//! Payloads are bytes: envelopes are sealed and opened by the shells. One conformance suite
//! (`tests/conformance/`) runs against every implementation.
//!
//! # What this crate does not do
//!
//! It decides nothing about a job and retries nothing: a call either is durable when it returns, or says
//! that it is not known to be.
#![forbid(unsafe_code)]

use std::fmt::Debug;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{JobId, Lane, Region, WorkerId};

mod control_key;
mod dead_letter;
pub mod embedded;
mod error;
pub mod kafka;
pub mod sealed;

pub use dead_letter::{DeadLetter, KeptLetter, LetterPage, Origin};
pub use error::BusError;

/// One job queue: a topic of its own in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue {
    /// Where its workers stand.
    pub region: Region,
    /// What they run.
    pub lane: Lane,
}

impl Queue {
    /// `pf.jobs.<region>.<lane>`.
    pub fn topic(&self) -> String {
        format!("pf.jobs.{}.{}", self.region, self.lane)
    }
}

/// What is known about a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFate {
    /// It may still be handed to a worker.
    Present,
    /// It lies below the queue's start, or retention deleted it: no worker will ever get it.
    Gone,
}

/// The bus of one fleet.
#[async_trait]
pub trait Bus: Debug + Send + Sync {
    /// Sends a job message; it is durable when this returns. After an error it may or may not be there.
    ///
    /// # Errors
    /// [`BusError`].
    async fn send_job(
        &self,
        queue: &Queue,
        job: JobId,
        payload: Bytes,
    ) -> Result<Placement, BusError>;

    /// What is known about a message.
    ///
    /// # Errors
    /// [`BusError`].
    async fn copy_fate(&self, queue: &Queue, placement: Placement) -> Result<CopyFate, BusError>;

    /// Joins the workers that take from a queue. `member` is the worker's name, for logs.
    ///
    /// # Errors
    /// [`BusError`].
    async fn take_jobs(&self, queue: &Queue, member: &str) -> Result<Box<dyn JobSource>, BusError>;

    /// Number of partitions of the event log, at least 1.
    fn event_partitions(&self) -> u32;

    /// The identity of the event log: another after it was deleted and made anew.
    ///
    /// # Errors
    /// [`BusError`].
    async fn event_log_id(&self) -> Result<String, BusError>;

    /// Appends to the event log, each payload to its partition, in order within a partition. All are durable
    /// when this returns; after an error any prefix of each partition's may be there.
    ///
    /// # Errors
    /// [`BusError`].
    async fn publish_events(&self, events: Vec<(u32, Bytes)>) -> Result<(), BusError>;

    /// Joins the collectors that read the event log.
    ///
    /// # Errors
    /// [`BusError`].
    async fn read_events(&self, member: &str) -> Result<Box<dyn EventReader>, BusError>;

    /// Puts a job's control record in place of its last one, for one region.
    ///
    /// # Errors
    /// [`BusError`].
    async fn publish_control(
        &self,
        region: &Region,
        job: JobId,
        payload: Bytes,
    ) -> Result<(), BusError>;

    /// Puts the control record of one worker of a region in place of its last one.
    ///
    /// # Errors
    /// [`BusError`].
    async fn publish_order(
        &self,
        region: &Region,
        worker: &WorkerId,
        payload: Bytes,
    ) -> Result<(), BusError>;

    /// Follows a region's control records from the first that is kept.
    ///
    /// # Errors
    /// [`BusError`].
    async fn follow_control(&self, region: &Region) -> Result<Box<dyn ControlFollower>, BusError>;

    /// Keeps a record that nobody can use, with where it came from and why.
    ///
    /// # Errors
    /// [`BusError`].
    async fn dead_letter(&self, letter: DeadLetter) -> Result<(), BusError>;

    /// The newest dead letters, newest first.
    ///
    /// # Errors
    /// [`BusError`].
    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, BusError>;

    /// A page of dead letters, newest first, with what is known of their keeping.
    ///
    /// # Errors
    /// [`BusError`].
    async fn letters(&self, page: LetterPage) -> Result<Vec<KeptLetter>, BusError>;
}

/// A worker's membership in the group that takes jobs from some queues.
///
/// A received message is locked for [`JobSource::lock`]; if it is not settled by then, it is handed to
/// another member. Dropping the source releases what it holds, at the latest when its locks lapse.
#[async_trait]
pub trait JobSource: Debug + Send {
    /// Takes up to `max` messages, waiting up to `wait` for the first one. `max` is at least 1.
    ///
    /// # Errors
    /// [`BusError`].
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError>;

    /// Consumes messages: nobody gets them again. `Ok` proves nothing about a lock that has lapsed meanwhile:
    /// look at the clock.
    ///
    /// # Errors
    /// [`BusError`].
    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError>;

    /// Gives messages back for another member, at once.
    ///
    /// # Errors
    /// [`BusError`].
    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError>;

    /// How long a received message is this member's, from the moment it was received.
    fn lock(&self) -> Duration;
}

/// A message in a worker's hands.
#[derive(Clone, Debug)]
pub struct Received {
    /// What to settle it by.
    pub receipt: Receipt,
    /// The queue that it came from.
    pub queue: Queue,
    /// How often it has been handed out, this time included.
    pub deliveries: u32,
    /// When it was taken, before the call that took it returned: the lock runs at least from here.
    pub received_at: Instant,
    /// The sealed envelope.
    pub payload: Bytes,
}

/// What a message is settled by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The queue's topic.
    pub topic: String,
    /// Where it lies.
    pub placement: Placement,
    /// Which handing out this was: a receipt of an earlier one settles nothing.
    pub delivery: u64,
}

/// A collector's membership in the group that reads the event log. Each partition has one reader at a time;
/// the reader says where to begin, because offsets live in the job database.
#[async_trait]
pub trait EventReader: Debug + Send {
    /// The identity of the log: another after it was deleted and made anew.
    fn log_id(&self) -> &str;

    /// Waits up to `wait` for something to happen.
    ///
    /// # Errors
    /// [`BusError::Refused`] if a partition was sought to an offset outside its bounds: nothing is skipped in
    /// silence.
    async fn poll(&mut self, wait: Duration) -> Result<EventPoll, BusError>;

    /// Reads an assigned partition from `offset` on. Until this is called, an assigned partition is silent.
    ///
    /// # Errors
    /// [`BusError::Refused`] if the partition is not assigned to this reader.
    async fn seek(&mut self, partition: u32, offset: u64) -> Result<(), BusError>;

    /// The assigned partitions' bounds, as they are now.
    ///
    /// # Errors
    /// [`BusError`], and then nothing may be concluded from silence.
    async fn bounds(&mut self) -> Result<Vec<PartitionBounds>, BusError>;
}

/// What an [`EventReader`] saw.
#[derive(Clone, Debug)]
pub enum EventPoll {
    /// The partitions that this reader now has, all of them; each has to be sought anew.
    Assigned(Vec<u32>),
    /// Records of one partition, in order.
    Records {
        /// The partition.
        partition: u32,
        /// At least one record.
        records: Vec<EventRecord>,
    },
    /// Nothing within the wait.
    Quiet,
}

/// One record of the event log.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// Its offset.
    pub offset: u64,
    /// The sealed envelope.
    pub payload: Bytes,
}

/// The bounds of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionBounds {
    /// The partition.
    pub partition: u32,
    /// The first offset that is kept.
    pub start: u64,
    /// The offset that the next record will get.
    pub end: u64,
}

/// A follower of one region's control records.
#[async_trait]
pub trait ControlFollower: Debug + Send {
    /// Everything up to the end as it was at the call. Empty at once if nothing is new.
    ///
    /// # Errors
    /// [`BusError`].
    async fn catch_up(&mut self) -> Result<Vec<Bytes>, BusError>;

    /// Waits up to `wait` for the next records.
    ///
    /// # Errors
    /// [`BusError`].
    async fn next(&mut self, wait: Duration) -> Result<Vec<Bytes>, BusError>;
}
