//! How fast a job is picked up while very many of another tenant wait, and what it costs that they wait.

use anyhow::Result;
use panofleet_tests::bench::cost::resident_mib;
use panofleet_tests::fleet::Roles;

use crate::lab::Lab;
use crate::spending::show_memory;
use crate::{SETTINGS, TENANTS, pickups};

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let roles = Roles { producers: 2, tenants: &TENANTS, workers: 2, ..Roles::default() };
    let mut lab = Lab::start(&roles, &SETTINGS).await;
    let [crowd, guest] = lab.loads()?;
    crowd.pause_tenant(TENANTS[0]).await?;
    println!("with nothing else");
    pickups::measure(&lab.fleet, &guest).await?;
    lab.accept(&crowd, jobs).await?;
    println!("while {jobs} jobs wait");
    pickups::measure(&lab.fleet, &guest).await?;
    show_memory(&lab.fleet);
    let central = ["producer-1", "producer-2", "collector-1"];
    let all: f64 = central.iter().map(|name| resident_mib(lab.fleet.pid(name))).sum();
    println!("  two APIs with their dispatchers, and the collector: {all:.0} MiB");
    lab.fleet.stop().await;
    Ok(())
}
