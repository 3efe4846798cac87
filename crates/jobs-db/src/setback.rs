//! Attempts that came to nothing: what they cost, and whom they have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::{JobId, Tenant, Timestamp};

use crate::row::{corrupt, from_doc, integer, time};
use crate::{Batch, JobWrite, JobsDbError};

/// How long setbacks are kept.
pub const SETBACKS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Setbacks that one question looks at, the newest: an answer is to be quick on a bad day too.
pub const SETBACKS_READ_MAX: u32 = 100_000;
/// Characters of a code and of a version that are kept.
const WORD_MAX: usize = 100;

/// Attempts that came to nothing, a row each, written with what ended them. A claim that ended while another one held its job
/// is none: the job lost no time by it.
#[async_trait]
pub trait SetbacksDb {
    /// The setbacks that match by what they have in common, at most `limit` groups: those that cost most time first if
    /// it is by cause, otherwise those with most attempts.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn setbacks(
        &self,
        filter: &SetbackFilter,
        by: SetbackKey,
        limit: u32,
    ) -> Result<SetbackReport, JobsDbError>;

    /// How many setbacks of each of these fingerprints there were in each of `steps` spans of `step` from `since` on.
    /// Those that had none are left out.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn setback_trend(
        &self,
        filter: &SetbackFilter,
        failures: &[String],
        (step, steps): (Duration, u32),
    ) -> Result<BTreeMap<String, Vec<u64>>, JobsDbError>;

    /// Forgets setbacks from before a time, and says how many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_setbacks(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError>;
}

/// How an attempt came to nothing. The name of each is the reason in its job's history, which says nothing of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetbackKind {
    /// The worker said why.
    Failed,
    /// It ran for too long.
    TimedOut,
    /// Its worker fell silent.
    Lapsed,
    /// Its worker came back without it.
    Abandoned,
    /// Its worker let it go.
    Released,
    /// It was over for the fleet already when its worker reported how it ended: its code says why. What it took is not known.
    Refused,
}

impl SetbackKind {
    /// Every kind that takes time from a job.
    pub const ALL: [Self; 5] =
        [Self::Failed, Self::TimedOut, Self::Lapsed, Self::Abandoned, Self::Released];

    /// The reason in the history.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Failed => "attempt_failed",
            Self::TimedOut => "attempt_timed_out",
            Self::Lapsed => "lease_lapsed",
            Self::Abandoned => "abandoned",
            Self::Released => "released",
            Self::Refused => "result_refused",
        }
    }
}

/// Which setbacks. Everything that is given must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetbackFilter {
    /// Of whose jobs.
    pub tenant: Option<Tenant>,
    /// Of these kinds.
    pub kinds: &'static [SetbackKind],
    /// From then on.
    pub since: Timestamp,
    /// Before then.
    pub until: Option<Timestamp>,
}

/// What setbacks are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetbackKey {
    /// The failure's code, or else the reason.
    Cause,
    /// The failure's fingerprint; those that have none are left out.
    Failure,
    /// The worker.
    Worker,
    /// The region.
    Region,
    /// The version of the worker's program.
    Version,
    /// The attempt's number.
    Attempt,
}

impl SetbackKey {
    /// What is grouped by, in SQL that both databases know; the empty text stands for what is not known.
    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::Cause => "coalesce(code, reason)",
            Self::Failure => "coalesce(failure, '')",
            Self::Worker => "coalesce(worker, '')",
            Self::Region => "region",
            Self::Version => "coalesce(version, '')",
            Self::Attempt => "CAST(attempt AS text)",
        }
    }

    /// In which order.
    pub(crate) const fn order(self) -> &'static str {
        match self {
            Self::Cause => " ORDER BY 4 DESC, 1 LIMIT ",
            _ => " ORDER BY 2 DESC, 1 LIMIT ",
        }
    }
}

/// Setbacks that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetbackGroup {
    /// What; empty if it is not known.
    pub key: String,
    /// How many attempts, at least 1.
    pub attempts: u64,
    /// Of how many jobs.
    pub jobs: u64,
    /// How long they had been held, together.
    pub lost: Duration,
    /// When the first of them ended.
    pub first_at: Timestamp,
    /// When the last of them ended.
    pub last_at: Timestamp,
    /// Their code, or the reason where there is none; the last by name if there are several.
    pub cause: String,
}

/// Groups of setbacks, and from when on they were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetbackReport {
    /// The groups.
    pub groups: Vec<SetbackGroup>,
    /// Later than was asked for if there were more than [`SETBACKS_READ_MAX`].
    pub since: Timestamp,
}

/// The columns of a group: what, attempts, jobs, milliseconds, first, last, cause.
pub(crate) type GroupColumns = (String, i64, i64, i64, i64, i64, String);

pub(crate) fn group(columns: GroupColumns) -> Result<SetbackGroup, JobsDbError> {
    let (key, attempts, jobs, lost_ms, first_at, last_at, cause) = columns;
    let count = |count: i64| u64::try_from(count).map_err(|error| corrupt("a count", error));
    Ok(SetbackGroup {
        key,
        attempts: count(attempts)?,
        jobs: count(jobs)?,
        lost: Duration::from_millis(count(lost_ms)?),
        first_at: time(first_at),
        last_at: time(last_at),
        cause,
    })
}

/// Counts by fingerprint and step, put together.
pub(crate) fn trend(
    rows: Vec<(String, i64, i64)>,
    steps: u32,
) -> Result<BTreeMap<String, Vec<u64>>, JobsDbError> {
    let mut trend: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (failure, step, count) in rows {
        let counts = trend.entry(failure).or_insert_with(|| vec![0; steps as usize]);
        let place = usize::try_from(step).ok().and_then(|step| counts.get_mut(step));
        if let Some(place) = place {
            *place = u64::try_from(count).map_err(|error| corrupt("a count", error))?;
        }
    }
    Ok(trend)
}

/// A row to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewSetback<'a> {
    pub(crate) at: Timestamp,
    pub(crate) job: JobId,
    pub(crate) tenant: &'a str,
    pub(crate) region: &'a str,
    pub(crate) worker: Option<&'a str>,
    pub(crate) attempt: i64,
    pub(crate) reason: &'a str,
    pub(crate) code: Option<String>,
    pub(crate) failure: Option<&'a str>,
    pub(crate) held_ms: i64,
}

impl NewSetback<'_> {
    /// When its claim was made.
    fn held_since(&self) -> Timestamp {
        time(self.at.as_millis().saturating_sub(self.held_ms))
    }

    /// The version of the worker that held it: of the worker's present life, if that is the one.
    pub(crate) fn version(&self, workers: &Lives) -> Option<String> {
        let (started_at, version) = workers.get(self.worker?)?;
        (*started_at <= self.held_since()).then(|| word(version))
    }
}

/// The setbacks that a batch tells of.
pub(crate) fn setbacks_of_batch(batch: &Batch) -> Vec<NewSetback<'_>> {
    let mut setbacks = setbacks_of(&batch.jobs);
    setbacks.extend(batch.refusals.iter().map(|refused| NewSetback {
        at: refused.at,
        job: refused.job,
        tenant: refused.tenant.as_str(),
        region: refused.region.as_str(),
        worker: Some(refused.worker.as_str()),
        attempt: i64::from(refused.attempt.0),
        reason: SetbackKind::Refused.reason(),
        code: Some(refused.why.to_owned()),
        failure: None,
        held_ms: 0,
    }));
    setbacks
}

/// The setbacks that writes tell of.
pub(crate) fn setbacks_of<'a>(
    writes: impl IntoIterator<Item = &'a JobWrite>,
) -> Vec<NewSetback<'a>> {
    let of_write = |write: &'a JobWrite| {
        write.history.iter().filter_map(|line| {
            let kind = SetbackKind::ALL.iter().find(|kind| kind.reason() == line.reason)?;
            Some(NewSetback {
                at: line.at,
                job: write.job.id,
                tenant: write.job.tenant.as_str(),
                region: write.job.region.as_str(),
                worker: line.worker.as_ref().map(panofleet_job_schema::WorkerId::as_str),
                attempt: i64::from(line.attempt?),
                reason: kind.reason(),
                code: line.code.as_deref().map(word),
                failure: line.failure.as_deref(),
                held_ms: integer(line.held_ms.unwrap_or(0)),
            })
        })
    };
    writes.into_iter().flat_map(of_write).collect()
}

/// The workers that setbacks name.
pub(crate) fn workers_of(setbacks: &[NewSetback<'_>]) -> Vec<String> {
    let names: BTreeSet<&str> = setbacks.iter().filter_map(|setback| setback.worker).collect();
    names.into_iter().map(ToOwned::to_owned).collect()
}

/// Since when workers live, and which version they are.
pub(crate) type Lives = BTreeMap<String, (Timestamp, String)>;

/// Of workers' rows: their names and what they told last.
pub(crate) fn lives(rows: Vec<(String, String)>) -> Result<Lives, JobsDbError> {
    let life = |(worker, doc): (String, String)| {
        let info: WorkerInfo = from_doc(&doc, || format!("worker {worker}"))?;
        Ok((worker, (info.started_at, info.version)))
    };
    rows.into_iter().map(life).collect()
}

/// A worker's word as columns take it: PostgreSQL refuses U+0000 in a text.
fn word(text: &str) -> String {
    text.chars().take(WORD_MAX).map(|char| if char == '\0' { '\u{fffd}' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::lifecycle::Reason;

    use super::*;

    #[test]
    fn kinds_are_called_what_the_history_calls_them() {
        let reasons = [
            Reason::AttemptFailed,
            Reason::AttemptTimedOut,
            Reason::LeaseLapsed,
            Reason::Abandoned,
            Reason::Released,
        ];
        assert_eq!(
            SetbackKind::ALL.map(SetbackKind::reason).map(str::to_owned),
            reasons.map(Reason::name)
        );
    }
}
