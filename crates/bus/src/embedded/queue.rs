//! One job queue: sending, taking, settling, and what became of a message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use panofleet_job_schema::JobId;
use panofleet_job_schema::job::Placement;
use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::Mutex;

use super::dead_letters;
use super::locks::Locks;
use super::pools::{Pools, check_length, integer, natural, offset_list};
use super::signal::Signal;
use crate::{BusError, CopyFate, DeadLetter, Queue, Receipt, Received};

/// The one partition of an embedded queue.
const PARTITION: u32 = 0;

/// One queue of this process.
#[derive(Debug)]
pub(super) struct JobQueue {
    id: i64,
    queue: Queue,
    topic: String,
    /// No message lies at or above this. It may be too high after a send that failed: a look too many.
    end: AtomicU64,
    /// Held over a look into the file and the note of what was taken, so that no two members take the same.
    locks: Mutex<Locks>,
}

/// How messages are handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handing {
    pub(super) lock: Duration,
    pub(super) delivery_limit: u32,
}

struct Row {
    offset: u64,
    deliveries: u32,
    payload: Vec<u8>,
}

impl JobQueue {
    /// Opens a queue, or makes it.
    pub(super) async fn open(pools: &Pools, queue: &Queue) -> Result<Self, BusError> {
        let topic = queue.topic();
        let (id, end): (i64, i64) = sqlx::query_as(
            "INSERT INTO bus_queues (topic, next_offset) VALUES (?, 0)
             ON CONFLICT (topic) DO UPDATE SET next_offset = next_offset RETURNING queue, next_offset",
        )
        .bind(&topic)
        .fetch_one(&pools.writer)
        .await?;
        Ok(Self {
            id,
            queue: queue.clone(),
            topic,
            end: AtomicU64::new(natural(end)),
            locks: Mutex::new(Locks::default()),
        })
    }

    pub(super) async fn send(
        &self,
        pools: &Pools,
        arrivals: &Signal,
        job: JobId,
        payload: &Bytes,
    ) -> Result<Placement, BusError> {
        check_length(payload)?;
        let mut transaction = pools.write().await?;
        let offset: i64 = sqlx::query_scalar(
            "UPDATE bus_queues SET next_offset = next_offset + 1 WHERE queue = ? RETURNING next_offset - 1",
        )
        .bind(self.id)
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query("INSERT INTO bus_messages (queue, offset, job, deliveries, payload) VALUES (?, ?, ?, 0, ?)")
            .bind(self.id)
            .bind(offset)
            .bind(job.0.as_bytes().as_slice())
            .bind(payload.as_ref())
            .execute(&mut *transaction)
            .await?;
        // Before the commit: if the caller gives up while it runs, the message may be there all the same.
        self.end.fetch_max(natural(offset) + 1, Ordering::AcqRel);
        let _raise = arrivals.raise_on_drop();
        transaction.commit().await?;
        Ok(Placement { partition: PARTITION, offset: natural(offset) })
    }

    pub(super) async fn fate(
        &self,
        pools: &Pools,
        placement: Placement,
    ) -> Result<CopyFate, BusError> {
        if placement.partition != PARTITION {
            return Err(BusError::Refused(format!(
                "{} has no partition {}",
                self.topic, placement.partition
            )));
        }
        // An offset that was never given out may be yet: nothing is proven about it.
        let may_be_handed_out: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM bus_messages WHERE queue = ?1 AND offset = ?2)
                 OR ?2 >= (SELECT next_offset FROM bus_queues WHERE queue = ?1)",
        )
        .bind(self.id)
        .bind(integer(placement.offset))
        .fetch_one(&pools.readers)
        .await?;
        Ok(if may_be_handed_out { CopyFate::Present } else { CopyFate::Gone })
    }

    /// Takes up to `max` messages, those that came back first. Messages that were handed out too often become
    /// dead letters instead.
    pub(super) async fn take(
        &self,
        pools: &Pools,
        max: usize,
        handing: Handing,
    ) -> Result<Vec<Received>, BusError> {
        let mut locks = self.locks.lock().await;
        loop {
            locks.lapse(Instant::now());
            if locks.nothing_below(self.end.load(Ordering::Acquire)) {
                return Ok(Vec::new());
            }
            let mut transaction = pools.write().await?;
            let rows = self.available(&mut transaction, &mut locks, max).await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            let (given_up, rows): (Vec<Row>, Vec<Row>) =
                rows.into_iter().partition(|row| row.deliveries >= handing.delivery_limit);
            let received_at = Instant::now();
            self.hand_out(transaction, &given_up, &rows).await?;
            for row in &given_up {
                locks.forget(row.offset);
            }
            let until = Instant::now() + handing.lock;
            for row in &rows {
                locks.hold(row.offset, u64::from(row.deliveries) + 1, until);
            }
            if !rows.is_empty() {
                return Ok(rows.into_iter().map(|row| self.received(row, received_at)).collect());
            }
        }
    }

    /// Up to `max` messages that nobody holds: first those that came back, then those that are new.
    async fn available(
        &self,
        connection: &mut SqliteConnection,
        locks: &mut Locks,
        max: usize,
    ) -> Result<Vec<Row>, BusError> {
        let returned: Vec<u64> = locks.returned().take(max).collect();
        let mut rows: Vec<(i64, u32, Vec<u8>)> = Vec::new();
        if !returned.is_empty() {
            rows = sqlx::query_as(
                "SELECT offset, deliveries, payload FROM bus_messages
                 WHERE queue = ? AND offset IN (SELECT value FROM json_each(?)) ORDER BY offset",
            )
            .bind(self.id)
            .bind(offset_list(returned.iter().copied()))
            .fetch_all(&mut *connection)
            .await?;
            // Acknowledged by a call that was given up while its commit ran.
            for offset in
                returned.iter().filter(|offset| rows.iter().all(|row| natural(row.0) != **offset))
            {
                locks.forget(*offset);
            }
        }
        if rows.len() < max {
            let new: Vec<(i64, u32, Vec<u8>)> = sqlx::query_as(
                "SELECT offset, deliveries, payload FROM bus_messages
                 WHERE queue = ? AND offset >= ? ORDER BY offset LIMIT ?",
            )
            .bind(self.id)
            .bind(integer(locks.cursor()))
            .bind(i64::try_from(max - rows.len()).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await?;
            rows.extend(new);
        }
        let row =
            |(offset, deliveries, payload)| Row { offset: natural(offset), deliveries, payload };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Counts the delivery of `rows` and gives up on `given_up`, in one commit.
    async fn hand_out(
        &self,
        mut transaction: Transaction<'static, Sqlite>,
        given_up: &[Row],
        rows: &[Row],
    ) -> Result<(), BusError> {
        for row in given_up {
            let letter = DeadLetter {
                topic: self.topic.clone(),
                placement: Placement { partition: PARTITION, offset: row.offset },
                reason: format!("handed out {} times and never settled", row.deliveries),
                payload: Bytes::copy_from_slice(&row.payload),
            };
            tracing::warn!(topic = self.topic, offset = row.offset, "message given up");
            dead_letters::insert(&mut transaction, &letter).await?;
        }
        if !given_up.is_empty() {
            self.delete(&mut transaction, given_up.iter().map(|row| row.offset)).await?;
        }
        sqlx::query(
            "UPDATE bus_messages SET deliveries = deliveries + 1
             WHERE queue = ? AND offset IN (SELECT value FROM json_each(?))",
        )
        .bind(self.id)
        .bind(offset_list(rows.iter().map(|row| row.offset)))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn delete(
        &self,
        connection: &mut SqliteConnection,
        offsets: impl IntoIterator<Item = u64>,
    ) -> Result<(), BusError> {
        sqlx::query(
            "DELETE FROM bus_messages WHERE queue = ? AND offset IN (SELECT value FROM json_each(?))",
        )
        .bind(self.id)
        .bind(offset_list(offsets))
        .execute(connection)
        .await?;
        Ok(())
    }

    fn received(&self, row: Row, received_at: Instant) -> Received {
        Received {
            receipt: Receipt {
                topic: self.topic.clone(),
                placement: Placement { partition: PARTITION, offset: row.offset },
                delivery: u64::from(row.deliveries) + 1,
            },
            queue: self.queue.clone(),
            deliveries: row.deliveries + 1,
            received_at,
            payload: row.payload.into(),
        }
    }

    /// Deletes those messages that the receipts still hold.
    pub(super) async fn acknowledge(
        &self,
        pools: &Pools,
        receipts: &[Receipt],
    ) -> Result<(), BusError> {
        let mut locks = self.locks.lock().await;
        let offsets = self.held(&locks, receipts);
        if offsets.is_empty() {
            return Ok(());
        }
        let mut transaction = pools.write().await?;
        self.delete(&mut transaction, offsets.iter().copied()).await?;
        transaction.commit().await?;
        for offset in offsets {
            locks.forget(offset);
        }
        Ok(())
    }

    /// Gives back those messages that the receipts still hold.
    pub(super) async fn release(&self, receipts: &[Receipt]) {
        let mut locks = self.locks.lock().await;
        for offset in self.held(&locks, receipts) {
            locks.give_back(offset);
        }
    }

    fn held(&self, locks: &Locks, receipts: &[Receipt]) -> Vec<u64> {
        let now = Instant::now();
        receipts
            .iter()
            .filter(|receipt| {
                receipt.topic == self.topic && receipt.placement.partition == PARTITION
            })
            .filter(|receipt| locks.holds(receipt.placement.offset, receipt.delivery, now))
            .map(|receipt| receipt.placement.offset)
            .collect()
    }

    /// When the next lock of this queue lapses.
    pub(super) async fn next_lapse(&self) -> Option<Instant> {
        self.locks.lock().await.next_lapse()
    }
}
