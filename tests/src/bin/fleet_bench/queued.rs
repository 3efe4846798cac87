//! How fast a job is picked up while very many of another tenant wait, and what it costs that they wait.

use anyhow::Result;
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server};
use panofleet_tests::bench::cost::resident_mib;
use panofleet_tests::bench::load::Load;
use panofleet_tests::fleet::{Fleet, Roles};

use crate::pickups;
use crate::spending::show_memory;
use crate::{BUFFERS_MB, CLIENTS, SETTINGS, rate};

/// The tenant whose jobs wait, and the one whose jobs run.
const TENANTS: [&str; 2] = ["crowd", "guest"];

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let (_kafka, postgres) = (KafkaServer::shared(), PostgresServer::shared_with(BUFFERS_MB));
    S3Server::shared();
    let roles = Roles { producers: 2, tenants: &TENANTS, workers: 2, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &SETTINGS).await;
    let [crowd, guest] = [Load::new(&fleet.apis[0].url)?, Load::new(&fleet.apis[1].url)?];
    crowd.pause_tenant(TENANTS[0]).await?;
    println!("with nothing else");
    pickups::measure(&fleet, &guest).await?;
    let took = crowd.submit_many(jobs, CLIENTS).await?;
    println!("accepted {jobs} jobs in {:.2} s: {:.0} jobs/s", took.as_secs_f64(), rate(jobs, took));
    let database = fleet.database.as_deref().unwrap_or_default();
    let bytes = postgres.query(database, "SELECT pg_total_relation_size('jobs')");
    println!("  {:.0} bytes a queued job in the database", bytes.parse::<f64>()? / f64::from(jobs));
    println!("while {jobs} jobs wait");
    pickups::measure(&fleet, &guest).await?;
    show_memory(&fleet);
    let central = ["producer-1", "producer-2", "collector-1"];
    let all: f64 = central.iter().map(|name| resident_mib(fleet.pid(name))).sum();
    println!("  two APIs with their dispatchers, and the collector: {all:.0} MiB");
    fleet.stop().await;
    Ok(())
}
