//! Schedules: the job of each tick is made once.
//!
//! The job is accepted under a key of the schedule's name and the tick's time, then the schedule moves on by compare-and-set. A
//! dispatcher that dies in between, or another one that thinks that it leads, finds the job under its key. No job is made for a
//! tick that has no key yet, and no client can have such a key: it is longer than theirs may be.

use std::collections::BTreeSet;
use std::time::Duration;

use panofleet_job_schema::{Timestamp, limits};
use panofleet_jobs_db::{
    Accepted, JobsDbError, Missed, Overlap, Schedule, Tick, TickOutcome, VersionedSchedule,
};
use tokio_util::sync::CancellationToken;

use super::Dispatcher;
use crate::api::error::ApiError;
use crate::api::submit::{Acceptor, offer_under};
use crate::cron::Ticks;
use crate::metrics;

/// Time between two looks: how late a tick may be.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Schedules of one look.
const SCHEDULES_MAX: u32 = 64;

impl Dispatcher {
    /// Makes the jobs of due ticks until `shutdown`. What fails for now is tried at the next look.
    pub(super) async fn tick_schedules(&self, shutdown: &CancellationToken) {
        loop {
            if let Err(error) = self.tick_due().await {
                tracing::debug!(%error, "schedules wait");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn tick_due(&self) -> Result<(), JobsDbError> {
        let now = self.db.now().await?;
        for found in self.db.schedules_due(now, SCHEDULES_MAX).await? {
            self.tick(found, now).await?;
        }
        Ok(())
    }

    /// Makes the jobs of a schedule's due ticks, and moves it on.
    async fn tick(&self, found: VersionedSchedule, now: Timestamp) -> Result<(), JobsDbError> {
        let VersionedSchedule { mut schedule, version } = found;
        let Some(first) = schedule.next_at else { return Ok(()) };
        match Ticks::new(&schedule.cron, &schedule.time_zone, now) {
            Ok(ticks) => {
                let most = match schedule.missed {
                    Missed::Latest => 1,
                    Missed::CatchUp { ticks_max } => ticks_max.min(limits::CATCH_UP_TICKS_MAX),
                };
                for at in ticks.due(first, now, most) {
                    match self.comes_of(&schedule, at).await? {
                        Some(outcome) => note(&mut schedule, at, outcome),
                        None => return Ok(()), // Later.
                    }
                }
                schedule.next_at = ticks.after(now);
            }
            Err(bad) => {
                let (code, detail) = ("bad_schedule".to_owned(), bad.to_string());
                note(&mut schedule, first, TickOutcome::Refused { code, detail });
                schedule.next_at = None;
            }
        }
        // If somebody was faster, the jobs are there under their keys.
        self.db.write_schedule(&schedule, version).await?;
        Ok(())
    }

    /// What comes of a tick; `None` if that cannot be said now.
    async fn comes_of(
        &self,
        schedule: &Schedule,
        at: Timestamp,
    ) -> Result<Option<TickOutcome>, JobsDbError> {
        let last = schedule.last.as_ref().and_then(|last| last.last_job);
        if let (Overlap::Skip, Some(last)) = (schedule.overlap, last) {
            let found = self.db.get(&[last]).await?.pop();
            if found.is_some_and(|found| !found.job.state.is_terminal()) {
                return Ok(Some(TickOutcome::Skipped));
            }
        }
        // Where it may run was looked at when somebody made the schedule.
        let everywhere = BTreeSet::new();
        let acceptor = Acceptor {
            db: self.db.as_ref(),
            objects: &self.objects,
            config: &self.api,
            policy: &self.policy,
            event_partitions: self.bus.event_partitions(),
            tenant: &schedule.tenant,
            allowed: &everywhere,
        };
        let (key, now) = (key_of(&schedule.name, at), self.db.now().await?);
        let offering = Box::pin(offer_under(&acceptor, schedule.job.clone(), key, now));
        let offer = match offering.await {
            Ok(offer) => offer,
            Err(ApiError::Db(error)) => return Err(error),
            Err(error) => {
                let (status, code, detail) = error.public();
                if status.is_server_error() {
                    tracing::debug!(%error, "a tick waits");
                    return Ok(None);
                }
                let (code, detail) = (code.to_owned(), detail.into_owned());
                return Ok(Some(TickOutcome::Refused { code, detail }));
            }
        };
        let outcome = self.db.accept(&offer.job, offer.key.as_ref()).await?;
        metrics::accepted(&offer.job, &outcome);
        let job = match outcome {
            Accepted::Created => offer.job.id,
            Accepted::Existing(existing) => existing.id,
            Accepted::KeyTaken(id) | Accepted::Removed(id) => id,
        };
        tracing::info!(schedule = schedule.name, job = %job, tick = %at, "a tick has its job");
        Ok(Some(TickOutcome::Job { job }))
    }
}

fn note(schedule: &mut Schedule, at: Timestamp, outcome: TickOutcome) {
    let before = schedule.last.as_ref().and_then(|last| last.last_job);
    let last_job = match &outcome {
        TickOutcome::Job { job } => Some(*job),
        TickOutcome::Skipped | TickOutcome::Refused { .. } => before,
    };
    if let TickOutcome::Refused { code, detail } = &outcome {
        tracing::warn!(schedule = schedule.name, tick = %at, code, detail, "a tick is refused");
    }
    metrics::ticked(&outcome);
    schedule.last = Some(Tick { at, outcome, last_job });
}

/// The idempotency key of a tick: one byte longer than any that a client may give, at least.
fn key_of(name: &str, at: Timestamp) -> String {
    let key = format!("tick {} of schedule {name}", at.as_millis());
    format!("{key:_>width$}", width = limits::IDEMPOTENCY_KEY_BYTES_MAX + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_has_the_key_of_a_tick() {
        let key = key_of("nightly", Timestamp::from_millis(5));
        assert!(key.len() > limits::IDEMPOTENCY_KEY_BYTES_MAX, "{key}");
        assert!(key.ends_with("tick 5 of schedule nightly"), "{key}");
        assert_ne!(key, key_of("nightly", Timestamp::from_millis(6)));
    }
}
