//! What gets no jobs until somebody resumes it.

use sqlx::SqlitePool;

use super::file::SqliteFile;
use crate::pause::{PauseColumns, pauses as from_rows};
use crate::{JobsDbError, Pause, PauseTarget};

/// A pause that is there keeps its time: it began then.
pub(super) async fn put(file: &SqliteFile, pause: &Pause) -> Result<(), JobsDbError> {
    sqlx::query(
        "INSERT INTO pauses (kind, name, since, reason) VALUES (?, ?, ?, ?)
         ON CONFLICT (kind, name) DO UPDATE SET reason = excluded.reason",
    )
    .bind(pause.target.kind())
    .bind(pause.target.name())
    .bind(pause.since.as_millis())
    .bind(&pause.reason)
    .execute(&file.writer)
    .await?;
    Ok(())
}

/// What was there.
pub(super) async fn take(
    file: &SqliteFile,
    target: &PauseTarget,
) -> Result<Option<Pause>, JobsDbError> {
    let rows: Vec<PauseColumns> = sqlx::query_as(
        "DELETE FROM pauses WHERE kind = ? AND name = ? RETURNING kind, name, since, reason",
    )
    .bind(target.kind())
    .bind(target.name())
    .fetch_all(&file.writer)
    .await?;
    Ok(from_rows(rows).pop())
}

/// By kind and name.
pub(super) async fn all(readers: &SqlitePool) -> Result<Vec<Pause>, JobsDbError> {
    let rows: Vec<PauseColumns> =
        sqlx::query_as("SELECT kind, name, since, reason FROM pauses ORDER BY kind, name")
            .fetch_all(readers)
            .await?;
    Ok(from_rows(rows))
}
