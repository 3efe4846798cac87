//! What somebody wants done to all jobs that match, however many.
//!
//! A row says how far it is. The leading dispatcher does a page of jobs, then writes the row: who takes over goes on behind
//! the last page, and does that one again at most, which changes nothing, because its jobs do not match any more or refuse.

use std::time::Duration;

use panofleet_job_schema::lifecycle::{Event, decide};
use panofleet_job_schema::{JobId, Timestamp};
use panofleet_jobs_db::{
    Bulk, BulkAction, Deletion, FamilyKey, JobsDbError, Versioned, VersionedBulk,
};
use tokio_util::sync::CancellationToken;

use super::{Dispatcher, Out};
use crate::metrics;

/// Time between two looks while there is nothing to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bulk actions that take turns, a page each.
const BULKS_MAX: u32 = 16;
/// Jobs of a page.
const PAGE_JOBS: u32 = 256;
/// Times that a job is read again because somebody else has changed it meanwhile.
const TRIES_MAX: u32 = 4;

/// What became of a page.
#[derive(Debug, Default)]
struct Page {
    done: u64,
    refused: u64,
    /// The last job of it; `None` if there was none.
    last: Option<JobId>,
}

impl Dispatcher {
    /// Carries bulk actions out until `shutdown`. What fails for now is tried at the next look.
    pub(super) async fn do_bulks(&self, out: Out, shutdown: &CancellationToken) {
        loop {
            let open = self.db.open_bulks(BULKS_MAX).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "bulk actions go on later");
                Vec::new()
            });
            let mut more = false;
            for found in open {
                let id = found.bulk.id;
                // Boxed: it is large, and every dispatcher's future would have to hold it.
                match Box::pin(self.go_on(found, &out)).await {
                    Ok(goes_on) => more |= goes_on,
                    // It holds up no other.
                    Err(error) => tracing::warn!(%id, %error, "a bulk action goes on later"),
                }
            }
            let wait = if more { Duration::ZERO } else { LOOK_EVERY };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Does a page; whether there may be more.
    async fn go_on(
        &self,
        VersionedBulk { bulk, version }: VersionedBulk,
        out: &Out,
    ) -> Result<bool, JobsDbError> {
        let page = self.do_page(&bulk, out).await?;
        let next = after(bulk, &page, self.db.now().await?);
        let ended = next.ended_at.is_some();
        // Somebody may have stopped it meanwhile; then that stands.
        if self.db.write_bulk(&next, version).await? && ended {
            let Bulk { id, action, matched, done, refused, .. } = next;
            let action = action.name();
            tracing::info!(%id, action, matched, done, refused, "a bulk action has ended");
        }
        Ok(!ended)
    }

    async fn do_page(&self, bulk: &Bulk, out: &Out) -> Result<Page, JobsDbError> {
        let left = self.db.list(&bulk.filter, PAGE_JOBS).await?;
        let mut page = Page { last: left.last().map(|found| found.job.id), ..Page::default() };
        if bulk.action == BulkAction::Delete {
            page.done = left.len() as u64;
            self.request_deletions(bulk, left).await?;
            metrics::bulk_done(bulk.action, page.done);
            return Ok(page);
        }
        // Children go with their parents, and nobody counts them.
        let family = match bulk.action {
            BulkAction::Reprioritise => self.open_children(&left).await?,
            _ => Vec::new(),
        };
        self.apply_each(bulk, left, &mut page, out).await?;
        if !family.is_empty() {
            self.apply_each(bulk, family, &mut Page::default(), out).await?;
        }
        Ok(page)
    }

    /// What deletes them is the dispatcher's own look for deletions.
    async fn request_deletions(
        &self,
        bulk: &Bulk,
        jobs: Vec<Versioned>,
    ) -> Result<(), JobsDbError> {
        let now = self.db.now().await?;
        let request = |Versioned { job, .. }: Versioned| Deletion {
            bulk: Some(bulk.id),
            ..Deletion::requested(job.id, job.tenant, now)
        };
        let requests: Vec<Deletion> = jobs.into_iter().map(request).collect();
        self.db.request_deletions(&requests).await
    }

    /// The children of these jobs that have not ended.
    async fn open_children(&self, jobs: &[Versioned]) -> Result<Vec<Versioned>, JobsDbError> {
        let mut open = Vec::new();
        for found in jobs.iter().filter(|found| found.job.family.is_some()) {
            let children = self.db.children(FamilyKey::of(&found.job)).await?;
            open.extend(children.into_iter().filter(|child| !child.job.state.is_terminal()));
        }
        Ok(open)
    }

    /// Has it happen to each of these jobs.
    async fn apply_each(
        &self,
        bulk: &Bulk,
        mut left: Vec<Versioned>,
        page: &mut Page,
        out: &Out,
    ) -> Result<(), JobsDbError> {
        for _ in 0..TRIES_MAX {
            let now = self.db.now().await?;
            let Some(event) = event_of(bulk, now) else { break };
            let mut decided = Vec::new();
            for Versioned { job, version } in &left {
                match decide(job, &event, &self.policy) {
                    Ok(decision) => decided.push((decision, *version)),
                    Err(_refusal) => page.refused += 1,
                }
            }
            let mut tried: Vec<JobId> =
                decided.iter().map(|(decision, _)| decision.job.id).collect();
            let written = self.write(decided, now).await?;
            self.carry_out(&written, out).await;
            page.done += written.len() as u64;
            metrics::bulk_done(bulk.action, written.len() as u64);
            tried.retain(|id| written.iter().all(|decision| decision.job.id != *id));
            if tried.is_empty() {
                return Ok(());
            }
            left = self.db.get(&tried).await?;
        }
        page.refused += left.len() as u64;
        Ok(())
    }
}

/// What a bulk action has happen to each job; nothing where a row says too little. Jobs that are listed are nobody's children:
/// no parent waits for them.
fn event_of(bulk: &Bulk, now: Timestamp) -> Option<Event> {
    match (bulk.action, bulk.priority) {
        (BulkAction::Retry, _) => {
            let changes = bulk.rerun.clone();
            Some(Event::ReplayRequested { now, parent_waits: false, changes })
        }
        (BulkAction::Cancel, _) => Some(Event::CancelRequested { now }),
        (BulkAction::Reprioritise, Some(priority)) => Some(Event::Reprioritised { priority }),
        (BulkAction::Reprioritise, None) | (BulkAction::Delete, _) => None,
    }
}

/// The row behind a page.
fn after(bulk: Bulk, page: &Page, now: Timestamp) -> Bulk {
    let mut next = bulk;
    next.done += page.done;
    next.refused += page.refused;
    match page.last {
        Some(last) => next.filter.before = Some(last),
        None => next.ended_at = Some(now),
    }
    next
}
