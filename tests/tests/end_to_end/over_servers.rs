//! What is particular to a fleet of many processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use panofleet_job_schema::JobId;
use panofleet_test_servers::KafkaServer;
use panofleet_tests::exposition::{self, Family};
use panofleet_tests::fleet::{Fleet, Roles};
use panofleet_tests::{eventually, processes};

use crate::site::{PATIENCE, at_least, check_result, ended, fixture, job, succeeded, successes};

/// Kills what leads, and gives its name. Questions go to another API from then on.
async fn kill_the_leader(fleet: &mut Fleet) -> String {
    let leader = eventually("a dispatcher leads", PATIENCE, async || fleet.leader()).await;
    fleet.kill_one(&leader);
    let number: usize = leader.trim_start_matches("producer-").parse().unwrap();
    fleet.api = fleet.apis[number % fleet.apis.len()].clone();
    leader
}

/// Two hundred jobs over three workers, while a worker, a collector, the leading dispatcher and the broker are killed.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_jobs_survive_the_loss_of_anything() {
    static KAFKA: OnceLock<KafkaServer> = OnceLock::new();
    let kafka = KAFKA.get_or_init(KafkaServer::start);
    let roles =
        Roles { producers: 2, collectors: 2, workers: 3, kafka: Some(kafka), ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..200 {
        let api = &fleet.apis[n % 2];
        jobs.push(api.submit(&job(&source, n)).await.unwrap().id);
    }
    at_least(&fleet, &jobs, 20).await;
    fleet.kill_one("worker-2");
    at_least(&fleet, &jobs, 50).await;
    fleet.kill_one("collector-1");
    fleet.start_one("worker-2");
    at_least(&fleet, &jobs, 80).await;
    let leader = kill_the_leader(&mut fleet).await;
    at_least(&fleet, &jobs, 110).await;
    kafka.crash();
    let before = successes(&fleet, &jobs).await;
    kafka.start_again();
    fleet.start_one(&leader);
    fleet.start_one("collector-1");
    assert!(before < 200, "the broker was to be killed in the middle");

    at_least(&fleet, &jobs, 200).await;
    let mut workers = BTreeSet::new();
    for id in &jobs {
        check_result(&fleet, *id).await;
        let history = fleet.api.history(*id).await.unwrap();
        assert_eq!(history.iter().filter(|entry| entry.reason == "succeeded").count(), 1);
        workers.extend(history.into_iter().filter_map(|entry| entry.worker));
    }
    assert_eq!(workers.len(), 3, "every worker had its share: {workers:?}");
    assert_eq!(fleet.stop().await, Some(0));
}

/// The same work over encrypted links, each role as a user who may do no more than its work.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_works_over_encrypted_links_with_a_user_for_each_role() {
    let roles = Roles { secured: true, dispatchers: 1, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let mut jobs = Vec::new();
    for n in 0..6 {
        jobs.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    fleet.api.cancel(jobs[5]).await.unwrap();
    for id in &jobs[..5] {
        assert!(succeeded(&ended(&fleet, *id).await));
        check_result(&fleet, *id).await;
    }
    ended(&fleet, jobs[5]).await;
    for name in fleet.names() {
        let log = fleet.log(&name);
        assert!(!log.to_lowercase().contains("authoriz"), "{name} may not do its work: {log}");
        assert!(!log.contains("-secret"), "{name} writes a password into its log");
    }
    assert_eq!(fleet.stop().await, Some(0));
}

/// What every role counts, and that each is ready, can be seen from outside.
#[tokio::test(flavor = "multi_thread")]
async fn every_role_shows_what_it_does() {
    let roles = Roles { dispatchers: 1, ..Roles::default() };
    let fleet = Fleet::of_roles(&roles, &[]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let id = fleet.api.submit(&job(&source, 0)).await.unwrap().id;
    assert!(succeeded(&ended(&fleet, id).await));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for (name, admin) in fleet.admins() {
        let ready = fleet.api.bytes(&format!("{admin}/readyz")).await;
        ready.unwrap_or_else(|error| panic!("{name} is not ready: {error}"));
        let text = fleet.api.bytes(&format!("{admin}/metrics")).await.unwrap();
        for (name, family) in exposition::parse(&String::from_utf8(text).unwrap()) {
            families.entry(name).or_default().values.extend(family.values);
        }
    }
    let count = |name: &str, labels: &[(&str, &str)]| families[name].sum(labels);
    assert_eq!(count("panofleet_dispatcher_leading", &[]), 1.0, "of two, one leads");
    assert_eq!(count("panofleet_producer_jobs_accepted_total", &[("lane", "image")]), 1.0);
    assert_eq!(count("panofleet_collector_events_total", &[("kind", "succeeded")]), 1.0);
    assert_eq!(count("panofleet_worker_child_exits_total", &[("kind", "ok")]), 1.0);
}

/// How often each of these jobs was claimed.
async fn claims(fleet: &Fleet, id: JobId) -> usize {
    let history = fleet.api.history(id).await.unwrap();
    history.iter().filter(|entry| entry.reason == "claimed").count()
}

/// Waits until one runner is at work, and stops its clock.
async fn freeze_the_runner(fleet: &Fleet) -> u32 {
    let runner =
        eventually("a runner is at work", PATIENCE, async || fleet.runners().first().copied())
            .await;
    processes::signal(runner, "STOP");
    runner
}

/// A message is acknowledged when its job is claimed: how long the job runs is nothing to Kafka.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlives_the_lock_many_times_runs_once() {
    let roles = Roles { workers: 2, ..Roles::default() };
    let fleet = Fleet::of_roles(&roles, &["fleet.kafka.lock=1s"]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let id = fleet.api.submit(&job(&source, 0)).await.unwrap().id;
    let runner = freeze_the_runner(&fleet).await;
    // Ten locks; nothing can be waited for while the job stands still.
    tokio::time::sleep(Duration::from_secs(10)).await;
    processes::signal(runner, "CONT");
    assert!(succeeded(&ended(&fleet, id).await));
    check_result(&fleet, id).await;
    assert_eq!(claims(&fleet, id).await, 1);
}

/// One partition, four workers with one slot each, and one of them is busy for long: nobody waits behind it.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_takes_the_next_job() {
    let roles = Roles { workers: 4, ..Roles::default() };
    let fleet = Fleet::of_roles(&roles, &["worker.slots=1"]).await;
    let source = fleet.api.upload(fixture("equirect.jpg")).await.unwrap();
    let long = fleet.api.submit(&job(&source, 0)).await.unwrap().id;
    let runner = freeze_the_runner(&fleet).await;
    let mut others = Vec::new();
    for n in 1..=24 {
        others.push(fleet.api.submit(&job(&source, n)).await.unwrap().id);
    }
    at_least(&fleet, &others, 24).await;
    assert!(!fleet.api.job(long).await.unwrap().is_terminal(), "the long job is still at work");
    processes::signal(runner, "CONT");
    assert!(succeeded(&ended(&fleet, long).await));
    let mut workers = BTreeSet::new();
    for id in others {
        assert_eq!(claims(&fleet, id).await, 1);
        let history = fleet.api.history(id).await.unwrap();
        workers.extend(history.into_iter().filter_map(|entry| entry.worker));
    }
    assert_eq!(workers.len(), 3, "the three that were idle shared the work: {workers:?}");
}
