//! What is done to all jobs that match, however many: in the background, and to its end whoever dies.

use async_trait::async_trait;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Rerun, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::row::{corrupt, from_doc};
use crate::{JobFilter, JobsDbError};

/// Bulk actions: rows that say what is to be done, and how far it is.
#[async_trait]
pub trait BulksDb {
    /// Keeps a new bulk action.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is one with its id.
    async fn put_bulk(&self, bulk: &Bulk) -> Result<(), JobsDbError>;

    /// A bulk action by its id.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn bulk(&self, id: Uuid) -> Result<Option<VersionedBulk>, JobsDbError>;

    /// A tenant's bulk actions, newest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn bulks(&self, tenant: &Tenant, limit: u32) -> Result<Vec<VersionedBulk>, JobsDbError>;

    /// Those that have not ended, oldest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn open_bulks(&self, limit: u32) -> Result<Vec<VersionedBulk>, JobsDbError>;

    /// Changes one that still has this version. Whether it was changed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn write_bulk(&self, bulk: &Bulk, expected_version: u64) -> Result<bool, JobsDbError>;
}

/// One action for all jobs that match a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulk {
    /// Its identity: a UUID version 7, so that they are in the order of time.
    pub id: Uuid,
    /// Whose jobs.
    pub tenant: Tenant,
    /// What is done to each.
    pub action: BulkAction,
    /// The band that they are to wait in, if that is what is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// What is to be different of them, if they are started anew.
    #[serde(default, skip_serializing_if = "Rerun::is_same")]
    pub rerun: Rerun,
    /// To which. `filter.before` is the last job that it came to: it goes from the newest to the oldest.
    pub filter: JobFilter,
    /// How many matched when it was asked for.
    pub matched: u64,
    /// Jobs that it was done to so far, as far as they were counted: those of a page whose leader died before it wrote the
    /// row are not.
    #[serde(default)]
    pub done: u64,
    /// Jobs that it could not be done to any more when it came to them.
    #[serde(default)]
    pub refused: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Whether somebody stopped it before its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// What a bulk action does to each job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Starts it anew, as an operator does.
    Retry,
    /// Ends it without a result.
    Cancel,
    /// Has it wait in another band of the queue.
    Reprioritise,
    /// Removes it with all that there is of it.
    Delete,
}

impl BulkAction {
    /// Its name: `retry`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Reprioritise => "reprioritise",
            Self::Delete => "delete",
        }
    }
}

/// A bulk action with the version that a write must expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedBulk {
    /// The action.
    pub bulk: Bulk,
    /// Its version, from 1; each write adds 1.
    pub version: u64,
}

/// The columns of `bulks`: `version`, `doc`.
pub(crate) type BulkColumns = (i64, String);

pub(crate) fn versioned_bulk((version, doc): BulkColumns) -> Result<VersionedBulk, JobsDbError> {
    let named = || "a bulk action".to_owned();
    let version = u64::try_from(version).map_err(|error| corrupt(named(), error))?;
    Ok(VersionedBulk { bulk: from_doc(&doc, named)?, version })
}
