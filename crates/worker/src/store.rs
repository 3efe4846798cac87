//! What becomes of a file that the child has finished: checked, hashed, and stored.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use panofleet_job_schema::manifest::FileRecord;
use panofleet_job_schema::{ErrorClass, Failure};
use panofleet_objects::client::PutOptions;
use panofleet_objects::{ObjectStore, ObjectsError};
use sha2::{Digest as _, Sha256};

use crate::beneath::BeneathFile;
use crate::conversation::{NewFile, violation};
use crate::execute::Stored;
use crate::metrics;

/// Files up to this size are read once, hashed and sent from memory.
const IN_MEMORY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The code of what failed for want of room on the worker's disk, in the worker or in its child.
pub(crate) const SCRATCH_FULL: &str = "scratch_full";
/// Nothing under an attempt's prefix is ever written again.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// Uploads the files of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Uploads {
    /// The store.
    pub(crate) objects: ObjectStore,
    /// The bucket.
    pub(crate) bucket: Arc<str>,
    /// The attempt's folder in it, without a slash at the end.
    pub(crate) prefix: Arc<str>,
    /// The child's folder.
    pub(crate) out: Arc<Path>,
    /// Bytes uploaded so far.
    pub(crate) bytes: Arc<AtomicU64>,
}

impl Uploads {
    /// Uploads a file and removes it here.
    ///
    /// # Errors
    /// A `Bug` if the file is not what the child said; `Transient` if the store does not take it.
    pub(crate) async fn store(self, file: NewFile) -> Result<Stored, Failure> {
        let out = Arc::clone(&self.out);
        let (file, read) = blocking(move || {
            let read = Hashed::read(&out, &file)?;
            Ok((file, read))
        })
        .await?;
        let key = format!("{}/{}/{}", self.prefix, file.output, file.path);
        let options =
            PutOptions { content_type: &file.content_type, cache_control: Some(CACHE_CONTROL) };
        let sent = match &read.contents {
            Contents::InMemory(bytes) => {
                self.objects.put_bytes(&self.bucket, &key, bytes.clone(), &options).await
            }
            // By its open file, not by its name: the child could put another in its place.
            Contents::OnDisk => {
                let path = PathBuf::from(format!("/proc/self/fd/{}", read.source.file.as_raw_fd()));
                self.objects.put_file(&self.bucket, &key, &path, &options).await
            }
        };
        sent.map_err(|error| store_failure(&error))?;
        self.bytes.fetch_add(file.bytes, Ordering::Relaxed);
        metrics::uploaded(file.bytes);
        blocking(move || {
            read.source.remove().map_err(|error| scratch_failure(&error))?;
            Ok(read.record(file))
        })
        .await
    }
}

/// Keeps a file of a local run: moves it to `<to>/<output>/<path>`.
///
/// # Errors
/// A `Bug` if the file is not what the child said; `Transient` if it cannot be moved.
pub(crate) async fn keep(out: Arc<Path>, to: Arc<Path>, file: NewFile) -> Result<Stored, Failure> {
    blocking(move || {
        let read = Hashed::read(&out, &file)?;
        let path = to.join(file.output.as_str()).join(&file.path);
        let folder = path.parent().unwrap_or(&to);
        std::fs::create_dir_all(folder)
            .and_then(|()| read.source.move_to(&path))
            .map_err(|error| scratch_failure(&error))?;
        Ok(read.record(file))
    })
    .await
}

/// A file that was read once, from beginning to end.
#[derive(Debug)]
struct Hashed {
    source: BeneathFile,
    sha256: String,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    InMemory(Bytes),
    OnDisk,
}

impl Hashed {
    /// Reads and hashes a file beneath the child's folder. Blocks.
    fn read(out: &Path, file: &NewFile) -> Result<Self, Failure> {
        let name = format!("{}/{}", file.output, file.path);
        let untrue = |what: String| violation(format!("file `{name}`: {what}"));
        let source = BeneathFile::open(out, &name).map_err(|error| untrue(error.to_string()))?;
        let (contents, digest, bytes) = if file.bytes <= IN_MEMORY_BYTES_MAX {
            let mut bytes = Vec::with_capacity(usize::try_from(file.bytes).unwrap_or(0));
            // One byte more than was promised is enough to see the lie.
            let mut limited = (&source.file).take(file.bytes + 1);
            limited.read_to_end(&mut bytes).map_err(|error| scratch_failure(&error))?;
            let read = bytes.len() as u64;
            let digest = Sha256::digest(&bytes);
            (Contents::InMemory(bytes.into()), digest, read)
        } else {
            let (digest, bytes) = hash(&source.file).map_err(|error| scratch_failure(&error))?;
            (Contents::OnDisk, digest, bytes)
        };
        if bytes != file.bytes {
            return Err(untrue(format!(
                "has {bytes} bytes or more, the child said {}",
                file.bytes
            )));
        }
        Ok(Self { source, sha256: hex::encode(digest), contents })
    }

    fn record(self, file: NewFile) -> Stored {
        let NewFile { output, path, bytes, content_type } = file;
        (output, FileRecord { path, bytes, sha256: self.sha256, content_type })
    }
}

/// The SHA-256 and the length of what is left to read. Blocks.
pub(crate) fn hash(mut file: &File) -> io::Result<(sha2::digest::Output<Sha256>, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher.finalize(), bytes)),
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Runs file work away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.unwrap_or_else(|error| {
        let message = format!("file work of the worker broke off: {error}");
        Err(Failure::new(ErrorClass::Bug, "worker_panicked", message))
    })
}

/// The store of outputs did not do as it should. Only an operator can be at fault when it refuses, so that too
/// is tried again.
pub(crate) fn store_failure(error: &ObjectsError) -> Failure {
    if let ObjectsError::LocalFile { source, .. } = error {
        return scratch_failure(source);
    }
    if error.is_transient() {
        return Failure::transient(
            "store_unavailable",
            format!("the object store of the outputs is not available: {error}"),
        );
    }
    let message =
        format!("the object store of the outputs refuses; its operator has to see to it: {error}");
    let class = error.class();
    let class = if class == ErrorClass::Bug { class } else { ErrorClass::Transient };
    Failure::new(class, "store_refused", message)
}

/// The worker's own disk failed.
pub(crate) fn scratch_failure(error: &io::Error) -> Failure {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return Failure::transient(
            SCRATCH_FULL,
            format!(
                "the worker's disk is full: make room in worker.scratch or give it a larger disk, or run fewer jobs at \
                 once (worker.slots); the job is tried again, elsewhere if another worker is free ({error})"
            ),
        );
    }
    Failure::transient(
        "scratch_failed",
        format!("a file of the attempt cannot be written or read: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_to_be_that_wherever_it_shows() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let in_store =
            ObjectsError::LocalFile { action: "read", path: "source".into(), source: full() };
        for failure in [scratch_failure(&full()), store_failure(&in_store)] {
            assert_eq!((failure.class, &*failure.code), (ErrorClass::Transient, SCRATCH_FULL));
            assert!(failure.message.contains("make room in worker.scratch"), "{failure:?}");
        }
        let other = scratch_failure(&io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!((other.class, &*other.code), (ErrorClass::Transient, "scratch_failed"));
    }
}
