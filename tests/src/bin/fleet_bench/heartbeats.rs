//! What a collector spends on the heartbeats of many running jobs.

use std::time::Duration;

use anyhow::Result;
use panofleet_tests::bench::cost::cpu_seconds;
use panofleet_tests::fleet::Roles;

use crate::lab::Lab;

/// Workers, and the jobs that each runs, while heartbeats are all that happens; and how long they are watched.
const WORKERS: u32 = 10;
const SLOTS: u32 = 1000;
const WATCHED: Duration = Duration::from_secs(60);
/// As a fleet has them by default.
const SETTINGS: [&str; 5] = [
    "policy.heartbeat=10s",
    "policy.lease=60s",
    "worker.slots=1000",
    "log.filter=warn",
    "worker.event_buffer=4096",
];

pub(crate) async fn run() -> Result<()> {
    let mut lab = Lab::start(&Roles { workers: WORKERS, ..Roles::default() }, &SETTINGS).await;
    let [load] = lab.loads()?;
    let load = load.of_jobs_that_take(600_000);
    load.submit_many(WORKERS * SLOTS, 1).await?;
    load.await_running(u64::from(WORKERS * SLOTS)).await?;
    // The claims are folded, and everybody has been heard of once.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let spent = || [cpu_seconds(lab.fleet.pid("collector-1")), cpu_seconds(lab.postgres.pid())];
    let before = spent();
    tokio::time::sleep(WATCHED).await;
    let [collector, postgresql] = spent();
    let share = |after: f64, before: f64| 100.0 * (after - before) / WATCHED.as_secs_f64();
    println!(
        "heartbeats of {} running jobs on {WORKERS} workers: collector {:.1} %, postgresql {:.1} % of a core",
        WORKERS * SLOTS,
        share(collector, before[0]),
        share(postgresql, before[1]),
    );
    lab.fleet.kill();
    Ok(())
}
