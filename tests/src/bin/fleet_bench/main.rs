//! `./dev bench fleet`: how many jobs that do nothing go through a fleet over Kafka and PostgreSQL, how fast one is
//! picked up, and what each part spends on it; and with `heartbeats`, what a collector spends on the heartbeats of 10,000
//! running jobs. Everything shares this machine, the servers and the load included.
#![expect(clippy::print_stdout, reason = "it tells a person what it found")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server};
use panofleet_tests::bench::cost::{cpu_seconds, resident_mib};
use panofleet_tests::bench::load::Load;
use panofleet_tests::exposition;
use panofleet_tests::fleet::{Fleet, Roles};

/// Jobs that are accepted, and then run.
const JOBS: u32 = 100_000;
/// PostgreSQL's `shared_buffers`: all jobs of a run fit. Otherwise its own settings, `fsync` among them; Kafka's too, in a
/// heap of 384 MiB.
const BUFFERS_MB: u32 = 512;
/// Time between two looks at what collectors have counted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Requests at a time.
const CLIENTS: u32 = 2;
/// The steady load under which the pickup is measured, and how long it goes on before that: the broker compiles its
/// code while it runs.
const STEADY_JOBS_PER_S: u32 = 100;
const WARM_UP: Duration = Duration::from_secs(20);
const STEADY: Duration = Duration::from_secs(20);

/// Slots for jobs that take no time, and logs of what matters only.
const SETTINGS: [&str; 5] = [
    "policy.heartbeat=2s",
    "policy.lease=30s",
    "worker.slots=512",
    "log.filter=warn",
    "worker.event_buffer=4096",
];

/// Workers, and the jobs that each runs, while heartbeats are all that happens; and how long they are watched.
const BUSY_WORKERS: u32 = 10;
const BUSY_SLOTS: u32 = 1000;
const BUSY: Duration = Duration::from_secs(60);
/// As a fleet has them by default.
const BUSY_SETTINGS: [&str; 5] = [
    "policy.heartbeat=10s",
    "policy.lease=60s",
    "worker.slots=1000",
    "log.filter=warn",
    "worker.event_buffer=4096",
];

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("heartbeats") => heartbeats().await,
        Some(jobs) => throughput(jobs.parse().context("a number of jobs, or `heartbeats`")?).await,
        None => {
            throughput(JOBS).await?;
            heartbeats().await
        }
    }
}

async fn heartbeats() -> Result<()> {
    let (_kafka, postgres) = (KafkaServer::shared(), PostgresServer::shared_with(BUFFERS_MB));
    S3Server::shared();
    let roles = Roles { workers: BUSY_WORKERS, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &BUSY_SETTINGS).await;
    let load = Load::new(&fleet.api.url)?.of_jobs_that_take(600_000);
    load.submit_many(BUSY_WORKERS * BUSY_SLOTS, 1).await?;
    load.await_running(u64::from(BUSY_WORKERS * BUSY_SLOTS)).await?;
    // The claims are folded, and everybody has been heard of once.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let spent = || [cpu_seconds(fleet.pid("collector-1")), cpu_seconds(postgres.pid())];
    let before = spent();
    tokio::time::sleep(BUSY).await;
    let [collector, postgresql] = spent();
    let share = |after: f64, before: f64| 100.0 * (after - before) / BUSY.as_secs_f64();
    println!(
        "heartbeats of {} running jobs on {BUSY_WORKERS} workers: collector {:.1} %, postgresql {:.1} % of a core",
        BUSY_WORKERS * BUSY_SLOTS,
        share(collector, before[0]),
        share(postgresql, before[1]),
    );
    fleet.kill();
    Ok(())
}

async fn throughput(jobs: u32) -> Result<()> {
    let (kafka, postgres) = (KafkaServer::shared(), PostgresServer::shared_with(BUFFERS_MB));
    S3Server::shared();
    let roles = Roles { workers: 2, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &SETTINGS).await;
    let load = Load::new(&fleet.api.url)?;
    let spent = || {
        let mut spent: Vec<(String, f64)> =
            fleet.names().iter().map(|name| (name.clone(), cpu_seconds(fleet.pid(name)))).collect();
        spent.push(("kafka".into(), cpu_seconds(kafka.pid())));
        spent.push(("postgresql".into(), cpu_seconds(postgres.pid())));
        spent
    };

    load.submit_steadily(STEADY_JOBS_PER_S, WARM_UP).await?;
    let warm = load.counts().await?.total;
    load.await_succeeded(warm).await?;
    let (before, pickups_before) = (spent(), pickups(&fleet).await?);
    load.submit_steadily(STEADY_JOBS_PER_S, STEADY).await?;
    let steady = load.counts().await?.total;
    load.await_succeeded(steady).await?;
    println!("pickup at {STEADY_JOBS_PER_S} jobs/s");
    show_pickups(&pickups_before, &pickups(&fleet).await?);
    report(&before, &spent(), steady - warm);

    load.pause(fleet.region(), true).await?;
    let before = spent();
    let took = load.submit_many(jobs, CLIENTS).await?;
    println!("accepted {jobs} jobs in {:.2} s: {:.0} jobs/s", took.as_secs_f64(), rate(jobs, took));
    report(&before, &spent(), jobs.into());
    let database = fleet.database.as_deref().unwrap_or_default();
    let bytes = postgres.query(database, "SELECT pg_total_relation_size('jobs')");
    println!("  {:.0} bytes a queued job in the database", bytes.parse::<f64>()? / f64::from(jobs));

    let before = spent();
    load.pause(fleet.region(), false).await?;
    let took = await_folded(&fleet, steady + u64::from(jobs)).await?;
    println!("ran {jobs} jobs in {:.2} s: {:.0} jobs/s", took.as_secs_f64(), rate(jobs, took));
    report(&before, &spent(), jobs.into());
    load.await_succeeded(steady + u64::from(jobs)).await?;
    for name in fleet.names() {
        println!("  {name:<14}{:>8.1} MiB resident", resident_mib(fleet.pid(&name)));
    }
    fleet.stop().await;
    Ok(())
}

/// Waits until collectors have written so many successes, by their own count: counting the rows would cost the database more
/// than the jobs do.
async fn await_folded(fleet: &Fleet, jobs: u64) -> Result<Duration> {
    let begun = Instant::now();
    let (mut last, mut moved) = (0.0, Instant::now());
    loop {
        let mut folded = 0.0;
        for (name, admin) in fleet.admins() {
            if name.starts_with("collector") {
                let text = reqwest::get(format!("{admin}/metrics")).await?.text().await?;
                let events = exposition::parse(&text).remove("panofleet_collector_events_total");
                folded += events.unwrap_or_default().sum(&[("kind", "succeeded")]);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousands of jobs")]
        if folded >= jobs as f64 {
            return Ok(begun.elapsed());
        }
        if folded > last {
            (last, moved) = (folded, Instant::now());
        }
        if moved.elapsed() > Duration::from_secs(30) {
            bail!("nothing moves: {folded} of {jobs} jobs have succeeded");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn rate(jobs: u32, took: Duration) -> f64 {
    f64::from(jobs) / took.as_secs_f64()
}

/// Processor time a job, by process.
fn report(before: &[(String, f64)], after: &[(String, f64)], jobs: u64) {
    #[expect(clippy::cast_precision_loss, reason = "some thousands of jobs")]
    let jobs = jobs as f64;
    let mut all = 0.0;
    for ((name, before), (_, after)) in before.iter().zip(after) {
        let spent = (after - before) * 1e6 / jobs;
        all += spent;
        println!("  {name:<14}{spent:>8.1} µs of processor time a job");
    }
    println!("  {:<14}{all:>8.1} µs: at most {:.0} jobs/s on 2 cores", "all", 2e6 / all);
}

/// Jobs that waited no longer than a bound, by the bound in milliseconds.
type Pickups = BTreeMap<u64, f64>;

/// How long jobs have waited so far, from the workers' histograms.
async fn pickups(fleet: &Fleet) -> Result<Pickups> {
    let mut counts = Pickups::new();
    for (name, admin) in fleet.admins() {
        if !name.starts_with("worker") {
            continue;
        }
        let text = reqwest::get(format!("{admin}/metrics")).await?.text().await?;
        for line in text.lines() {
            if !line.starts_with("panofleet_worker_pickup_seconds_bucket") {
                continue;
            }
            let bound = line.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
            let (bound, count) = bound.zip(line.rsplit(' ').next()).context("a bucket")?;
            let bound_s: f64 = bound.parse()?; // "+Inf" too.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bounds are a few milliseconds to hours; the last is without end"
            )]
            let bound_ms = (bound_s * 1e3).round() as u64;
            *counts.entry(bound_ms).or_default() += count.parse::<f64>()?;
        }
    }
    Ok(counts)
}

fn show_pickups(before: &Pickups, after: &Pickups) {
    let count = |bound: &u64| after.get(bound).unwrap_or(&0.0) - before.get(bound).unwrap_or(&0.0);
    let all = count(&u64::MAX);
    for bound in after.keys().filter(|bound| **bound <= 1000) {
        println!("  {bound:>6} ms or less: {:5.1} % of {all}", 100.0 * count(bound) / all);
    }
}
