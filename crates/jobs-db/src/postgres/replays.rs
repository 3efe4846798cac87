//! Dead letters that are to go back.

use async_trait::async_trait;
use panofleet_job_schema::Timestamp;

use super::PostgresJobsDb;
use crate::replay::{ReplayColumns, replay};
use crate::{JobsDbError, LetterKey, Replay, ReplaysDb};

#[async_trait]
impl ReplaysDb for PostgresJobsDb {
    async fn request_replay(
        &self,
        letter: LetterKey,
        at: Timestamp,
    ) -> Result<Replay, JobsDbError> {
        let (id, kept_at) = letter.columns();
        let row: ReplayColumns = sqlx::query_as(
            "INSERT INTO replays (letter, kept_at, requested_at) VALUES ($1, $2, $3)
             ON CONFLICT (letter, kept_at) DO UPDATE SET
                requested_at = CASE WHEN replays.failure IS NULL
                                    THEN replays.requested_at ELSE excluded.requested_at END,
                ended_at = CASE WHEN replays.failure IS NULL THEN replays.ended_at END,
                failure = NULL
             RETURNING letter, kept_at, requested_at, ended_at, failure",
        )
        .bind(id)
        .bind(kept_at)
        .bind(at.as_millis())
        .fetch_one(&self.pool)
        .await?;
        replay(row)
    }

    async fn replays(&self, letters: &[LetterKey]) -> Result<Vec<Replay>, JobsDbError> {
        let mut found = Vec::new();
        for (id, kept_at) in letters.iter().map(|letter| letter.columns()) {
            let row: Option<ReplayColumns> = sqlx::query_as(
                "SELECT letter, kept_at, requested_at, ended_at, failure FROM replays
                 WHERE letter = $1 AND kept_at = $2",
            )
            .bind(id)
            .bind(kept_at)
            .fetch_optional(&self.pool)
            .await?;
            found.extend(row.map(replay).transpose()?);
        }
        Ok(found)
    }

    async fn open_replays(&self, limit: u32) -> Result<Vec<Replay>, JobsDbError> {
        let rows: Vec<ReplayColumns> = sqlx::query_as(
            "SELECT letter, kept_at, requested_at, ended_at, failure FROM replays
             WHERE ended_at IS NULL ORDER BY requested_at, letter, kept_at LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(replay).collect()
    }

    async fn end_replay(
        &self,
        letter: LetterKey,
        at: Timestamp,
        failure: Option<&str>,
    ) -> Result<(), JobsDbError> {
        let (id, kept_at) = letter.columns();
        sqlx::query(
            "UPDATE replays SET ended_at = $1, failure = $2
             WHERE letter = $3 AND kept_at = $4 AND ended_at IS NULL",
        )
        .bind(at.as_millis())
        .bind(failure)
        .bind(id)
        .bind(kept_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
