//! Folders of attempts that lost: swept when nobody adds to them any more, never the winner's, and only in generations
//! that have a result or a seal.

use panofleet_job_schema::manifest::{Manifest, ManifestAddress, ManifestObject};
use panofleet_job_schema::{Generation, Job};
use panofleet_jobs_db::Sweep;
use panofleet_objects::manifest::read_object;
use tracing::Instrument as _;

use super::{Budget, Done, RetentionError, clear};
use crate::dispatcher::{Dispatcher, span_of};
use crate::metrics::Gone;

/// Sweeps of one look.
const SWEEPS_MAX: u32 = 16;

impl Dispatcher {
    pub(super) async fn sweep_orphans(&self, budget: &mut Budget) -> Result<Done, RetentionError> {
        let now = self.db.now().await?;
        let sweeps = self.db.sweeps_due(now, SWEEPS_MAX).await?;
        let mut done = if sweeps.len() < SWEEPS_MAX as usize { Done::All } else { Done::Some };
        for sweep in sweeps {
            let found = self.db.get(&[sweep.job]).await?.pop();
            // One that was started anew gets another sweep at its next end.
            let Some(job) = found.map(|found| found.job).filter(|job| job.state.is_terminal())
            else {
                self.db.end_sweep(sweep).await?;
                continue;
            };
            let swept = self.sweep(&job, sweep, budget).instrument(span_of(&job)).await?;
            done = done.and(swept);
            if budget.objects == 0 {
                return Ok(Done::Some);
            }
        }
        Ok(done)
    }

    async fn sweep(
        &self,
        job: &Job,
        sweep: Sweep,
        budget: &mut Budget,
    ) -> Result<Done, RetentionError> {
        let before = budget.objects;
        for generation in (1..=job.generation.0).map(Generation) {
            let address = ManifestAddress::new(&job.bucket, &job.tenant, job.id, generation);
            let Some(stands) = read_object(&self.objects, &address).await? else {
                // It was never sent, or it waits for somebody who puts a seal: nobody may say that nothing comes of it.
                tracing::debug!(%generation, "no result and no seal; nothing is swept");
                continue;
            };
            let folder = format!("{}/", address.prefix);
            let kept = kept(&address, &stands);
            let keeps = |key: &str| kept.iter().any(|kept| key.starts_with(kept.as_str()));
            let place = (address.bucket.as_str(), folder.as_str());
            if clear(&self.objects, place, keeps, (&mut *budget, Gone::Orphan)).await? == Done::Some
            {
                return Ok(Done::Some);
            }
        }
        self.db.end_sweep(sweep).await?;
        tracing::info!(objects = before - budget.objects, "what lost attempts left is swept");
        Ok(Done::All)
    }
}

/// Beginnings of keys that stay: what stands at the manifest's key, and all that a manifest names.
fn kept(address: &ManifestAddress, stands: &ManifestObject) -> Vec<String> {
    let mut kept = vec![address.manifest_key()];
    if let ManifestObject::Manifest(manifest) = stands {
        let Manifest { attempt, claim, outputs, .. } = &**manifest;
        kept.push(format!("{}/", address.attempt_prefix(*attempt, *claim)));
        kept.extend(outputs.values().map(|output| format!("{}/", output.prefix)));
    }
    kept
}
