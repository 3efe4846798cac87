//! What this worker is told to do: to drain, or to take jobs again.

use std::time::Duration;

use panofleet_job_schema::WorkerId;
use panofleet_job_schema::order::WorkerOrder;
use tokio::sync::watch;

use crate::claims::{Claims, Stop};

/// Once the grace is over, how often what still runs is told to stop: a claim may have been under way when it ended.
const STOP_EVERY: Duration = Duration::from_secs(1);

/// Whether jobs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    Yes,
    No,
}

/// The order that stands for this worker.
#[derive(Debug)]
pub(crate) struct Orders {
    latest: watch::Sender<WorkerOrder>,
}

impl Orders {
    /// Nobody has said anything yet.
    pub(crate) fn new(worker: WorkerId) -> Self {
        Self { latest: watch::Sender::new(WorkerOrder::none(worker)) }
    }

    /// Hears an order; one to another worker is passed over.
    pub(crate) fn hear(&self, order: WorkerOrder) {
        self.latest.send_if_modified(|latest| {
            if order.worker != latest.worker || order.revision <= latest.revision {
                return false;
            }
            let (draining, revision) = (order.draining, order.revision);
            tracing::info!(draining, revision, "an order is followed");
            *latest = latest.clone().merge(order);
            true
        });
    }

    /// Whether jobs are to be taken now.
    pub(crate) fn taking(&self) -> Taking {
        taking(&self.latest.borrow())
    }

    /// The order that is followed; 0 for none.
    pub(crate) fn revision(&self) -> u64 {
        self.latest.borrow().revision
    }

    /// Waits until jobs are to be taken, or no more. Safe to cancel.
    pub(crate) async fn until(&self, wanted: Taking) {
        let mut latest = self.latest.subscribe();
        if latest.wait_for(|order| taking(order) == wanted).await.is_err() {
            // The sender lives as long as `self`.
            std::future::pending().await
        }
    }

    /// Waits until another order than `revision` is followed. Safe to cancel.
    pub(crate) async fn other_than(&self, revision: u64) {
        let mut latest = self.latest.subscribe();
        if latest.wait_for(|order| order.revision != revision).await.is_err() {
            std::future::pending().await
        }
    }

    /// Lets go what still runs when the grace of a drain is over, for ever.
    pub(crate) async fn enforce(&self, claims: &Claims) {
        loop {
            let order = self.latest.borrow().clone();
            let enforce = async {
                let Some(grace) = order.grace.filter(|_| order.draining) else {
                    return std::future::pending().await;
                };
                tokio::time::sleep(grace.0).await;
                loop {
                    claims.stop_all(Stop::Ordered);
                    tokio::time::sleep(STOP_EVERY).await;
                }
            };
            tokio::select! {
                () = enforce => {}
                () = self.other_than(order.revision) => {}
            }
        }
    }
}

fn taking(order: &WorkerOrder) -> Taking {
    if order.draining { Taking::No } else { Taking::Yes }
}
