//! What failed, and why: jobs by what their last failures share.

use std::collections::BTreeMap;

use async_trait::async_trait;
use panofleet_job_schema::job::{CloseTarget, State};
use panofleet_job_schema::{Job, JobId, Region, Timestamp};

use crate::row::{corrupt, time};
use crate::{JobFilter, JobWrite, JobsDbError, Versioned};

/// Jobs whose last failure was not made good.
///
/// A job counts while it is over without a result, about to be, or waits out the backoff of a retry; not once it has its
/// turn again. Children count as part of their parents: they are left out.
#[async_trait]
pub trait FailuresDb {
    /// The failed jobs that match by the fingerprint of their last failure, those with most jobs first. It looks at each
    /// of them.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn failure_groups(
        &self,
        filter: &JobFilter,
        limit: u32,
    ) -> Result<Vec<FailureGroup>, JobsDbError>;
}

/// Jobs whose last failures have one fingerprint ([`panofleet_job_schema::Failure::fingerprint`]).
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup<Newest = Versioned> {
    /// The fingerprint.
    pub fingerprint: String,
    /// How many jobs, at least 1.
    pub jobs: u64,
    /// By state's name.
    pub states: BTreeMap<String, u64>,
    /// By region.
    pub regions: BTreeMap<Region, u64>,
    /// When the first of them failed.
    pub first_at: Timestamp,
    /// When the last of them failed.
    pub last_at: Timestamp,
    /// The newest of them.
    pub newest: Newest,
}

/// A group's part in one region and state: `failure`, `region`, `state`, how many, first, last, the highest id.
pub(crate) type GroupColumns<Id> = (String, String, String, i64, i64, i64, Id);

/// Groups whose newest jobs are still to be read.
#[derive(Debug)]
pub(crate) struct Groups(Vec<FailureGroup<JobId>>);

impl Groups {
    /// Parts put together; those with most jobs first, `limit` of them.
    pub(crate) fn of<Id>(
        parts: Vec<GroupColumns<Id>>,
        id: impl Fn(Id) -> Result<JobId, JobsDbError>,
        limit: u32,
    ) -> Result<Self, JobsDbError> {
        let mut groups: BTreeMap<String, FailureGroup<JobId>> = BTreeMap::new();
        for (fingerprint, region, state, jobs, first_at, last_at, newest) in parts {
            let jobs = u64::try_from(jobs).map_err(|error| corrupt("a count of jobs", error))?;
            let region = Region::new(region).map_err(|error| corrupt("a job's region", error))?;
            let (first_at, last_at, newest) = (time(first_at), time(last_at), id(newest)?);
            let group = groups.entry(fingerprint.clone()).or_insert_with(|| {
                let (states, regions) = (BTreeMap::new(), BTreeMap::new());
                FailureGroup { fingerprint, jobs: 0, states, regions, first_at, last_at, newest }
            });
            group.jobs += jobs;
            *group.states.entry(state).or_default() += jobs;
            *group.regions.entry(region).or_default() += jobs;
            group.first_at = group.first_at.min(first_at);
            group.last_at = group.last_at.max(last_at);
            group.newest = group.newest.max(newest);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by(|one, other| {
            (other.jobs, other.last_at, &one.fingerprint).cmp(&(
                one.jobs,
                one.last_at,
                &other.fingerprint,
            ))
        });
        groups.truncate(limit as usize);
        Ok(Self(groups))
    }

    /// The newest job of each.
    pub(crate) fn newest(&self) -> Vec<JobId> {
        self.0.iter().map(|group| group.newest).collect()
    }

    /// The groups whose newest jobs are still there.
    pub(crate) fn with(self, found: Vec<Versioned>) -> Vec<FailureGroup> {
        let mut found: BTreeMap<JobId, Versioned> =
            found.into_iter().map(|found| (found.job.id, found)).collect();
        let group = |group: FailureGroup<JobId>| {
            let FailureGroup { fingerprint, jobs, states, regions, first_at, last_at, newest } =
                group;
            let newest = found.remove(&newest)?;
            Some(FailureGroup { fingerprint, jobs, states, regions, first_at, last_at, newest })
        };
        self.0.into_iter().filter_map(group).collect()
    }
}

/// What a job's row says of its failure: the fingerprint, if the job counts as failed.
pub(crate) fn failed_as(job: &Job) -> Option<String> {
    let counts = match &job.state {
        State::Waiting { .. } | State::Dead { .. } | State::Expired => true,
        State::Closing { target, .. } => !matches!(target, CloseTarget::Cancelled),
        State::Queued { .. }
        | State::Sent { .. }
        | State::Running { .. }
        | State::Blocked { .. }
        | State::Succeeded { .. }
        | State::Cancelled => false,
    };
    job.failure.as_ref().filter(|_| counts && job.child_of.is_none()).map(|f| f.fingerprint())
}

/// When a job that counts as failed did so, as far as its write says; otherwise the row knows.
pub(crate) fn failed_at(write: &JobWrite) -> Option<Timestamp> {
    write.job.finished_at.or_else(|| write.history.last().map(|line| line.at))
}
