//! The collector: folds what workers report into the job database, and is the only one that does.
//!
//! A batch of events and the offset behind it commit in one transaction, so an event is applied once however
//! often it is read. The offset in the database is the one that counts: on assignment the reader seeks to it.
//!
//! It also draws the line up to which silence means something: an end of the log that was observed at some
//! time, and everything before it applied. Timers conclude from silence only behind that line.
//!
//! # What this crate does not do
//!
//! It fires no timer and sends no job: the dispatcher does.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use panofleet_bus::{Bus, BusError, EventPoll, EventReader};
use panofleet_job_schema::RegionKeys;
use panofleet_job_schema::policy::Policy;
use panofleet_jobs_db::{JobsDb, JobsDbError};
use tokio_util::sync::CancellationToken;

mod fold;
pub mod metrics;
mod watermark;

use watermark::Watermark;

/// Wait after the database or the bus did not answer.
const TROUBLE_WAIT: Duration = Duration::from_secs(1);

/// What the collector works with.
#[derive(Clone, Debug)]
pub struct Collector {
    /// The job database.
    pub db: Arc<dyn JobsDb>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// What events are verified with, and control records signed.
    pub keys: RegionKeys,
    /// What decides.
    pub policy: Policy,
    /// Its name among the collectors.
    pub member: String,
}

/// Why a collector stops or waits.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// The job database.
    #[error(transparent)]
    Db(#[from] JobsDbError),
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The database is ahead of the log, or the log has dropped events that were never applied. Going on would
    /// lose or repeat work: somebody must look.
    #[error(
        "partition {partition} of log {log_id} holds offsets {start} to {end}, and the job database has applied \
         up to {applied}: the log or the database was restored from another time"
    )]
    OutOfStep {
        /// The log.
        log_id: String,
        /// The partition.
        partition: u32,
        /// The first offset that is kept.
        start: u64,
        /// The log's end.
        end: u64,
        /// The next offset to apply.
        applied: u64,
    },
}

impl Collector {
    /// Runs until `shutdown`. Trouble with the database or the bus is waited out.
    ///
    /// # Errors
    /// [`CollectorError::OutOfStep`]: nothing was applied, and somebody must look.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), CollectorError> {
        loop {
            let ended = tokio::select! {
                ended = self.collect() => ended,
                () = shutdown.cancelled() => return Ok(()),
            };
            match ended {
                Ok(()) => {}
                Err(error @ CollectorError::OutOfStep { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "collecting waits"),
            }
            tokio::select! {
                () = tokio::time::sleep(TROUBLE_WAIT) => {}
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }

    /// Reads and applies until something does not answer.
    async fn collect(&self) -> Result<(), CollectorError> {
        let mut reader = self.bus.read_events(&self.member).await?;
        let log_id = reader.log_id().to_owned();
        let mut applied: BTreeMap<u32, u64> = BTreeMap::new();
        let observe_every = self.policy.heartbeat.0 / 2;
        let mut watermark = Watermark::new(&log_id, observe_every, self.policy.lease.0 / 2);
        loop {
            match reader.poll(watermark.time_left()).await? {
                EventPoll::Assigned(partitions) => {
                    watermark.restart(&applied);
                    applied = self.seek(reader.as_mut(), &log_id, &partitions).await?;
                }
                EventPoll::Records { partition, records } => {
                    let from = applied.get(&partition).copied().unwrap_or(0);
                    // Read again after a rebalance: known already.
                    let news: Vec<_> = records.into_iter().filter(|r| r.offset >= from).collect();
                    if news.is_empty() {
                        continue;
                    }
                    let to = self.apply(&log_id, partition, from, &news).await?;
                    applied.insert(partition, to);
                }
                EventPoll::Quiet => {}
            }
            watermark.observe(self.db.as_ref(), reader.as_mut(), &applied).await?;
        }
    }

    /// Goes to where the database stands in each partition.
    async fn seek(
        &self,
        reader: &mut dyn EventReader,
        log_id: &str,
        partitions: &[u32],
    ) -> Result<BTreeMap<u32, u64>, CollectorError> {
        let rows = self.db.partitions(log_id).await?;
        let bounds = reader.bounds().await?;
        let mut applied = BTreeMap::new();
        for &partition in partitions {
            let next_offset = rows.get(&partition).map_or(0, |row| row.next_offset);
            if let Some(bounds) = bounds.iter().find(|bounds| bounds.partition == partition)
                && !(bounds.start..=bounds.end).contains(&next_offset)
            {
                return Err(CollectorError::OutOfStep {
                    log_id: log_id.to_owned(),
                    partition,
                    start: bounds.start,
                    end: bounds.end,
                    applied: next_offset,
                });
            }
            reader.seek(partition, next_offset).await?;
            applied.insert(partition, next_offset);
        }
        Ok(applied)
    }
}
