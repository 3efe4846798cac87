//! What a turn need not read again: it was read a moment ago.

use std::sync::Arc;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{JobsDb, JobsDbError, Outlook, QueueName, WorkerRow};
use tokio::time::Instant;

use super::TURN_WAIT_MAX;

/// The workers, as they were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Crew {
    rows: Arc<Vec<WorkerRow>>,
    read_at: Option<Instant>,
}

impl Crew {
    /// Reads them, if the last reading is older than `kept`.
    pub(super) async fn read(
        &mut self,
        db: &dyn JobsDb,
        kept: Duration,
    ) -> Result<Arc<Vec<WorkerRow>>, JobsDbError> {
        if self.read_at.is_none_or(|read_at| read_at.elapsed() >= kept) {
            self.rows = Arc::new(db.workers().await?);
            self.read_at = Some(Instant::now());
        }
        Ok(Arc::clone(&self.rows))
    }
}

/// The next timer, as it was a moment ago.
#[derive(Debug, Default)]
pub(super) struct Timers {
    next_due: Option<Timestamp>,
    read_at: Option<Instant>,
}

impl Timers {
    /// How things stand. The next timer is read again if the last reading is older than `kept`.
    pub(super) async fn outlook(
        &mut self,
        db: &dyn JobsDb,
        queues: &[QueueName],
        kept: Duration,
    ) -> Result<Outlook, JobsDbError> {
        let is_old = self.read_at.is_none_or(|read_at| read_at.elapsed() >= kept);
        let mut outlook = db.outlook(queues, is_old.then_some(TURN_WAIT_MAX)).await?;
        if is_old {
            (self.next_due, self.read_at) = (outlook.next_due, Some(Instant::now()));
        }
        outlook.next_due = self.next_due;
        Ok(outlook)
    }

    /// Whether the next timer was read since then.
    pub(super) fn are_read_since(&self, since: Instant) -> bool {
        self.read_at.is_some_and(|read_at| read_at >= since)
    }
}
