//! Up to where silence means something.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use panofleet_bus::EventReader;
use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{JobsDb, Observation};

use crate::{CollectorError, metrics};

/// Observes the ends of the log, and notes when everything before an observed end is applied.
#[derive(Debug)]
pub(crate) struct Watermark {
    log_id: String,
    every: Duration,
    /// Longer without an observation, and leases start anew.
    gap: Duration,
    next_at: Instant,
    /// By partition, the oldest observed end that is not known to be applied.
    pending: BTreeMap<u32, (Timestamp, u64)>,
}

impl Watermark {
    pub(crate) fn new(log_id: &str, every: Duration, gap: Duration) -> Self {
        let next_at = Instant::now();
        Self { log_id: log_id.to_owned(), every, gap, next_at, pending: BTreeMap::new() }
    }

    /// Time until the next observation is due.
    pub(crate) fn time_left(&self) -> Duration {
        self.next_at.saturating_duration_since(Instant::now())
    }

    /// Forgets what was observed of partitions that somebody else may have now.
    pub(crate) fn restart(&mut self, given_up: &BTreeMap<u32, u64>) {
        for &partition in given_up.keys() {
            metrics::behind(partition, 0);
        }
        self.pending.clear();
        self.next_at = Instant::now();
    }

    /// Observes the ends if it is time to.
    pub(crate) async fn observe(
        &mut self,
        db: &dyn JobsDb,
        reader: &mut dyn EventReader,
        applied: &BTreeMap<u32, u64>,
    ) -> Result<(), CollectorError> {
        if !self.time_left().is_zero() {
            return Ok(());
        }
        // The time is read first: whatever was in the log then lies before the end that is read next.
        let now = db.now().await?;
        let bounds = reader.bounds().await?;
        let mut observations = Vec::new();
        for bounds in bounds {
            let Some(&next_offset) = applied.get(&bounds.partition) else { continue };
            let (observed, end) =
                *self.pending.entry(bounds.partition).or_insert((now, bounds.end));
            let caught_up_at = (next_offset >= end).then_some(observed);
            metrics::behind(bounds.partition, bounds.end.saturating_sub(next_offset));
            if let Some(at) = caught_up_at {
                metrics::caught_up(bounds.partition, at);
                self.pending.remove(&bounds.partition);
            }
            let partition = bounds.partition;
            observations.push(Observation { partition, observed_at: now, caught_up_at });
        }
        db.observe(&self.log_id, &observations, self.gap).await?;
        self.next_at = Instant::now() + self.every;
        Ok(())
    }
}
