//! Jobs that somebody should look at.

use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::job::State;
use panofleet_job_schema::{Tenant, Timestamp};

use crate::{Due, JobsDbError, Versioned};

/// Open jobs whose deadline may be near, at most; those that are looked at soonest.
pub(crate) const DEADLINES_READ_MAX: u32 = 10_000;
/// Running jobs that have not said how far they are, at most.
pub(crate) const SILENT_READ_MAX: u32 = 1000;
/// Tenants whose lines are looked at, at most.
pub(crate) const TENANTS_READ_MAX: u32 = 10_000;

/// Jobs that somebody should look at. Every question is answered by an index, of one tenant or of all, and children count.
#[async_trait]
pub trait QuestionsDb {
    /// Running jobs that last said something new, or were claimed, before a time; the longest silent first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn stuck(
        &self,
        tenant: Option<&Tenant>,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Stuck>, JobsDbError>;

    /// Jobs in the backoff of a retry that are due until then, the next first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn retries_due(
        &self,
        tenant: Option<&Tenant>,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Due>, JobsDbError>;

    /// How many jobs in the backoff of a retry are due in each of `steps` spans of `step` from `now` on. Those that are due already
    /// count in the first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn retry_forecast(
        &self,
        tenant: Option<&Tenant>,
        now: Timestamp,
        (step, steps): (Duration, u32),
    ) -> Result<Vec<u64>, JobsDbError>;

    /// Jobs that have neither ended nor are about to, and whose deadline is until then; the next first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn deadlines(
        &self,
        tenant: Option<&Tenant>,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError>;

    /// The queued job of each tenant that was accepted first, the oldest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn oldest_queued(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError>;
}

/// A job that runs and does not get on.
#[derive(Clone, Debug, PartialEq)]
pub struct Stuck {
    /// The job.
    pub found: Versioned,
    /// Since when.
    pub since: Timestamp,
}

/// When a running job that has said nothing was claimed last.
fn claimed_at(found: &Versioned) -> Option<Timestamp> {
    match &found.job.state {
        State::Running { claims, .. } => claims.iter().map(|claim| claim.claimed_at).max(),
        _ => None,
    }
}

/// Those that have said something, and those that have not, put together.
pub(crate) fn stuck(
    said: Vec<Stuck>,
    silent: Vec<Versioned>,
    before: Timestamp,
    limit: u32,
) -> Vec<Stuck> {
    let silent = silent.into_iter().filter_map(|found| {
        let since = claimed_at(&found).filter(|since| *since < before)?;
        Some(Stuck { found, since })
    });
    let mut stuck: Vec<Stuck> = said.into_iter().chain(silent).collect();
    stuck.sort_by_key(|stuck| (stuck.since, stuck.found.job.id));
    stuck.truncate(limit as usize);
    stuck
}

/// Counts by step, put together.
pub(crate) fn forecast(rows: Vec<(i64, i64)>, steps: u32) -> Vec<u64> {
    let mut counts = vec![0; steps as usize];
    for (step, count) in rows {
        let place = usize::try_from(step.max(0)).ok().and_then(|step| counts.get_mut(step));
        if let Some(place) = place {
            *place += u64::try_from(count).unwrap_or(0);
        }
    }
    counts
}
