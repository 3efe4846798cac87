//! How long jobs have waited until a worker began them, from the workers' histograms.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use panofleet_tests::bench::load::Load;
use panofleet_tests::fleet::Fleet;

/// The steady load under which the pickup is measured, and how long it goes on before that: the broker compiles its
/// code while it runs.
pub(crate) const STEADY_JOBS_PER_S: u32 = 100;
const WARM_UP: Duration = Duration::from_secs(20);
const STEADY: Duration = Duration::from_secs(20);

/// Jobs that waited no longer than a bound, by the bound in milliseconds.
pub(crate) struct Pickups(BTreeMap<u64, f64>);

impl Pickups {
    pub(crate) async fn so_far(fleet: &Fleet) -> Result<Self> {
        let mut counts = BTreeMap::new();
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
        Ok(Self(counts))
    }

    /// Shows the shares of those since then.
    pub(crate) fn show(&self, after: &Self) {
        let count =
            |bound: &u64| after.0.get(bound).unwrap_or(&0.0) - self.0.get(bound).unwrap_or(&0.0);
        let all = count(&u64::MAX);
        for bound in after.0.keys().filter(|bound| **bound <= 1000) {
            println!("  {bound:>6} ms or less: {:5.1} % of {all}", 100.0 * count(bound) / all);
        }
    }
}

/// Submits jobs steadily, and once that goes smoothly shows how long they waited. Gives how many have succeeded in all.
pub(crate) async fn measure(fleet: &Fleet, load: &Load) -> Result<u64> {
    load.submit_steadily(STEADY_JOBS_PER_S, WARM_UP).await?;
    let warm = load.counts().await?.total;
    load.await_succeeded(warm).await?;
    let before = Pickups::so_far(fleet).await?;
    load.submit_steadily(STEADY_JOBS_PER_S, STEADY).await?;
    let total = load.counts().await?.total;
    load.await_succeeded(total).await?;
    println!("pickup at {STEADY_JOBS_PER_S} jobs/s");
    before.show(&Pickups::so_far(fleet).await?);
    Ok(total)
}
