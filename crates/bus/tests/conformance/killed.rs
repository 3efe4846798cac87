//! The process with the bus is killed at whatever point it has reached.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use panofleet_bus::Bus;
use panofleet_bus::kafka::{KafkaBus, KafkaGroups};
use panofleet_test_servers::KafkaServer;

use crate::embedded::EmbeddedFixture;
use crate::fixture::{
    LONG_LOCK, PATIENCE, SHORT_LOCK, queue, read_count, reader_of_all, receipts, send, text,
};
use crate::kafka::{KafkaFixture, config};

/// Names the bus to the process that is going to be killed.
const WHERE: &str = "PANOFLEET_BUS_KILLED_WHERE";
/// Names the number of its first message to it.
const FIRST: &str = "PANOFLEET_BUS_KILLED_FIRST";

/// A bus that outlives its process.
enum Where {
    Embedded(PathBuf),
    Kafka { address: String, prefix: String, groups: KafkaGroups },
}

impl Where {
    fn name(&self) -> String {
        match self {
            Self::Embedded(folder) => folder.display().to_string(),
            Self::Kafka { address, prefix, groups } => format!("{address} {prefix} {groups:?}"),
        }
    }

    fn of(name: &str) -> Self {
        let words: Vec<&str> = name.split(' ').collect();
        match words[..] {
            [address, prefix, kind] => Self::Kafka {
                address: address.to_owned(),
                prefix: prefix.to_owned(),
                groups: if kind == "Share" { KafkaGroups::Share } else { KafkaGroups::Classic },
            },
            _ => Self::Embedded(name.into()),
        }
    }

    async fn bus(&self) -> Box<dyn Bus> {
        match self {
            Self::Embedded(folder) => Box::new(EmbeddedFixture::bus_in(folder, LONG_LOCK).await),
            Self::Kafka { address, prefix, groups } => {
                let mut config = config(address.clone(), SHORT_LOCK);
                (config.prefix, config.groups) = (prefix.clone(), *groups);
                Box::new(KafkaBus::connect(&config).await.unwrap())
            }
        }
    }
}

/// Not a test: the process that these tests kill. Whatever it says has happened.
#[test]
#[ignore = "runs as a process of its own, started by another test"]
fn work_until_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the parent says what to do")]
    let [name, first] = [WHERE, FIRST].map(|name| std::env::var(name).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = Where::of(&name).bus().await;
        let mut member = bus.take_jobs(&queue("a"), "member").await.unwrap();
        for number in first.parse::<u32>().unwrap().. {
            let name = number.to_string();
            println!("sending {number}.");
            send(&*bus, &queue("a"), &name).await;
            println!("sent {number}.");
            bus.publish_events(vec![(0, Bytes::from(name))]).await.unwrap();
            println!("published {number}.");
            if number % 3 == 0 {
                let received = member.receive(1, Duration::from_millis(200)).await.unwrap();
                for message in &received {
                    println!("settling {}.", text(&message.payload));
                }
                member.acknowledge(&receipts(&received)).await.unwrap();
                for message in &received {
                    println!("settled {}.", text(&message.payload));
                }
            }
        }
    });
}

/// What the process said before it died, `lines_max` lines or a few more.
fn run_and_kill(place: &Where, first: u32, lines_max: usize) -> Vec<(String, u32)> {
    #[expect(clippy::disallowed_methods, reason = "the process to be killed")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command
        .args(["--ignored", "--exact", "--nocapture", "killed::work_until_killed"])
        .env(WHERE, place.name())
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    for line in lines {
        // A line that was cut off has no full stop.
        let words = line.strip_suffix('.').and_then(|line| line.split_once(' '));
        if let Some((verb, Ok(number))) = words.map(|(verb, number)| (verb, number.parse())) {
            said.push((verb.to_owned(), number));
        }
        if said.len() == lines_max {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said.len() >= lines_max, "it ended by itself after {said:?}");
    said
}

#[tokio::test]
async fn what_was_told_is_true_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    kill_and_look(&Where::Embedded(folder.path().to_owned())).await;
}

#[tokio::test]
async fn what_kafka_was_told_is_true_after_kill_9() {
    let fixture = KafkaFixture::start(SHORT_LOCK).await;
    let (address, prefix) = (KafkaServer::shared().address(), fixture.prefix().to_owned());
    kill_and_look(&Where::Kafka { address, prefix, groups: KafkaGroups::Share }).await;
}

#[tokio::test]
async fn what_a_classic_group_was_told_is_true_after_kill_9() {
    let fixture = KafkaFixture::start(SHORT_LOCK).await;
    let (address, prefix) = (KafkaServer::shared().address(), fixture.prefix().to_owned());
    kill_and_look(&Where::Kafka { address, prefix, groups: KafkaGroups::Classic }).await;
}

async fn kill_and_look(place: &Where) {
    let mut said = Vec::new();
    for (life, lines_max) in [7, 50, 123, 200].into_iter().enumerate() {
        said.extend(run_and_kill(place, u32::try_from(life).unwrap() * 1_000_000, lines_max));
    }
    let all = |verb: &str| -> BTreeSet<u32> {
        said.iter().filter(|(said, _)| said == verb).map(|(_, number)| *number).collect()
    };
    let bus = place.bus().await;
    let mut member = bus.take_jobs(&queue("a"), "member").await.unwrap();
    let mut missing: BTreeSet<u32> = all("sent").difference(&all("settling")).copied().collect();
    let mut left = BTreeSet::new();
    let begun_at = Instant::now();
    loop {
        let received = member.receive(64, Duration::from_millis(100)).await.unwrap();
        for message in &received {
            let number = text(&message.payload).parse().unwrap();
            assert!(left.insert(number), "message {number} is there twice");
            missing.remove(&number);
        }
        member.acknowledge(&receipts(&received)).await.unwrap();
        // What the dead process held comes when its locks lapse.
        if received.is_empty() && missing.is_empty() {
            break;
        }
        assert!(begun_at.elapsed() < PATIENCE, "sent, never settled, and gone: {missing:?}");
    }
    assert!(left.is_disjoint(&all("settled")), "settled, and handed out again");
    assert!(left.is_subset(&all("sending")), "nobody sent that");

    let count = all("published").len();
    let records = read_count(&mut *reader_of_all(&*bus).await, count).await;
    let events: BTreeSet<u32> = records.iter().map(|(_, _, text)| text.parse().unwrap()).collect();
    assert!(events.is_superset(&all("published")) && records.len() == events.len());
    send(&*bus, &queue("a"), "more").await;
    let received = member.receive(1, PATIENCE).await.unwrap();
    assert_eq!(text(&received[0].payload), "more");
}
