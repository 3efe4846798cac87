//! The claims that this worker holds: what heartbeats list, and how running attempts are told to stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panofleet_job_schema::ClaimId;
use panofleet_job_schema::message::{AttemptId, HeldClaim, Progress};
use tokio::sync::watch;

/// Why a running attempt is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Control says that the job was cancelled or started anew.
    Cancelled,
    /// The worker ends.
    Drained,
    /// The worker was told to drain, and the grace is over.
    Ordered,
}

/// All claims that this worker holds.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    held: Mutex<BTreeMap<ClaimId, Held>>,
}

#[derive(Debug)]
struct Held {
    id: AttemptId,
    progress: Option<Progress>,
    stop: watch::Sender<Option<Stop>>,
}

impl Claims {
    fn held(&self) -> MutexGuard<'_, BTreeMap<ClaimId, Held>> {
        // Every change is one insertion, removal or assignment: a panic leaves nothing half done.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a claim until the [`Hold`] is dropped.
    pub(crate) fn hold(self: &Arc<Self>, id: AttemptId, claim: ClaimId) -> Hold {
        let (stop, stopped) = watch::channel(None);
        self.held().insert(claim, Held { id, progress: None, stop });
        Hold { claims: Arc::clone(self), claim, stopped }
    }

    /// The claims as heartbeats list them.
    pub(crate) fn list(&self) -> Vec<HeldClaim> {
        let listed = |(claim, held): (&ClaimId, &Held)| HeldClaim {
            id: held.id,
            claim: *claim,
            progress: held.progress.clone(),
        };
        self.held().iter().map(listed).collect()
    }

    /// Tells attempts to stop. The first reason stays.
    pub(crate) fn stop(&self, reason: Stop, which: impl Fn(AttemptId) -> bool) {
        for held in self.held().values().filter(|held| which(held.id)) {
            held.stop.send_if_modified(|stop| {
                let first = stop.is_none();
                stop.get_or_insert(reason);
                first
            });
        }
    }
}

/// One held claim. Dropping it takes the claim from the heartbeats.
#[derive(Debug)]
pub(crate) struct Hold {
    claims: Arc<Claims>,
    claim: ClaimId,
    stopped: watch::Receiver<Option<Stop>>,
}

impl Hold {
    /// Notes how far the attempt is.
    pub(crate) fn progress(&self, progress: Progress) {
        if let Some(held) = self.claims.held().get_mut(&self.claim) {
            held.progress = Some(progress);
        }
    }

    /// Waits until the attempt is to stop. Safe to cancel.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut stopped = self.stopped.clone();
        match stopped.wait_for(Option::is_some).await.map(|stop| *stop) {
            Ok(Some(stop)) => stop,
            // The sender lives in the table for as long as this hold does.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.claims.held().remove(&self.claim);
    }
}
