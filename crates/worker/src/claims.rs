//! The claims that this worker holds: what heartbeats list, and how running attempts are told to stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panofleet_job_schema::ClaimId;
use panofleet_job_schema::message::{AttemptId, HeldClaim, Progress};
use tokio::sync::watch;
use tokio::time::Instant;

/// Why a running attempt is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Control says that the job was cancelled or started anew.
    Cancelled,
    /// Control says that somebody wants the job to be let go.
    Released,
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
    held_since: Instant,
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
        let held = Held { id, held_since: Instant::now(), progress: None, stop };
        self.held().insert(claim, held);
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

    /// Tells all attempts to stop. The first reason stays.
    pub(crate) fn stop_all(&self, reason: Stop) {
        self.stop_each(|_| Some(reason));
    }

    /// Tells attempts to stop for which there is a reason. The first one stays.
    pub(crate) fn stop_each(&self, reason: impl Fn(AttemptId) -> Option<Stop>) {
        for held in self.held().values() {
            let Some(reason) = reason(held.id) else { continue };
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
    /// Notes how far the attempt is: the share of its work that is done, [0, 1], what it is at, and the bytes of outputs that
    /// are uploaded.
    pub(crate) fn progress(&self, fraction: f64, step: String, uploaded_bytes: u64) {
        if let Some(held) = self.claims.held().get_mut(&self.claim) {
            let before = held.progress.take();
            let mut curve = before.map(|before| before.curve).unwrap_or_default();
            curve.note(fraction, held.held_since.elapsed());
            held.progress = Some(Progress { fraction, step, uploaded_bytes, curve });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use panofleet_job_schema::{Attempt, Generation, JobId};
    use uuid::Uuid;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn heartbeats_say_how_an_attempt_came_so_far() {
        let claims = Arc::new(Claims::default());
        let (job, generation) = (JobId(Uuid::from_u128(1)), Generation(1));
        let id = AttemptId { job, generation, attempt: Attempt(1) };
        let hold = claims.hold(id, ClaimId(Uuid::from_u128(2)));
        assert_eq!(claims.list()[0].progress, None);
        for (fraction, wait_s) in [(0.02, 1), (0.1, 2), (0.15, 3)] {
            tokio::time::advance(Duration::from_secs(wait_s)).await;
            hold.progress(fraction, "encode".into(), 7);
        }
        let said = claims.list()[0].progress.clone().unwrap();
        assert_eq!((said.fraction, said.step.as_str(), said.uploaded_bytes), (0.15, "encode", 7));
        assert!(said.curve.passed().eq([3, 3, 6].map(Duration::from_secs)));
        drop(hold);
        assert!(claims.list().is_empty());
    }
}
