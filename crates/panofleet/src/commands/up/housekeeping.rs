//! What would grow for ever in an embedded bus: applied events, control records of jobs long gone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use panofleet_bus::Bus as _;
use panofleet_bus::embedded::EmbeddedBus;
use panofleet_job_schema::limits;
use panofleet_job_schema::policy::Policy;
use panofleet_jobs_db::JobsDb;
use tokio_util::sync::CancellationToken;

/// Time between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// Tidies up until `shutdown`. A round that fails is made up for by the next.
pub(super) async fn run(
    bus: EmbeddedBus,
    db: Arc<dyn JobsDb>,
    policy: Policy,
    shutdown: CancellationToken,
) -> Result<()> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        if let Err(error) = tidy(&bus, db.as_ref(), policy).await {
            tracing::warn!(error = format!("{error:#}"), "tidying up waits for the next round");
        }
    }
}

async fn tidy(bus: &EmbeddedBus, db: &dyn JobsDb, policy: Policy) -> Result<()> {
    let log_id = bus.event_log_id().await?;
    for (partition, row) in db.partitions(&log_id).await? {
        bus.trim_events(partition, row.next_offset).await?;
    }
    // A message may be in the queue as long as its job may live.
    let longest = Duration::from_secs(*limits::DEADLINE_S.end()).max(policy.deadline.0);
    bus.trim_control(longest + Duration::from_secs(24 * 3600)).await?;
    Ok(())
}
