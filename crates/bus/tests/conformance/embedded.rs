//! The embedded bus: its fixture, and what it promises beyond the interface.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use panofleet_bus::{Bus, BusError, EventPoll, PartitionBounds};
use panofleet_job_schema::Span;
use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use panofleet_jobs_db::sqlite::SqliteFile;
use tempfile::TempDir;

use crate::fixture::{
    DELIVERY_LIMIT, Fixture, LONG_LOCK, PARTITIONS, SHORT_LOCK, events, job, queue, read_count,
    reader_of_all, receipts, receive_now, region, send, texts, within,
};

/// A process with an embedded bus, and the folder that outlives it.
pub(crate) struct EmbeddedFixture {
    config: EmbeddedConfig,
    alive: Option<(SqliteFile, EmbeddedBus)>,
    folder: TempDir,
}

impl EmbeddedFixture {
    pub(crate) async fn start(lock: Duration) -> Self {
        Self::with(config(lock)).await
    }

    async fn with(config: EmbeddedConfig) -> Self {
        let mut fixture = Self { config, alive: None, folder: tempfile::tempdir().unwrap() };
        fixture.crash().await;
        fixture
    }

    /// The bus in a folder that another process had before; nothing else of this process has it.
    pub(crate) async fn bus_in(folder: &Path, lock: Duration) -> EmbeddedBus {
        open(folder, config(lock)).await.unwrap().1
    }

    fn file(&self) -> &SqliteFile {
        &self.alive.as_ref().expect("a process is alive").0
    }

    fn embedded(&self) -> &EmbeddedBus {
        &self.alive.as_ref().expect("a process is alive").1
    }
}

fn config(lock: Duration) -> EmbeddedConfig {
    EmbeddedConfig {
        lock: Span(lock),
        delivery_limit: DELIVERY_LIMIT,
        event_partitions: PARTITIONS,
    }
}

async fn open(
    folder: &Path,
    config: EmbeddedConfig,
) -> Result<(SqliteFile, EmbeddedBus), BusError> {
    let file = SqliteFile::open(&folder.join("panofleet.db")).await.unwrap();
    let bus = EmbeddedBus::open(file.writer.clone(), file.readers.clone(), config).await?;
    Ok((file, bus))
}

#[async_trait]
impl Fixture for EmbeddedFixture {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(self.embedded().clone())
    }

    async fn crash(&mut self) {
        self.alive = None;
        self.alive = Some(open(self.folder.path(), self.config.clone()).await.unwrap());
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, BusError>, why: &str) {
    match result {
        Err(BusError::Refused(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("it must be refused because of {why}, yet {other:?}"),
    }
}

#[tokio::test]
async fn trimmed_events_are_gone_and_never_skipped_in_silence() {
    const COUNT: u64 = 12_000; // More than one transaction trims.
    let mut fixture = EmbeddedFixture::start(LONG_LOCK).await;
    let bus = fixture.embedded().clone();
    let batch = (0..COUNT).map(|number| (1, Bytes::from(number.to_string()))).collect();
    bus.publish_events(batch).await.unwrap();
    bus.trim_events(1, 11_000).await.unwrap();
    bus.trim_events(1, 500).await.unwrap(); // It never moves back.
    bus.trim_events(2, 10).await.unwrap(); // Nothing is there yet.
    assert_refused(bus.trim_events(PARTITIONS, 1).await, "no partition");
    drop(bus);

    fixture.crash().await;
    let mut reader = reader_of_all(&*fixture.bus()).await;
    let bounds = reader.bounds().await.unwrap();
    assert_eq!(bounds[1], PartitionBounds { partition: 1, start: 11_000, end: COUNT });
    assert_eq!(bounds[2], PartitionBounds { partition: 2, start: 0, end: 0 });
    assert_refused(reader.poll(Duration::ZERO).await, "not 0");
    reader.seek(1, COUNT + 1).await.unwrap();
    assert_refused(reader.poll(Duration::ZERO).await, "not 12001");
    reader.seek(1, 11_000).await.unwrap();
    let kept = read_count(&mut *reader, 1000).await;
    assert_eq!((kept.len(), kept[0].2.as_str(), kept[999].2.as_str()), (1000, "11000", "11999"));

    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM bus_events")
        .fetch_one(&fixture.file().readers)
        .await
        .unwrap();
    assert_eq!(left, 1000, "the rows are deleted, not hidden");
    fixture.embedded().trim_events(1, u64::MAX).await.unwrap();
    fixture.bus().publish_events(events([(1, "next")])).await.unwrap();
    assert_eq!(read_count(&mut *reader, 1).await, [(1, COUNT, "next".to_owned())]);
}

#[tokio::test]
async fn one_read_of_long_events_is_bounded() {
    let fixture = EmbeddedFixture::start(LONG_LOCK).await;
    let payload = Bytes::from(vec![7; ENVELOPE_BYTES_MAX]);
    for _ in 0..3 {
        fixture.bus().publish_events(vec![(0, payload.clone()); 4]).await.unwrap();
    }
    let mut reader = reader_of_all(&*fixture.bus()).await;
    let mut sizes = Vec::new();
    while let EventPoll::Records { records, .. } = reader.poll(Duration::ZERO).await.unwrap() {
        sizes.push(records.len());
    }
    assert_eq!(sizes, [5, 5, 2], "a read stops after 4 MiB");
}

#[tokio::test]
async fn old_control_records_are_trimmed_and_followers_go_on() {
    let fixture = EmbeddedFixture::start(LONG_LOCK).await;
    let (bus, hour) = (fixture.embedded(), Duration::from_secs(3600));
    let mut follower = bus.follow_control(&region("a")).await.unwrap();
    for number in 1..=2 {
        bus.publish_control(&region("a"), job(number), Bytes::from_static(b"old")).await.unwrap();
    }
    assert_eq!(follower.catch_up().await.unwrap().len(), 2);
    assert_eq!(bus.trim_control(hour).await.unwrap(), 0);
    sqlx::query("UPDATE bus_control SET created_at = created_at - 3700 WHERE job = ?")
        .bind(job(2).0.as_bytes().as_slice())
        .execute(&fixture.file().writer)
        .await
        .unwrap();
    assert_eq!(bus.trim_control(hour).await.unwrap(), 1);
    bus.publish_control(&region("a"), job(3), Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(follower.catch_up().await.unwrap(), ["new"]);
    let kept = bus.follow_control(&region("a")).await.unwrap().catch_up().await.unwrap();
    assert_eq!(kept, ["old", "new"]);
}

#[tokio::test]
async fn the_oldest_dead_letters_make_room() {
    let fixture = EmbeddedFixture::start(LONG_LOCK).await;
    let letter = |reason: &str| panofleet_bus::DeadLetter {
        topic: "pf.events".to_owned(),
        placement: panofleet_job_schema::job::Placement { partition: 0, offset: 0 },
        reason: reason.to_owned(),
        payload: Bytes::new(),
    };
    for reason in ["oldest", "second"] {
        fixture.bus().dead_letter(letter(reason)).await.unwrap();
    }
    sqlx::query("UPDATE sqlite_sequence SET seq = 10000 WHERE name = 'bus_dead_letters'")
        .execute(&fixture.file().writer)
        .await
        .unwrap();
    fixture.bus().dead_letter(letter("newest")).await.unwrap();
    let kept = fixture.bus().dead_letters(10).await.unwrap();
    assert_eq!(kept.iter().map(|letter| &*letter.reason).collect::<Vec<_>>(), ["newest", "second"]);
}

/// Calls are given up at whatever point they have reached; what was sent all the same must be handed out by
/// this process, not only by the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_given_up_loses_nothing() {
    let config =
        EmbeddedConfig { lock: Span(SHORT_LOCK), delivery_limit: 1000, event_partitions: 1 };
    let mut fixture = EmbeddedFixture::with(config).await;
    let (bus, queue) = (fixture.bus(), queue("a"));
    let mut certain = BTreeSet::new();
    let mut given_up = 0;
    for number in 0..400 {
        let name = number.to_string();
        let patience = Duration::from_micros(number % 40 * 20);
        match tokio::time::timeout(patience, send(&*bus, &queue, &name)).await {
            Ok(_) => certain.extend([name]),
            Err(_) => given_up += 1,
        }
    }
    assert!(given_up > 0 && !certain.is_empty(), "{given_up} of 400 were given up");
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    for number in 0..200 {
        let patience = Duration::from_micros(number % 40 * 20);
        drop(tokio::time::timeout(patience, member.receive(3, Duration::ZERO)).await);
    }
    let mut seen = BTreeSet::new();
    loop {
        let received = within(member.receive(1000, 2 * SHORT_LOCK)).await.unwrap();
        if received.is_empty() {
            break; // For longer than a lock lasts.
        }
        seen.extend(texts(&received));
        member.acknowledge(&receipts(&received)).await.unwrap();
    }
    assert!(seen.is_superset(&certain), "lost: {:?}", certain.difference(&seen));
    drop((member, bus));
    fixture.crash().await;
    let mut member = fixture.bus().take_jobs(&queue, "member").await.unwrap();
    assert!(
        receive_now(&mut *member).await.is_empty(),
        "a message was hidden from the process that had it"
    );
}

#[tokio::test]
async fn files_and_settings_that_do_not_fit_are_refused() {
    let mut fixture = EmbeddedFixture::start(LONG_LOCK).await;
    sqlx::query("INSERT INTO bus_migrations (version, applied_at) VALUES (99, 0)")
        .execute(&fixture.file().writer)
        .await
        .unwrap();
    fixture.alive = None;
    let opened = |config| open(fixture.folder.path(), config);
    assert_refused(opened(fixture.config.clone()).await, "schema is version 99");

    let fixture = EmbeddedFixture::start(LONG_LOCK).await;
    let (writer, readers) = (&fixture.file().writer, &fixture.file().readers);
    let opened = |config| EmbeddedBus::open(writer.clone(), readers.clone(), config);
    let fewer = EmbeddedConfig { event_partitions: PARTITIONS - 1, ..fixture.config.clone() };
    assert_refused(opened(fewer).await, "can only grow");
    assert_refused(
        opened(EmbeddedConfig { lock: Span::from_secs(0), ..Default::default() }).await,
        "bus.lock",
    );
    assert_refused(
        opened(EmbeddedConfig { delivery_limit: 0, ..Default::default() }).await,
        "bus.delivery_limit",
    );
    let more = EmbeddedConfig { event_partitions: PARTITIONS + 2, ..fixture.config.clone() };
    assert_eq!(opened(more).await.unwrap().event_partitions(), PARTITIONS + 2);

    sqlx::query("PRAGMA synchronous = NORMAL").execute(writer).await.unwrap();
    assert_refused(opened(fixture.config.clone()).await, "synchronous=full");
}
