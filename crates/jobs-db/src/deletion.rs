//! What is to go because somebody asked: rows that say what, and that stay as the proof of when it was gone.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::row::{from_doc, time};
use crate::{JobsDbError, Upload};

/// Deletions that somebody asked for.
#[async_trait]
pub trait DeletionsDb {
    /// Keeps requests, all or nothing. A job that has one already keeps that one.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn request_deletions(&self, requests: &[Deletion]) -> Result<(), JobsDbError>;

    /// The deletion of a job, under way or over.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn deletion(&self, job: JobId) -> Result<Option<Deletion>, JobsDbError>;

    /// Deletions that match, by job, the newest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn deletions(
        &self,
        filter: &DeletionFilter,
        limit: u32,
    ) -> Result<Vec<Deletion>, JobsDbError>;

    /// Deletions to be looked after, longest due first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn deletions_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueDeletion>, JobsDbError>;

    /// Writes how far one is, and when it is to be looked after next: never again if it is over.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn write_deletion(
        &self,
        deletion: &Deletion,
        look_at: Option<Timestamp>,
    ) -> Result<(), JobsDbError>;

    /// Takes an upload out of use, unless a job other than `but` names it, or somebody has named it at `used_since` or
    /// later: whose job may be on its way. What was taken out of use before is given as well.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn retire_upload(
        &self,
        id: Uuid,
        but: Option<JobId>,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<Retired, JobsDbError>;

    /// Uploads of a tenant that are in use, by id, from the one behind `after` on.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn uploads_of(
        &self,
        tenant: &Tenant,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Upload>, JobsDbError>;

    /// Forgets deletions that were over before a time, and says how many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_deletions(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError>;
}

/// A job that is to go because somebody asked, and what of it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deletion {
    /// The job.
    pub job: JobId,
    /// Whose it was.
    pub tenant: Tenant,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// The bulk action that it belongs to, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Uuid>,
    /// When its outputs, and those of its children, were gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_gone_at: Option<Timestamp>,
    /// Objects that were deleted so far.
    #[serde(default)]
    pub objects: u64,
    /// What became of the source that was uploaded for it; none if its source lies elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceEnd>,
    /// When the rows are to go: from then on no attempt that was lost can add to it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_go_at: Option<Timestamp>,
    /// When its rows were gone, and with them all that there was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

/// What became of an upload whose job went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceEnd {
    /// It is gone.
    Gone,
    /// It stays: another job names it.
    Shared,
}

/// A deletion to be looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDeletion {
    /// Since when.
    pub look_at: Timestamp,
    /// The deletion.
    pub deletion: Deletion,
}

/// Which deletions. Everything that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionFilter {
    /// Whose.
    pub tenant: Option<Tenant>,
    /// Of this bulk action.
    pub bulk: Option<Uuid>,
    /// Under way, or over.
    pub is_over: Option<bool>,
    /// Of jobs that were accepted before this one: the last of the page before.
    pub before: Option<JobId>,
}

/// What came of taking an upload out of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retired {
    /// Nobody may name it any more; its object is to be deleted.
    Now(Upload),
    /// Another job names it.
    InUse,
    /// Somebody has just named it; ask again later.
    JustUsed,
    /// There is no such upload.
    Missing,
}

impl Retired {
    /// Why it was not taken out of use: whether another job names it, if it is there.
    pub(crate) const fn refused(in_use: Option<bool>) -> Self {
        match in_use {
            Some(true) => Self::InUse,
            Some(false) => Self::JustUsed,
            None => Self::Missing,
        }
    }
}

impl Deletion {
    /// A request, of which nothing is done yet.
    pub const fn requested(job: JobId, tenant: Tenant, requested_at: Timestamp) -> Self {
        Self {
            job,
            tenant,
            requested_at,
            bulk: None,
            outputs_gone_at: None,
            objects: 0,
            source: None,
            rows_go_at: None,
            gone_at: None,
        }
    }
}

pub(crate) fn deletion(doc: &str) -> Result<Deletion, JobsDbError> {
    from_doc(doc, || "a deletion".to_owned())
}

/// The columns of `deletions`: `look_at`, `doc`.
pub(crate) fn due((look_at, doc): (i64, String)) -> Result<DueDeletion, JobsDbError> {
    Ok(DueDeletion { look_at: time(look_at), deletion: deletion(&doc)? })
}
