//! What control records say about jobs, what is not to start and what is to stop, and to this worker.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::{BusError, ControlFollower};
use panofleet_job_schema::JobId;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::message::{AttemptId, ControlRecord};

use crate::claims::{Claims, Stop};
use crate::orders::Orders;

/// Jobs whose record is remembered; past them the one that was heard of first is forgotten. Safety never
/// depends on control, so forgetting costs work at most. About 15 MB.
const RECORDS_MAX: usize = 100_000;
/// How long one wait for records lasts.
const WAIT: Duration = Duration::from_secs(5);
/// The wait after a call that failed.
const BACKOFF: Duration = Duration::from_secs(1);

/// The records of a region.
#[derive(Debug)]
pub(crate) struct Control {
    keys: KeyRing,
    claims: Arc<Claims>,
    orders: Arc<Orders>,
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    by_job: HashMap<JobId, ControlRecord>,
    /// The jobs of `by_job`, the one that was heard of first in front.
    by_age: VecDeque<JobId>,
}

impl Control {
    /// No records yet. Attempts that are to stop are told through `claims`, the worker itself through `orders`.
    pub(crate) fn new(keys: KeyRing, claims: Arc<Claims>, orders: Arc<Orders>) -> Self {
        Self { keys, claims, orders, records: Mutex::default() }
    }

    /// Whether a message of this attempt must not be started.
    pub(crate) fn forbids_start(&self, id: AttemptId) -> bool {
        self.record(id.job).is_some_and(|record| record.forbids_start(id))
    }

    /// Why a running child of this attempt must stop, if it must.
    pub(crate) fn stops(&self, id: AttemptId) -> Option<Stop> {
        stops(&self.record(id.job)?, id)
    }

    fn record(&self, job: JobId) -> Option<ControlRecord> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.by_job.get(&job).copied()
    }

    /// Reads all that there is, once, before any work is taken.
    ///
    /// # Errors
    /// What the bus says when it refuses; while it is away, this waits.
    pub(crate) async fn catch_up(
        &self,
        follower: &mut dyn ControlFollower,
    ) -> Result<(), BusError> {
        loop {
            match follower.catch_up().await {
                Ok(payloads) => {
                    self.apply(&payloads);
                    return Ok(());
                }
                Err(error @ BusError::Unavailable(_)) => {
                    tracing::warn!(%error, "control records cannot be read; no work is taken before they are");
                    tokio::time::sleep(BACKOFF).await;
                }
                Err(error @ BusError::Refused(_)) => return Err(error),
            }
        }
    }

    /// Follows the records, for ever.
    pub(crate) async fn follow(&self, mut follower: Box<dyn ControlFollower>) {
        loop {
            match follower.next(WAIT).await {
                Ok(payloads) => self.apply(&payloads),
                Err(error) => {
                    tracing::warn!(%error, "control records cannot be followed for now");
                    tokio::time::sleep(BACKOFF).await;
                }
            }
        }
    }

    fn apply(&self, payloads: &[Bytes]) {
        for payload in payloads {
            match Envelope::open(payload, &self.keys).map(|envelope| envelope.body) {
                Ok(Body::Control(record)) => self.apply_one(record),
                Ok(Body::Order(order)) => self.orders.hear(order),
                Ok(Body::Job(_) | Body::Event(_) | Body::Heartbeat(_)) => {
                    tracing::warn!("a control record is passed over: it is something else");
                }
                Err(reason) => tracing::warn!(%reason, "a control record is passed over"),
            }
        }
    }

    /// Keeps the record first and tells running attempts after that: an attempt registers itself first and
    /// looks here after that, so that neither misses the other.
    fn apply_one(&self, record: ControlRecord) {
        let merged = {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.merge(record)
        };
        self.claims.stop_each(|id| stops(&merged, id).filter(|_| id.job == merged.job));
    }
}

/// Why a record has a running child of this attempt stop, if it does.
fn stops(record: &ControlRecord, id: AttemptId) -> Option<Stop> {
    let cancelled = record.stops(id).then_some(Stop::Cancelled);
    cancelled.or_else(|| record.lets_go(id).then_some(Stop::Released))
}

impl Records {
    fn merge(&mut self, record: ControlRecord) -> ControlRecord {
        if let Some(known) = self.by_job.get_mut(&record.job) {
            *known = known.merge(record);
            return *known;
        }
        self.by_job.insert(record.job, record);
        self.by_age.push_back(record.job);
        if self.by_age.len() > RECORDS_MAX
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.by_job.remove(&oldest);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::{Attempt, Generation};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn records_merge_and_the_first_is_forgotten_past_the_limit() {
        let mut records = Records::default();
        let record = |job: u128, lowest_live| ControlRecord {
            job: JobId(Uuid::from_u128(job)),
            generation: Generation(1),
            cancelled: false,
            closed: false,
            lowest_live: Attempt(lowest_live),
            let_go: None,
        };
        records.merge(record(0, 7));
        assert_eq!(records.merge(record(0, 3)).lowest_live, Attempt(7));
        for job in 1..=RECORDS_MAX as u128 {
            records.merge(record(job, 1));
        }
        assert_eq!(records.by_job.len(), RECORDS_MAX);
        assert!(!records.by_job.contains_key(&JobId(Uuid::from_u128(0))));
        assert!(records.by_job.contains_key(&JobId(Uuid::from_u128(1))));
    }
}
