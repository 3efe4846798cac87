//! Orders to workers: published until their worker follows, and again as long as they stand.
//!
//! A worker reads control records only, and Kafka deletes those that are older than its retention; so an order to drain
//! that stands for long is said again, and a worker that comes back after a long time hears of it at its start.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use panofleet_bus::sealed::sealed_order;
use panofleet_job_schema::{Region, WorkerId};
use panofleet_jobs_db::{OrderRow, WorkerRow};
use panofleet_service::clock::wall_clock;
use tokio_util::sync::CancellationToken;

use super::{Dispatcher, TurnError};
use crate::metrics;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often an order to drain is said although it is followed: often enough for any retention of control records.
const REPEAT_EVERY: Duration = Duration::from_secs(3600);

/// What this dispatcher has said, and when: each order at least once in its lead.
type Said = BTreeMap<WorkerId, (u64, Instant)>;

impl Dispatcher {
    /// Publishes orders until `shutdown`. What fails is tried at the next look.
    pub(super) async fn order_workers(&self, shutdown: &CancellationToken) {
        let mut said = Said::new();
        loop {
            if let Err(error) = self.say_orders(&mut said).await {
                tracing::debug!(%error, "orders to workers are said later");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn say_orders(&self, said: &mut Said) -> Result<(), TurnError> {
        let (orders, workers) = (self.db.orders().await?, self.db.workers().await?);
        let now = self.db.now().await?;
        let is_live = |row: &WorkerRow| now.since(row.beat_at) < self.policy.lease.0;
        for region in &self.regions {
            let here = |row: &&WorkerRow| row.worker.region == *region && is_live(row);
            let (draining, taking): (Vec<_>, Vec<_>) =
                workers.iter().filter(here).partition(|row| row.worker.draining);
            metrics::workers(region, (taking.len(), draining.len()));
        }
        for row in &orders {
            let worker = &row.order.worker;
            let Some(found) = workers.iter().find(|found| found.worker.worker == *worker) else {
                continue;
            };
            if is_due(row, found, said.get(worker), is_live(found)) {
                self.say(&found.worker.region, row).await?;
                said.insert(worker.clone(), (row.order.revision, Instant::now()));
            }
        }
        Ok(())
    }

    async fn say(&self, region: &Region, row: &OrderRow) -> Result<(), TurnError> {
        let payload = sealed_order(&row.order, &self.keys, (region, wall_clock()))?;
        Ok(self.bus.publish_order(region, &row.order.worker, payload).await?)
    }
}

/// Whether an order is to be said now, `said` being what was said to its worker last.
fn is_due(row: &OrderRow, found: &WorkerRow, said: Option<&(u64, Instant)>, is_live: bool) -> bool {
    let is_followed = found.worker.order_revision >= row.order.revision;
    match said {
        Some((revision, at)) if *revision == row.order.revision => {
            is_live && !is_followed || row.order.draining && at.elapsed() >= REPEAT_EVERY
        }
        _ => row.order.draining || !is_followed,
    }
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::message::WorkerInfo;
    use panofleet_job_schema::order::WorkerOrder;
    use panofleet_job_schema::{Lane, Timestamp};

    use super::*;

    #[test]
    fn an_order_is_said_until_it_is_followed_and_a_drain_again_and_again() {
        let worker = WorkerId::new("w1").unwrap();
        let order = |draining| OrderRow {
            order: WorkerOrder { revision: 3, draining, ..WorkerOrder::none(worker.clone()) },
            since: Timestamp::from_millis(0),
            reason: String::new(),
        };
        let follows = |order_revision| WorkerRow {
            worker: WorkerInfo {
                worker: worker.clone(),
                region: Region::new("home").unwrap(),
                lanes: vec![Lane::Image],
                slots: 1,
                lane_slots: BTreeMap::new(),
                version: "1".into(),
                draining: false,
                order_revision,
                started_at: Timestamp::from_millis(0),
            },
            beat_at: Timestamp::from_millis(0),
            claims: Vec::new(),
        };
        let now = Instant::now();
        let long_ago = now.checked_sub(REPEAT_EVERY).unwrap();
        for (draining, revision, said, is_live, expected) in [
            (true, 0, None, true, true),
            (true, 3, None, true, true), // A new leader says what stands once.
            (true, 0, None, false, true),
            (false, 3, None, true, false),
            (false, 2, None, true, true),
            (true, 0, Some((2, now)), true, true),
            (true, 2, Some((3, now)), true, true),
            (true, 2, Some((3, now)), false, false), // Nobody hears it; it lies there.
            (true, 3, Some((3, now)), true, false),
            (true, 3, Some((3, long_ago)), true, true),
            (false, 3, Some((3, long_ago)), true, false),
        ] {
            let due = is_due(&order(draining), &follows(revision), said.as_ref(), is_live);
            assert_eq!(due, expected, "{draining} {revision} {said:?} {is_live}");
        }
    }
}
