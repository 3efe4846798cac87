//! Jobs that are split: how their children stand, and an end for those that nobody waits for.

use std::collections::BTreeMap;

use panofleet_job_schema::Job;
use panofleet_job_schema::family::{Children, FailedChild};
use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::{Event, decide};
use panofleet_jobs_db::{ChildCount, FamilyKey, JobsDbError, Versioned};
use tokio_util::sync::CancellationToken;

use super::{Dispatcher, Out, TURN_JOBS_MAX, TurnError};

/// Time between two looks for children that nobody waits for. Most are cancelled before their parent ends; this is for
/// the parent whose manifest was faster.
const STRAYS_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// Tries to cancel all children of a job before its closing is put off: each finds those that changed meanwhile.
const CANCEL_TRIES_MAX: u32 = 8;

impl Dispatcher {
    /// How the children of blocked jobs stand, as rows that were read after the jobs themselves.
    pub(super) async fn children_of(
        &self,
        jobs: &[Versioned],
    ) -> Result<BTreeMap<FamilyKey, Children>, JobsDbError> {
        let blocked = jobs.iter().filter(|found| matches!(found.job.state, State::Blocked { .. }));
        let keys: Vec<FamilyKey> = blocked.map(|found| FamilyKey::of(&found.job)).collect();
        let mut stand = BTreeMap::new();
        if keys.is_empty() {
            return Ok(stand);
        }
        for (key, counts) in self.db.child_counts(&keys).await? {
            stand.insert(key, self.stand(&counts).await?);
        }
        Ok(stand)
    }

    async fn stand(&self, counts: &[ChildCount]) -> Result<Children, JobsDbError> {
        let mut children = Children::default();
        let mut failed = None;
        for ChildCount { state, jobs, first } in counts {
            match state.as_str() {
                "succeeded" => children.succeeded += jobs,
                "dead" | "cancelled" | "expired" => {
                    children.failed += jobs;
                    failed = Some(failed.map_or(*first, |other| *first.min(&other)));
                }
                _ => children.open += jobs,
            }
        }
        if let Some(id) = failed {
            let found = self.db.get(&[id]).await?.pop();
            children.first_failed = found.and_then(|found| failed_child(&found.job));
        }
        Ok(children)
    }

    /// Cancels every child of a job that is about to end. Then nothing of them can be lost: the job closes, and is
    /// looked after, until this was done.
    pub(super) async fn cancel_children(&self, parent: &Job, out: &Out) -> Result<(), TurnError> {
        for _ in 0..CANCEL_TRIES_MAX {
            let open: Vec<Versioned> = (self.db.children(FamilyKey::of(parent)).await?)
                .into_iter()
                .filter(|found| is_open(&found.job))
                .collect();
            if open.is_empty() {
                return Ok(());
            }
            self.cancel_all(&open, out).await?;
        }
        Err(JobsDbError::Conflict(format!("children of job {}", parent.id)).into())
    }

    async fn cancel_all(&self, jobs: &[Versioned], out: &Out) -> Result<(), TurnError> {
        for jobs in jobs.chunks(TURN_JOBS_MAX as usize) {
            let now = self.db.now().await?;
            let asked = Event::CancelRequested { now };
            let decided = jobs.iter().filter_map(|Versioned { job, version }| {
                Some((decide(job, &asked, &self.policy).ok()?, *version))
            });
            let written = self.write(decided.collect(), now).await?;
            self.carry_out(&written, out).await;
        }
        Ok(())
    }

    /// Cancels children that nobody waits for, until `shutdown`. A look that fails is left out.
    pub(super) async fn end_strays(&self, out: Out, shutdown: &CancellationToken) {
        loop {
            let looked = async {
                let strays = self.db.stray_children(TURN_JOBS_MAX).await?;
                if !strays.is_empty() {
                    tracing::info!(
                        jobs = strays.len(),
                        "children that nobody waits for are cancelled"
                    );
                }
                self.cancel_all(&strays, &out).await
            };
            if let Err(error) = looked.await {
                tracing::debug!(%error, "children that nobody waits for are looked for later");
            }
            tokio::select! {
                () = tokio::time::sleep(STRAYS_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// The children that a message is to name: of a job that is to be joined, all of this generation.
    pub(super) async fn to_join(&self, job: &Job) -> Result<Vec<Job>, JobsDbError> {
        if job.family.is_none() {
            return Ok(Vec::new());
        }
        let children = self.db.children(FamilyKey::of(job)).await?;
        Ok(children.into_iter().map(|found| found.job).collect())
    }
}

fn is_open(job: &Job) -> bool {
    !job.state.is_terminal() && !matches!(job.state, State::Closing { .. })
}

fn failed_child(job: &Job) -> Option<FailedChild> {
    Some(FailedChild {
        job: job.id,
        index: job.child_of?.index,
        state: job.state.name(),
        failure: job.failure.clone(),
    })
}
