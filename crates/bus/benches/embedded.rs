//! The embedded bus on a real file with `synchronous=FULL`.
//!
//! The limit is the disk: every call that writes ends in one `fdatasync` of the write-ahead log, and calls queue
//! for the one writer. So calls a second are bounded by syncs a second, however many callers there are, and
//! what goes in one call shares its sync: the counts of events and claims in one call show it.
#![expect(clippy::unwrap_used, reason = "a benchmark ends where something fails")]

use std::time::Duration;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use panofleet_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use panofleet_bus::{Bus as _, Queue, Receipt};
use panofleet_job_schema::{JobId, Lane, Region};
use panofleet_jobs_db::sqlite::SqliteFile;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// A usual envelope.
const PAYLOAD: Bytes = Bytes::from_static(&[7; 600]);

struct Fleet {
    runtime: Runtime,
    bus: EmbeddedBus,
    queue: Queue,
    _file: SqliteFile,
    _folder: TempDir,
}

impl Fleet {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue { region: Region::new("hangzhou").unwrap(), lane: Lane::Image };
        let (file, bus) = runtime.block_on(async {
            let file = SqliteFile::open(&folder.path().join("panofleet.db")).await.unwrap();
            let pools = (file.writer.clone(), file.readers.clone());
            let bus = EmbeddedBus::open(pools.0, pools.1, EmbeddedConfig::default()).await.unwrap();
            (file, bus)
        });
        Self { runtime, bus, queue, _file: file, _folder: folder }
    }

    async fn send(&self, count: usize) {
        for _ in 0..count {
            self.bus.send_job(&self.queue, JobId(Uuid::nil()), PAYLOAD).await.unwrap();
        }
    }
}

fn main() {
    divan::main();
}

#[divan::bench]
fn send(bencher: Bencher<'_, '_>) {
    let fleet = Fleet::start();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| fleet.runtime.block_on(fleet.send(1)));
}

#[divan::bench(args = [1, 16, 256])]
fn claim(bencher: Bencher<'_, '_>, count: usize) {
    let fleet = Fleet::start();
    let member = fleet.runtime.block_on(fleet.bus.take_jobs(&fleet.queue, "bench"));
    let member = std::cell::RefCell::new(member.unwrap());
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| fleet.runtime.block_on(fleet.send(count)))
        .bench_local_values(|()| {
            let mut member = member.borrow_mut();
            fleet.runtime.block_on(async {
                let received = member.receive(count, Duration::ZERO).await.unwrap();
                let receipts: Vec<Receipt> =
                    received.into_iter().map(|message| message.receipt).collect();
                assert_eq!(receipts.len(), count);
                member.acknowledge(&receipts).await.unwrap();
            });
        });
}

#[divan::bench(args = [1, 16, 256])]
fn publish_events(bencher: Bencher<'_, '_>, count: u32) {
    let fleet = Fleet::start();
    let events: Vec<(u32, Bytes)> = (0..count).map(|number| (number % 4, PAYLOAD)).collect();
    bencher.counter(ItemsCount::new(count)).with_inputs(|| events.clone()).bench_local_values(
        |events| fleet.runtime.block_on(fleet.bus.publish_events(events)).unwrap(),
    );
}
