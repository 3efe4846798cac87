//! How many jobs that do nothing are accepted and run, and how fast one is picked up.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server};
use panofleet_tests::bench::load::Load;
use panofleet_tests::exposition;
use panofleet_tests::fleet::{Fleet, Roles};

use crate::pickups;
use crate::spending::{Spent, show_memory};
use crate::{BUFFERS_MB, CLIENTS, SETTINGS, rate};

/// Time between two looks at what collectors have counted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let (kafka, postgres) = (KafkaServer::shared(), PostgresServer::shared_with(BUFFERS_MB));
    S3Server::shared();
    let roles = Roles { workers: 2, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &SETTINGS).await;
    let load = Load::new(&fleet.api.url)?;
    let spent = || Spent::so_far(&fleet, kafka, postgres);

    let before = spent();
    let steady = pickups::measure(&fleet, &load).await?;
    before.show(&spent(), steady);

    load.pause(fleet.region(), true).await?;
    let before = spent();
    let took = load.submit_many(jobs, CLIENTS).await?;
    println!("accepted {jobs} jobs in {:.2} s: {:.0} jobs/s", took.as_secs_f64(), rate(jobs, took));
    before.show(&spent(), jobs.into());
    let database = fleet.database.as_deref().unwrap_or_default();
    let bytes = postgres.query(database, "SELECT pg_total_relation_size('jobs')");
    println!("  {:.0} bytes a queued job in the database", bytes.parse::<f64>()? / f64::from(jobs));

    let before = spent();
    load.pause(fleet.region(), false).await?;
    let took = await_folded(&fleet, steady + u64::from(jobs)).await?;
    println!("ran {jobs} jobs in {:.2} s: {:.0} jobs/s", took.as_secs_f64(), rate(jobs, took));
    before.show(&spent(), jobs.into());
    load.await_succeeded(steady + u64::from(jobs)).await?;
    show_memory(&fleet);
    fleet.stop().await;
    Ok(())
}

/// Waits until collectors have written so many successes, by their own count: counting the rows would cost the database more
/// than the jobs do.
pub(crate) async fn await_folded(fleet: &Fleet, jobs: u64) -> Result<Duration> {
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
