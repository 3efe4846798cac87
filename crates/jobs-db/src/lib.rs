//! The job database: rows of jobs, their history, workers, and how far the event log is applied.
//!
//! The interface is [`JobsDb`]; behind it stand SQLite (`panofleet up`) and PostgreSQL (a fleet). It decides
//! nothing: every changed job comes from [`panofleet_job_schema::lifecycle::decide`], and every write is a
//! compare-and-set on the row's version. One conformance suite (`tests/conformance/`) runs against every implementation.
//!
//! # What this crate does not do
//!
//! It starts nothing by itself: timers are rows with a time, and whoever asks for the due ones acts on them.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::job::State;
use panofleet_job_schema::message::{Progress, WorkerInfo};
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{
    Attempt, ClaimId, Job, JobId, Lane, Region, Tenant, Timestamp, WorkerId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod audit;
mod batch;
mod bulk;
mod counter;
mod deletion;
mod error;
mod failure;
mod family;
mod filter;
mod key;
mod offers;
mod order;
mod outlook;
mod partition;
mod pause;
pub mod postgres;
mod question;
mod replay;
mod retention;
mod row;
mod schedule;
mod setback;
pub mod sqlite;
mod traffic;
mod upload;
mod view;
mod webhook;
mod write;

pub use audit::{AuditDb, AuditEntry, AuditFilter};
pub use batch::{Batch, HeartbeatWrite, HistoryEntry, JobWrite, OffsetAdvance, RefusedResult};
pub use bulk::{Bulk, BulkAction, BulksDb, VersionedBulk};
pub use deletion::{Deletion, DeletionFilter, DeletionsDb, DueDeletion, Retired, SourceEnd};
pub use error::JobsDbError;
pub use failure::{FailureGroup, FailuresDb};
pub use family::{ChildCount, FamilyKey};
pub use key::{
    Actor, ApiKey, BadScope, KeysDb, Person, Scope, SecretHash, Session, SessionOf, StoredKey,
};
pub use offers::{Accepted, IdempotencyKey, Offer};
pub use order::{NewOrder, OrderRow, OrdersDb};
pub use outlook::{Outlook, QueueName, QueueOutlook};
pub use partition::{Observation, PartitionRow};
pub use pause::{BadPauseTarget, Pause, PauseTarget};
pub use question::{QuestionsDb, Stuck};
pub use replay::{LetterKey, Replay, ReplaysDb};
pub use retention::{RetentionDb, RetireBefore, Sweep};
pub use schedule::{Missed, Overlap, Schedule, SchedulesDb, Tick, TickOutcome, VersionedSchedule};
pub use setback::{
    SETBACKS_KEPT, SETBACKS_READ_MAX, SetbackFilter, SetbackGroup, SetbackKey, SetbackKind,
    SetbackReport, SetbacksDb,
};
pub use traffic::{COURSE_STEPS_MAX, Course, QueueAges, TenantLoad, Traffic, TrafficDb};
pub use upload::{Upload, UploadParts};
pub use view::{View, ViewsDb};
pub use webhook::{
    BadWebhookEvent, Delivery, DeliveryState, Disabled, DisabledBecause, DueDelivery,
    StoredWebhook, Then, Tried, Webhook, WebhookEvent, WebhookSecret, WebhooksDb,
};

/// The job database of one fleet.
#[async_trait]
pub trait JobsDb:
    AuditDb
    + BulksDb
    + DeletionsDb
    + FailuresDb
    + KeysDb
    + OrdersDb
    + QuestionsDb
    + ReplaysDb
    + RetentionDb
    + SchedulesDb
    + SetbacksDb
    + TrafficDb
    + ViewsDb
    + WebhooksDb
    + Debug
    + Send
    + Sync
{
    /// The database's clock: the only one that timers are set and checked by.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn now(&self) -> Result<Timestamp, JobsDbError>;

    /// Keeps new jobs, all or nothing, or finds those that have their idempotency keys; the answers are in the order
    /// of the offers. A job's first timer is what its state waits for, and its deadline at the latest.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if another job has an id of theirs.
    async fn accept_all(&self, offers: &[Offer]) -> Result<Vec<Accepted>, JobsDbError>;

    /// Keeps one new job, as [`JobsDb::accept_all`] does.
    ///
    /// # Errors
    /// As there.
    async fn accept(
        &self,
        job: &Job,
        key: Option<&IdempotencyKey>,
    ) -> Result<Accepted, JobsDbError> {
        let offer = Offer { job: job.clone(), key: key.cloned() };
        let answer = self.accept_all(std::slice::from_ref(&offer)).await?.pop();
        answer.ok_or_else(|| JobsDbError::Corrupt(format!("no answer about job {}", job.id)))
    }

    /// Jobs by id; those that do not exist are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn get(&self, ids: &[JobId]) -> Result<Vec<Versioned>, JobsDbError>;

    /// The clock, and jobs as [`get`](Self::get) gives them: one trip where each is far.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn get_now(&self, ids: &[JobId]) -> Result<(Timestamp, Vec<Versioned>), JobsDbError> {
        let found = self.get(ids).await?;
        Ok((self.now().await?, found))
    }

    /// The clock, and those of the jobs that are sent and that nobody has claimed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn sent_now(&self, ids: &[JobId]) -> Result<(Timestamp, Vec<Versioned>), JobsDbError> {
        let (now, mut found) = self.get_now(ids).await?;
        found.retain(|found| matches!(found.job.state, State::Sent { .. }));
        Ok((now, found))
    }

    /// Writes all of a batch or nothing. When a child ends with it, the timer of the job that waits for it is due at
    /// once, and a write of that job which was decided before is refused.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if a row or an offset is not what the batch expects; nothing was written: read
    /// again and decide again. [`JobsDbError::Refused`] if a job that has not ended has no timer.
    async fn commit(&self, batch: Batch) -> Result<(), JobsDbError>;

    /// Writes each of these changed jobs, each job once, by its own compare-and-set, all in one transaction. Gives those that were
    /// written: the rows of the others are not what they expect, so read them again and decide again.
    ///
    /// # Errors
    /// [`JobsDbError::Refused`] if a job that has not ended has no timer; nothing was written.
    async fn write_each(&self, writes: &[JobWrite]) -> Result<BTreeSet<JobId>, JobsDbError>;

    /// The head of each line of a queue: by band, and in a band by the tenant's name, at most `limit` of each band, from
    /// the tenant behind `after` of that band on. It hops from line to line, however long they are.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn heads(
        &self,
        region: &Region,
        lane: Lane,
        after: &ByBand<Option<Tenant>>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError>;

    /// The first jobs of some lines of a queue: line by line as asked, each from its head on.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn lines(
        &self,
        region: &Region,
        lane: Lane,
        lines: &[LineRead],
    ) -> Result<Vec<Versioned>, JobsDbError>;

    /// Jobs of a lane that are sent or running, by tenant; tenants that have none are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn in_flight(
        &self,
        region: &Region,
        lane: Lane,
    ) -> Result<BTreeMap<Tenant, u32>, JobsDbError>;

    /// Jobs whose timer is due at `now`, longest due first, from the one behind `after` on.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn due(
        &self,
        now: Timestamp,
        after: Option<DueKey>,
        limit: u32,
    ) -> Result<Vec<Due>, JobsDbError>;

    /// How things stand for a dispatcher of these queues, which wants to know of timers that are due within `ahead`, or of
    /// none: later ones cost a search, and so do those that have just been changed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn outlook(
        &self,
        queues: &[QueueName],
        ahead: Option<Duration>,
    ) -> Result<Outlook, JobsDbError>;

    /// Waits up to `wait` until something was written since the change counter stood at `seen`, and returns the
    /// counter. Writes of other processes may be seen late, but within `wait`.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn changed(&self, seen: u64, wait: Duration) -> Result<u64, JobsDbError>;

    /// Jobs that match, newest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Versioned>, JobsDbError>;

    /// How many jobs match. It looks at each of them.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn count(&self, filter: &JobFilter) -> Result<u64, JobsDbError>;

    /// Number of jobs in each state that there are any in.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn counts(&self, tenant: Option<&Tenant>) -> Result<BTreeMap<String, u64>, JobsDbError>;

    /// Jobs that have not ended, by queue and state. It looks at each of them: not for every request.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn backlog(&self) -> Result<Vec<Backlog>, JobsDbError>;

    /// How the children of these generations of jobs stand: in each state how many, and the first of them. Parents that
    /// have none are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn child_counts(
        &self,
        parents: &[FamilyKey],
    ) -> Result<BTreeMap<FamilyKey, Vec<ChildCount>>, JobsDbError>;

    /// The children of a generation of a job, in their order.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn children(&self, parent: FamilyKey) -> Result<Vec<Versioned>, JobsDbError>;

    /// Children that have not ended, of jobs that have, or that were started anew since: nobody waits for them. At most
    /// `limit`. It looks at every child that has not ended: not for every request.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn stray_children(&self, limit: u32) -> Result<Vec<Versioned>, JobsDbError>;

    /// What happened to a job, oldest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn history(&self, job: JobId) -> Result<Vec<HistoryEntry>, JobsDbError>;

    /// How far running jobs are; jobs that have said nothing are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn progress(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Progress>, JobsDbError>;

    /// How far the event log of this identity is applied, by partition.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn partitions(&self, log_id: &str) -> Result<BTreeMap<u32, PartitionRow>, JobsDbError>;

    /// Notes that the ends of partitions were observed, and which observations are applied by now.
    ///
    /// If a partition's end was last observed more than `gap` before, its leases start anew (`restarted_at`).
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn observe(
        &self,
        log_id: &str,
        observations: &[Observation],
        gap: Duration,
    ) -> Result<(), JobsDbError>;

    /// Every worker that has ever said something, by name.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn workers(&self) -> Result<Vec<WorkerRow>, JobsDbError>;

    /// When each of these claims was last in its worker's heartbeat, by the database's clock. Claims that the
    /// worker's last heartbeat does not list are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn beats(
        &self,
        claims: &[(WorkerId, ClaimId)],
    ) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError>;

    /// Pauses something. If it is paused already, its time stays and the reason is replaced.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn pause(&self, pause: &Pause) -> Result<(), JobsDbError>;

    /// Ends a pause, and gives it if there was one.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn resume(&self, target: &PauseTarget) -> Result<Option<Pause>, JobsDbError>;

    /// What is paused, by kind and name.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn pauses(&self) -> Result<Vec<Pause>, JobsDbError>;

    /// Keeps an upload that was begun.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is one with its id.
    async fn put_upload(&self, upload: &Upload) -> Result<(), JobsDbError>;

    /// An upload by its id.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn upload(&self, id: Uuid) -> Result<Option<Upload>, JobsDbError>;

    /// Bytes of all uploads of a tenant, as they were announced, until each is retired.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn upload_bytes(&self, tenant: &Tenant) -> Result<u64, JobsDbError>;

    /// Takes the lead under a name, or finds that somebody else has it: another process, or another part of this one.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn try_lead(&self, name: &str) -> Result<Option<Box<dyn Lead>>, JobsDbError>;
}

/// While it lives and is not lost, nobody else leads under the same name. Dropped, it gives the lead up.
#[async_trait]
pub trait Lead: Debug + Send {
    /// Returns when the lead is lost: stop at once, then try anew. May be dropped and called again.
    async fn lost(&mut self);

    /// Gives the lead up, and waits until somebody else can take it.
    ///
    /// # Errors
    /// [`JobsDbError::Unavailable`] if the database does not answer; it gives the lead up when it notices.
    async fn resign(self: Box<Self>) -> Result<(), JobsDbError>;
}

/// One of something for each priority band; [`panofleet_job_schema::spec::Priority::band`] is the index.
pub type ByBand<T> = [T; Priority::ALL.len()];

/// How much of a line to read. A line is what one tenant has queued in one band of a queue; its jobs go by deadline,
/// then age, and the one that goes first is its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRead {
    /// Which band, by its place.
    pub band: u8,
    /// Whose line.
    pub tenant: Tenant,
    /// How many jobs, at most.
    pub jobs: u32,
}

/// Jobs of one queue in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The queue's region.
    pub region: Region,
    /// The queue's lane.
    pub lane: Lane,
    /// The state's name.
    pub state: &'static str,
    /// How many there are, at least 1.
    pub jobs: u64,
    /// When the one with the lowest id was accepted: ids are given out in the order of time.
    pub oldest_accepted_at: Timestamp,
}

/// A job with the version that a write must expect.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned {
    /// The job.
    pub job: Job,
    /// Its version, from 1; each write adds 1.
    pub version: u64,
}

/// A job whose timer is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Since when.
    pub timer_at: Timestamp,
    /// The job.
    pub found: Versioned,
}

/// The place of a job among those that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueKey {
    /// When its timer is due.
    pub timer_at: Timestamp,
    /// Which job.
    pub job: JobId,
}

impl DueKey {
    /// Before every job.
    pub(crate) const BEFORE_ALL: Self =
        Self { timer_at: Timestamp::from_millis(i64::MIN), job: JobId(Uuid::nil()) };
}

impl Due {
    /// Its place among those that are due.
    pub const fn key(&self) -> DueKey {
        DueKey { timer_at: self.timer_at, job: self.found.job.id }
    }
}

/// What is known of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRow {
    /// Who it is.
    pub worker: WorkerInfo,
    /// When its last heartbeat was applied, by the database's clock.
    pub beat_at: Timestamp,
    /// The claims that it listed then.
    pub claims: Vec<ClaimId>,
}

/// Which jobs to list. Everything that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFilter {
    /// Whose jobs.
    pub tenant: Option<Tenant>,
    /// In one of these states, by name; empty for all.
    pub states: Vec<String>,
    /// With this label.
    pub label: Option<(String, String)>,
    /// In this region.
    pub region: Option<Region>,
    /// With an output of this operation, by name.
    pub operation: Option<String>,
    /// That this worker holds, or held last.
    pub worker: Option<WorkerId>,
    /// Whose last attempt of their generation has this number.
    pub attempt: Option<Attempt>,
    /// That count as failed, and whose last failure has this fingerprint.
    pub failure: Option<String>,
    /// That count as failed, and did so then or later.
    pub failed_since: Option<Timestamp>,
    /// Accepted then or later, by the clock of the API that took them: their ids begin with it.
    pub accepted_since: Option<Timestamp>,
    /// Accepted before that moment, by the same clock.
    pub accepted_until: Option<Timestamp>,
    /// The children of this job, of all its generations; without it, jobs that are nobody's children.
    pub parent: Option<JobId>,
    /// Accepted before this job: the last one of the page before.
    pub before: Option<JobId>,
}
