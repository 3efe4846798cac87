//! What gets no jobs until somebody resumes it.

use sqlx::PgPool;

use crate::pause::{PauseColumns, pauses as from_rows};
use crate::{JobsDbError, Pause, PauseTarget};

/// A pause that is there keeps its time: it began then.
pub(super) async fn put(pool: &PgPool, pause: &Pause) -> Result<(), JobsDbError> {
    sqlx::query(
        "INSERT INTO pauses (kind, name, since, reason) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, name) DO UPDATE SET reason = excluded.reason",
    )
    .bind(pause.target.kind())
    .bind(pause.target.name())
    .bind(pause.since.as_millis())
    .bind(&pause.reason)
    .execute(pool)
    .await?;
    Ok(())
}

/// What was there.
pub(super) async fn take(
    pool: &PgPool,
    target: &PauseTarget,
) -> Result<Option<Pause>, JobsDbError> {
    let rows: Vec<PauseColumns> = sqlx::query_as(
        "DELETE FROM pauses WHERE kind = $1 AND name = $2 RETURNING kind, name, since, reason",
    )
    .bind(target.kind())
    .bind(target.name())
    .fetch_all(pool)
    .await?;
    Ok(from_rows(rows).pop())
}

/// By kind and name.
pub(super) async fn all(pool: &PgPool) -> Result<Vec<Pause>, JobsDbError> {
    let rows: Vec<PauseColumns> =
        sqlx::query_as("SELECT kind, name, since, reason FROM pauses ORDER BY kind, name")
            .fetch_all(pool)
            .await?;
    Ok(from_rows(rows))
}
