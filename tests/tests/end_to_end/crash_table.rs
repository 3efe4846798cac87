//! The table of crashes, row by row: a process dies at a named place of its program, and what follows is what the table
//! says. A place without a row here does not compile.

use std::path::Path;
use std::time::{Duration, Instant};

use panofleet_job_schema::job::State;
use panofleet_service::CrashPoint;
use panofleet_test_promises::AWAY;
use panofleet_tests::fleet::{Fleet, Roles};
use panofleet_tests::root;

use crate::ledger::{Account, Ledger};
use crate::site::{PATIENCE, fixture};

/// Timers by which what a dead process left is noticed within seconds; workers of the lane that these jobs go by.
pub(crate) const QUICK: [&str; 5] = [
    "worker.lanes=[\"image\"]",
    "worker.slots=1",
    "fleet.kafka.timeout=5s",
    "policy.place_timeout=6s",
    "fleet.kafka.lock=5s",
];

/// Jobs that are asked for before anything is waited for.
const JOBS: usize = 8;
/// Time between further jobs, while the process that is to die has not come to its place.
const FURTHER: Duration = Duration::from_millis(500);

/// A row of the table.
struct Row {
    /// Which process dies.
    victim: &'static str,
    /// How often it comes by its place until then.
    pass: u32,
    /// Whether it is started again before its jobs are waited for.
    returns: bool,
    /// Of these reasons at least one is told of some job; any history will do if there are none.
    told: &'static [&'static str],
    /// None of these is told of any job.
    never: &'static [&'static str],
}

const fn row(at: CrashPoint) -> Row {
    let row = Row { victim: "", pass: 1, returns: true, told: &[], never: &[] };
    match at {
        // Nothing is there, or the job is: a client that asks again gets one job.
        CrashPoint::ApiBeforeCommit | CrashPoint::ApiAfterCommit => {
            Row { victim: "producer-1", pass: 3, never: AWAY, ..row }
        }
        // Nobody has the message: its job has no place, and is sent again.
        CrashPoint::DispatcherAfterSent => {
            Row { victim: "dispatcher-1", told: &["sent_again"], ..row }
        }
        // Whether it is sent again or not: whoever finishes first has won.
        CrashPoint::DispatcherAfterProduce => {
            Row { victim: "dispatcher-1", pass: 2, never: &["lease_lapsed", "message_lost"], ..row }
        }
        // The next life finds its own seal.
        CrashPoint::DispatcherAfterSeal => Row { victim: "dispatcher-1", told: &["sealed"], ..row },
        // The broker hands the message to another worker, and the job knows nothing of it.
        CrashPoint::WorkerAfterReceive => {
            Row { victim: "worker-1", returns: false, never: AWAY, ..row }
        }
        // Another worker takes the message too. The dead claim lapses, at once or behind the other's success.
        CrashPoint::WorkerAfterClaimed => {
            Row { victim: "worker-1", returns: false, told: &["joined", "revived"], ..row }
        }
        // The next life says what it has lost.
        CrashPoint::WorkerAfterAcknowledge => {
            Row { victim: "worker-1", told: &["abandoned"], ..row }
        }
        // No next life: the lease says it.
        CrashPoint::WorkerWhileRunning => {
            Row { victim: "worker-1", returns: false, told: &["lease_lapsed"], ..row }
        }
        // Sent again; the next attempt finds the manifest.
        CrashPoint::WorkerAfterManifest => Row { victim: "worker-1", told: &["abandoned"], ..row },
        // What the next life abandons has succeeded already.
        CrashPoint::WorkerAfterReport => Row { victim: "worker-1", ..row },
        // A batch that was not written is read again, one that was is not; workers are not given up meanwhile.
        CrashPoint::CollectorBeforeCommit | CrashPoint::CollectorAfterCommit => {
            Row { victim: "collector-1", pass: 2, never: AWAY, ..row }
        }
    }
}

/// The role that a place belongs to.
fn role(at: CrashPoint) -> &'static str {
    at.name().split_once('.').unwrap().0
}

/// Has a process die at each place of a role, one after the other, in one fleet.
async fn walk(of: &str, roles: &Roles) {
    let mut fleet = Fleet::of_roles(roles, &QUICK).await;
    let good = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let bad = fleet.api.upload(fixture("broken/garbage.jpg")).await.unwrap();
    for at in CrashPoint::ALL.iter().copied().filter(|at| role(*at) == of) {
        let Row { victim, pass, returns, told, never } = row(at);
        let mut ledger = Ledger::new(at.name());
        fleet.kill_one(victim);
        let marker = fleet.start_to_crash(victim, at, pass);
        let source = if at == CrashPoint::DispatcherAfterSeal { &bad } else { &good };
        work_until(&marker, &fleet, &mut ledger, source).await;
        fleet.kill_one(victim);
        if returns {
            fleet.start_one(victim);
        }
        let account = ledger.settle(&fleet).await;
        account.nothing_repeated(never);
        let reasons = account.reasons();
        let is_told = told.is_empty() || told.iter().any(|reason| reasons.contains(reason));
        assert!(is_told, "{}: none of {told:?} in {reasons:?}", at.name());
        if source == &good {
            account.all_succeeded();
        }
        if at == CrashPoint::WorkerAfterManifest {
            assert!(has_adopted(&account), "nobody has found the dead worker's manifest");
        }
        fleet.start_one(victim);
    }
    assert_eq!(fleet.stop().await, Some(0));
}

/// Asks for jobs, and for a further one now and then until the process has come to its place: another may have been
/// faster.
async fn work_until(marker: &Path, fleet: &Fleet, ledger: &mut Ledger, source: &str) {
    let begun = Instant::now();
    while ledger.len() < JOBS || !marker.exists() {
        match ledger.len() % 4 {
            0 => ledger.picture(fleet, source).await,
            _ => ledger.nothing(fleet, 100).await,
        };
        assert!(begun.elapsed() < PATIENCE, "nobody has come to {}", marker.display());
        if ledger.len() >= JOBS {
            tokio::time::sleep(FURTHER).await;
        }
    }
}

/// Whether some job's result is of an earlier attempt than its last.
fn has_adopted(account: &Account) -> bool {
    account.jobs.iter().any(|(job, _)| match &job.state {
        State::Succeeded { manifest } => manifest.attempt.0 < job.counters.last_attempt,
        _ => false,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_dies_before_and_after_its_commit() {
    let roles = Roles { producers: 2, api_only: true, dispatchers: 1, ..Roles::default() };
    walk("api", &roles).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_dies_between_its_commits_and_its_calls() {
    walk("dispatcher", &Roles { api_only: true, dispatchers: 1, ..Roles::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_dies_at_every_step_of_an_attempt() {
    walk("worker", &Roles { workers: 2, ..Roles::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_dies_before_and_after_its_commit() {
    walk("collector", &Roles::default()).await;
}

/// Whose places nobody walks, nobody tests.
#[test]
fn every_place_is_told_of_and_belongs_to_a_role_that_is_walked() {
    let table = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for at in CrashPoint::ALL {
        assert!(table.contains(&format!("`{}`", at.name())), "no row has {}", at.name());
        assert!(["api", "dispatcher", "worker", "collector"].contains(&role(*at)), "{}", at.name());
        assert!(!row(*at).victim.is_empty(), "{}", at.name());
    }
}
