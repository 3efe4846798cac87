//! The process with the database is killed at whatever point it has reached.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use panofleet_jobs_db::{Batch, JobsDb};
use panofleet_test_servers::PostgresServer;

use crate::fixture::{accept, advance, entry, get, job, sent, to_state};
use crate::{postgres, sqlite};

/// Names the database to the process that is going to be killed.
const ADDRESS: &str = "PANOFLEET_JOBS_DB_KILLED_ADDRESS";
/// Jobs that each batch changes.
const JOBS: u128 = 5;

/// The database at an address: a URL of PostgreSQL's, or the folder of an SQLite file. Nobody else has it open.
async fn open(address: &str) -> Arc<dyn JobsDb> {
    if address.starts_with("postgres://") {
        postgres::open_alone(address).await
    } else {
        sqlite::open(Path::new(address)).await.unwrap().1
    }
}

/// What is applied of the log: every batch moves the offset by one.
async fn applied(db: &dyn JobsDb) -> u64 {
    db.partitions("log").await.unwrap().get(&0).map_or(0, |row| row.next_offset)
}

/// Not a test: the process that `batches_are_whole_after_kill_9` kills. Whatever it says has happened.
#[test]
#[ignore = "runs as a process of its own, started by another test"]
fn commit_until_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the parent says what to do")]
    let address = std::env::var(ADDRESS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = open(&address).await;
        for from in applied(&*db).await.. {
            let mut batch = Batch { ..advance("log", 0, from, from + 1) };
            for number in 1..=JOBS {
                let mut write = to_state(get(&*db, job(number).id).await, sent(1));
                write.history = vec![entry("sent", &from.to_string())];
                batch.jobs.push(write);
            }
            db.commit(batch).await.unwrap();
            println!("applied {}.", from + 1);
        }
    });
}

/// The last offset that the process said was applied; it is killed once it has said so `commits` times.
fn run_and_kill(address: &str, commits: usize) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the process to be killed")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command
        .args(["--ignored", "--exact", "--nocapture", "killed::commit_until_killed"])
        .env(ADDRESS, address)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said: Vec<u64> = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap) {
        // A line that was cut off has no full stop.
        let number = line.strip_prefix("applied ").and_then(|rest| rest.strip_suffix('.'));
        said.extend(number.map(|number| number.parse::<u64>().unwrap()));
        if said.len() == commits {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said.len() >= commits, "it ended by itself after {said:?}");
    said[said.len() - 1]
}

async fn batches_are_whole_after_kill_9(address: &str) {
    {
        let db = open(address).await;
        for number in 1..=JOBS {
            accept(&*db, &job(number)).await;
        }
    }
    for commits in [3, 20, 57, 110] {
        let said = run_and_kill(address, commits);
        let db = open(address).await;
        let applied = applied(&*db).await;
        assert!(applied >= said, "{said} was said to be applied, yet only {applied} is");
        for number in 1..=JOBS {
            assert_eq!(get(&*db, job(number).id).await.version, applied + 1, "job {number}");
            let history = db.history(job(number).id).await.unwrap();
            let reasons = history.iter().map(|line| line.reason.parse::<u64>().unwrap());
            assert!(reasons.eq(0..applied), "history of job {number} after {applied} batches");
        }
    }
}

#[tokio::test]
async fn sqlite_batches_are_whole_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    batches_are_whole_after_kill_9(folder.path().to_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_batches_are_whole_after_kill_9() {
    let address = PostgresServer::shared().create_database();
    batches_are_whole_after_kill_9(&address).await;
}
