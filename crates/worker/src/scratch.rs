//! The worker's own folder: a folder for each claim, and a lock, so that one process works in it.
//!
//! ```text
//! <scratch>/<worker>/lock
//!                    claims/<claim>/claim.json   written before `Claimed` is published
//!                                   source       the downloaded source
//!                                   out/         the child's folder
//! ```
//!
//! `claim.json` stays until the claim's last event is durable. So what a process that died has left behind
//! tells its next life which claims it still held.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use panofleet_job_schema::WorkerId;
use tokio::fs;

use crate::error::WorkerError;
use crate::reporter::ClaimName;

const RECORD: &str = "claim.json";
/// How often a folder is removed anew when a dying child still writes to it.
const REMOVALS_MAX: u32 = 50;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// A worker's folder, locked.
#[derive(Debug)]
pub(crate) struct Scratch {
    claims: PathBuf,
    _lock: File,
}

/// A folder of a claim.
#[derive(Debug)]
pub(crate) struct ClaimFolder {
    folder: PathBuf,
}

impl Scratch {
    /// Makes and locks the folder of a worker.
    ///
    /// # Errors
    /// [`WorkerError::NameTaken`] if another process has it, [`WorkerError::Scratch`] if it cannot be made.
    pub(crate) async fn open(scratch: &Path, worker: &WorkerId) -> Result<Self, WorkerError> {
        let folder = std::path::absolute(scratch.join(worker.as_str())).map_err(failed(scratch))?;
        let claims = folder.join("claims");
        fs::create_dir_all(&claims).await.map_err(failed(&claims))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { claims, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(WorkerError::NameTaken(folder)),
            Err(TryLockError::Error(source)) => Err(WorkerError::Scratch { folder: path, source }),
        }
    }

    /// What an earlier life has left: the claims that it still held, each with its folder. Folders without a
    /// readable record are removed.
    ///
    /// # Errors
    /// [`WorkerError::Scratch`] if the folder cannot be listed.
    pub(crate) async fn left_behind(&self) -> Result<Vec<(ClaimName, ClaimFolder)>, WorkerError> {
        let mut left = Vec::new();
        let mut entries = fs::read_dir(&self.claims).await.map_err(failed(&self.claims))?;
        while let Some(entry) = entries.next_entry().await.map_err(failed(&self.claims))? {
            let folder = ClaimFolder { folder: entry.path() };
            let record = fs::read(folder.record()).await.ok();
            match record.and_then(|json| serde_json::from_slice::<ClaimName>(&json).ok()) {
                Some(name) => left.push((name, folder)),
                None => folder.remove().await,
            }
        }
        Ok(left)
    }

    /// Whether claims can be written now. Asked before messages are taken: one that is taken and cannot be
    /// claimed comes nearer to its delivery limit.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn probe(&self) -> io::Result<()> {
        let probe = self.claims.join(".probe");
        fs::write(&probe, "writable").await?;
        fs::remove_file(&probe).await
    }

    /// Makes the folder of a claim, with its record.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn claim(&self, name: &ClaimName) -> io::Result<ClaimFolder> {
        let folder = ClaimFolder { folder: self.claims.join(name.claim.to_string()) };
        fs::create_dir(&folder.folder).await?;
        let json = serde_json::to_vec(name).map_err(io::Error::other)?;
        // Renamed into place, so that a record is whole or not there.
        let draft = folder.folder.join("claim.json.draft");
        fs::write(&draft, json).await?;
        fs::rename(&draft, folder.record()).await?;
        Ok(folder)
    }
}

impl ClaimFolder {
    fn record(&self) -> PathBuf {
        self.folder.join(RECORD)
    }

    /// Where the source goes.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// Makes the child's folder.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn make_out(&self) -> io::Result<PathBuf> {
        let out = self.folder.join("out");
        fs::create_dir(&out).await?;
        Ok(out)
    }

    /// Removes everything but the record: the work is over, its last event is on its way.
    pub(crate) async fn clear(&self) {
        remove_folder(&self.folder.join("out")).await;
        if let Err(error) = fs::remove_file(self.source()).await
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a source cannot be removed from scratch");
        }
    }

    /// Removes the whole folder.
    pub(crate) async fn remove(self) {
        remove_folder(&self.folder).await;
    }
}

/// Removes a folder, also one that a child that was just killed still writes to. What stays is found by the
/// next life.
async fn remove_folder(folder: &Path) {
    for _ in 1..REMOVALS_MAX {
        match fs::remove_dir_all(folder).await {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                tokio::time::sleep(REMOVAL_PAUSE).await;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %folder.display(), %error, "a scratch folder cannot be removed");
                return;
            }
            Ok(()) | Err(_) => return,
        }
    }
    tracing::warn!(folder = %folder.display(), "a scratch folder fills faster than it is removed");
}

fn failed(folder: &Path) -> impl FnOnce(io::Error) -> WorkerError {
    let folder = folder.to_owned();
    move |source| WorkerError::Scratch { folder, source }
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::message::AttemptId;
    use panofleet_job_schema::{Attempt, ClaimId, Generation, JobId};
    use uuid::Uuid;

    use super::*;

    fn name(claim: u128) -> ClaimName {
        ClaimName {
            id: AttemptId {
                job: JobId(Uuid::from_u128(9)),
                generation: Generation(1),
                attempt: Attempt(2),
            },
            claim: ClaimId(Uuid::from_u128(claim)),
            events_partition: 3,
            trace: Some("00-a-b-01".into()),
        }
    }

    #[tokio::test]
    async fn one_process_works_in_a_folder_and_the_next_life_finds_its_claims() {
        let root = tempfile::tempdir().unwrap();
        let worker = WorkerId::new("w").unwrap();
        let first = Scratch::open(root.path(), &worker).await.unwrap();
        assert!(matches!(
            Scratch::open(root.path(), &worker).await,
            Err(WorkerError::NameTaken(_))
        ));
        let folder = first.claim(&name(1)).await.unwrap();
        fs::write(folder.source(), "bytes").await.unwrap();
        fs::write(folder.make_out().await.unwrap().join("tile"), "bytes").await.unwrap();
        first.claim(&name(2)).await.unwrap().remove().await;
        fs::create_dir(first.claims.join(Uuid::from_u128(3).to_string())).await.unwrap();
        folder.clear().await;
        drop(first);

        let second = Scratch::open(root.path(), &worker).await.unwrap();
        let left = second.left_behind().await.unwrap();
        assert_eq!(left.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [name(1)]);
        let (_, folder) = left.into_iter().next().unwrap();
        assert!(!folder.source().exists(), "cleared folders keep their record only");
        folder.remove().await;
        second.probe().await.unwrap();
        assert_eq!(std::fs::read_dir(&second.claims).unwrap().count(), 0);
        fs::remove_dir(&second.claims).await.unwrap();
        assert!(second.probe().await.is_err());
    }
}
