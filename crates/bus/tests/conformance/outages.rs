//! The broker is killed and started again, under processes that live on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use panofleet_bus::kafka::{KafkaBus, KafkaConfig, KafkaGroups, topics};
use panofleet_bus::{Bus, BusError, CopyFate, DeadLetter, EventPoll, EventReader, JobSource};
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{Lane, Span};
use panofleet_test_servers::KafkaServer;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use crate::fixture::{
    Fixture as _, LONG_LOCK, PARTITIONS, SHORT_LOCK, events, job, queue, read_count, read_some,
    reader_of_all, receive_one, region, send, text,
};
use crate::kafka::{KafkaFixture, config, warm_up};

/// How patient the processes are.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a call may take: clients look at their clocks once a second, and the machine is busy.
const CALL_MAX: Duration = Duration::from_secs(8);
/// How long a killed broker and its clients take to be what they were: a new controller waits for the old session.
const RECOVERY: Duration = Duration::from_secs(60);

/// The broker that these tests kill, one after the other.
async fn server() -> MutexGuard<'static, KafkaServer> {
    static SERVER: OnceLock<Mutex<KafkaServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| Mutex::new(KafkaServer::start())).lock().await;
    warm_up(config(server.address(), LONG_LOCK)).await;
    server
}

async fn fixture(server: &KafkaServer) -> (KafkaFixture, KafkaConfig) {
    let config = KafkaConfig { timeout: Span(TIMEOUT), ..config(server.address(), LONG_LOCK) };
    (KafkaFixture::with(config.clone()).await, config)
}

/// What a call gave, which may be that the bus is away, but never a refusal, and never late.
async fn asked<T>(call: impl Future<Output = Result<T, BusError>>) -> Option<T> {
    let asked_at = Instant::now();
    let answer = call.await;
    let took = asked_at.elapsed();
    assert!(took < CALL_MAX, "a call took {took:?}");
    match answer {
        Ok(answer) => Some(answer),
        Err(BusError::Unavailable(_)) => None,
        Err(error @ BusError::Refused(_)) => panic!("{error}"),
    }
}

/// Asks until there is an answer that will do.
async fn recovered<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun_at = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun_at.elapsed() < RECOVERY, "nothing recovers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for what other tasks do.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun_at = Instant::now();
    while !holds() {
        assert!(begun_at.elapsed() < RECOVERY, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends and publishes numbers until it is told to stop, and remembers those that were told to be durable.
#[derive(Default)]
struct Writer {
    stop: AtomicBool,
    told_count: AtomicU32,
    away_count: AtomicU32,
}

impl Writer {
    async fn write(&self, bus: &dyn Bus) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let (mut sent, mut published) = (BTreeSet::new(), BTreeSet::new());
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let payload = Bytes::from(number.to_string());
            match asked(bus.send_job(&queue("a"), job(1), payload.clone())).await {
                Some(_) => {
                    sent.insert(number);
                    self.told_count.fetch_add(1, Ordering::Relaxed)
                }
                None => self.away_count.fetch_add(1, Ordering::Relaxed),
            };
            if asked(bus.publish_events(vec![(number % PARTITIONS, payload)])).await.is_some() {
                published.insert(number);
            }
        }
        (sent, published)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_to_be_durable_outlives_the_broker() {
    let server = server().await;
    let (fixture, _) = fixture(&server).await;
    let bus = fixture.bus();
    let writer = Arc::new(Writer::default());
    let mut writing = JoinSet::new();
    writing.spawn({
        let (writer, bus) = (Arc::clone(&writer), Arc::clone(&bus));
        async move { writer.write(&*bus).await }
    });
    for _ in 0..2 {
        let told = writer.told_count.load(Ordering::Relaxed);
        until("nothing is written", || writer.told_count.load(Ordering::Relaxed) > told + 50).await;
        let away = writer.away_count.load(Ordering::Relaxed);
        server.crash();
        until("nobody noticed", || writer.away_count.load(Ordering::Relaxed) > away).await;
        server.start_again();
    }
    let told = writer.told_count.load(Ordering::Relaxed);
    until("nothing is written", || writer.told_count.load(Ordering::Relaxed) > told + 50).await;
    writer.stop.store(true, Ordering::Relaxed);
    let (sent, published) = writing.join_next().await.unwrap().unwrap();

    let mut member = bus.take_jobs(&queue("a"), "member").await.unwrap();
    let mut left = sent;
    while !left.is_empty() {
        let received = receive_one(&mut *member).await;
        left.remove(&text(&received.payload).parse().unwrap());
        member.acknowledge(&[received.receipt]).await.unwrap();
    }
    let records = read_count(&mut *reader_of_all(&*bus).await, published.len()).await;
    let read: BTreeSet<u32> = records.iter().map(|(_, _, text)| text.parse().unwrap()).collect();
    assert!(read.is_superset(&published), "published, and gone: {:?}", published.difference(&read));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_goes_on_when_the_broker_is_back() {
    let server = server().await;
    let (fixture, _) = fixture(&server).await;
    let (bus, queue) = (fixture.bus(), queue("a"));
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    let mut idle = bus.take_jobs(&queue, "idle").await.unwrap();
    for text in ["settled", "held"] {
        send(&*bus, &queue, text).await;
    }
    let settled = receive_one(&mut *member).await;
    assert_eq!(settled.payload, "settled");
    member.acknowledge(&[settled.receipt]).await.unwrap();
    let held = receive_one(&mut *member).await;
    server.crash();
    for _ in 0..2 {
        // A second try must not say that it is settled.
        let doubtful = asked(member.acknowledge(std::slice::from_ref(&held.receipt))).await;
        assert!(doubtful.is_none(), "a broker that is gone cannot have settled anything");
    }
    for source in [&mut member, &mut idle] {
        let received = asked(source.receive(1, Duration::from_secs(1))).await;
        assert!(received.unwrap_or_default().is_empty());
    }
    server.start_again();

    // The broker forgot who held it: whoever asks gets it.
    let mut again = None;
    let begun_at = Instant::now();
    while again.is_none() {
        assert!(begun_at.elapsed() < RECOVERY, "the message that was held does not come back");
        for source in [&mut member, &mut idle] {
            for received in asked(take(&mut **source)).await.unwrap_or_default() {
                assert_eq!(received.payload, "held", "nothing else was left");
                assert_ne!(received.receipt, held.receipt, "another delivery, another receipt");
                recovered(async || {
                    asked(source.acknowledge(std::slice::from_ref(&received.receipt))).await
                })
                .await;
                again = Some(received);
            }
        }
    }
    for (source, name) in [(&mut member, "member"), (&mut idle, "idle")] {
        recovered(async || asked(bus.send_job(&queue, job(1), Bytes::from(name))).await).await;
        let received = receive_one(&mut **source).await;
        assert_eq!(received.payload, name);
        source.acknowledge(&[received.receipt]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_a_classic_group_goes_on_too() {
    let server = server().await;
    let config = KafkaConfig {
        timeout: Span(TIMEOUT),
        groups: KafkaGroups::Classic,
        ..config(server.address(), SHORT_LOCK)
    };
    let (fixture, queue) = (KafkaFixture::with(config).await, queue("a"));
    let bus = fixture.bus();
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    for text in ["settled", "held"] {
        send(&*bus, &queue, text).await;
    }
    let settled = receive_one(&mut *member).await;
    member.acknowledge(&[settled.receipt]).await.unwrap();
    let held = receive_one(&mut *member).await;
    server.crash();
    assert!(asked(member.acknowledge(&[held.receipt])).await.is_none());
    assert!(asked(take(&mut *member)).await.unwrap_or_default().is_empty());
    server.start_again();

    recovered(async || asked(bus.send_job(&queue, job(1), Bytes::from("more"))).await).await;
    let begun_at = Instant::now();
    let mut seen = BTreeSet::new();
    while !seen.contains("more") {
        assert!(begun_at.elapsed() < RECOVERY, "the member does not go on: {seen:?}");
        for received in asked(take(&mut *member)).await.unwrap_or_default() {
            asked(member.acknowledge(std::slice::from_ref(&received.receipt))).await;
            seen.insert(text(&received.payload));
        }
    }
    assert!(!seen.contains("settled"), "it was settled before the broker went");
}

async fn take(source: &mut dyn JobSource) -> Result<Vec<panofleet_bus::Received>, BusError> {
    source.receive(1, Duration::from_millis(500)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_goes_on_where_it_was() {
    let server = server().await;
    let (fixture, _) = fixture(&server).await;
    let bus = fixture.bus();
    let mut reader = reader_of_all(&*bus).await;
    bus.publish_events(events([(1, "before")])).await.unwrap();
    assert_eq!(read_some(&mut *reader).await, [(1, 0, "before".to_owned())]);
    server.crash();
    assert!(asked(reader.bounds()).await.is_none(), "nothing may be concluded from silence");
    for _ in 0..3 {
        let poll = asked(reader.poll(Duration::from_millis(300))).await;
        assert!(!matches!(poll, Some(EventPoll::Records { .. })), "{poll:?}");
    }
    server.start_again();
    recovered(async || asked(bus.publish_events(events([(1, "after")]))).await).await;

    let mut read = Vec::new();
    let begun_at = Instant::now();
    while read.is_empty() {
        assert!(begun_at.elapsed() < RECOVERY, "the reader does not go on");
        match asked(reader.poll(Duration::from_millis(500))).await {
            Some(EventPoll::Assigned(partitions)) => seek_all(&mut *reader, &partitions).await,
            Some(EventPoll::Records { partition: 1, records }) => read.extend(records),
            Some(EventPoll::Quiet) | None => {}
            other => panic!("nobody published {other:?}"),
        }
    }
    // A call that failed may have happened.
    assert!(read.iter().all(|record| record.payload == "after"), "{read:?}");
    assert_eq!(read[0].offset, 1, "read on from where it was");
    let bounds = recovered(async || asked(reader.bounds()).await).await;
    assert_eq!(bounds.len(), PARTITIONS as usize);
}

/// As a collector does: partition 1 was read up to its first record.
async fn seek_all(reader: &mut dyn EventReader, partitions: &[u32]) {
    for partition in partitions {
        reader.seek(*partition, u64::from(*partition == 1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_misses_nothing() {
    let server = server().await;
    let (fixture, _) = fixture(&server).await;
    let (bus, region) = (fixture.bus(), region("a"));
    let mut follower = bus.follow_control(&region).await.unwrap();
    bus.publish_control(&region, job(1), Bytes::from("first")).await.unwrap();
    assert_eq!(follower.catch_up().await.unwrap(), ["first"]);
    bus.publish_control(&region, job(2), Bytes::from("second")).await.unwrap();
    server.crash();
    let mut seen = Vec::new();
    for _ in 0..2 {
        assert!(asked(follower.catch_up()).await.is_none(), "the end is not known");
        seen.extend(asked(follower.next(Duration::from_millis(300))).await.unwrap_or_default());
    }
    server.start_again();
    recovered(async || asked(bus.publish_control(&region, job(3), Bytes::from("third"))).await)
        .await;
    seen.extend(recovered(async || asked(follower.catch_up()).await).await);
    seen.dedup(); // A call that failed may have happened.
    assert_eq!(seen, ["second", "third"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_says_that_the_broker_is_away_and_then_is_answered() {
    let server = server().await;
    let (fixture, config) = fixture(&server).await;
    let (bus, queue) = (fixture.bus(), queue("a"));
    let letter = DeadLetter {
        topic: "pf.events".to_owned(),
        placement: Placement { partition: 0, offset: 0 },
        reason: "broken".to_owned(),
        payload: Bytes::from("letter"),
    };
    bus.dead_letter(letter.clone()).await.unwrap();
    let placement = send(&*bus, &queue, "job").await;
    let log_id = bus.event_log_id().await.unwrap();
    server.crash();
    let ((a, regions), image) = ((region("a"), [region("a")]), [Lane::Image]);
    let answered = tokio::join!(
        async { asked(bus.copy_fate(&queue, placement)).await.is_some() },
        async { asked(bus.event_log_id()).await.is_some() },
        async { asked(bus.dead_letters(10)).await.is_some() },
        async { asked(bus.dead_letter(letter.clone())).await.is_some() },
        async { asked(bus.take_jobs(&queue, "member")).await.is_some() },
        async { asked(bus.follow_control(&a)).await.is_some() },
        async { asked(bus.read_events("reader")).await.is_some() },
        async { asked(KafkaBus::connect(&config)).await.is_some() },
        async { asked(topics::apply(&config, &regions, &image)).await.is_some() },
    );
    let nothing = (false, false, false, false, false, false, false, false, false);
    assert_eq!(answered, nothing, "a broker that is gone answers nothing");
    server.start_again();

    let fate = recovered(async || asked(bus.copy_fate(&queue, placement)).await).await;
    assert_eq!(fate, CopyFate::Present);
    assert_eq!(recovered(async || asked(bus.event_log_id()).await).await, log_id);
    let letters = recovered(async || asked(bus.dead_letters(10)).await).await;
    assert!(!letters.is_empty() && letters.iter().all(|found| *found == letter), "{letters:?}");
    recovered(async || asked(KafkaBus::connect(&config)).await).await;
    recovered(async || asked(topics::apply(&config, &regions, &image)).await).await;
    let mut member = recovered(async || asked(bus.take_jobs(&queue, "member")).await).await;
    assert_eq!(receive_one(&mut *member).await.payload, "job");
}
