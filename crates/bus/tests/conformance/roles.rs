//! What each role of a fleet may do on a broker that allows nothing else.

use std::time::{Duration, Instant};

use bytes::Bytes;
use panofleet_bus::kafka::acls::{self, KafkaUsers, WorkerUser};
use panofleet_bus::kafka::{KafkaBus, KafkaConfig, KafkaGroups, topics};
use panofleet_bus::{Bus, BusError, CopyFate, DeadLetter, EventPoll, LetterPage};
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{Lane, Region};

use crate::fixture::{PATIENCE, events, job, queue, read_some, reader_of_all, receive_one, region};
use crate::secured::{ADMIN, config_of, server};

/// Every user of a fleet, each with its role.
fn users() -> KafkaUsers {
    let worker = |user: &str, name| WorkerUser {
        user: user.to_owned(),
        regions: vec![region(name)],
        lanes: Lane::ALL.to_vec(),
    };
    KafkaUsers {
        producers: vec!["producer".to_owned()],
        dispatchers: vec!["dispatcher".to_owned()],
        collectors: vec!["collector".to_owned()],
        workers: vec![worker("worker-a", "a"), worker("worker-b", "b")],
        operators: vec!["operator".to_owned()],
    }
}

fn regions() -> [Region; 2] {
    ["a", "b"].map(region)
}

/// A fleet whose users have their ACLs and whose topics are made, by those whose work it is.
struct Fleet {
    config: KafkaConfig,
}

impl Fleet {
    async fn start(groups: KafkaGroups) -> Self {
        let config = KafkaConfig { users: users(), groups, ..config_of(server().await, ADMIN) };
        let fleet = Self { config };
        acls::apply(&fleet.config, &regions(), &Lane::ALL).await.unwrap();
        let operator = fleet.of("operator").await;
        topics::apply(&operator, &regions(), &Lane::ALL).await.unwrap();
        assert_eq!(topics::check(&operator, &regions(), &Lane::ALL).await.unwrap(), []);
        fleet
    }

    /// The settings of one of its users.
    async fn of(&self, user: &str) -> KafkaConfig {
        KafkaConfig { sasl: config_of(server().await, user).sasl, ..self.config.clone() }
    }

    async fn bus(&self, user: &str) -> KafkaBus {
        KafkaBus::connect(&self.of(user).await).await.unwrap()
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        topic: "pf.events".to_owned(),
        placement: Placement { partition: 0, offset: 0 },
        reason: "broken".to_owned(),
        payload: Bytes::from("letter"),
    }
}

/// A call that an ACL must forbid.
async fn forbidden<T>(what: &str, call: impl Future<Output = Result<T, BusError>>) {
    match call.await {
        Err(BusError::Refused(reason)) => {
            assert!(reason.to_lowercase().contains("authoriz"), "{what}: {reason}");
        }
        Err(error @ BusError::Unavailable(_)) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what} is allowed"),
    }
}

/// Reading the event log, until there is something or a refusal.
async fn read(bus: &dyn Bus) -> Result<(), BusError> {
    let mut reader = bus.read_events("reader").await?;
    let begun_at = Instant::now();
    while begun_at.elapsed() < PATIENCE {
        if let EventPoll::Assigned(_) = reader.poll(Duration::from_secs(1)).await? {
            return Ok(());
        }
    }
    panic!("the log's readers neither take it in nor refuse it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_does_its_work_and_no_more() {
    let fleet = Fleet::start(KafkaGroups::Share).await;
    let (a, queue_a, payload) = (region("a"), queue("a"), Bytes::from("job"));

    let dispatcher = fleet.bus("dispatcher").await;
    let placement = dispatcher.send_job(&queue_a, job(1), payload.clone()).await.unwrap();
    dispatcher.send_job(&queue("b"), job(2), payload.clone()).await.unwrap();
    assert_eq!(dispatcher.copy_fate(&queue_a, placement).await.unwrap(), CopyFate::Present);
    dispatcher.publish_control(&a, job(1), Bytes::from("control")).await.unwrap();
    dispatcher.event_log_id().await.unwrap();
    forbidden("taking jobs", dispatcher.take_jobs(&queue("a"), "dispatcher")).await;
    forbidden("reading events", read(&dispatcher)).await;
    forbidden("keeping letters", dispatcher.dead_letter(letter())).await;

    let worker = fleet.bus("worker-a").await;
    let mut follower = worker.follow_control(&a).await.unwrap();
    assert_eq!(follower.catch_up().await.unwrap(), ["control"]);
    let mut source = worker.take_jobs(&queue_a, "worker").await.unwrap();
    let received = receive_one(&mut *source).await;
    worker.publish_events(events([(0, "claimed")])).await.unwrap();
    source.acknowledge(&[received.receipt]).await.unwrap();
    worker.dead_letter(letter()).await.unwrap();
    forbidden("another region's jobs", worker.take_jobs(&queue("b"), "worker")).await;
    forbidden("another region's control", async {
        worker.follow_control(&region("b")).await?.catch_up().await
    })
    .await;
    forbidden("reading events", read(&worker)).await;
    forbidden("sending jobs", worker.send_job(&queue_a, job(1), payload.clone())).await;
    forbidden("control records", worker.publish_control(&a, job(1), payload.clone())).await;
    forbidden("reading letters", worker.dead_letters(1)).await;
    forbidden(
        "topics",
        topics::apply(&fleet.of("worker-a").await, std::slice::from_ref(&a), &Lane::ALL),
    )
    .await;
    forbidden("ACLs", acls::apply(&fleet.of("worker-a").await, &regions(), &Lane::ALL)).await;

    let collector = fleet.bus("collector").await;
    let mut reader = reader_of_all(&collector).await;
    assert_eq!(read_some(&mut *reader).await, [(0, 0, "claimed".to_owned())]);
    reader.bounds().await.unwrap();
    collector.publish_control(&a, job(1), Bytes::from("closed")).await.unwrap();
    collector.dead_letter(letter()).await.unwrap();
    forbidden("sending jobs", collector.send_job(&queue_a, job(1), payload.clone())).await;
    forbidden("taking jobs", collector.take_jobs(&queue("a"), "collector")).await;
    forbidden("reporting", collector.publish_events(events([(0, "event")]))).await;

    let producer = fleet.bus("producer").await;
    producer.publish_control(&a, job(1), Bytes::from("cancelled")).await.unwrap();
    assert_eq!(producer.dead_letters(10).await.unwrap().len(), 2);
    forbidden("reporting", producer.publish_events(events([(0, "event")]))).await;
    // A letter is put back where it came from.
    let kept = dispatcher.letters(LetterPage::one(1)).await.unwrap().pop().unwrap();
    assert_eq!(kept.letter, letter());
    dispatcher.publish_events(vec![(0, kept.letter.payload)]).await.unwrap();
    forbidden("sending jobs", producer.send_job(&queue_a, job(1), payload)).await;
    forbidden("reading events", read(&producer)).await;
    forbidden("ACLs", acls::apply(&fleet.of("operator").await, &regions(), &Lane::ALL)).await;
    drop(source);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rights_do_for_classic_groups() {
    let fleet = Fleet::start(KafkaGroups::Classic).await;
    let (dispatcher, worker) = (fleet.bus("dispatcher").await, fleet.bus("worker-a").await);
    let queue_a = queue("a");
    let placement = dispatcher.send_job(&queue_a, job(1), Bytes::from("job")).await.unwrap();
    let mut source = worker.take_jobs(&queue_a, "worker").await.unwrap();
    let received = receive_one(&mut *source).await;
    source.acknowledge(&[received.receipt]).await.unwrap();
    assert_eq!(dispatcher.copy_fate(&queue_a, placement).await.unwrap(), CopyFate::Gone);
    let mut source = worker.take_jobs(&queue("b"), "worker").await.unwrap();
    forbidden("another region's jobs", source.receive(1, PATIENCE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acls_are_made_once_and_what_is_too_much_is_reported() {
    let config = KafkaConfig { users: users(), ..config_of(server().await, ADMIN) };
    let missing = acls::check(&config, &regions(), &Lane::ALL).await.unwrap();
    assert!(!missing.is_empty() && missing.iter().all(|seen| !seen.applied), "{missing:?}");
    let wanted = format!("Read Topic {}pf.jobs.a.image", config.prefix);
    assert!(missing.iter().any(|seen| seen.name == "User:worker-a" && seen.setting == wanted));
    let made = acls::apply(&config, &regions(), &Lane::ALL).await.unwrap();
    // Other tests' fleets have the same users.
    let ours = |seen: &&topics::Difference| seen.setting.contains(&config.prefix);
    assert!(made.iter().filter(ours).all(|seen| seen.applied && seen.found.is_none()), "{made:?}");
    assert_eq!(made.iter().filter(ours).count(), missing.iter().filter(ours).count());
    assert_eq!(
        acls::apply(&config, &regions(), &Lane::ALL).await.unwrap().iter().filter(ours).count(),
        0
    );

    let mut less = config.clone();
    less.users.workers[0].regions = vec![region("b")];
    let seen = acls::check(&less, &regions(), &Lane::ALL).await.unwrap();
    let too_much = seen.iter().find(|seen| seen.setting == wanted).unwrap();
    assert_eq!((too_much.found.as_deref(), &*too_much.wanted), (Some("allowed"), "nothing"));
    assert!(too_much.advice.is_some() && !too_much.applied);
}

/// A client that was refused its numbers gives up for good; the bus goes on once it has its rights.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_given_later_counts_without_a_new_process() {
    let admin = KafkaConfig { users: users(), ..config_of(server().await, ADMIN) };
    topics::apply(&admin, &regions(), &Lane::ALL).await.unwrap();
    let mut promoted = admin.clone();
    promoted.users = KafkaUsers { operators: vec!["newcomer".to_owned()], ..KafkaUsers::default() };
    let sasl = config_of(server().await, "newcomer").sasl;
    let newcomer = KafkaConfig { sasl, ..admin };
    let refused = KafkaBus::connect(&newcomer).await;
    assert!(
        matches!(&refused, Err(BusError::Refused(reason)) if reason.contains("ACLs")),
        "{refused:?}"
    );
    acls::apply(&promoted, &regions(), &Lane::ALL).await.unwrap();
    let bus = KafkaBus::connect(&newcomer).await.unwrap();
    let send = async || bus.send_job(&queue("a"), job(1), Bytes::from("job")).await;
    forbidden("sending jobs", send()).await;
    promoted.users.dispatchers = promoted.users.operators.clone();
    acls::apply(&promoted, &regions(), &Lane::ALL).await.unwrap();
    let given_at = Instant::now();
    while let Err(error) = send().await {
        assert!(given_at.elapsed() < PATIENCE, "{error}"); // A client remembers a refusal for a moment.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
