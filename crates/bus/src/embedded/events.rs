//! The event log in the file: appending, bounds, reading, trimming.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::pools::{Pools, check_length, integer, natural, offset_list};
use super::signal::Signal;
use crate::{BusError, EventRecord, PartitionBounds};

/// Records of one read.
const READ_RECORDS_MAX: u32 = 1000;
/// A read ends after the record that reaches this.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records that one transaction deletes, so that a long trim lets others write in between.
const TRIM_RECORDS: u64 = 10_000;

pub(super) async fn publish(
    pools: &Pools,
    arrivals: &Signal,
    partitions: u32,
    events: &[(u32, Bytes)],
) -> Result<(), BusError> {
    let mut counts = BTreeMap::<u32, u64>::new();
    for (partition, payload) in events {
        check_length(payload)?;
        if *partition >= partitions {
            return Err(no_partition(*partition));
        }
        *counts.entry(*partition).or_default() += 1;
    }
    if events.is_empty() {
        return Ok(());
    }
    let mut transaction = pools.write().await?;
    let mut next_offsets = BTreeMap::new();
    for (partition, count) in counts {
        let first: i64 = sqlx::query_scalar(
            "UPDATE bus_partitions SET next_offset = next_offset + ?1 WHERE partition = ?2
             RETURNING next_offset - ?1",
        )
        .bind(integer(count))
        .bind(partition)
        .fetch_one(&mut *transaction)
        .await?;
        next_offsets.insert(partition, first);
    }
    for (partition, payload) in events {
        let offset =
            next_offsets.get_mut(partition).expect("every partition of the batch was counted");
        sqlx::query("INSERT INTO bus_events (partition, offset, payload) VALUES (?, ?, ?)")
            .bind(partition)
            .bind(*offset)
            .bind(payload.as_ref())
            .execute(&mut *transaction)
            .await?;
        *offset += 1;
    }
    let _raise = arrivals.raise_on_drop();
    Ok(transaction.commit().await?)
}

/// The bounds of some partitions, by partition.
pub(super) async fn bounds(
    pools: &Pools,
    partitions: impl IntoIterator<Item = u32>,
) -> Result<Vec<PartitionBounds>, BusError> {
    let rows: Vec<(u32, i64, i64)> = sqlx::query_as(
        "SELECT partition, start_offset, next_offset FROM bus_partitions
         WHERE partition IN (SELECT value FROM json_each(?)) ORDER BY partition",
    )
    .bind(offset_list(partitions.into_iter().map(u64::from)))
    .fetch_all(&pools.readers)
    .await?;
    let bounds = |(partition, start, end)| PartitionBounds {
        partition,
        start: natural(start),
        end: natural(end),
    };
    Ok(rows.into_iter().map(bounds).collect())
}

/// The records of a partition from `offset` on, as many as one read takes.
pub(super) async fn read(
    pools: &Pools,
    partition: u32,
    offset: u64,
) -> Result<Vec<EventRecord>, BusError> {
    let mut rows = sqlx::query_as::<_, (i64, Vec<u8>)>(
        "SELECT offset, payload FROM bus_events WHERE partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
    )
    .bind(partition)
    .bind(integer(offset))
    .bind(READ_RECORDS_MAX)
    .fetch(&pools.readers);
    let mut records = Vec::new();
    let mut bytes = 0;
    while bytes < READ_BYTES_MAX
        && let Some((offset, payload)) = rows.try_next().await?
    {
        bytes += payload.len();
        records.push(EventRecord { offset: natural(offset), payload: payload.into() });
    }
    Ok(records)
}

/// Deletes the records below an offset, and moves the partition's start there.
pub(super) async fn trim(pools: &Pools, partition: u32, below: u64) -> Result<(), BusError> {
    loop {
        let Some(PartitionBounds { start, end, .. }) = bounds(pools, [partition]).await?.pop()
        else {
            return Err(no_partition(partition));
        };
        let start_then = below.min(end).min(start + TRIM_RECORDS);
        if start_then <= start {
            return Ok(());
        }
        let mut transaction = pools.write().await?;
        sqlx::query("DELETE FROM bus_events WHERE partition = ? AND offset < ?")
            .bind(partition)
            .bind(integer(start_then))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE bus_partitions SET start_offset = max(start_offset, ?) WHERE partition = ?",
        )
        .bind(integer(start_then))
        .bind(partition)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
    }
}

fn no_partition(partition: u32) -> BusError {
    BusError::Refused(format!("the event log has no partition {partition}"))
}
