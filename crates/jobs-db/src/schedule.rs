//! Jobs that come again and again.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, JobSpec, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::JobsDbError;
use crate::row::{corrupt, from_doc};

/// Schedules: what they say is for whoever keeps the clock.
#[async_trait]
pub trait SchedulesDb {
    /// Keeps a new schedule, unless its tenant has one of its name. Whether it was kept.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn put_schedule(&self, schedule: &Schedule) -> Result<bool, JobsDbError>;

    /// A tenant's schedules, by name.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn schedules(&self, tenant: &Tenant) -> Result<Vec<VersionedSchedule>, JobsDbError>;

    /// Schedules whose next tick is due, longest due first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn schedules_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<VersionedSchedule>, JobsDbError>;

    /// Changes a schedule that still has this version. Whether it was changed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn write_schedule(
        &self,
        schedule: &Schedule,
        expected_version: u64,
    ) -> Result<bool, JobsDbError>;

    /// Forgets a schedule; the jobs that it made stay. Whether there was one.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_schedule(&self, tenant: &Tenant, name: &str) -> Result<bool, JobsDbError>;
}

/// A job that comes again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// Whose it is.
    pub tenant: Tenant,
    /// Its name among the tenant's.
    pub name: String,
    /// When it ticks: five fields of cron, `0 3 * * *`.
    pub cron: String,
    /// In which time zone, such as `Europe/Paris`.
    pub time_zone: String,
    /// The job of each tick.
    pub job: JobSpec,
    /// What becomes of ticks that nobody was there for.
    #[serde(default)]
    pub missed: Missed,
    /// What becomes of a tick while the job of the last one has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// When it ticks next; `None` while it is paused, or if it never does again.
    pub next_at: Option<Timestamp>,
    /// Whether somebody has paused it.
    #[serde(default)]
    pub paused: bool,
    /// What came of its last tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Tick>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What becomes of ticks that passed while no dispatcher was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum Missed {
    /// Only the latest is made up for.
    #[default]
    Latest,
    /// The latest so many are.
    CatchUp {
        /// How many, at most.
        ticks_max: u32,
    },
}

/// What becomes of a tick while the job of the last one has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Its job runs beside the other.
    #[default]
    Allow,
    /// It has no job.
    Skip,
}

/// A tick that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tick {
    /// When it was due.
    pub at: Timestamp,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: TickOutcome,
    /// The job of the last tick that made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_job: Option<JobId>,
}

/// What came of a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TickOutcome {
    /// A job.
    Job {
        /// Which.
        job: JobId,
    },
    /// Nothing: the job of the last tick had not ended.
    Skipped,
    /// Nothing: the job was refused as the API would have refused it.
    Refused {
        /// The code of the refusal.
        code: String,
        /// Why, for people.
        detail: String,
    },
}

/// A schedule with the version that a write must expect.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedSchedule {
    /// The schedule.
    pub schedule: Schedule,
    /// Its version, from 1; each write adds 1.
    pub version: u64,
}

/// The columns of `schedules`: `name`, `version`, `doc`.
pub(crate) type ScheduleColumns = (String, i64, String);

pub(crate) fn versioned_schedule(
    (name, version, doc): ScheduleColumns,
) -> Result<VersionedSchedule, JobsDbError> {
    let named = || format!("schedule {name}");
    let version = u64::try_from(version).map_err(|error| corrupt(named(), error))?;
    Ok(VersionedSchedule { schedule: from_doc(&doc, named)?, version })
}
