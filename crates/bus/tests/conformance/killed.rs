//! The process with the embedded bus is killed at whatever point it has reached.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::Bus as _;

use crate::embedded::EmbeddedFixture;
use crate::fixture::{
    LONG_LOCK, job, queue, read_count, reader_of_all, receipts, receive_now, send, text,
};

/// Names the folder to the process that is going to be killed.
const FOLDER: &str = "PANOFLEET_BUS_KILLED_FOLDER";
/// Names the number of its first message to it.
const FIRST: &str = "PANOFLEET_BUS_KILLED_FIRST";

/// Not a test: the process that `what_was_told_is_true_after_kill_9` kills. Whatever it says has happened.
#[test]
#[ignore = "runs as a process of its own, started by another test"]
fn work_until_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the parent says what to do")]
    let [folder, first] = [FOLDER, FIRST].map(|name| std::env::var(name).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = EmbeddedFixture::bus_in(Path::new(&folder), LONG_LOCK).await;
        let mut member = bus.take_jobs(&[queue("a")], "member").await.unwrap();
        for number in first.parse::<u32>().unwrap().. {
            let name = number.to_string();
            println!("sending {number}.");
            send(&bus, &queue("a"), &name).await;
            println!("sent {number}.");
            bus.publish_events(vec![(0, Bytes::from(name))]).await.unwrap();
            println!("published {number}.");
            if number % 3 == 0 {
                let received = member.receive(1, Duration::ZERO).await.unwrap();
                println!("settling {}.", text(&received[0].payload));
                member.acknowledge(&receipts(&received)).await.unwrap();
                println!("settled {}.", text(&received[0].payload));
            }
        }
    });
}

/// What the process said before it died, `lines_max` lines or a few more.
fn run_and_kill(folder: &Path, first: u32, lines_max: usize) -> Vec<(String, u32)> {
    #[expect(clippy::disallowed_methods, reason = "the process to be killed")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command
        .args(["--ignored", "--exact", "--nocapture", "killed::work_until_killed"])
        .env(FOLDER, folder)
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
    let mut said = Vec::new();
    for (life, lines_max) in [7, 50, 123, 200].into_iter().enumerate() {
        said.extend(run_and_kill(
            folder.path(),
            u32::try_from(life).unwrap() * 1_000_000,
            lines_max,
        ));
    }
    let all = |verb: &str| -> BTreeSet<u32> {
        said.iter().filter(|(said, _)| said == verb).map(|(_, number)| *number).collect()
    };
    let bus = EmbeddedFixture::bus_in(folder.path(), LONG_LOCK).await;
    let mut member = bus.take_jobs(&[queue("a")], "member").await.unwrap();
    let mut left = BTreeSet::new();
    for text in receive_now(&mut *member).await {
        assert!(left.insert(text.parse().unwrap()), "message {text} is there twice");
    }
    let lost: Vec<_> = all("sent")
        .difference(&all("settling"))
        .filter(|sent| !left.contains(*sent))
        .copied()
        .collect();
    assert!(lost.is_empty(), "sent, never settled, and gone: {lost:?}");
    assert!(left.is_disjoint(&all("settled")), "settled, and handed out again");
    assert!(left.is_subset(&all("sending")), "nobody sent that");

    let count = all("published").len();
    let records = read_count(&mut *reader_of_all(&bus).await, count).await;
    let events: BTreeSet<u32> = records.iter().map(|(_, _, text)| text.parse().unwrap()).collect();
    assert!(events.is_superset(&all("published")) && records.len() == events.len());
    bus.send_job(&queue("a"), job(1), Bytes::from_static(b"more")).await.unwrap();
    assert_eq!(receive_now(&mut *member).await, ["more"]);
}
