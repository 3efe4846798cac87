//! What goes when its time has come: folders of attempts that lost, ended jobs, uploads, idempotency keys.
//!
//! | you look for | file |
//! |---|---|
//! | how long what is kept | `retention/config.rs` |
//! | folders of attempts that lost | `retention/orphans.rs` |
//! | ended jobs and what is left of them | `retention/ended.rs` |
//! | uploads | `retention/uploads.rs` |
//! | the audit log, sessions, what webhooks were told, attempts that came to nothing | `retention/access.rs` |
//!
//! Each look does a bounded amount of work and may be cut off anywhere: objects go first, the row that names them last, and
//! to delete what is gone already is no error. Two leaders at once do the same work twice, and neither removes what the
//! other's write has changed meanwhile.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use panofleet_job_schema::Job;
use panofleet_jobs_db::JobsDbError;
use panofleet_objects::{ObjectStore, ObjectsError};
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use crate::metrics::{self, Gone};

mod access;
pub(super) mod config;
mod ended;
mod orphans;
mod uploads;

use ended::EndedPlace;

/// Seals and manifests stay this long after nobody can put another any more.
pub(super) const MANIFESTS_OUTLIVE: Duration = Duration::from_secs(24 * 3600);
/// Wait between two looks while there is more to do.
const BUSY_WAIT: Duration = Duration::from_millis(500);
/// Wait when all is done, or after trouble.
const IDLE_WAIT: Duration = Duration::from_secs(30);
/// Objects that one look deletes, at most; a job that has more goes on with the next look.
pub(super) const OBJECTS_MAX: usize = 2000;
/// Pages of 1000 keys that are listed for one job, at most.
const PAGES_MAX: u32 = 1000;
/// Deletions under way at once.
const DELETIONS_MAX: usize = 8;

/// What went wrong in a look. Nothing is lost: the next one finds it all again.
#[derive(Debug, thiserror::Error)]
pub(super) enum RetentionError {
    #[error(transparent)]
    Db(#[from] JobsDbError),
    #[error(transparent)]
    Objects(#[from] ObjectsError),
}

/// Whether a look has done all there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    All,
    Some,
}

impl Done {
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, Self::All) => Self::All,
            _ => Self::Some,
        }
    }
}

/// How much one look may still delete.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) objects: usize,
}

/// How long a loop of looks waits between two of them. Trouble is told once, when it begins.
#[derive(Debug)]
pub(super) struct Pace {
    /// While there is more to do.
    pub(super) busy: Duration,
    /// When all is done.
    pub(super) idle: Duration,
    /// After trouble.
    pub(super) trouble: Duration,
    pub(super) in_trouble: bool,
}

impl Pace {
    /// The wait after a look; `waits` says of what there is trouble with.
    pub(super) fn after(&mut self, looked: Result<Done, RetentionError>, waits: &str) -> Duration {
        let error = match looked {
            Ok(done) => {
                self.in_trouble = false;
                return if done == Done::Some { self.busy } else { self.idle };
            }
            Err(error) => error,
        };
        metrics::retention_failed();
        if !self.in_trouble {
            tracing::warn!(%error, "{waits} waits");
        }
        self.in_trouble = true;
        self.trouble
    }
}

impl Dispatcher {
    /// Removes what its time has come for until `shutdown`.
    pub(super) async fn retain(&self, shutdown: &CancellationToken) {
        let mut place = EndedPlace::default();
        let (busy, idle) = (BUSY_WAIT, IDLE_WAIT);
        let mut pace = Pace { busy, idle, trouble: IDLE_WAIT, in_trouble: false };
        loop {
            let looked = tokio::select! {
                looked = self.retention_look(&mut place) => looked,
                () = shutdown.cancelled() => return,
            };
            tokio::select! {
                () = tokio::time::sleep(pace.after(looked, "what is to be removed")) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn retention_look(&self, place: &mut EndedPlace) -> Result<Done, RetentionError> {
        let mut budget = Budget { objects: OBJECTS_MAX };
        let swept = self.sweep_orphans(&mut budget).await?;
        let removed = self.remove_ended(place, &mut budget).await?;
        let uploads = self.remove_uploads().await?;
        let access = self.remove_access().await?;
        Ok(swept.and(removed).and(uploads).and(access))
    }
}

/// The folder that all objects of a job lie below: `tenant/job/`.
pub(super) fn folder_of(job: &Job) -> String {
    format!("{}/{}/", job.tenant, job.id)
}

/// Deletes objects, a few at a time.
async fn delete_all(
    objects: ObjectStore,
    bucket: String,
    (keys, kind): (Vec<String>, Gone),
) -> Result<(), ObjectsError> {
    let deletions = keys.into_iter().map(move |key| {
        let (objects, bucket) = (objects.clone(), bucket.clone());
        async move { objects.delete(&bucket, &key).await }
    });
    let mut deletions = stream::iter(deletions).buffer_unordered(DELETIONS_MAX);
    while let Some(deleted) = deletions.next().await {
        deleted?;
        metrics::gone(kind, 1);
    }
    Ok(())
}

/// Deletes what lies under a prefix, except what `keeps` says stays, and says whether all of it is gone.
pub(super) async fn clear(
    objects: &ObjectStore,
    (bucket, prefix): (&str, &str),
    keeps: impl Fn(&str) -> bool,
    (budget, kind): (&mut Budget, Gone),
) -> Result<Done, RetentionError> {
    let mut page = None;
    for _ in 0..PAGES_MAX {
        let found = match objects.list(bucket, prefix, page.as_deref()).await {
            // Nothing of it can be left.
            Err(ObjectsError::NotFound { .. }) => return Ok(Done::All),
            found => found?,
        };
        let mut going: Vec<String> = found.keys.into_iter().filter(|key| !keeps(key)).collect();
        let cut = going.len() > budget.objects;
        going.truncate(budget.objects);
        budget.objects -= going.len();
        delete_all(objects.clone(), bucket.to_owned(), (going, kind)).await?;
        if cut {
            return Ok(Done::Some);
        }
        page = found.next;
        if page.is_none() {
            return Ok(Done::All);
        }
    }
    tracing::warn!(bucket, prefix, "more lies here than one look can list");
    Ok(Done::Some)
}
