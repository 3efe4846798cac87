//! What a scenario is given, and what all of them use.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::{Bus, EventPoll, EventReader, JobSource, Queue, Receipt, Received};
use panofleet_job_schema::{JobId, Lane, Region};
use uuid::Uuid;

/// A lock that lapses in no test.
pub(crate) const LONG_LOCK: Duration = Duration::from_secs(60);
/// A lock that a test can wait for, and that a busy machine does not outrun by itself.
pub(crate) const SHORT_LOCK: Duration = Duration::from_millis(300);
/// How often a fixture's bus hands out a message.
pub(crate) const DELIVERY_LIMIT: u32 = 4;
/// Partitions of a fixture's event log.
pub(crate) const PARTITIONS: u32 = 4;
/// How long a test waits for what must happen at once: generous, but shorter than [`LONG_LOCK`] and than
/// [`WAIT`], so that neither can stand in for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A wait that something else has to end.
pub(crate) const WAIT: Duration = Duration::from_secs(40);

/// A bus for one test, with nothing on it.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// The bus of the process that lives now.
    fn bus(&self) -> Arc<dyn Bus>;

    /// That process dies without a goodbye, and another one starts.
    async fn crash(&mut self);

    /// Lets a queue's start move up to the first message that is not settled, where that takes more than time.
    async fn advance(&self, _queue: &Queue) {}
}

/// A queue by its region's name.
pub(crate) fn queue(region_name: &str) -> Queue {
    Queue { region: region(region_name), lane: Lane::Image }
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

pub(crate) fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

/// Sends a message that says `text`.
pub(crate) async fn send(
    bus: &dyn Bus,
    queue: &Queue,
    text: &str,
) -> panofleet_job_schema::job::Placement {
    bus.send_job(queue, job(1), Bytes::copy_from_slice(text.as_bytes())).await.unwrap()
}

/// The next message, which must come.
pub(crate) async fn receive_one(source: &mut dyn JobSource) -> Received {
    let mut received = within(source.receive(1, WAIT)).await.unwrap();
    assert_eq!(received.len(), 1, "exactly one message was asked for");
    received.pop().unwrap()
}

/// What can be had without waiting.
pub(crate) async fn receive_now(source: &mut dyn JobSource) -> Vec<String> {
    texts(&source.receive(1000, Duration::ZERO).await.unwrap())
}

pub(crate) fn texts(received: &[Received]) -> Vec<String> {
    received.iter().map(|message| text(&message.payload)).collect()
}

pub(crate) fn receipts(received: &[Received]) -> Vec<Receipt> {
    received.iter().map(|message| message.receipt.clone()).collect()
}

pub(crate) fn text(payload: &Bytes) -> String {
    String::from_utf8(payload.to_vec()).unwrap()
}

/// The result of something that must happen soon.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it must happen within the test's patience")
}

/// A reader that has every partition, each sought to 0.
pub(crate) async fn reader_of_all(bus: &dyn Bus) -> Box<dyn EventReader> {
    let mut reader = bus.read_events("reader").await.unwrap();
    let mut assigned = Vec::new();
    while assigned.len() < PARTITIONS as usize {
        if let EventPoll::Assigned(partitions) = within(reader.poll(WAIT)).await.unwrap() {
            assigned = partitions;
        }
    }
    for partition in assigned {
        reader.seek(partition, 0).await.unwrap();
    }
    reader
}

/// The next records, which must come: `(partition, offset, text)`.
pub(crate) async fn read_some(reader: &mut dyn EventReader) -> Vec<(u32, u64, String)> {
    match within(reader.poll(WAIT)).await.unwrap() {
        EventPoll::Records { partition, records } => {
            assert!(!records.is_empty(), "records were announced");
            records.iter().map(|record| (partition, record.offset, text(&record.payload))).collect()
        }
        other => panic!("records were published, yet {other:?}"),
    }
}

/// At least `count` records, sorted by partition and offset.
pub(crate) async fn read_count(
    reader: &mut dyn EventReader,
    count: usize,
) -> Vec<(u32, u64, String)> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(read_some(reader).await);
    }
    records.sort_by_key(|(partition, offset, _)| (*partition, *offset));
    records
}

/// Events that say what they are told to.
pub(crate) fn events<const N: usize>(events: [(u32, &str); N]) -> Vec<(u32, Bytes)> {
    events.map(|(partition, text)| (partition, Bytes::copy_from_slice(text.as_bytes()))).to_vec()
}
