//! The one file of a process with embedded parts: opening it, and owning it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::JobsDbError;

/// Connections that read; each is a thread of its own.
const READERS_MAX: u32 = 4;
/// How long a statement waits for a lock of the file. Nobody else writes, so only a checkpoint or a backup
/// is ever waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long opening waits for the file's last owner to be gone: a process that was just killed, or a child of
/// it that has not yet closed what it inherited.
const OWNER_WAIT: Duration = Duration::from_millis(500);
/// The time between two looks at the owner's lock.
const OWNER_LOOK: Duration = Duration::from_millis(10);
/// The write-ahead log is cut to this after a checkpoint.
const WAL_BYTES_KEPT: u32 = 64 * 1024 * 1024;

/// An open SQLite file that this process owns, shared by the job database and the embedded bus.
///
/// SQLite has one writer at a time. With two writing connections the second is told `SQLITE_BUSY`, or waits
/// by sleeping; with one, shared by everything in the process, callers queue in order. So the pools are
/// public: the embedded bus is opened on the same two, as plain `sqlx` pools, and depends on nothing here.
///
/// While any clone lives, no other process can open the file with [`SqliteFile::open`].
#[derive(Clone, Debug)]
pub struct SqliteFile {
    /// The one connection that writes: WAL, `synchronous=FULL`, `foreign_keys`.
    pub writer: SqlitePool,
    /// Connections that can only read; each statement sees everything that was committed before it.
    pub readers: SqlitePool,
    path: PathBuf,
    _owned: Arc<File>,
}

impl SqliteFile {
    /// Opens the file, or makes it; its folder must exist. `<path>.lock` beside it says whose it is.
    ///
    /// # Errors
    /// [`JobsDbError::Refused`] if another process has it open, [`JobsDbError::Unavailable`] if it cannot be
    /// opened.
    pub async fn open(path: &Path) -> Result<Self, JobsDbError> {
        let owned = own(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("journal_size_limit", WAL_BYTES_KEPT.to_string());
        // The writer comes first: it makes the file and puts it into WAL mode.
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        let readers = pool()
            .max_connections(READERS_MAX)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        Ok(Self { writer, readers, path: path.to_owned(), _owned: Arc::new(owned) })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the calls that run and closes every connection; what was durable is so without it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a write. The lock is taken at once, so that what is read inside is still true at the commit.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, JobsDbError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Takes the lock that says that this process owns the database.
async fn own(path: &Path) -> Result<File, JobsDbError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let unavailable = |error: std::io::Error| {
        JobsDbError::Unavailable(format!("{}: {error}", Path::new(&lock_path).display()))
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(unavailable)?;
    let deadline = Instant::now() + OWNER_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(OWNER_LOOK).await;
            }
            Err(TryLockError::WouldBlock) => {
                let shown = path.display();
                return Err(JobsDbError::Refused(format!("another process has {shown} open")));
            }
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
    }
}
