//! What a dispatcher looks at in every turn, in one statement.

use std::time::Duration;

use panofleet_job_schema::{Lane, Region};
use sqlx::PgConnection;

use crate::JobsDbError;
use crate::outlook::{Outlook, QueueName, QueueOutlook};
use crate::pause::pauses;
use crate::row::{corrupt, time};

/// The clock, the next timer; of each queue how many are sent and whether one waits; the columns of the pauses.
type OutlookColumns =
    (i64, Option<i64>, Vec<i64>, Vec<bool>, Vec<String>, Vec<String>, Vec<i64>, Vec<String>);

/// Whether a job waits is not asked with `EXISTS`: that may be answered from a table of all queues that have one, for which
/// every job that waits is read.
pub(super) async fn outlook(
    connection: &mut PgConnection,
    queues: &[QueueName],
    ahead: Option<Duration>,
) -> Result<Outlook, JobsDbError> {
    let columns: OutlookColumns = sqlx::query_as(
        "WITH clock AS MATERIALIZED (
            SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now
         ), asked AS MATERIALIZED (
            SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (region, lane, place)
         ), paused AS MATERIALIZED (
            SELECT kind, name, since, reason FROM pauses ORDER BY kind, name
         )
         SELECT (SELECT now FROM clock),
            (SELECT min(timer_at) FROM jobs WHERE timer_at <= (SELECT now + $3 FROM clock)),
            ARRAY(SELECT (SELECT count(*) FROM jobs
                    WHERE state = 'sent' AND jobs.region = asked.region AND jobs.lane = asked.lane)
                FROM asked ORDER BY place),
            ARRAY(SELECT (SELECT true FROM jobs
                    WHERE state = 'queued' AND jobs.region = asked.region AND jobs.lane = asked.lane LIMIT 1) IS NOT NULL
                FROM asked ORDER BY place),
            ARRAY(SELECT kind FROM paused), ARRAY(SELECT name FROM paused), ARRAY(SELECT since FROM paused),
            ARRAY(SELECT reason FROM paused)",
    )
    .bind(queues.iter().map(|(region, _)| Region::as_str(region)).collect::<Vec<_>>())
    .bind(queues.iter().map(|(_, lane)| Lane::as_str(*lane)).collect::<Vec<_>>())
    .bind(ahead.map(|ahead| i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX / 2)))
    .fetch_one(connection)
    .await?;
    let (now, next_due, sent, has_queued, kinds, names, since, reasons) = columns;
    let paused = kinds.into_iter().zip(names).zip(since.into_iter().zip(reasons));
    let paused = paused.map(|((kind, name), (since, reason))| (kind, name, since, reason));
    let queue = |(sent, has_queued)| {
        let sent = u32::try_from(sent).map_err(|error| corrupt("a count", error))?;
        Ok(QueueOutlook { sent, has_queued })
    };
    Ok(Outlook {
        now: time(now),
        next_due: next_due.map(time),
        pauses: pauses(paused.collect()),
        queues: sent.into_iter().zip(has_queued).map(queue).collect::<Result<_, JobsDbError>>()?,
    })
}
