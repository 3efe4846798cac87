//! What goes when its time has come: ended jobs, what they left in the store, uploads, idempotency keys.

use async_trait::async_trait;
use panofleet_job_schema::orphans::sweep_at;
use panofleet_job_schema::{JobId, Timestamp};
use uuid::Uuid;

use crate::{JobWrite, JobsDbError, Upload, Versioned};

/// What goes when its time has come. A job that ends and may have left something in the store beside its result gets a
/// sweep with the write that ends it.
#[async_trait]
pub trait RetentionDb {
    /// Sweeps that are due, longest due first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn sweeps_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Sweep>, JobsDbError>;

    /// Notes that a sweep is done. One that came meanwhile, because the job ended once more, stays.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn end_sweep(&self, sweep: Sweep) -> Result<(), JobsDbError>;

    /// Jobs in a state that is an end, by id, from the one behind `after` on. Children whose parent is still there are left
    /// out: its result names their files.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn ended(
        &self,
        state: &'static str,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<Versioned>, JobsDbError>;

    /// Removes a job, its history, its labels, what webhooks were told of it and what is known of its attempts, if it
    /// still has this version; its idempotency key stays and remembers since when. Whether it was removed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_job(
        &self,
        job: JobId,
        version: u64,
        now: Timestamp,
    ) -> Result<bool, JobsDbError>;

    /// An upload by its id, noted as used: it stays as long as a job may need it.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn use_upload(&self, id: Uuid, now: Timestamp) -> Result<Option<Upload>, JobsDbError>;

    /// Takes uploads out of use that no job named and that were begun before one time, and those that were last named before
    /// another; those that were taken out before, and are still there, come again.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn retire_uploads(
        &self,
        before: RetireBefore,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Upload>, JobsDbError>;

    /// Takes one upload out of use, if no job has named it; whether it was taken. From `at` on it comes with those that
    /// [`RetentionDb::retire_uploads`] gives.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn retire_unused_upload(&self, id: Uuid, at: Timestamp) -> Result<bool, JobsDbError>;

    /// Forgets an upload that was taken out of use.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_upload(&self, id: Uuid) -> Result<(), JobsDbError>;

    /// Forgets idempotency keys whose job was removed before a time, and says how many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_keys(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError>;
}

/// A job whose attempts may have left something in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The job.
    pub job: JobId,
    /// When nobody adds to it any more.
    pub due_at: Timestamp,
}

/// Which uploads are out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetireBefore {
    /// Those that no job named and that were begun before this; none if unset.
    pub begun: Option<Timestamp>,
    /// Those that were last named before this; none if unset.
    pub used: Option<Timestamp>,
}

/// The sweeps that a batch gives rise to.
pub(crate) fn sweeps_of<'a>(writes: impl IntoIterator<Item = &'a JobWrite>) -> Vec<Sweep> {
    let sweep =
        |write: &JobWrite| sweep_at(&write.job).map(|due_at| Sweep { job: write.job.id, due_at });
    writes.into_iter().filter_map(sweep).collect()
}
