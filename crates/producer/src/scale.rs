//! How many workers a queue should have: for whoever starts and ends them.
//!
//! [`Readings::load`] gathers what counts from rows, and [`Load::desired`] is a pure function of it and of [`ScaleConfig`]:
//!
//! 1. **Running.** Each job that runs needs a slot, unless a worker has it that is draining: that one ends with its jobs.
//! 2. **Waiting.** Jobs that are queued or sent need slots as far as the oldest has waited, compared with the target: at
//!    half the target for half of them, from the target on for all. So a queue that moves fast enough gets few workers
//!    more, and one that stands gets a slot for each job. A waiting job always needs a slot at least; jobs that are
//!    queued behind a pause need none.
//! 3. Slots become workers by how many each has, rounded up.
//! 4. **Busy workers stay.** Jobs may be spread thin, one on each of many workers: there are never fewer wanted than work.
//! 5. Workers that were told to drain live on and take nothing: they are wanted besides.
//! 6. The bounds come last, but no upper bound asks busy workers to go.
//!
//! An age counts from when a job was accepted. One that was to start later, or that is tried again, therefore counts as
//! old when its turn comes.

use std::collections::BTreeSet;
use std::time::Duration;

use panofleet_bus::Queue;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Lane, Span, Timestamp, WorkerId};
use panofleet_jobs_db::{Backlog, JobsDb, JobsDbError, OrderRow, Pause, WorkerRow};
use serde::{Deserialize, Serialize};

use crate::dispatcher::pausing::Pauses;
use crate::dispatcher::reach::is_unreachable;
use crate::kept::Kept;

/// Workers that a queue may ask for at most, whatever the settings: no cluster is meant by more.
const WORKERS_MAX: u32 = 100_000;
/// Slots of one worker, as in `worker.slots`.
const SLOTS_MAX: u32 = 1024;

/// How many workers a queue may ask for.
///
/// ```toml
/// target_wait = "60s"
/// workers_min = 0
/// workers_max = 200
/// slots = 4
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScaleConfig {
    /// How long the oldest job may wait before every waiting job is given a slot. Default 60 s.
    pub target_wait: Span,
    /// Workers that are wanted though there is nothing to do. Default 0.
    pub workers_min: u32,
    /// Workers that are wanted at most, unless more are busy. Default 200, the members that a Kafka group has room for.
    pub workers_max: u32,
    /// Jobs that a worker runs at once, while there is none to tell. Default 1.
    pub slots: u32,
}

impl Default for ScaleConfig {
    fn default() -> Self {
        Self { target_wait: Span::from_secs(60), workers_min: 0, workers_max: 200, slots: 1 }
    }
}

/// Bounds that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}; it must be {allowed}")]
pub struct BadScale {
    /// Which.
    pub setting: &'static str,
    value: String,
    allowed: String,
}

impl ScaleConfig {
    /// Checks what serde cannot.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<(), BadScale> {
        let Self { target_wait, workers_min, workers_max, slots } = *self;
        let bad = |setting, value: String, allowed: String| BadScale { setting, value, allowed };
        if target_wait.0.is_zero() {
            return Err(bad("target_wait", target_wait.to_string(), "longer than nothing".into()));
        }
        if !(1..=WORKERS_MAX).contains(&workers_max) {
            let allowed = format!("1 to {WORKERS_MAX}");
            return Err(bad("workers_max", workers_max.to_string(), allowed));
        }
        if workers_min > workers_max {
            let allowed = format!("at most workers_max, {workers_max}");
            return Err(bad("workers_min", workers_min.to_string(), allowed));
        }
        if !(1..=SLOTS_MAX).contains(&slots) {
            return Err(bad("slots", slots.to_string(), format!("1 to {SLOTS_MAX}")));
        }
        Ok(())
    }
}

/// What a queue has to do, and whom it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs that wait for their turn.
    pub queued: u64,
    /// Jobs that were sent and that nobody has claimed yet.
    pub sent: u64,
    /// Jobs that somebody has claimed.
    pub running: u64,
    /// How long ago the oldest of those that are queued or sent was accepted; 0 if there is none.
    pub oldest: Duration,
    /// Workers that are heard of, or taken for cut off, and take jobs.
    pub workers: u32,
    /// Those of them that hold a claim; of workers of several lanes, no more than there are jobs in this one.
    pub workers_busy: u32,
    /// Jobs that they can run at once.
    pub slots: u32,
    /// Jobs that they run; never more than run in this lane.
    pub slots_busy: u32,
    /// The slots of the one that has the fewest; `None` if there is no worker.
    pub slots_each: Option<u32>,
    /// Claims of workers that drain or end.
    pub drained_claims: u64,
    /// Workers that were told to drain, and live on.
    pub set_aside: u32,
    /// Whether nothing is sent to the queue.
    pub paused: bool,
}

impl Load {
    /// How many workers the queue should have.
    pub fn desired(&self, config: &ScaleConfig) -> u32 {
        let stays = self.running.saturating_sub(self.drained_claims);
        let queued = if self.paused { 0 } else { self.queued };
        let slots = stays.saturating_add(share(queued + self.sent, self.oldest, config));
        let each = u64::from(self.slots_each.unwrap_or(config.slots).max(1));
        let wanted = u32::try_from(slots.div_ceil(each)).unwrap_or(u32::MAX);
        let bounded = wanted.clamp(config.workers_min, config.workers_max);
        bounded.max(self.workers_busy).saturating_add(self.set_aside)
    }
}

/// How many of the jobs that wait get a slot: as large a part as the oldest's wait is of the target.
fn share(waiting: u64, oldest: Duration, config: &ScaleConfig) -> u64 {
    if waiting == 0 {
        return 0;
    }
    let (oldest, target) = (oldest.as_millis(), config.target_wait.0.as_millis().max(1));
    let part = (u128::from(waiting) * oldest.min(target)).div_ceil(target);
    u64::try_from(part).unwrap_or(waiting).max(1)
}

/// What loads are read off.
#[derive(Clone, Debug)]
pub struct Readings {
    pub(crate) now: Timestamp,
    pub(crate) backlog: Vec<Backlog>,
    workers: Vec<WorkerRow>,
    told_to_drain: BTreeSet<WorkerId>,
    pub(crate) pauses: Pauses,
}

impl Readings {
    /// Reads every job that has not ended, by an index: not more often than every few seconds.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn read(db: &dyn JobsDb) -> Result<Self, JobsDbError> {
        let backlog = db.backlog().await?;
        Self::read_beside(backlog, db).await
    }

    /// Reads what stands beside the jobs, which were counted before.
    async fn read_beside(backlog: Vec<Backlog>, db: &dyn JobsDb) -> Result<Self, JobsDbError> {
        let (pauses, workers) = (db.pauses().await?, db.workers().await?);
        Ok(Self::of(db.now().await?, backlog, (workers, db.orders().await?), pauses))
    }

    pub(crate) fn of(
        now: Timestamp,
        backlog: Vec<Backlog>,
        (workers, orders): (Vec<WorkerRow>, Vec<OrderRow>),
        pauses: Vec<Pause>,
    ) -> Self {
        let orders = orders.into_iter().filter(|row| row.order.draining);
        Self {
            now,
            backlog,
            workers,
            told_to_drain: orders.map(|row| row.order.worker).collect(),
            pauses: Pauses::of(pauses),
        }
    }

    /// The load of one queue.
    pub fn load(&self, queue: &Queue, policy: &Policy) -> Load {
        let Queue { region, lane } = queue;
        let mut load = Load { paused: self.pauses.hold(queue), ..Load::default() };
        for row in self.backlog.iter().filter(|row| row.region == *region && row.lane == *lane) {
            let jobs = match row.state {
                "queued" => &mut load.queued,
                "sent" => &mut load.sent,
                "running" => &mut load.running,
                _ => continue,
            };
            *jobs += row.jobs;
            // What is held back by a pause waits for a person, not for workers.
            if row.state == "sent" || row.state == "queued" && !load.paused {
                load.oldest = load.oldest.max(self.now.since(row.oldest_accepted_at));
            }
        }
        let lives = |row: &&WorkerRow| {
            self.now.since(row.beat_at) < policy.lease.0
                || is_unreachable(row, &self.workers, self.now, policy)
        };
        let ours =
            |row: &&WorkerRow| row.worker.region == *region && row.worker.lanes.contains(lane);
        let mut busy_somewhere = 0;
        for row in self.workers.iter().filter(ours).filter(lives) {
            let is_busy =
                load.add_worker(row, *lane, self.told_to_drain.contains(&row.worker.worker));
            if row.worker.lanes.len() > 1 {
                busy_somewhere += u32::from(is_busy);
            } else {
                load.workers_busy += u32::from(is_busy);
            }
        }
        // What was sent may have been claimed since the jobs were counted.
        let held = u32::try_from(load.running + load.sent).unwrap_or(u32::MAX);
        load.workers_busy += busy_somewhere.min(held);
        // A worker of several lanes does not say which its claims are of.
        load.slots_busy = load.slots_busy.min(u32::try_from(load.running).unwrap_or(u32::MAX));
        load
    }
}

impl Load {
    /// Nobody knows which lanes a worker's claims are of: they count in each, as far as it has slots there. Whether it takes
    /// jobs and holds some.
    fn add_worker(&mut self, row: &WorkerRow, lane: Lane, told_to_drain: bool) -> bool {
        let slots = row.worker.slots_of(lane);
        let claims = u32::try_from(row.claims.len()).unwrap_or(u32::MAX).min(slots);
        if row.worker.draining || told_to_drain {
            self.drained_claims += u64::from(claims);
            self.set_aside += u32::from(told_to_drain);
            return false;
        }
        self.workers += 1;
        self.slots = self.slots.saturating_add(slots);
        self.slots_busy = self.slots_busy.saturating_add(claims);
        self.slots_each = Some(self.slots_each.map_or(slots, |least| least.min(slots)));
        claims > 0
    }
}

/// The last count of jobs that have not ended.
#[derive(Debug, Default)]
pub(crate) struct KeptBacklog(Kept<(), Vec<Backlog>>);

impl KeptBacklog {
    /// Readings whose jobs may have been counted a while ago; everything else is read now.
    pub(crate) async fn readings(&self, db: &dyn JobsDb) -> Result<Readings, JobsDbError> {
        Readings::read_beside(self.0.get((), db.backlog()).await?, db).await
    }
}

#[cfg(test)]
mod tests;
