//! How many jobs come and go, how long what is queued has waited, and whose it is.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::{Job, Lane, Region, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::JobsDbError;
use crate::filter::first_id_at;
use crate::row::{corrupt, from_doc};

/// Steps of a course at most.
pub const COURSE_STEPS_MAX: u32 = 120;

/// Numbers about many jobs, for people who look at all of them: each reads an index, or a part of one.
#[async_trait]
pub trait TrafficDb {
    /// What came and went from a time on, in each queue where there was any. A job's queue is where it is now.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn traffic(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
    ) -> Result<Vec<Traffic>, JobsDbError>;

    /// How many jobs came, and how many went, in each of `steps` spans of `step` from `since` on.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn course(
        &self,
        tenant: Option<&Tenant>,
        since: Timestamp,
        (step, steps): (Duration, u32),
    ) -> Result<Course, JobsDbError>;

    /// When the oldest tenth, half and so on of what is queued in each queue was accepted: for each of `shares`, in
    /// (0, 1], the job that so many of all are not older than. Queues that are empty are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn queue_ages(
        &self,
        tenant: Option<&Tenant>,
        shares: &[f64],
    ) -> Result<Vec<QueueAges>, JobsDbError>;

    /// The tenants that have most jobs queued.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn busiest_tenants(&self, limit: u32) -> Result<Vec<TenantLoad>, JobsDbError>;
}

/// What came and went in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// The queue's region.
    pub region: Region,
    /// The queue's lane.
    pub lane: Lane,
    /// Jobs that were accepted.
    pub accepted: u64,
    /// Jobs that ended well.
    pub succeeded: u64,
    /// Jobs that are dead or expired.
    pub failed: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
}

/// Jobs by time, a count for each step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Course {
    /// That were accepted.
    pub accepted: Vec<u64>,
    /// That ended, in whatever way.
    pub ended: Vec<u64>,
}

/// How long the jobs of a queue have waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueAges {
    /// The queue's region.
    pub region: Region,
    /// The queue's lane.
    pub lane: Lane,
    /// How many are queued, at least 1.
    pub queued: u64,
    /// For each share, when that job was accepted.
    pub accepted_at: Vec<Timestamp>,
}

/// What a tenant has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLoad {
    /// Whose.
    pub tenant: Tenant,
    /// Jobs that are queued.
    pub queued: u64,
    /// Jobs that were sent, or run.
    pub at_work: u64,
    /// When the oldest of those that are queued was accepted; none if none is.
    pub oldest_accepted_at: Option<Timestamp>,
}

/// The ends of the steps as times, and as the ids that are given out from then on.
pub(crate) fn edges(since: Timestamp, (step, steps): (Duration, u32)) -> Vec<(Timestamp, Uuid)> {
    let edge = |number| {
        let at = since + step * number;
        (at, first_id_at(at))
    };
    (0..=steps.min(COURSE_STEPS_MAX)).map(edge).collect()
}

/// The place, from 0 and oldest first, of the job that this share of `jobs` is not older than.
pub(crate) fn place_of(share: f64, jobs: u64) -> u64 {
    let not_older = (share.clamp(0.0, 1.0) * jobs as f64).ceil() as u64;
    jobs.saturating_sub(not_older.max(1))
}

/// A group of jobs in a state: region, lane, state, how many.
pub(crate) type Counted = (String, String, String, i64);

/// Adds what was counted up by queue.
pub(crate) fn traffic_of(
    accepted: Vec<(String, String, i64)>,
    ended: Vec<Counted>,
) -> Result<Vec<Traffic>, JobsDbError> {
    let mut all = BTreeMap::new();
    let accepted = accepted.into_iter().map(|(region, lane, jobs)| (region, lane, None, jobs));
    let ended =
        ended.into_iter().map(|(region, lane, state, jobs)| (region, lane, Some(state), jobs));
    for (region, lane, state, jobs) in accepted.chain(ended) {
        let (region, lane) = queue_of(&region, &lane)?;
        let row = all.entry((region.clone(), lane)).or_insert(Traffic::none(region, lane));
        let count = match state.as_deref() {
            None => &mut row.accepted,
            Some("succeeded") => &mut row.succeeded,
            Some("cancelled") => &mut row.cancelled,
            Some(_) => &mut row.failed,
        };
        *count += u64::try_from(jobs).unwrap_or(0);
    }
    Ok(all.into_values().collect())
}

impl Traffic {
    /// A queue that nothing came to, and nothing left.
    pub const fn none(region: Region, lane: Lane) -> Self {
        Self { region, lane, accepted: 0, succeeded: 0, failed: 0, cancelled: 0 }
    }
}

/// A queue by the names of its columns.
pub(crate) fn queue_of(region: &str, lane: &str) -> Result<(Region, Lane), JobsDbError> {
    let found = Lane::ALL.into_iter().find(|known| known.as_str() == lane);
    match (Region::new(region), found) {
        (Ok(region), Some(lane)) => Ok((region, lane)),
        _ => Err(JobsDbError::Corrupt(format!("jobs: there is no queue `{region}.{lane}`"))),
    }
}

/// What a tenant has open, with the document of the oldest job that it has queued.
pub(crate) fn load_of(
    tenant: &str,
    (queued, at_work): (i64, i64),
    oldest: Option<&str>,
) -> Result<TenantLoad, JobsDbError> {
    let named = || format!("the oldest job of tenant {tenant}");
    let oldest: Option<Job> = oldest.map(|doc| from_doc(doc, named)).transpose()?;
    Ok(TenantLoad {
        tenant: Tenant::new(tenant).map_err(|error| corrupt("jobs.tenant", error))?,
        queued: queued.unsigned_abs(),
        at_work: at_work.unsigned_abs(),
        oldest_accepted_at: oldest.map(|job| job.accepted_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_youngest() {
        // Ten jobs, the oldest in place 0: half of them are not older than the sixth.
        for (share, jobs, expected) in
            [(0.5, 10, 5), (0.9, 10, 1), (1.0, 10, 0), (0.99, 10, 0), (0.5, 1, 0)]
        {
            assert_eq!(place_of(share, jobs), expected, "{share} of {jobs}");
        }
    }
}
