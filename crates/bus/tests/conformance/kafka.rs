//! The bus on Apache Kafka: its fixture, and what it promises beyond the interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use panofleet_bus::kafka::{KafkaBus, KafkaConfig, topics};
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
const REGIONS: [&str; 5] = ["a", "b", "full", "rare", "foreign"];

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
    let mut member = bus.take_jobs(std::slice::from_ref(&queue), "first").await.unwrap();
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
        let mut member = bus.take_jobs(std::slice::from_ref(queue), "advance").await.unwrap();
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

    let made = topics::apply(&config, &regions, &lanes).await.unwrap();
    let count = |setting| made.iter().filter(|difference| difference.setting == setting).count();
    assert_eq!((count("topic"), count("share.auto.offset.reset")), (4, 1), "{made:?}");
    assert_eq!(topics::apply(&config, &regions, &lanes).await.unwrap(), []);

    config.event_partitions += 1;
    config.lock = Span::from_secs(20);
    let seen: Vec<_> = topics::apply(&config, &regions, &lanes).await.unwrap();
    let seen: Vec<_> =
        seen.iter().map(|seen| (&*seen.setting, seen.found.as_deref(), &*seen.wanted)).collect();
    assert_eq!(
        seen,
        [("partitions", Some("4"), "5"), ("share.record.lock.duration.ms", Some("60000"), "20000")]
    );
    config.event_partitions = 2;
    let kept = topics::apply(&config, &regions, &lanes).await.unwrap();
    assert!(kept.len() == 1 && !kept[0].applied, "partitions are never taken away: {kept:?}");
    assert_eq!(KafkaBus::connect(&config).await.unwrap().event_partitions(), PARTITIONS + 1);
}
