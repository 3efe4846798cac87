//! The simulated job database: PostgreSQL as producers and collectors see it.
//!
//! | in | is |
//! |---|---|
//! | `db/state.rs` | the rows, and what is read of them |
//! | `db/commit.rs` | what is written, by compare-and-set |
//! | `db/beside.rs`, `db/questions.rs` | what is not simulated |
//! | `db/leads.rs` | leads, which end with the connection that holds them |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{ClaimId, JobId, Lane, Region, Tenant, Timestamp, WorkerId};
use panofleet_jobs_db::{
    Accepted, Backlog, Batch, ByBand, ChildCount, Due, DueKey, FamilyKey, HistoryEntry, JobFilter,
    JobWrite, JobsDb, JobsDbError, Lead, LineRead, Observation, Offer, Outlook, PartitionRow,
    Pause, PauseTarget, QueueName, Upload, Versioned, WorkerRow,
};
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::link::{Link, NoAnswer};
use crate::mutant::Mutant;
use crate::world::Shared;

mod beside;
mod commit;
mod families;
mod leads;
mod questions;
mod state;

pub(crate) use leads::end_sessions;
pub(crate) use state::DbState;

/// The database, as one process sees it.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedDb(pub Link);

impl From<NoAnswer> for JobsDbError {
    fn from(NoAnswer(why): NoAnswer) -> Self {
        Self::Unavailable(why)
    }
}

impl SimulatedDb {
    async fn read<T: Send + 'static>(
        &self,
        what: &'static str,
        read: impl Fn(&DbState) -> T + Send + 'static,
    ) -> Result<T, JobsDbError> {
        Ok(self.0.call(what, move |shared: &mut Shared| read(&shared.db)).await?)
    }

    async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        write: impl FnMut(&mut Shared) -> T + Send + 'static,
    ) -> Result<T, JobsDbError> {
        let written = self.0.call(what, write).await;
        self.0.world.writes.notify_waiters();
        Ok(written?)
    }
}

#[async_trait]
impl JobsDb for SimulatedDb {
    async fn now(&self) -> Result<Timestamp, JobsDbError> {
        Ok(self.0.call("now", |shared| shared.db_now()).await?)
    }

    async fn accept_all(&self, offers: &[Offer]) -> Result<Vec<Accepted>, JobsDbError> {
        let offers = offers.to_vec();
        self.write("accept_all", move |shared| {
            if shared.is_mutant(Mutant::AcceptedIsNotKept) && shared.random.happens(1000) {
                return Ok(vec![Accepted::Created; offers.len()]);
            }
            let answers = shared.db.accept_all(&offers);
            for (offer, answer) in offers.iter().zip(answers.iter().flatten()) {
                shared.note(format_args!("db: accept {}: {}", offer.job.id, name(answer)));
            }
            answers
        })
        .await?
    }

    async fn get(&self, ids: &[JobId]) -> Result<Vec<Versioned>, JobsDbError> {
        let ids = ids.to_vec();
        self.read("get", move |db| db.get(&ids)).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), JobsDbError> {
        self.write("commit", move |shared| commit::commit(shared, &batch)).await?
    }

    async fn write_each(&self, writes: &[JobWrite]) -> Result<BTreeSet<JobId>, JobsDbError> {
        let writes = writes.to_vec();
        self.write("write_each", move |shared| commit::write_each(shared, &writes)).await?
    }

    async fn heads(
        &self,
        region: &Region,
        lane: Lane,
        after: &ByBand<Option<Tenant>>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let (region, after) = (region.clone(), after.clone());
        self.read("heads", move |db| db.heads(&region, lane, &after, limit)).await
    }

    async fn lines(
        &self,
        region: &Region,
        lane: Lane,
        lines: &[LineRead],
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let (region, lines) = (region.clone(), lines.to_vec());
        self.read("lines", move |db| db.lines(&region, lane, &lines)).await
    }

    async fn in_flight(
        &self,
        region: &Region,
        lane: Lane,
    ) -> Result<BTreeMap<Tenant, u32>, JobsDbError> {
        let region = region.clone();
        self.read("in_flight", move |db| db.in_flight(&region, lane)).await
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<DueKey>,
        limit: u32,
    ) -> Result<Vec<Due>, JobsDbError> {
        self.read("due", move |db| db.due(now, after, limit)).await
    }

    async fn outlook(
        &self,
        queues: &[QueueName],
        ahead: Option<Duration>,
    ) -> Result<Outlook, JobsDbError> {
        let queues = queues.to_vec();
        let look = move |shared: &mut Shared| {
            let (now, db) = (shared.db_now(), &shared.db);
            let queues = queues.iter().map(|queue| db.queue(queue)).collect();
            let is_near = |ahead| db.next_due().filter(|due| due.since(now) <= ahead);
            let next_due = ahead.and_then(is_near);
            Outlook { now, next_due, pauses: db.pauses(), queues }
        };
        Ok(self.0.call("outlook", look).await?)
    }

    async fn changed(&self, seen: u64, wait: Duration) -> Result<u64, JobsDbError> {
        let deadline = tokio::time::Instant::now() + wait;
        let writes = std::sync::Arc::clone(&self.0.world.writes);
        loop {
            let mut write = std::pin::pin!(writes.notified());
            write.as_mut().enable();
            let count = self.read("changed", |db| db.changes).await?;
            if count != seen || tokio::time::Instant::now() >= deadline {
                return Ok(count);
            }
            drop(timeout_at(deadline, write).await);
        }
    }

    async fn list(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
        if filter.failure.is_some() || filter.failed_since.is_some() {
            return beside::not_simulated("lists of what failed");
        }
        if filter.operation.is_some() || filter.worker.is_some() || filter.attempt.is_some() {
            return beside::not_simulated("lists by operation, worker and attempt");
        }
        if filter.accepted_since.is_some() || filter.accepted_until.is_some() {
            return beside::not_simulated("lists by when jobs were accepted");
        }
        let filter = filter.clone();
        self.read("list", move |db| db.list(&filter, limit)).await
    }

    async fn count(&self, filter: &JobFilter) -> Result<u64, JobsDbError> {
        Ok(self.list(filter, u32::MAX).await?.len() as u64)
    }

    async fn counts(&self, tenant: Option<&Tenant>) -> Result<BTreeMap<String, u64>, JobsDbError> {
        let tenant = tenant.cloned();
        self.read("counts", move |db| db.counts(tenant.as_ref())).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, JobsDbError> {
        self.read("backlog", DbState::backlog).await
    }

    async fn child_counts(
        &self,
        parents: &[FamilyKey],
    ) -> Result<BTreeMap<FamilyKey, Vec<ChildCount>>, JobsDbError> {
        let parents = parents.to_vec();
        let count = move |shared: &mut Shared| families::child_counts(shared, &parents);
        Ok(self.0.call("child_counts", count).await?)
    }

    async fn children(&self, parent: FamilyKey) -> Result<Vec<Versioned>, JobsDbError> {
        let read = move |shared: &mut Shared| {
            let is_forgotten = shared.is_mutant(Mutant::ChildrenAreForgotten);
            if is_forgotten { Vec::new() } else { shared.db.children(parent) }
        };
        Ok(self.0.call("children", read).await?)
    }

    async fn stray_children(&self, limit: u32) -> Result<Vec<Versioned>, JobsDbError> {
        self.read("stray_children", move |db| db.strays(limit)).await
    }

    async fn history(&self, job: JobId) -> Result<Vec<HistoryEntry>, JobsDbError> {
        self.read("history", move |db| db.history(job)).await
    }

    async fn progress(&self, jobs: &[JobId]) -> Result<BTreeMap<JobId, Progress>, JobsDbError> {
        let jobs = jobs.to_vec();
        self.read("progress", move |db| db.progress(&jobs)).await
    }

    async fn partitions(&self, log_id: &str) -> Result<BTreeMap<u32, PartitionRow>, JobsDbError> {
        let log_id = log_id.to_owned();
        let read = move |shared: &mut Shared| {
            let mut rows = shared.db.partitions(&log_id);
            if shared.is_mutant(Mutant::LogLooksCaughtUp) {
                let now = shared.db_now();
                for row in rows.values_mut() {
                    row.caught_up_at = now;
                }
            }
            if shared.is_mutant(Mutant::LeasesDoNotRestart) {
                for row in rows.values_mut() {
                    row.restarted_at = Timestamp::from_millis(0);
                }
            }
            rows
        };
        Ok(self.0.call("partitions", read).await?)
    }

    async fn observe(
        &self,
        log_id: &str,
        observations: &[Observation],
        gap: Duration,
    ) -> Result<(), JobsDbError> {
        let (log_id, observations) = (log_id.to_owned(), observations.to_vec());
        let observe = move |shared: &mut Shared| shared.db.observe(&log_id, &observations, gap);
        Ok(self.0.call("observe", observe).await?)
    }

    async fn workers(&self) -> Result<Vec<WorkerRow>, JobsDbError> {
        self.read("workers", |db| db.workers.values().cloned().collect()).await
    }

    async fn beats(
        &self,
        claims: &[(WorkerId, ClaimId)],
    ) -> Result<BTreeMap<ClaimId, Timestamp>, JobsDbError> {
        let claims = claims.to_vec();
        self.read("beats", move |db| db.beats(&claims)).await
    }

    async fn pause(&self, pause: &Pause) -> Result<(), JobsDbError> {
        let pause = pause.clone();
        self.write("pause", move |shared| shared.db.pause(&pause)).await
    }

    async fn resume(&self, target: &PauseTarget) -> Result<Option<Pause>, JobsDbError> {
        let target = target.clone();
        self.write("resume", move |shared| shared.db.resume(&target)).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, JobsDbError> {
        self.read("pauses", DbState::pauses).await
    }

    async fn put_upload(&self, upload: &Upload) -> Result<(), JobsDbError> {
        let upload = upload.clone();
        self.write("put_upload", move |shared| shared.db.put_upload(&upload)).await?
    }

    async fn upload(&self, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
        self.read("upload", move |db| db.uploads.get(&id).cloned()).await
    }

    async fn upload_bytes(&self, tenant: &Tenant) -> Result<u64, JobsDbError> {
        let tenant = tenant.clone();
        self.read("upload_bytes", move |db| db.upload_bytes(&tenant)).await
    }

    async fn try_lead(&self, name: &str) -> Result<Option<Box<dyn Lead>>, JobsDbError> {
        leads::try_lead(&self.0, name).await
    }
}

const fn name(answer: &Accepted) -> &'static str {
    match answer {
        Accepted::Created => "created",
        Accepted::Existing(_) => "existing",
        Accepted::KeyTaken(_) => "key taken",
        Accepted::Removed(_) => "removed",
    }
}
