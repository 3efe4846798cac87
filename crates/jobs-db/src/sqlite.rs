//! The job database in a SQLite file that one process owns.
//!
//! | you look for | file |
//! |---|---|
//! | the file, its one writer and its readers | `sqlite/file.rs` |
//! | the schema and its versions | `sqlite/migrations/`, `sqlite/schema.rs` |
//! | new jobs and idempotency keys | `sqlite/accept.rs` |
//! | the batch that everything else is written by | `sqlite/commit.rs` |
//! | who waits for a turn | `sqlite/queued.rs` |
//!
//! A write is durable when its call returns (`synchronous=FULL`). A call that is dropped half-way may have
//! written all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{ClaimId, JobId, Lane, Region, Tenant, Timestamp, WorkerId};
use uuid::Uuid;

use crate::counter::Counter;
use crate::{
    Accepted, Backlog, Batch, ByBand, ChildCount, Due, DueKey, FamilyKey, HistoryEntry, JobFilter,
    JobWrite, JobsDb, JobsDbError, Lead, LineRead, Observation, Offer, Outlook, PartitionRow,
    Pause, PauseTarget, QueueName, Upload, Versioned, WorkerRow,
};

mod accept;
mod audit;
mod backlog;
mod bulks;
mod commit;
mod deletions;
mod failures;
mod families;
mod file;
mod jobs;
mod keys;
mod leads;
mod list;
mod orders;
mod outlook;
mod partitions;
mod pauses;
mod questions;
mod queued;
mod replays;
mod retention;
mod row;
mod schedules;
mod schema;
mod setbacks;
mod traffic;
mod uploads;
mod views;
mod webhooks;
mod workers;

pub use file::SqliteFile;

use leads::Leads;

/// The job database in SQLite.
#[derive(Debug)]
pub struct SqliteJobsDb {
    file: SqliteFile,
    changes: Counter,
    leads: Leads,
    /// The latest time that was given out, in milliseconds: the clock never goes back within a process, even if
    /// somebody sets the machine's.
    latest_ms: AtomicI64,
}

impl SqliteJobsDb {
    /// Opens the job database in a file, and brings its schema up to this program's.
    ///
    /// # Errors
    /// [`JobsDbError::Refused`] if a newer program wrote it, otherwise as any call.
    pub async fn open(file: SqliteFile) -> Result<Self, JobsDbError> {
        schema::migrate(&file).await?;
        Ok(Self {
            file,
            changes: Counter::default(),
            leads: Leads::default(),
            latest_ms: AtomicI64::new(0),
        })
    }
}

#[async_trait]
impl JobsDb for SqliteJobsDb {
    async fn now(&self) -> Result<Timestamp, JobsDbError> {
        let ms: i64 =
            sqlx::query_scalar("SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)")
                .fetch_one(&self.file.readers)
                .await?;
        let latest_ms = self.latest_ms.fetch_max(ms, Ordering::Relaxed);
        Ok(Timestamp::from_millis(ms.max(latest_ms)))
    }

    async fn accept_all(&self, offers: &[Offer]) -> Result<Vec<Accepted>, JobsDbError> {
        let _change = self.changes.announce();
        accept::accept_all(&self.file, offers).await
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Versioned>, JobsDbError> {
        jobs::get(&self.file.readers, ids).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), JobsDbError> {
        let mut transaction = self.file.write().await?;
        commit::write(&mut transaction, &batch).await?;
        let _change = self.changes.announce();
        Ok(transaction.commit().await?)
    }

    async fn write_each(&self, writes: &[JobWrite]) -> Result<BTreeSet<JobId>, JobsDbError> {
        let mut transaction = self.file.write().await?;
        let written = commit::write_each(&mut transaction, writes).await?;
        let _change = self.changes.announce();
        transaction.commit().await?;
        Ok(written)
    }

    async fn heads(
        &self,
        region: &Region,
        lane: Lane,
        after: &ByBand<Option<Tenant>>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        queued::heads(&self.file.readers, (region, lane), after, limit).await
    }

    async fn lines(
        &self,
        region: &Region,
        lane: Lane,
        lines: &[LineRead],
    ) -> Result<Vec<Versioned>, JobsDbError> {
        queued::lines(&self.file.readers, (region, lane), lines).await
    }

    async fn in_flight(
        &self,
        region: &Region,
        lane: Lane,
    ) -> Result<BTreeMap<Tenant, u32>, JobsDbError> {
        queued::in_flight(&self.file.readers, (region, lane)).await
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<DueKey>,
        limit: u32,
    ) -> Result<Vec<Due>, JobsDbError> {
        jobs::due(&self.file.readers, now, after, limit).await
    }

    async fn outlook(
        &self,
        queues: &[QueueName],
        ahead: Option<Duration>,
    ) -> Result<Outlook, JobsDbError> {
        let readers = &self.file.readers;
        let mut looks = Vec::with_capacity(queues.len());
        for queue in queues {
            looks.push(outlook::queue(readers, queue).await?);
        }
        let now = self.now().await?;
        let next_due = match ahead {
            Some(ahead) => outlook::next_due(readers).await?.filter(|due| due.since(now) <= ahead),
            None => None,
        };
        let pauses = pauses::all(readers).await?;
        Ok(Outlook { now, next_due, pauses, queues: looks })
    }

    async fn changed(&self, seen: u64, wait: Duration) -> Result<u64, JobsDbError> {
        Ok(self.changes.since(seen, wait).await)
    }

    async fn list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
        list::list(&self.file.readers, filter, limit).await
    }

    async fn count(&self, filter: &JobFilter) -> Result<u64, JobsDbError> {
        list::count(&self.file.readers, filter).await
    }

    async fn counts(&self, tenant: Option<&Tenant>) -> Result<BTreeMap<String, u64>, JobsDbError> {
        list::counts(&self.file.readers, tenant).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, JobsDbError> {
        backlog::backlog(&self.file.readers).await
    }

    async fn child_counts(
        &self,
        parents: &[FamilyKey],
    ) -> Result<BTreeMap<FamilyKey, Vec<ChildCount>>, JobsDbError> {
        families::counts(&self.file.readers, parents).await
    }

    async fn children(&self, parent: FamilyKey) -> Result<Vec<Versioned>, JobsDbError> {
        families::children(&self.file.readers, parent).await
    }

    async fn stray_children(&self, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
        families::strays(&self.file.readers, limit).await
    }

    async fn history(&self, job: JobId) -> Result<Vec<HistoryEntry>, JobsDbError> {
        jobs::history(&self.file.readers, job).await
    }

    async fn progress(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Progress>, JobsDbError> {
        jobs::progress(&self.file.readers, jobs).await
    }

    async fn partitions(&self, log_id: &str) -> Result<BTreeMap<u32, PartitionRow>, JobsDbError> {
        partitions::partitions(&self.file.readers, log_id).await
    }

    async fn observe(
        &self,
        log_id: &str,
        observations: &[Observation],
        gap: Duration,
    ) -> Result<(), JobsDbError> {
        let mut transaction = self.file.write().await?;
        for observation in observations {
            partitions::observe(&mut transaction, log_id, observation, gap).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn workers(&self) -> Result<Vec<WorkerRow>, JobsDbError> {
        workers::workers(&self.file.readers).await
    }

    async fn beats(
        &self,
        claims: &[(WorkerId, ClaimId)],
    ) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
        workers::beats(&self.file.readers, claims).await
    }

    async fn pause(&self, pause: &Pause) -> Result<(), JobsDbError> {
        let _change = self.changes.announce();
        pauses::put(&self.file, pause).await
    }

    async fn resume(&self, target: &PauseTarget) -> Result<Option<Pause>, JobsDbError> {
        let _change = self.changes.announce();
        pauses::take(&self.file, target).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, JobsDbError> {
        pauses::all(&self.file.readers).await
    }

    async fn put_upload(&self, upload: &Upload) -> Result<(), JobsDbError> {
        uploads::put(&self.file, upload).await
    }

    async fn upload(&self, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
        uploads::get(&self.file.readers, id).await
    }

    async fn upload_bytes(&self, tenant: &Tenant) -> Result<u64, JobsDbError> {
        uploads::bytes(&self.file.readers, tenant).await
    }

    async fn try_lead(&self, name: &str) -> Result<Option<Box<dyn Lead>>, JobsDbError> {
        let lead = self.leads.try_take(name);
        Ok(lead.map(|lead| Box::new(lead) as Box<dyn Lead>))
    }
}
