//! Jobs that ended long enough ago: their objects, their rows, and at last their idempotency keys.

use std::time::Duration;

use panofleet_job_schema::orphans::quiet_at;
use panofleet_job_schema::{Job, JobId, Timestamp};
use panofleet_jobs_db::{JobFilter, Versioned};
use tracing::Instrument as _;

use super::config::Keep;
use super::{Budget, Done, MANIFESTS_OUTLIVE, RetentionError, clear, folder_of};
use crate::dispatcher::{Dispatcher, span_of};
use crate::metrics::{self, Gone};

/// States that are ends.
const STATES: [&str; 4] = ["succeeded", "dead", "cancelled", "expired"];
/// Jobs that one look reads of each state.
const JOBS_MAX: u32 = 64;
/// Children that are read at once.
const CHILDREN_MAX: u32 = 64;
/// Keys that one look removes.
const KEYS_MAX: u32 = 1000;

/// The last job of each state that was looked at, if there are more behind it.
#[derive(Debug, Default)]
pub(super) struct EndedPlace([Option<JobId>; STATES.len()]);

impl Dispatcher {
    pub(super) async fn remove_ended(
        &self,
        place: &mut EndedPlace,
        budget: &mut Budget,
    ) -> Result<Done, RetentionError> {
        let now = self.db.now().await?;
        let mut done = Done::All;
        for (state, after) in STATES.into_iter().zip(&mut place.0) {
            let Keep::For(span) = self.retention.of_state(state) else { continue };
            done = done.and(self.remove_of_state((state, span.0), after, (now, budget)).await?);
        }
        if let Keep::For(span) = self.retention.idempotency_keys {
            let removed = self.db.remove_keys(now - span.0, KEYS_MAX).await?;
            metrics::gone(Gone::IdempotencyKey, removed);
            done = done.and(if removed < KEYS_MAX.into() { Done::All } else { Done::Some });
        }
        Ok(done)
    }

    /// Jobs come in the order in which they were accepted: once one is too young, so are all behind it.
    async fn remove_of_state(
        &self,
        (state, span): (&'static str, Duration),
        after: &mut Option<JobId>,
        (now, budget): (Timestamp, &mut Budget),
    ) -> Result<Done, RetentionError> {
        let found = self.db.ended(state, *after, JOBS_MAX).await?;
        let is_last = found.len() < JOBS_MAX as usize;
        for found in found {
            let id = found.job.id;
            if found.job.accepted_at + span > now {
                *after = None;
                return Ok(Done::All);
            }
            if removal_at(&found.job, span) <= now {
                let span = span_of(&found.job);
                // Boxed: it is large, and every dispatcher's future would have to hold it.
                let removal = Box::pin(self.remove(found, (now, &mut *budget)));
                if removal.instrument(span).await? == Done::Some {
                    return Ok(Done::Some);
                }
            }
            *after = Some(id);
        }
        if is_last {
            *after = None;
        }
        Ok(if is_last { Done::All } else { Done::Some })
    }

    /// A job that was kept long enough; its children go with it, whatever state they ended in.
    async fn remove(
        &self,
        found: Versioned,
        (now, budget): (Timestamp, &mut Budget),
    ) -> Result<Done, RetentionError> {
        let of_job = JobFilter { parent: Some(found.job.id), ..JobFilter::default() };
        loop {
            let children = self.db.list(&of_job, CHILDREN_MAX).await?;
            if children.is_empty() {
                return self.remove_one(found, (now, budget)).await;
            }
            for child in children {
                let job = child.job.id;
                if !child.job.state.is_terminal() || removal_at(&child.job, Duration::ZERO) > now {
                    tracing::debug!(child = %job, "the job stays for now: its child may be at work");
                    return Ok(Done::All);
                }
                if self.remove_one(child, (now, &mut *budget)).await? == Done::Some {
                    return Ok(Done::Some);
                }
            }
        }
    }

    /// The objects of a job's generations, then its row, if nobody has started it anew meanwhile: that generation's objects
    /// lie beside those that go.
    async fn remove_one(
        &self,
        Versioned { job, version }: Versioned,
        (now, budget): (Timestamp, &mut Budget),
    ) -> Result<Done, RetentionError> {
        if job.counters.last_attempt > 0 {
            let folder = folder_of(&job);
            let keeps = |key: &str| !is_of_generations(key, &folder, job.generation.0);
            let place = (job.bucket.as_str(), folder.as_str());
            if clear(&self.objects, place, keeps, (budget, Gone::JobObject)).await? == Done::Some {
                return Ok(Done::Some);
            }
        }
        if self.db.remove_job(job.id, version, now).await? {
            metrics::gone(Gone::Job, 1);
            tracing::info!(
                state = job.state.name(),
                "an ended job is removed: it was kept long enough"
            );
        }
        Ok(Done::All)
    }
}

/// When a job that is kept for `span` goes: not before its seals and manifests have outlived every attempt.
fn removal_at(job: &Job, span: Duration) -> Timestamp {
    let ended_at = job.finished_at.unwrap_or(job.deadline_at);
    (ended_at + span).max(quiet_at(job) + MANIFESTS_OUTLIVE)
}

/// Whether a key below a job's folder is of one of its first `generations` generations: `<folder>g<n>/…`.
fn is_of_generations(key: &str, folder: &str, generations: u32) -> bool {
    let number = key.strip_prefix(folder).and_then(|rest| rest.strip_prefix('g'));
    let number = number.and_then(|rest| rest.split_once('/')).and_then(|(n, _)| n.parse().ok());
    number.is_some_and(|number: u32| number <= generations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_later_generations_stay() {
        for (key, expected) in [
            ("acme/j/g1/manifest.json", true),
            ("acme/j/g2/a3-00/tiles/x.jpg", true),
            ("acme/j/g3/manifest.json", false),
            ("acme/j/g10/manifest.json", false),
            ("acme/j/elsewhere", false),
            ("acme/j/g/x", false),
            ("acme/k/g1/manifest.json", false),
        ] {
            assert_eq!(is_of_generations(key, "acme/j/", 2), expected, "{key}");
        }
    }
}
