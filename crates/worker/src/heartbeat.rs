//! One heartbeat a worker, listing its claims, at a steady pace until the very end.

use std::time::Duration;

use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::{Lane, Region, Timestamp, WorkerId};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::claims::Claims;
use crate::outbox::Outbox;
use crate::reporter::Reporter;

/// What a heartbeat says about the worker itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) worker: WorkerId,
    pub(crate) region: Region,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) slots: u32,
    pub(crate) started_at: Timestamp,
}

impl Identity {
    fn info(&self, draining: bool) -> WorkerInfo {
        WorkerInfo {
            worker: self.worker.clone(),
            region: self.region.clone(),
            lanes: self.lanes.clone(),
            slots: self.slots,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            draining,
            started_at: self.started_at,
        }
    }
}

/// Beats for ever, also while the worker drains; once more as soon as the draining begins.
pub(crate) async fn beat(
    every: Duration,
    identity: &Identity,
    claims: &Claims,
    (reporter, outbox): (&Reporter, &Outbox),
    draining: &CancellationToken,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said_draining = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = draining.cancelled(), if !said_draining => {}
        }
        said_draining = draining.is_cancelled();
        outbox.heartbeat(reporter.heartbeat(identity.info(said_draining), claims.list()));
    }
}
