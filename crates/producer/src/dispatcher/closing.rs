//! Closing: a seal at the manifest key before a job ends without a result.

use panofleet_job_schema::Job;
use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::manifest::Seal;
use panofleet_objects::manifest::{SealOutcome, put_seal};

use super::{Dispatcher, Out, TurnError};
use crate::metrics::SealTried;

/// Puts the seal and applies what stood there. A store that does not answer is asked again by the timer.
pub(super) async fn close(dispatcher: &Dispatcher, job: &Job, out: &Out) -> Result<(), TurnError> {
    let State::Closing { target, .. } = job.state else { return Ok(()) };
    if job.family.is_some() {
        dispatcher.cancel_children(job, out).await?;
    }
    let seal = Seal {
        schema: 1,
        job: job.id,
        generation: job.generation,
        target,
        sealed_at: dispatcher.db.now().await?,
    };
    let address = job.manifest_address();
    let put = put_seal(&dispatcher.objects, &address, &seal);
    // The job may have been started anew by the time that the store has answered.
    let generation = job.generation;
    match tokio::time::timeout(dispatcher.policy.seal_retry.0, put).await {
        Ok(Ok(SealOutcome::Sealed)) => {
            panofleet_service::CrashPoint::DispatcherAfterSeal.pass();
            SealTried::Sealed.count();
            dispatcher.closed(job, |now| Event::Sealed { generation, now }).await
        }
        Ok(Ok(SealOutcome::ManifestFound(manifest))) => {
            SealTried::ManifestFound.count();
            let found = |now| Event::ManifestFound { generation, manifest: manifest.clone(), now };
            dispatcher.closed(job, found).await
        }
        Ok(Err(error)) => {
            SealTried::Unanswered.count();
            tracing::warn!(%error, "closing waits for the object store");
            Ok(())
        }
        Err(_elapsed) => {
            SealTried::Unanswered.count();
            tracing::warn!("closing waits for the object store");
            Ok(())
        }
    }
}
