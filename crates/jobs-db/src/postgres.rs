//! The job database in PostgreSQL, shared by every process of a fleet.
//!
//! | you look for | file |
//! |---|---|
//! | settings | `postgres/config.rs` |
//! | connections, and what the server must promise | `postgres/pool.rs` |
//! | the schema and its versions | `postgres/migrations/`, `postgres/schema.rs` |
//! | new jobs and idempotency keys | `postgres/accept.rs` |
//! | the batch that everything else is written by | `postgres/commit.rs` |
//! | who waits for a turn | `postgres/queued.rs` |
//! | news of other processes' writes | `postgres/changes.rs` |
//! | one dispatcher at a time | `postgres/leader.rs` |
//!
//! A write is durable on the server when its call returns. Whether it survives the loss of that machine is up to
//! the server: without a synchronous standby, a failover can lose accepted jobs.
//!
//! A call that is dropped half-way, or whose connection breaks, may have written all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{ClaimId, JobId, Lane, Region, Tenant, Timestamp, WorkerId};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgPool};
use uuid::Uuid;

use crate::{
    Accepted, Backlog, Batch, ByBand, ChildCount, Due, DueKey, FamilyKey, HistoryEntry, JobFilter,
    JobWrite, JobsDb, JobsDbError, Lead, LineRead, Observation, Offer, Outlook, PartitionRow,
    Pause, PauseTarget, QueueName, Upload, Versioned, WorkerRow,
};

mod accept;
mod audit;
mod backlog;
mod bulks;
mod changes;
mod commit;
mod config;
mod deletions;
mod failures;
mod families;
mod jobs;
mod kept;
mod keys;
mod leader;
mod list;
mod orders;
mod outlook;
mod partitions;
mod pauses;
mod pool;
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

pub use config::{PostgresConfig, PostgresTls, PostgresUrl};

use changes::Changes;
use kept::Kept;

/// The job database in PostgreSQL.
#[derive(Debug)]
pub struct PostgresJobsDb {
    pool: PgPool,
    kept: Arc<Kept>,
    changes: Changes,
    options: PgConnectOptions,
    connect_timeout: Duration,
    /// The latest time that was given out, in milliseconds: the clock never goes back within a process, even if
    /// somebody sets the server's.
    latest_ms: AtomicI64,
}

impl PostgresJobsDb {
    /// Connects to a database, and brings its schema up to this program's.
    ///
    /// # Errors
    /// [`JobsDbError::Refused`] if a setting is wrong, if a newer program wrote the database, or if the server may
    /// forget what it has confirmed; otherwise as any call.
    pub async fn connect(config: &PostgresConfig) -> Result<Self, JobsDbError> {
        config.validate()?;
        let options = config.options()?;
        let pool = pool::connect(config, &options).await?;
        schema::migrate(&pool).await?;
        let listener = pool::listener(config, options.clone());
        let kept = Arc::new(Kept::of(pool.clone(), pool::kept(config, options.clone())));
        let changes = Changes::start(Arc::clone(&kept), listener).await?;
        let (connect_timeout, latest_ms) = (config.connect_timeout.0, AtomicI64::new(0));
        Ok(Self { pool, kept, changes, options, connect_timeout, latest_ms })
    }

    /// A time that the server gave, or a later one that it gave before.
    fn forward(&self, now: Timestamp) -> Timestamp {
        let latest_ms = self.latest_ms.fetch_max(now.as_millis(), Ordering::Relaxed);
        now.max(Timestamp::from_millis(latest_ms))
    }
}

#[async_trait]
impl JobsDb for PostgresJobsDb {
    async fn now(&self) -> Result<Timestamp, JobsDbError> {
        let mut connection = self.kept.take().await?;
        let ms: i64 = sqlx::query_scalar(
            "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        )
        .fetch_one(&mut *connection)
        .await?;
        self.kept.keep(connection);
        Ok(self.forward(Timestamp::from_millis(ms)))
    }

    async fn accept_all(&self, offers: &[Offer]) -> Result<Vec<Accepted>, JobsDbError> {
        let _change = self.changes.announce();
        let mut connection = self.kept.take().await?;
        let accepted = accept::accept_all(&mut connection, offers).await?;
        self.kept.keep(connection);
        Ok(accepted)
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Versioned>, JobsDbError> {
        let mut connection = self.kept.take().await?;
        let found = jobs::get(&mut connection, ids).await?;
        self.kept.keep(connection);
        Ok(found)
    }

    async fn get_now(&self, ids: &[JobId]) -> Result<(Timestamp, Vec<Versioned>), JobsDbError> {
        let mut connection = self.kept.take().await?;
        let (now, found) = jobs::get_now(&mut connection, ids, None).await?;
        self.kept.keep(connection);
        Ok((self.forward(now), found))
    }

    async fn sent_now(&self, ids: &[JobId]) -> Result<(Timestamp, Vec<Versioned>), JobsDbError> {
        let mut connection = self.kept.take().await?;
        let (now, found) = jobs::get_now(&mut connection, ids, Some("sent")).await?;
        self.kept.keep(connection);
        Ok((self.forward(now), found))
    }

    async fn commit(&self, batch: Batch) -> Result<(), JobsDbError> {
        let mut connection = self.kept.take().await?;
        let mut transaction = connection.begin().await?;
        commit::write(&mut transaction, &batch).await?;
        let _change = self.changes.announce();
        transaction.commit().await?;
        self.kept.keep(connection);
        Ok(())
    }

    async fn write_each(&self, writes: &[JobWrite]) -> Result<BTreeSet<JobId>, JobsDbError> {
        let mut connection = self.kept.take().await?;
        let _change = self.changes.announce();
        let written = commit::write_each(&mut connection, writes).await?;
        self.kept.keep(connection);
        Ok(written)
    }

    async fn heads(
        &self,
        region: &Region,
        lane: Lane,
        after: &ByBand<Option<Tenant>>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let mut connection = self.kept.take().await?;
        let found = queued::heads(&mut connection, (region, lane), after, limit).await?;
        self.kept.keep(connection);
        Ok(found)
    }

    async fn lines(
        &self,
        region: &Region,
        lane: Lane,
        lines: &[LineRead],
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let mut connection = self.kept.take().await?;
        let found = queued::lines(&mut connection, (region, lane), lines).await?;
        self.kept.keep(connection);
        Ok(found)
    }

    async fn in_flight(
        &self,
        region: &Region,
        lane: Lane,
    ) -> Result<BTreeMap<Tenant, u32>, JobsDbError> {
        queued::in_flight(&self.pool, (region, lane)).await
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<DueKey>,
        limit: u32,
    ) -> Result<Vec<Due>, JobsDbError> {
        jobs::due(&self.pool, now, after, limit).await
    }

    async fn outlook(
        &self,
        queues: &[QueueName],
        ahead: Option<Duration>,
    ) -> Result<Outlook, JobsDbError> {
        let mut connection = self.kept.take().await?;
        let outlook = outlook::outlook(&mut connection, queues, ahead).await?;
        self.kept.keep(connection);
        Ok(Outlook { now: self.forward(outlook.now), ..outlook })
    }

    async fn changed(&self, seen: u64, wait: Duration) -> Result<u64, JobsDbError> {
        Ok(self.changes.counter.since(seen, wait).await)
    }

    async fn list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
        list::list(&self.pool, filter, limit).await
    }

    async fn count(&self, filter: &JobFilter) -> Result<u64, JobsDbError> {
        list::count(&self.pool, filter).await
    }

    async fn counts(&self, tenant: Option<&Tenant>) -> Result<BTreeMap<String, u64>, JobsDbError> {
        list::counts(&self.pool, tenant).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, JobsDbError> {
        backlog::backlog(&self.pool).await
    }

    async fn child_counts(
        &self,
        parents: &[FamilyKey],
    ) -> Result<BTreeMap<FamilyKey, Vec<ChildCount>>, JobsDbError> {
        families::counts(&self.pool, parents).await
    }

    async fn children(&self, parent: FamilyKey) -> Result<Vec<Versioned>, JobsDbError> {
        families::children(&self.pool, parent).await
    }

    async fn stray_children(&self, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
        families::strays(&self.pool, limit).await
    }

    async fn history(&self, job: JobId) -> Result<Vec<HistoryEntry>, JobsDbError> {
        jobs::history(&self.pool, job).await
    }

    async fn progress(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Progress>, JobsDbError> {
        jobs::progress(&self.pool, jobs).await
    }

    async fn partitions(&self, log_id: &str) -> Result<BTreeMap<u32, PartitionRow>, JobsDbError> {
        partitions::partitions(&self.pool, log_id).await
    }

    async fn observe(
        &self,
        log_id: &str,
        observations: &[Observation],
        gap: Duration,
    ) -> Result<(), JobsDbError> {
        let mut transaction = self.pool.begin().await?;
        partitions::observe(&mut transaction, log_id, observations, gap).await?;
        Ok(transaction.commit().await?)
    }

    async fn workers(&self) -> Result<Vec<WorkerRow>, JobsDbError> {
        workers::workers(&self.pool).await
    }

    async fn beats(
        &self,
        claims: &[(WorkerId, ClaimId)],
    ) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
        workers::beats(&self.pool, claims).await
    }

    async fn pause(&self, pause: &Pause) -> Result<(), JobsDbError> {
        let _change = self.changes.announce();
        pauses::put(&self.pool, pause).await
    }

    async fn resume(&self, target: &PauseTarget) -> Result<Option<Pause>, JobsDbError> {
        let _change = self.changes.announce();
        pauses::take(&self.pool, target).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, JobsDbError> {
        pauses::all(&self.pool).await
    }

    async fn put_upload(&self, upload: &Upload) -> Result<(), JobsDbError> {
        uploads::put(&self.pool, upload).await
    }

    async fn upload(&self, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
        uploads::get(&self.pool, id).await
    }

    async fn upload_bytes(&self, tenant: &Tenant) -> Result<u64, JobsDbError> {
        uploads::bytes(&self.pool, tenant).await
    }

    async fn try_lead(&self, name: &str) -> Result<Option<Box<dyn Lead>>, JobsDbError> {
        let lead = leader::try_lead(&self.options, self.connect_timeout, name).await?;
        Ok(lead.map(|lead| Box::new(lead) as Box<dyn Lead>))
    }
}
