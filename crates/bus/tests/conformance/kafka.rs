//! The bus on Apache Kafka: its fixture, and what it promises beyond the interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use panofleet_bus::kafka::topics::{self, Difference};
use panofleet_bus::kafka::{KafkaBus, KafkaConfig, KafkaGroups};
use panofleet_bus::{Bus, BusError, Queue};
use panofleet_job_schema::{Lane, Span};
use panofleet_test_servers::KafkaServer;
use tokio::sync::OnceCell;

use crate::fixture::{
    DELIVERY_LIMIT, Fixture, LONG_LOCK, PARTITIONS, PATIENCE, SHORT_LOCK, queue, region, send,
};

/// Kafka takes no lock of less than a second, and a busy machine is late.
const SHORT_BROKER_LOCK: Duration = Duration::from_secs(3);
/// Every region that a scenario names.
const REGIONS: [&str; 4] = ["a", "b", "own", "foreign"];

/// A process with a bus, on the broker that all tests share, with topics of its own.
pub(crate) struct KafkaFixture {
    config: KafkaConfig,
    alive: Option<KafkaBus>,
}

impl KafkaFixture {
    pub(crate) async fn start(lock: Duration) -> Self {
        static WARM: OnceCell<()> = OnceCell::const_new();
        WARM.get_or_init(|| warm_up(config(KafkaServer::shared().address(), LONG_LOCK))).await;
        Self::with(config(KafkaServer::shared().address(), lock)).await
    }

    /// What the names of its topics and groups begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.config.prefix
    }

    pub(crate) async fn with(config: KafkaConfig) -> Self {
        topics::apply(&config, &REGIONS.map(region), &[Lane::Image]).await.unwrap();
        let mut fixture = Self { config, alive: None };
        fixture.crash().await;
        fixture
    }
}

/// Uses every part once: a new cluster makes the topics for its own state at their first use, and says that it is
/// not available meanwhile.
pub(crate) async fn warm_up(config: KafkaConfig) {
    let fixture = KafkaFixture::with(config).await;
    let (bus, queue) = (fixture.bus(), queue("a"));
    let placement = send(&*bus, &queue, "first").await;
    let mut member = bus.take_jobs(&queue, "first").await.unwrap();
    let begun_at = Instant::now();
    let mut received = Vec::new();
    while received.is_empty() {
        assert!(begun_at.elapsed() < LONG_LOCK, "the new cluster hands out no message");
        received = member.receive(1, Duration::from_secs(1)).await.unwrap_or_default();
    }
    while let Err(error) = bus.copy_fate(&queue, placement).await {
        assert!(begun_at.elapsed() < LONG_LOCK, "the new cluster knows no group: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Settings whose topics no other test has.
pub(crate) fn config(address: String, lock: Duration) -> KafkaConfig {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let lock = if lock == SHORT_LOCK { SHORT_BROKER_LOCK } else { lock };
    KafkaConfig {
        bootstrap_servers: vec![address],
        prefix: format!("test-{}.", NEXT.fetch_add(1, Ordering::Relaxed)),
        replication: 1,
        replicas_in_sync: 1,
        event_partitions: PARTITIONS,
        lock: Span(lock),
        delivery_limit: DELIVERY_LIMIT,
        ..KafkaConfig::default()
    }
}

/// The same over classic groups, as with a broker that has no share groups.
pub(crate) struct ClassicFixture(KafkaFixture);

impl ClassicFixture {
    pub(crate) async fn start(lock: Duration) -> Self {
        let mut config = config(KafkaServer::shared().address(), lock);
        config.groups = KafkaGroups::Classic;
        config.job_partitions = 4;
        Self(KafkaFixture::with(config).await)
    }
}

#[async_trait]
impl Fixture for ClassicFixture {
    fn bus(&self) -> Arc<dyn Bus> {
        self.0.bus()
    }

    async fn crash(&mut self) {
        self.0.crash().await;
    }
}

#[async_trait]
impl Fixture for KafkaFixture {
    fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(self.alive.clone().expect("a process is alive"))
    }

    /// The broker gives back what a client held that is gone: at once when it said goodbye, or else when the lock
    /// lapses. A client that is dropped says goodbye, so that no test waits for a lock that lapses in none.
    async fn crash(&mut self) {
        self.alive = None;
        self.alive = Some(KafkaBus::connect(&self.config).await.unwrap());
    }

    /// The broker writes a group's start down with the settlement after the one that moved it. So one more message is
    /// settled; what is met on the way to it goes back.
    async fn advance(&self, queue: &Queue) {
        let bus = self.bus();
        let mut member = bus.take_jobs(queue, "advance").await.unwrap();
        let mut met = Vec::new();
        let begun_at = Instant::now();
        // Another member may have asked before, and hold the first that is sent.
        while begun_at.elapsed() < PATIENCE {
            send(&*bus, queue, "one more").await;
            for received in member.receive(1, Duration::from_secs(2)).await.unwrap() {
                if received.payload == "one more" {
                    member.acknowledge(&[received.receipt]).await.unwrap();
                    return member.release(&met).await.unwrap();
                }
                met.push(received.receipt);
            }
        }
        panic!("nothing can be settled any more");
    }
}

#[tokio::test]
async fn topics_are_made_once_and_put_right() {
    let mut config = config(KafkaServer::shared().address(), LONG_LOCK);
    let (regions, lanes) = ([region("a")], [Lane::Image]);
    let refused = KafkaBus::connect(&config).await;
    assert!(
        matches!(&refused, Err(BusError::Refused(reason)) if reason.contains("apply the topics")),
        "{refused:?}"
    );

    let missing = topics::check(&config, &regions, &lanes).await.unwrap();
    assert!(missing.iter().all(|difference| !difference.applied), "{missing:?}");
    let made = topics::apply(&config, &regions, &lanes).await.unwrap();
    let count = |setting| made.iter().filter(|difference| difference.setting == setting).count();
    assert_eq!((count("topic"), count("share.auto.offset.reset")), (4, 1), "{made:?}");
    assert!(made.len() == missing.len() && made.iter().all(|difference| difference.applied));
    assert_eq!(topics::apply(&config, &regions, &lanes).await.unwrap(), []);

    config.event_partitions += 1;
    config.lock = Span::from_secs(20);
    let seen = |differences: Vec<Difference>| -> Vec<_> {
        let seen = |seen: Difference| (seen.setting, seen.found, seen.wanted);
        differences.into_iter().map(seen).collect()
    };
    let text = str::to_owned;
    let expected = [
        (text("partitions"), Some(text("4")), text("5")),
        (text("share.record.lock.duration.ms"), Some(text("60000")), text("20000")),
    ];
    for _ in 0..2 {
        // To look changes nothing.
        assert_eq!(seen(topics::check(&config, &regions, &lanes).await.unwrap()), expected);
    }
    assert_eq!(seen(topics::apply(&config, &regions, &lanes).await.unwrap()), expected);
    assert_eq!(KafkaBus::connect(&config).await.unwrap().event_partitions(), PARTITIONS + 1);

    config.event_partitions = 2;
    config.group_size = 5000;
    let kept = topics::apply(&config, &regions, &lanes).await.unwrap();
    let settings: Vec<_> = kept.iter().map(|kept| (&*kept.name, &*kept.setting)).collect();
    let events = format!("{}pf.events", config.prefix);
    assert_eq!(settings, [(&*events, "partitions"), ("broker 1", "group.share.max.size")]);
    assert!(kept.iter().all(|kept| !kept.applied && kept.advice.is_some()), "{kept:?}");
    assert_eq!(kept[1].found.as_deref(), Some("1000"));
}
