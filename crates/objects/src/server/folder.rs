//! The folder that the server keeps everything in, and the two acts that change what is visible:
//! publish and delete.
//!
//! ```text
//! lock                    held by the server that owns the folder
//! staging/                temporary files; swept at start
//! uploads/<id>/           multipart uploads under way
//! buckets/<bucket>/…      objects, see `keys`
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use s3s::{S3Error, S3Result, s3_error};

use super::conditions::WriteCondition;
use super::keys;
use super::object_file::{self, OpenObject};
use super::staging::Staged;
use crate::error::ObjectsError;

/// Keys become paths of up to 3200 bytes, and paths end at 4096.
const ROOT_BYTES_MAX: usize = 800;
/// Uploads that have not been touched for this long are dropped at start.
const UPLOAD_IDLE: Duration = Duration::from_secs(7 * 24 * 3600);

/// An owned folder.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Serialises changes of directories: a condition and the write that depends on it are one step,
    /// and no folder is removed while an object is about to appear in it. Guards no memory.
    changes: Mutex<()>,
    /// Keeps the lock on the folder.
    _lock: File,
}

impl Folder {
    /// Takes the folder and sweeps what a killed server left in it.
    pub(super) fn open(root: PathBuf) -> Result<Self, ObjectsError> {
        if root.as_os_str().len() > ROOT_BYTES_MAX {
            let path = root.display();
            return Err(ObjectsError::Config(format!(
                "{path} is longer than {ROOT_BYTES_MAX} bytes"
            )));
        }
        let failed =
            |source| ObjectsError::LocalFile { action: "open", path: root.clone(), source };
        for part in ["staging", "uploads", "buckets"] {
            fs::create_dir_all(root.join(part)).map_err(failed)?;
        }
        let lock = File::create(root.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ObjectsError::FolderInUse { path: root }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let sweep = || -> io::Result<()> {
            sweep_staging(&root.join("staging"))?;
            // Touching a file asks the file system for the time by which it stamps the uploads too.
            lock.set_len(1)?;
            lock.set_len(0)?;
            sweep_uploads(&root.join("uploads"), lock.metadata()?.modified()?)?;
            sync_dir(&root)
        };
        sweep().map_err(failed)?;
        Ok(Self { root, changes: Mutex::new(()), _lock: lock })
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// The names of all buckets and when they were made, as far as the file system tells.
    pub(super) fn buckets(&self) -> io::Result<Vec<(String, std::time::SystemTime)>> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(self.root.join("buckets"))? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                buckets.push((name, entry.metadata()?.modified()?));
            }
        }
        buckets.sort();
        Ok(buckets)
    }

    /// Makes a bucket; false if it was there.
    pub(super) fn create_bucket(&self, bucket: &str) -> io::Result<bool> {
        match fs::create_dir(self.root.join("buckets").join(bucket)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            made => made?,
        }
        sync_dir(&self.root.join("buckets"))?;
        Ok(true)
    }

    /// The folder of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(super) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.root.join("buckets").join(bucket);
        if path.is_dir() { Ok(path) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// Opens an object.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(super) fn object(&self, bucket: &str, key: &str) -> S3Result<OpenObject> {
        let path = self.bucket(bucket)?.join(keys::path_of(key));
        object_file::open(&path).map_err(|error| {
            if is_absent(&error) {
                s3_error!(error, NoSuchKey)
            } else {
                tracing::error!(bucket, key, %error, "cannot read an object");
                S3Error::internal_error(error)
            }
        })
    }

    /// Makes a staged object visible under its key, if the condition holds; on the disk when it returns.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NoSuchKey` (`If-Match` on nothing), `NoSuchBucket`.
    pub(super) fn publish(
        &self,
        bucket: &str,
        key: &str,
        staged: Staged,
        condition: &WriteCondition,
    ) -> S3Result<()> {
        let bucket_dir = self.bucket(bucket)?;
        let target = bucket_dir.join(keys::path_of(key));
        let dir = target.parent().expect("a key's path has a parent");
        let (outcome, dir) = {
            let _changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            make_dirs(&bucket_dir, dir).map_err(S3Error::internal_error)?;
            // Opened now: a delete may remove the folder before it is flushed.
            let dir = File::open(dir).map_err(S3Error::internal_error)?;
            (place(staged, &target, condition), dir)
        };
        // After a refusal too: what was in the way must be as durable as the answer.
        dir.sync_all().map_err(S3Error::internal_error)?;
        outcome
    }

    /// Deletes an object; false if there was none.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(super) fn delete(&self, bucket: &str, key: &str) -> S3Result<bool> {
        let bucket_dir = self.bucket(bucket)?;
        let target = bucket_dir.join(keys::path_of(key));
        let mut dir = target.parent().expect("a key's path has a parent");
        let remaining = {
            let _changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            match fs::remove_file(&target) {
                Err(error) if is_absent(&error) => return Ok(false),
                removed => removed.map_err(S3Error::internal_error)?,
            }
            while dir != bucket_dir && fs::remove_dir(dir).is_ok() {
                dir = dir.parent().expect("the bucket's folder is above");
            }
            File::open(dir).map_err(S3Error::internal_error)?
        };
        remaining.sync_all().map_err(S3Error::internal_error)?;
        Ok(true)
    }
}

/// The step that decides a race.
fn place(staged: Staged, target: &Path, condition: &WriteCondition) -> S3Result<()> {
    match condition {
        WriteCondition::None => {}
        WriteCondition::Absent => {
            // A link is made only if the name is free. The staged name goes with `staged`.
            return fs::hard_link(&staged.path, target).map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    s3_error!(error, PreconditionFailed)
                } else {
                    S3Error::internal_error(error)
                }
            });
        }
        WriteCondition::Present | WriteCondition::Tag(_) => {
            let stands = object_file::open(target).map_err(|error| {
                if is_absent(&error) {
                    s3_error!(error, NoSuchKey)
                } else {
                    S3Error::internal_error(error)
                }
            })?;
            if let WriteCondition::Tag(tag) = condition
                && *tag != stands.meta.etag
            {
                return Err(s3_error!(PreconditionFailed));
            }
        }
    }
    staged.path.persist(target).map_err(|error| S3Error::internal_error(error.error))
}

/// Makes the folders from `above` (which exists) down to `dir`, and flushes those that got a new entry.
fn make_dirs(above: &Path, dir: &Path) -> io::Result<()> {
    if dir == above || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().expect("`above` is an ancestor");
    make_dirs(above, parent)?;
    fs::create_dir(dir)?;
    sync_dir(parent)
}

/// Flushes a folder: its entries survive a power cut.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Whether an error says that there is no such file; a file where a folder should be says so too.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Runs file-system work off the async threads. Work that has begun is finished even if the request
/// is dropped.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(S3Error::internal_error)?
}

fn sweep_staging(staging: &Path) -> io::Result<()> {
    let mut swept = 0_u32;
    for entry in fs::read_dir(staging)? {
        fs::remove_file(entry?.path())?;
        swept += 1;
    }
    if swept > 0 {
        tracing::info!(files = swept, "swept what an interrupted object server left behind");
    }
    Ok(())
}

fn sweep_uploads(uploads: &Path, now: std::time::SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(uploads)? {
        let entry = entry?;
        let idle = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if idle > UPLOAD_IDLE {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_dropped_after_a_week_of_silence() {
        let root = tempfile::tempdir().unwrap();
        let uploads = root.path().join("uploads");
        let now =
            File::create(root.path().join("now")).unwrap().metadata().unwrap().modified().unwrap();
        for (name, idle) in [("stale", UPLOAD_IDLE * 2), ("fresh", UPLOAD_IDLE / 2)] {
            fs::create_dir_all(uploads.join(name)).unwrap();
            fs::write(uploads.join(name).join("part-00001"), b"part").unwrap();
            File::open(uploads.join(name)).unwrap().set_modified(now - idle).unwrap();
        }
        Folder::open(root.path().to_owned()).unwrap();
        assert!(!uploads.join("stale").exists() && uploads.join("fresh/part-00001").exists());
    }

    #[test]
    fn a_root_that_leaves_no_room_for_keys_is_refused() {
        let root = PathBuf::from("/").join("r".repeat(ROOT_BYTES_MAX));
        assert!(matches!(Folder::open(root), Err(ObjectsError::Config(_))));
    }
}
