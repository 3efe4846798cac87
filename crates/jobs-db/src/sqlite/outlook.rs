//! What a dispatcher looks at in every turn.

use panofleet_job_schema::Timestamp;
use sqlx::SqlitePool;

use crate::JobsDbError;
use crate::outlook::{QueueName, QueueOutlook};
use crate::row::{corrupt, time};

pub(super) async fn queue(
    readers: &SqlitePool,
    (region, lane): &QueueName,
) -> Result<QueueOutlook, JobsDbError> {
    let (sent, has_queued): (i64, bool) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM jobs WHERE state = 'sent' AND region = ?1 AND lane = ?2),
            EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND region = ?1 AND lane = ?2)",
    )
    .bind(region.as_str())
    .bind(lane.as_str())
    .fetch_one(readers)
    .await?;
    let sent = u32::try_from(sent).map_err(|error| corrupt("a count", error))?;
    Ok(QueueOutlook { sent, has_queued })
}

pub(super) async fn next_due(readers: &SqlitePool) -> Result<Option<Timestamp>, JobsDbError> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT min(timer_at) FROM jobs WHERE timer_at IS NOT NULL")
            .fetch_one(readers)
            .await?;
    Ok(next.map(time))
}
