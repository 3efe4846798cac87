//! The connections that the bus is given, and what it asks of them.

use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::BusError;

/// The file's one writer, and its readers.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

impl Pools {
    /// Checks that a commit on the writer is durable when it returns: SQLite's default is not that.
    pub(super) async fn check(&self) -> Result<(), BusError> {
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&self.writer).await?;
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&self.writer).await?;
        let full = 2;
        if journal != "wal" || synchronous < full {
            return Err(BusError::Refused(format!(
                "the embedded bus needs journal_mode=wal and synchronous=full, not {journal} and {synchronous}"
            )));
        }
        Ok(())
    }

    /// Begins a write. The lock is taken at once, so that what is read inside is still true at the commit.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, BusError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Refuses what the fleet's bus would refuse.
pub(super) fn check_length(payload: &[u8]) -> Result<(), BusError> {
    if payload.len() > ENVELOPE_BYTES_MAX {
        let bytes = payload.len();
        return Err(BusError::Refused(format!(
            "a record has {bytes} bytes; the limit is {ENVELOPE_BYTES_MAX}"
        )));
    }
    Ok(())
}

/// SQLite's integers are signed. Only an offset that no log ever reaches is cut.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Offsets and counts are never negative in the file: each counts up from 0.
pub(super) fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Offsets as a JSON array for `SELECT value FROM json_each(?)`: one bound value, however many there are.
pub(super) fn offset_list(offsets: impl IntoIterator<Item = u64>) -> String {
    let texts: Vec<String> = offsets.into_iter().map(|offset| offset.to_string()).collect();
    format!("[{}]", texts.join(","))
}
