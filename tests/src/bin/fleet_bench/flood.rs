//! How long a tenant's jobs take while another tenant has very many.

use std::time::Duration;

use anyhow::{Context as _, Result};
use panofleet_tests::fleet::Roles;

use crate::TENANTS;
use crate::lab::Lab;

/// As many slots as a worker on four cores has, for jobs that take a moment: a window of messages waits as long as they do.
const SETTINGS: [&str; 4] =
    ["policy.heartbeat=2s", "policy.lease=30s", "worker.slots=4", "log.filter=warn"];
/// Less than half of what so few slots get through: within its share a tenant does not wait for the other.
const JOBS_PER_S: u32 = 20;
const WARM_UP: Duration = Duration::from_secs(15);
const WATCHED: Duration = Duration::from_secs(30);

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let roles = Roles { producers: 2, tenants: &TENANTS, workers: 2, ..Roles::default() };
    let mut lab = Lab::start(&roles, &SETTINGS).await;
    let [crowd, guest] = lab.loads()?;
    let waits = async |what: &str| {
        guest.submit_steadily(JOBS_PER_S, WARM_UP).await?;
        guest.await_succeeded(guest.counts().await?.total).await?;
        let since =
            lab.ask("SELECT max(doc::json->>'accepted_at') FROM jobs WHERE tenant = 'guest'");
        guest.submit_steadily(JOBS_PER_S, WATCHED).await?;
        guest.await_succeeded(guest.counts().await?.total).await?;
        let took = "1e3 * extract(epoch FROM (doc::json->>'finished_at')::timestamptz - (doc::json->>'accepted_at')::timestamptz)";
        let found = lab.ask(
            &format!(
                "SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY {took})::bigint[]
                 FROM jobs WHERE tenant = 'guest' AND doc::json->>'accepted_at' > '{since}'"
            ),
        );
        println!("  {what}: p50, p95, p99 = {found} ms from accepted to succeeded");
        let last = found.trim_matches(['{', '}']).rsplit(',').next().context("three numbers")?;
        Ok::<f64, anyhow::Error>(last.parse()?)
    };
    println!("{JOBS_PER_S} jobs/s of one tenant");
    let alone = waits("alone").await?;
    lab.accept(&crowd, jobs).await?;
    let beside = waits(&format!("while another tenant has {jobs} jobs")).await?;
    let left = lab.ask("SELECT count(*) FROM jobs WHERE tenant = 'crowd' AND state = 'queued'");
    println!("  p99 is {:.2} times that; {left} jobs of the other still wait", beside / alone);
    lab.fleet.stop().await;
    Ok(())
}
