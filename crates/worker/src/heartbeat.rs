//! One heartbeat a worker, listing its claims, at a steady pace until the very end.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::{Lane, Region, Timestamp, WorkerId};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::claims::Claims;
use crate::orders::{Orders, Taking};
use crate::outbox::Outbox;
use crate::reporter::Reporter;

/// What a heartbeat says about the worker itself.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) worker: WorkerId,
    pub(crate) region: Region,
    /// The lanes that it takes from, with the jobs of each that it runs at once.
    pub(crate) slots: BTreeMap<Lane, u32>,
    pub(crate) started_at: Timestamp,
}

impl Identity {
    fn info(&self, draining: bool, order_revision: u64) -> WorkerInfo {
        WorkerInfo {
            worker: self.worker.clone(),
            region: self.region.clone(),
            lanes: self.slots.keys().copied().collect(),
            slots: self.slots.values().sum(),
            lane_slots: self.slots.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            draining,
            order_revision,
            started_at: self.started_at,
        }
    }
}

/// Beats for ever, also while the worker drains; once more as soon as it ends, or follows another order.
pub(crate) async fn beat(
    every: Duration,
    identity: &Identity,
    (claims, orders): (&Claims, &Orders),
    (reporter, outbox): (&Reporter, &Outbox),
    ending: &CancellationToken,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut said_ending, mut said_revision) = (false, orders.revision());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ending.cancelled(), if !said_ending => {}
            () = orders.other_than(said_revision) => {}
        }
        (said_ending, said_revision) = (ending.is_cancelled(), orders.revision());
        let draining = said_ending || orders.taking() == Taking::No;
        let info = identity.info(draining, said_revision);
        outbox.heartbeat(reporter.heartbeat(info, claims.list()));
    }
}
