//! The worker's own folder: a journal of its claims, a folder for each that needs one, and a lock, so that one process
//! works in it.
//!
//! ```text
//! <scratch>/<worker>/lock
//!                    claims.journal           a claim is written down before `Claimed` is published
//!                    claims/<claim>/source    the downloaded source
//!                                   out/      the child's folder
//! ```
//!
//! A claim stays in the journal until its last event is durable. So what a process that died has left behind
//! tells its next life which claims it still held.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use panofleet_job_schema::{ClaimId, WorkerId};
use tokio::fs;

use crate::error::WorkerError;
use crate::reporter::ClaimName;

mod journal;

use journal::Journal;

/// How often a folder is removed anew when a dying child still writes to it.
const REMOVALS_MAX: u32 = 50;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);
/// How long a look at whether the disk takes anything is good for.
const PROBE_KEPT: Duration = Duration::from_secs(1);

/// A worker's folder, locked.
#[derive(Debug)]
pub(crate) struct Scratch {
    claims: PathBuf,
    journal: Journal,
    /// The claims that an earlier life has left.
    left: Vec<ClaimName>,
    _lock: File,
}

/// What a claim has on the disk.
#[derive(Debug)]
pub(crate) struct ClaimFolder {
    claim: ClaimId,
    folder: PathBuf,
    /// Whether there may be one: many claims need none.
    is_made: AtomicBool,
    journal: Journal,
}

/// When the disk last took something.
#[derive(Debug, Default)]
pub(crate) struct Probed(Option<Instant>);

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
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WorkerError::NameTaken(folder)),
            Err(TryLockError::Error(source)) => {
                return Err(WorkerError::Scratch { folder: path, source });
            }
        }
        let path = folder.join("claims.journal");
        let (journal, left) = Journal::open(&path).map_err(failed(&path))?;
        Ok(Self { claims, journal, left, _lock: lock })
    }

    /// What an earlier life has left: the claims that it still held, each with its folder. Folders that no claim has
    /// are removed.
    ///
    /// # Errors
    /// [`WorkerError::Scratch`] if the folder cannot be listed.
    pub(crate) async fn left_behind(&self) -> Result<Vec<(ClaimName, ClaimFolder)>, WorkerError> {
        let left: Vec<_> =
            self.left.iter().map(|name| (name.clone(), self.folder(name.claim, true))).collect();
        let mut entries = fs::read_dir(&self.claims).await.map_err(failed(&self.claims))?;
        while let Some(entry) = entries.next_entry().await.map_err(failed(&self.claims))? {
            if left.iter().all(|(_, claim)| claim.folder != entry.path()) {
                remove_folder(&entry.path()).await;
            }
        }
        Ok(left)
    }

    /// Whether claims can be written now, or could a moment ago. Asked before messages are taken: one that is taken and
    /// cannot be claimed comes nearer to its delivery limit.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn probe(&self, last: &mut Probed) -> io::Result<()> {
        if last.0.is_some_and(|at| at.elapsed() < PROBE_KEPT) {
            return Ok(());
        }
        last.0 = None;
        let probe = self.claims.join(".probe");
        fs::write(&probe, "writable").await?;
        match fs::remove_file(&probe).await {
            // The intakes of two lanes look at the same time.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        last.0 = Some(Instant::now());
        Ok(())
    }

    /// Writes down claims, all in one write, and gives each its place on the disk.
    ///
    /// # Errors
    /// What the operating system says: then none is held.
    pub(crate) fn claim(&self, names: &[ClaimName]) -> io::Result<Vec<ClaimFolder>> {
        self.journal.claim(names)?;
        Ok(names.iter().map(|name| self.folder(name.claim, false)).collect())
    }

    fn folder(&self, claim: ClaimId, is_made: bool) -> ClaimFolder {
        let folder = self.claims.join(claim.to_string());
        ClaimFolder { claim, folder, is_made: is_made.into(), journal: self.journal.clone() }
    }
}

impl ClaimFolder {
    /// Where the source goes, in a folder that is there then.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn make_source(&self) -> io::Result<PathBuf> {
        self.is_made.store(true, Ordering::Relaxed);
        fs::create_dir_all(&self.folder).await?;
        Ok(self.source())
    }

    /// Where the source lies.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    /// Makes the child's folder.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) async fn make_out(&self) -> io::Result<PathBuf> {
        let out = self.folder.join("out");
        self.is_made.store(true, Ordering::Relaxed);
        fs::create_dir_all(&out).await?;
        Ok(out)
    }

    /// Removes what is on the disk: the work is over, its last event is on its way.
    pub(crate) async fn clear(&self) {
        if self.is_made.load(Ordering::Relaxed) {
            remove_folder(&self.folder).await;
        }
    }

    /// Crosses the claim out: its last event is durable.
    pub(crate) fn end(self) {
        if let Err(error) = self.journal.end(self.claim) {
            tracing::warn!(%error, "a claim that has ended stays in the journal; the next life reports it");
        }
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
    use futures_util::future::join_all;
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
    async fn the_intakes_of_several_lanes_look_at_the_disk_at_the_same_time() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::open(root.path(), &WorkerId::new("w").unwrap()).await.unwrap();
        let looks = (0..100).map(async |_| scratch.probe(&mut Probed::default()).await);
        for look in join_all(looks).await {
            look.unwrap();
        }
        std::fs::remove_dir_all(&scratch.claims).unwrap();
        scratch.probe(&mut Probed::default()).await.unwrap_err();
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
        assert_eq!(first.left_behind().await.unwrap().len(), 0);
        let [held, ended, cleared] =
            first.claim(&[name(1), name(2), name(4)]).unwrap().try_into().unwrap();
        fs::write(held.make_source().await.unwrap(), "bytes").await.unwrap();
        fs::write(held.make_out().await.unwrap().join("tile"), "bytes").await.unwrap();
        ended.end();
        fs::write(cleared.make_source().await.unwrap(), "bytes").await.unwrap();
        cleared.clear().await;
        let nobodys = first.claims.join(Uuid::from_u128(3).to_string());
        fs::create_dir(&nobodys).await.unwrap();
        drop(first);

        let second = Scratch::open(root.path(), &worker).await.unwrap();
        let left = second.left_behind().await.unwrap();
        assert_eq!(
            left.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
            [name(1), name(4)]
        );
        assert!(!nobodys.exists(), "what no claim has is removed");
        for (_, folder) in left {
            folder.clear().await;
            folder.end();
        }
        assert_eq!(std::fs::read_dir(&second.claims).unwrap().count(), 0);
        let mut probed = Probed::default();
        second.probe(&mut probed).await.unwrap();
        fs::remove_dir(&second.claims).await.unwrap();
        assert!(second.probe(&mut probed).await.is_ok(), "it was fine a moment ago");
        assert!(second.probe(&mut Probed::default()).await.is_err());
        drop(second);
        let third = Scratch::open(root.path(), &worker).await.unwrap();
        assert_eq!(third.left_behind().await.unwrap().len(), 0);
    }
}
