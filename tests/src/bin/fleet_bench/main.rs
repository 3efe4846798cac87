//! `./dev bench fleet`: what a fleet over Kafka and PostgreSQL gets through and what each part spends on it. Everything
//! shares this machine, the servers and the load included.
//!
//! | argument | what is measured |
//! |---|---|
//! | a number of jobs | that many jobs that do nothing, accepted and then run; how fast one is picked up at 100 jobs/s |
//! | `api` and a number | how many jobs the API takes, how long it takes about one, and how fast it finds some among so many |
//! | `heartbeats` | what a collector spends on the heartbeats of 10,000 running jobs |
//! | `queued` and a number | how fast a job is picked up while so many of another tenant wait, and what waiting costs |
//! | `tenants` and a number | that many jobs of one tenant, and as many of 10,000 tenants |
//! | `flood` and a number | how long a tenant's jobs take while another tenant has so many |
//!
//! Without an argument all of them.
#![expect(clippy::print_stdout, reason = "it tells a person what it found")]

use anyhow::{Context as _, Result, bail};

mod api;
mod flood;
mod heartbeats;
mod lab;
mod pickups;
mod queued;
mod spending;
mod tenants;
mod throughput;

/// Jobs that are accepted, and then run.
const JOBS: u32 = 100_000;
/// Jobs that wait while others are picked up.
const QUEUED: u32 = 1_000_000;
/// The tenant that has very many jobs, and the one that comes beside it.
const TENANTS: [&str; 2] = ["crowd", "guest"];

/// Slots for jobs that take no time, and logs of what matters only.
const SETTINGS: [&str; 5] = [
    "policy.heartbeat=2s",
    "policy.lease=30s",
    "worker.slots=512",
    "log.filter=warn",
    "worker.event_buffer=4096",
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next();
    let number = arguments.next().map(|number| number.parse().context("a number of jobs"));
    let number = number.transpose()?;
    match what.as_deref() {
        Some("api") => api::run(number.unwrap_or(QUEUED)).await,
        Some("heartbeats") => heartbeats::run().await,
        Some("queued") => queued::run(number.unwrap_or(QUEUED)).await,
        Some("tenants") => tenants::run(number.unwrap_or(JOBS)).await,
        Some("flood") => flood::run(number.unwrap_or(JOBS)).await,
        Some(jobs) => match jobs.parse() {
            Ok(jobs) => throughput::run(jobs).await,
            Err(_) => {
                bail!("{jobs}: give a number of jobs, api, heartbeats, queued, tenants or flood")
            }
        },
        None => {
            throughput::run(JOBS).await?;
            api::run(QUEUED).await?;
            heartbeats::run().await?;
            queued::run(QUEUED).await?;
            tenants::run(JOBS).await?;
            flood::run(JOBS).await
        }
    }
}
