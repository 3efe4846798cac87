//! Processes that stand still, servers that go away, networks that break, disks that are full: over real servers, with
//! jobs under way.

use std::sync::OnceLock;
use std::time::Duration;

use panofleet_job_schema::ErrorClass;
use panofleet_job_schema::job::State;
use panofleet_producer::api::WorkerView;
use panofleet_test_promises::{AWAY, BUS_AWAY};
use panofleet_test_servers::{Faults, KafkaServer, PostgresServer, Way};
use panofleet_tests::fleet::{Fleet, Links, Roles};
use panofleet_tests::{eventually, exposition, processes};

use crate::crash_table::QUICK;
use crate::ledger::Ledger;
use crate::site::{PATIENCE, fixture};

/// Longer than the lease and the sweep behind it by far. Nothing can be waited for: what is away says nothing.
const AWAY_TIME: Duration = Duration::from_secs(6);

/// The broker of these tests, with a door for every process that goes by links.
fn kafka() -> &'static KafkaServer {
    static KAFKA: OnceLock<KafkaServer> = OnceLock::new();
    KAFKA.get_or_init(|| KafkaServer::start_with_doors(12))
}

/// Waits until a worker has said that it holds a claim.
async fn holds_a_claim(fleet: &Fleet, name: &str) {
    eventually(&format!("{name} holds a claim"), PATIENCE, async || {
        let mut answer = fleet.api.get("/v1/workers").await.ok()?;
        let workers: Vec<WorkerView> = serde_json::from_value(answer["workers"].take()).ok()?;
        let mut holders = workers.iter().filter(|view| !view.claims.is_empty());
        holders.any(|view| view.info.worker.as_str() == name).then_some(())
    })
    .await;
}

/// Stops a process's clock for longer than the lease, while clients go on to ask for jobs.
async fn frozen(fleet: &Fleet, name: &str, ledger: &mut Ledger) {
    let pid = fleet.pid(name);
    processes::signal(pid, "STOP");
    for _ in 0..4 {
        ledger.nothing(fleet, 100).await;
    }
    tokio::time::sleep(AWAY_TIME).await;
    processes::signal(pid, "CONT");
}

/// A claim whose worker stands still is given up; what it reports later does no harm.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_frozen_for_longer_than_the_lease_loses_its_jobs_to_others() {
    let mut fleet = Fleet::of_roles(&Roles { workers: 2, ..Roles::default() }, &QUICK).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut ledger = Ledger::new("frozen worker");
    // Long enough that what a heartbeat says of a claim is still true when the process is stopped.
    for n in 0..10 {
        match n % 2 {
            0 => ledger.nothing(&fleet, 5000).await,
            _ => ledger.picture(&fleet, &source).await,
        };
    }
    holds_a_claim(&fleet, "worker-1").await;
    frozen(&fleet, "worker-1", &mut ledger).await;
    let account = ledger.settle(&fleet).await;
    account.all_succeeded();
    assert!(account.reasons().contains("lease_lapsed"), "{:?}", account.reasons());
    assert_eq!(fleet.stop().await, Some(0));
}

/// Silence while nobody could have listened, or nobody could have sent, is nobody's fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_a_dispatcher_or_an_api_that_is_frozen_costs_no_job_anything() {
    let roles =
        Roles { producers: 2, api_only: true, dispatchers: 1, workers: 2, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &QUICK).await;
    for (name, scenario) in [
        ("collector-1", "frozen collector"),
        ("dispatcher-1", "frozen dispatcher"),
        ("producer-1", "frozen api"),
    ] {
        let mut ledger = Ledger::new(scenario);
        for _ in 0..6 {
            ledger.nothing(&fleet, 1000).await;
        }
        frozen(&fleet, name, &mut ledger).await;
        let account = ledger.settle(&fleet).await;
        account.all_succeeded();
        account.nothing_repeated(AWAY);
    }
    assert_eq!(fleet.stop().await, Some(0));
}

/// While the database is away nothing is accepted, and while the broker is away nothing is sent; workers run on, and
/// nothing that was alive is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_go_away_in_the_middle_cost_no_job_anything() {
    // Of their own: everybody else goes on.
    static KAFKA: OnceLock<KafkaServer> = OnceLock::new();
    static POSTGRES: OnceLock<PostgresServer> = OnceLock::new();
    let kafka = KAFKA.get_or_init(KafkaServer::start);
    let postgres = POSTGRES.get_or_init(PostgresServer::start);
    let roles =
        Roles { workers: 2, kafka: Some(kafka), postgres: Some(postgres), ..Roles::default() };
    let settings = [QUICK.as_slice(), &["fleet.postgres.connect_timeout=2s"]].concat();
    let mut fleet = Fleet::of_roles(&roles, &settings).await;

    let mut ledger = Ledger::new("database away");
    for _ in 0..8 {
        ledger.nothing(&fleet, 1500).await;
    }
    holds_a_claim(&fleet, "worker-1").await;
    postgres.crash();
    let nothing =
        serde_json::json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop" } } });
    let refused = fleet.api.submit(&nothing).await.unwrap_err().to_string();
    assert!(refused.starts_with("503"), "{refused}");
    tokio::time::sleep(AWAY_TIME).await;
    postgres.start_again();
    ledger.nothing(&fleet, 0).await;
    let account = ledger.settle(&fleet).await;
    account.all_succeeded();
    account.nothing_repeated(AWAY);

    let mut ledger = Ledger::new("broker away");
    for _ in 0..8 {
        ledger.nothing(&fleet, 1500).await;
    }
    holds_a_claim(&fleet, "worker-1").await;
    kafka.crash();
    // Jobs are accepted all the same.
    for _ in 0..4 {
        ledger.nothing(&fleet, 0).await;
    }
    tokio::time::sleep(AWAY_TIME).await;
    kafka.start_again();
    let account = ledger.settle(&fleet).await;
    account.all_succeeded();
    account.nothing_repeated(BUS_AWAY);
    assert_eq!(fleet.stop().await, Some(0));
}

/// Every link of every process is slow, and breaks again and again.
#[tokio::test(flavor = "multi_thread")]
async fn slow_links_that_break_again_and_again_lose_nothing() {
    let roles = Roles { workers: 2, kafka: Some(kafka()), by_links: true, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &QUICK).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let slow = Faults {
        up: Way { bytes_per_s: Some(500_000), ..Way::late(Duration::from_millis(20)) },
        ..Faults::latency(Duration::from_millis(20))
    };
    fleet.all_links().for_each(|links| links.set(slow));
    let mut ledger = Ledger::new("broken links");
    for n in 0..24 {
        match n % 4 {
            0 => ledger.picture(&fleet, &source).await,
            _ => ledger.nothing(&fleet, 300).await,
        };
        if n % 3 == 0 {
            fleet.all_links().for_each(Links::reset);
        }
    }
    fleet.all_links().for_each(|links| links.set(Faults::NONE));
    ledger.settle(&fleet).await.all_succeeded();
    assert_eq!(fleet.stop().await, Some(0));
}

/// A worker that nobody hears, or that hears nobody, loses its jobs to others and comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_behind_a_silent_link_loses_its_jobs_and_comes_back() {
    let roles = Roles { workers: 2, kafka: Some(kafka()), by_links: true, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &QUICK).await;
    for (scenario, faults, is_cut) in [
        ("black hole that heals", Faults::BLACK_HOLE, false),
        ("black hole that breaks", Faults::BLACK_HOLE, true),
        ("worker hears nobody", Faults { down: Way::SILENT, ..Faults::NONE }, true),
    ] {
        let mut ledger = Ledger::new(scenario);
        for _ in 0..8 {
            ledger.nothing(&fleet, 1500).await;
        }
        holds_a_claim(&fleet, "worker-1").await;
        let link = &fleet.links("worker-1").kafka;
        link.set(faults);
        tokio::time::sleep(AWAY_TIME).await;
        if is_cut {
            link.reset();
        }
        link.set(Faults::NONE);
        let account = ledger.settle(&fleet).await;
        account.all_succeeded();
        assert!(account.reasons().contains("lease_lapsed"), "{scenario}: {:?}", account.reasons());
    }
    assert_eq!(fleet.stop().await, Some(0));
}

/// Downloads, uploads and seals wait for a store that refuses, and go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_again_and_again_costs_no_job_its_result() {
    let roles = Roles { workers: 2, kafka: Some(kafka()), by_links: true, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &QUICK).await;
    let good = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let bad = fleet.api.upload(fixture("broken/garbage.jpg")).await.unwrap();
    let mut ledger = Ledger::new("store away");
    let to_be_sealed = ledger.picture(&fleet, &bad).await;
    let mut is_away = false;
    while ledger.len() < 12 || retries(&fleet).await == 0.0 {
        is_away = !is_away;
        for links in fleet.all_links().filter(|_| is_away) {
            links.objects.set(Faults::REFUSES);
            links.objects.reset();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        fleet.all_links().for_each(|links| links.objects.set(Faults::NONE));
        ledger.picture(&fleet, &good).await;
    }
    let account = ledger.settle(&fleet).await;
    for (job, history) in &account.jobs {
        let is_sealed = matches!(job.state, State::Dead { .. });
        assert_eq!(is_sealed, job.id == to_be_sealed, "{}: {history:?}", job.id);
    }
    assert_eq!(fleet.stop().await, Some(0));
}

/// How often the workers had to ask the store again.
async fn retries(fleet: &Fleet) -> f64 {
    let mut all = 0.0;
    for (name, admin) in fleet.admins() {
        if name.starts_with("worker") {
            let text = fleet.api.bytes(&format!("{admin}/metrics")).await.unwrap();
            let families = exposition::parse(&String::from_utf8(text).unwrap());
            all += families.get("panofleet_objects_retries_total").map_or(0.0, |all| all.sum(&[]));
        }
    }
    all
}

/// A worker's full disk is said to be that, costs one attempt, and does not keep the job from others.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_to_be_that_and_the_job_runs_elsewhere() {
    let roles = Roles { workers: 2, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &QUICK).await;
    fleet.kill_one("worker-2");
    fleet.kill_one("worker-1");
    fleet.give_small_disk("worker-1", 1);
    fleet.start_one("worker-1");
    // More bytes than the disk has; what stands behind a picture's end is nothing to it.
    let mut large = fixture("equirect.jpg");
    large.resize(3 << 20, 0);
    let large = fleet.api.upload(large).await.unwrap();
    let small = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut ledger = Ledger::new("full disk");
    let id = ledger.picture(&fleet, &large).await;
    let failure = eventually("the disk is full", PATIENCE, async || {
        Some(fleet.api.job(id).await.ok()?.failure?.failure)
    });
    let failure = failure.await;
    assert_eq!((failure.class, &*failure.code), (ErrorClass::Transient, "scratch_full"));
    assert!(failure.message.contains("worker.scratch"), "{failure:?}");
    fleet.start_one("worker-2");
    for _ in 0..4 {
        ledger.picture(&fleet, &small).await;
    }
    let account = ledger.settle(&fleet).await;
    account.all_succeeded();
    let (job, history) = account.jobs.iter().find(|(job, _)| job.id == id).unwrap();
    assert!(job.counters.charged < job.max_attempts, "{history:?}");
    let last = history.iter().rev().find_map(|line| line.worker.as_ref());
    assert_eq!(last.unwrap().as_str(), "worker-2", "{history:?}");
    assert_eq!(fleet.stop().await, Some(0));
}
