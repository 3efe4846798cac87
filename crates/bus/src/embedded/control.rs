//! Control records: the last one of each job and each worker, for each region.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_job_schema::Region;

use super::Shared;
use super::pools::{Pools, check_length};
use super::signal::{Signal, Waiter};
use crate::{BusError, ControlFollower};

pub(super) async fn publish(
    pools: &Pools,
    arrivals: &Signal,
    region: &Region,
    (key, payload): (&[u8], &Bytes),
) -> Result<(), BusError> {
    check_length(payload)?;
    let mut transaction = pools.write().await?;
    let seq: i64 = sqlx::query_scalar(
        "UPDATE bus_identity SET control_seq = control_seq + 1 RETURNING control_seq",
    )
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO bus_control (region, job, seq, created_at, payload) VALUES (?, ?, ?, unixepoch(), ?)
         ON CONFLICT (region, job) DO UPDATE SET
            seq = excluded.seq, created_at = excluded.created_at, payload = excluded.payload",
    )
    .bind(region.as_str())
    .bind(key)
    .bind(seq)
    .bind(payload.as_ref())
    .execute(&mut *transaction)
    .await?;
    let _raise = arrivals.raise_on_drop();
    Ok(transaction.commit().await?)
}

/// Deletes the records that were put longer ago than `age`, and returns how many.
pub(super) async fn trim(pools: &Pools, age: Duration) -> Result<u64, BusError> {
    let deleted = sqlx::query("DELETE FROM bus_control WHERE created_at < unixepoch() - ?")
        .bind(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
        .execute(&pools.writer)
        .await?;
    Ok(deleted.rows_affected())
}

/// One follower of one region.
#[derive(Debug)]
pub(super) struct EmbeddedFollower {
    shared: Arc<Shared>,
    region: Region,
    /// The last record that was returned.
    seen_seq: i64,
    arrivals: Waiter,
}

impl EmbeddedFollower {
    pub(super) fn new(shared: Arc<Shared>, region: Region) -> Self {
        let arrivals = shared.control_arrivals.waiter();
        Self { shared, region, seen_seq: 0, arrivals }
    }
}

#[async_trait]
impl ControlFollower for EmbeddedFollower {
    async fn catch_up(&mut self) -> Result<Vec<Bytes>, BusError> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT seq, payload FROM bus_control WHERE region = ? AND seq > ? ORDER BY seq",
        )
        .bind(self.region.as_str())
        .bind(self.seen_seq)
        .fetch_all(&self.shared.pools.readers)
        .await?;
        self.seen_seq = rows.last().map_or(self.seen_seq, |(seq, _)| *seq);
        Ok(rows.into_iter().map(|(_, payload)| payload.into()).collect())
    }

    async fn next(&mut self, wait: Duration) -> Result<Vec<Bytes>, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            self.arrivals.arm();
            let records = self.catch_up().await?;
            if !records.is_empty() || Instant::now() >= deadline {
                return Ok(records);
            }
            self.arrivals.wait_until(deadline).await;
        }
    }
}
