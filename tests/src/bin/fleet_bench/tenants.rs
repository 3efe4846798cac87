//! Whether it costs anything that jobs are of many tenants.

use anyhow::Result;
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server};
use panofleet_tests::bench::load::Load;
use panofleet_tests::fleet::{Fleet, Roles};

use crate::spending::Spent;
use crate::throughput::await_folded;
use crate::{BUFFERS_MB, CLIENTS, SETTINGS, rate};

const TENANTS: u32 = 10_000;

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let (kafka, postgres) = (KafkaServer::shared(), PostgresServer::shared_with(BUFFERS_MB));
    S3Server::shared();
    let roles = Roles { workers: 2, ..Roles::default() };
    let mut fleet = Fleet::of_roles(&roles, &SETTINGS).await;
    let load = Load::new(&fleet.api.url)?;
    let database = fleet.database.clone().unwrap_or_default();
    // The first run warms everything up.
    for (run, tenants) in (1_u32..).zip([1, 1, TENANTS]) {
        load.pause(fleet.region(), true).await?;
        load.submit_many(jobs, CLIENTS).await?;
        if tenants > 1 {
            // An API has one tenant: the rows get theirs here.
            let name = format!("'t' || (('x' || right(id::text, 8))::bit(32)::bigint % {tenants})");
            let moved = format!(
                "UPDATE jobs SET tenant = {name}, doc = replace(doc, '\"tenant\":\"default\"', '\"tenant\":\"' || {name} || '\"')
                 WHERE state = 'queued'"
            );
            postgres.query(&database, &moved);
        }
        postgres.query(&database, "VACUUM ANALYZE jobs");
        let before = Spent::so_far(&fleet, kafka, postgres);
        load.pause(fleet.region(), false).await?;
        let took = await_folded(&fleet, u64::from(run) * u64::from(jobs)).await?;
        println!(
            "ran {jobs} jobs of {tenants} tenants in {:.2} s: {:.0} jobs/s",
            took.as_secs_f64(),
            rate(jobs, took)
        );
        before.show(&Spent::so_far(&fleet, kafka, postgres), jobs.into());
    }
    fleet.stop().await;
    Ok(())
}
