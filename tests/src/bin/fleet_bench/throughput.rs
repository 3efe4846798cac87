//! How many jobs that do nothing are accepted and run, and how fast one is picked up.

use anyhow::Result;
use panofleet_tests::fleet::Roles;

use crate::lab::Lab;
use crate::spending::show_memory;
use crate::{SETTINGS, pickups};

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let mut lab = Lab::start(&Roles { workers: 2, ..Roles::default() }, &SETTINGS).await;
    let [load] = lab.loads()?;
    let before = lab.spent();
    let steady = pickups::measure(&lab.fleet, &load).await?;
    before.show(&lab.spent(), steady);
    load.pause(lab.fleet.region(), true).await?;
    lab.accept(&load, jobs).await?;
    let all = steady + u64::from(jobs);
    lab.run(&load, &format!("{jobs} jobs"), (jobs, all)).await?;
    load.await_succeeded(all).await?;
    show_memory(&lab.fleet);
    lab.fleet.stop().await;
    Ok(())
}
