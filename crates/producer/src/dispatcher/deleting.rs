//! Jobs that somebody wants gone: their objects at once, their rows when no attempt that was lost can add to them any more.
//!
//! Each look does one step of each deletion, and any step may be done twice: a leader that dies leaves nothing half said.
//! A job that has not ended is cancelled first; one that is started anew meanwhile is cancelled again.

use std::time::Duration;

use panofleet_job_schema::lifecycle::{Effect, Event};
use panofleet_job_schema::orphans::quiet_at;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::{Job, JobId, Timestamp};
use panofleet_jobs_db::{
    Deletion, DueDeletion, JobFilter, JobsDbError, Retired, SourceEnd, Versioned,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::retention::{
    Budget, Done, MANIFESTS_OUTLIVE, OBJECTS_MAX, Pace, RetentionError, clear, folder_of,
};
use super::{Dispatcher, span_of};
use crate::metrics::{self, Gone};
use crate::transition::{Transition, transition};
use crate::uploaded;

/// Time between two looks while there is nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a deletion that failed for now is looked at again.
const TROUBLE_WAIT: Duration = Duration::from_secs(10);
/// Deletions of one look.
const DELETIONS_MAX: u32 = 64;
/// When a job that has not ended yet is looked at again.
const SOON: Duration = Duration::from_secs(2);
/// How long ago an upload has to be named last: a job that names it may be on its way into the database.
const ON_ITS_WAY: Duration = Duration::from_secs(60);
/// Children that are read at once.
const CHILDREN_MAX: u32 = 256;

impl Dispatcher {
    /// Deletes what somebody wants gone until `shutdown`. What fails for now is tried at the next look.
    pub(super) async fn delete_requested(&self, shutdown: &CancellationToken) {
        let (busy, idle) = (Duration::ZERO, LOOK_EVERY);
        let mut pace = Pace { busy, idle, trouble: LOOK_EVERY, in_trouble: false };
        loop {
            let looked = tokio::select! {
                looked = self.deletion_look() => looked,
                () = shutdown.cancelled() => return,
            };
            tokio::select! {
                () = tokio::time::sleep(pace.after(looked, "what is to be deleted by request")) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// A step of each that is due. One that fails is put off and holds up no other.
    async fn deletion_look(&self) -> Result<Done, RetentionError> {
        let now = self.db.now().await?;
        let due = self.db.deletions_due(now, DELETIONS_MAX).await?;
        let more = due.len() == DELETIONS_MAX as usize;
        let mut trouble = None;
        for DueDeletion { deletion, .. } in due {
            let as_it_was = deletion.clone();
            // Boxed: it is large, and every dispatcher's future would have to hold it.
            let step = match Box::pin(self.delete_job(deletion, now)).await {
                Err(RetentionError::Objects(error)) => {
                    tracing::debug!(job_id = %as_it_was.job, %error, "a deletion is put off");
                    trouble = Some(error);
                    Step::again(as_it_was, now + TROUBLE_WAIT)
                }
                step => step?,
            };
            self.db.write_deletion(&step.deletion, step.look_at).await?;
        }
        match trouble {
            Some(error) => Err(error.into()),
            None if more => Ok(Done::Some),
            None => Ok(Done::All),
        }
    }

    /// Does what can be done now.
    async fn delete_job(
        &self,
        mut deletion: Deletion,
        now: Timestamp,
    ) -> Result<Step, RetentionError> {
        let Some(found) = self.db.get(&[deletion.job]).await?.pop() else {
            // A look that broke off has removed it, or its time had come.
            return Ok(Step::over(deletion, now));
        };
        let span = span_of(&found.job);
        let family = self.clear_family(&found, &mut deletion, now).instrument(span);
        let Some(mut family) = family.await? else { return Ok(Step::again(deletion, now + SOON)) };
        let source_stays = self.delete_source(&found.job, &mut deletion, now).await?;
        if source_stays {
            return Ok(Step::again(deletion, now + ON_ITS_WAY));
        }
        // The job's own row goes last: it tells where its children are.
        family.push(found);
        let rows_go_at = family.iter().map(|found| rows_go_at(&found.job)).max().unwrap_or(now);
        deletion.rows_go_at = Some(rows_go_at);
        if rows_go_at > now {
            return Ok(Step::again(deletion, rows_go_at));
        }
        for Versioned { job, version } in family {
            if !self.db.remove_job(job.id, version, now).await? {
                return Ok(Step::again(deletion, now + SOON));
            }
            metrics::gone(Gone::Job, 1);
        }
        tracing::info!(job_id = %deletion.job, objects = deletion.objects, "a job is deleted by request");
        Ok(Step::over(deletion, now))
    }

    /// Deletes every object of a job and its children, and gives the children; nothing while one of them has not ended, or
    /// if there is more to delete than one look does.
    async fn clear_family(
        &self,
        found: &Versioned,
        deletion: &mut Deletion,
        now: Timestamp,
    ) -> Result<Option<Vec<Versioned>>, RetentionError> {
        if !found.job.state.is_terminal() {
            self.cancel(found.job.id).await?;
            return Ok(None);
        }
        let children = self.all_children(found.job.id).await?;
        // Children that nobody waits for are cancelled without this.
        if children.iter().any(|child| !child.job.state.is_terminal()) {
            return Ok(None);
        }
        let mut budget = Budget { objects: OBJECTS_MAX };
        for Versioned { job, .. } in children.iter().chain([found]) {
            if job.counters.last_attempt == 0 {
                continue;
            }
            let before = budget.objects;
            let folder = folder_of(job);
            let place = (job.bucket.as_str(), folder.as_str());
            let cleared =
                clear(&self.objects, place, |_| false, (&mut budget, Gone::JobObject)).await?;
            deletion.objects += (before - budget.objects) as u64;
            if cleared == Done::Some {
                return Ok(None);
            }
        }
        deletion.outputs_gone_at.get_or_insert(now);
        Ok(Some(children))
    }

    async fn all_children(&self, parent: JobId) -> Result<Vec<Versioned>, JobsDbError> {
        let mut children: Vec<Versioned> = Vec::new();
        loop {
            let before = children.last().map(|child| child.job.id);
            let page = JobFilter { parent: Some(parent), before, ..JobFilter::default() };
            let page = self.db.list(&page, CHILDREN_MAX).await?;
            let is_last = page.len() < CHILDREN_MAX as usize;
            children.extend(page);
            if is_last {
                return Ok(children);
            }
        }
    }

    async fn cancel(&self, id: JobId) -> Result<(), RetentionError> {
        let asked = |now, _: &Job| Event::CancelRequested { now };
        let applied = transition(self.db.as_ref(), id, &self.policy, asked).await?;
        if let Transition::Changed(decision) = applied
            && decision.effects.contains(&Effect::Control)
            && let Err(error) = self.publish_control(&decision.job).await
        {
            // The job is closing: its timer publishes it again.
            tracing::warn!(%error, "control record not published");
        }
        Ok(())
    }

    /// Deletes the source that was uploaded for a job, unless another job needs it. Whether it is to be tried again.
    async fn delete_source(
        &self,
        job: &Job,
        deletion: &mut Deletion,
        now: Timestamp,
    ) -> Result<bool, RetentionError> {
        let (Source::Upload(id), None) = (&job.spec.source, deletion.source) else {
            return Ok(false);
        };
        let used_since = now - ON_ITS_WAY;
        match self.db.retire_upload(*id, Some(job.id), used_since, now).await? {
            Retired::Now(upload) => {
                uploaded::remove(&self.objects, &upload).await?;
                self.db.remove_upload(upload.id).await?;
                metrics::gone(Gone::Upload, 1);
                deletion.objects += 1;
                deletion.source = Some(SourceEnd::Gone);
            }
            Retired::InUse => deletion.source = Some(SourceEnd::Shared),
            Retired::Missing => deletion.source = Some(SourceEnd::Gone),
            Retired::JustUsed => return Ok(true),
        }
        Ok(false)
    }
}

/// How far a deletion is, and when it is to be looked at next.
struct Step {
    deletion: Deletion,
    look_at: Option<Timestamp>,
}

impl Step {
    const fn again(deletion: Deletion, look_at: Timestamp) -> Self {
        Self { deletion, look_at: Some(look_at) }
    }

    fn over(mut deletion: Deletion, now: Timestamp) -> Self {
        deletion.outputs_gone_at.get_or_insert(now);
        deletion.gone_at = Some(now);
        Self { deletion, look_at: None }
    }
}

/// When the row of a job that has ended may go: an attempt that was lost may still put something below its folder, which is
/// found by its row. Nothing of a job that was never sent can be there.
fn rows_go_at(job: &Job) -> Timestamp {
    match job.counters.last_attempt {
        0 => job.finished_at.unwrap_or(job.accepted_at),
        _ => quiet_at(job) + MANIFESTS_OUTLIVE,
    }
}
