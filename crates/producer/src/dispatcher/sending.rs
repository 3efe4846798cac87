//! Sending messages, and noting where they lie.
//!
//! A message goes out as soon as its job is committed as sent; where it lies is written later, many at once, and only of
//! jobs that no worker has claimed meanwhile. While the database is away places wait, and a timer that fires for want
//! of a place finds it here. A dispatcher that ends in between leaves sent jobs without a place: their timer sends them
//! again, and whoever finishes first has won.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use panofleet_bus::Queue;
use panofleet_bus::sealed::seal;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::job::{Placement, State};
use panofleet_job_schema::lifecycle::{Decision, Event, Reason, decide};
use panofleet_job_schema::{Attempt, Job, JobId, Timestamp};
use panofleet_jobs_db::{JobsDbError, Versioned};
use panofleet_service::clock::wall_clock;
use panofleet_service::trace;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Dispatcher, Out, TurnError, span_of};
use crate::metrics;

/// Messages under way at once.
const SENDS_MAX: usize = 512;
/// Places that are written together.
const PLACES_MAX: usize = 1024;
/// Places that wait to be written: some 5 MiB. At the limit the next message waits.
pub(super) const PLACES_WAITING_MAX: usize = 64 * PLACES_MAX;
/// How long a place waits for others, and for its job to be claimed: then nobody needs it.
const PLACES_WAIT: Duration = Duration::from_secs(1);
/// The most that this may be of the time after which a message without a place is sent again.
const PLACES_WAIT_SHARE: u32 = 4;
/// Wait after the database did not take places.
const TROUBLE_WAIT: Duration = Duration::from_secs(1);
/// Times that places are tried which somebody's write came before.
const TRIES_MAX: u32 = 8;

/// A job whose message the bus has, and since when.
pub(super) type Placed = (JobId, Instant);

/// Where the message of each job lies: of one that was sent again, the last attempt's.
type Places = BTreeMap<JobId, (Attempt, Placement)>;

/// The places that are not written yet: for whoever writes them, and for whoever meets their jobs before.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Mutex<Places>);

impl Unwritten {
    /// What is to be told of a sent job whose message is known to lie somewhere.
    pub(super) fn event_for(&self, job: &Job, now: Timestamp) -> Option<Event> {
        let State::Sent { attempt: sent, placement: None, .. } = job.state else { return None };
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (attempt, placement) = *places.get(&job.id)?;
        (attempt == sent).then_some(Event::Placed { attempt, placement, now })
    }

    /// The jobs that have one.
    fn jobs(&self) -> Vec<JobId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Those of these jobs.
    fn of(&self, jobs: &[JobId]) -> Places {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().filter_map(|job| Some((*job, *places.get(job)?))).collect()
    }

    fn note(&self, job: JobId, attempt: Attempt, placement: Placement) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(job).or_insert((attempt, placement));
        if attempt > place.0 {
            *place = (attempt, placement);
        }
    }

    /// These are written, or nobody needs them any more. A later attempt's place stays.
    fn forget(&self, done: &Places) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (job, (attempt, _)) in done {
            if places.get(job).is_some_and(|(noted, _)| noted <= attempt) {
                places.remove(job);
            }
        }
    }
}

impl Dispatcher {
    /// Carries out what follows from decisions that are written. What fails is found again by its timer.
    pub(super) async fn carry_out(&self, decisions: &[Decision], out: &Out) {
        stream::iter(decisions)
            .for_each_concurrent(SENDS_MAX, |decision| {
                self.effects(decision, out).instrument(span_of(&decision.job))
            })
            .await;
    }

    /// Sends the message of an attempt.
    pub(super) async fn produce(
        &self,
        job: &Job,
        attempt: Attempt,
        (reason, out): (Reason, &Out),
    ) -> Result<(), TurnError> {
        panofleet_service::CrashPoint::DispatcherAfterSent.pass();
        let children = self.to_join(job).await?;
        let body = Body::Job(Box::new(job.message(attempt, &children)));
        let trace = Some(trace::hop(job.trace.as_deref()).to_string());
        let envelope = Envelope { sent_at: wall_clock(), trace, body };
        let wire = seal(&envelope, &self.keys, &job.region)?;
        let queue = Queue { region: job.region.clone(), lane: job.lane };
        let placement = self.bus.send_job(&queue, job.id, wire).await?;
        panofleet_service::CrashPoint::DispatcherAfterProduce.pass();
        metrics::sent(job, reason);
        tracing::debug!(%attempt, reason = %reason.name(), "job sent");
        out.unwritten.note(job.id, attempt, placement);
        if out.placed.send((job.id, Instant::now())).await.is_err() {
            tracing::trace!("nobody writes places any more: this dispatcher ends");
        }
        Ok(())
    }

    /// Writes where messages lie, for as long as somebody sends.
    pub(super) async fn keep_places(
        &self,
        mut placed: mpsc::Receiver<Placed>,
        unwritten: &Unwritten,
        shutdown: &CancellationToken,
    ) {
        let wait = PLACES_WAIT.min(self.policy.place_timeout.0 / PLACES_WAIT_SHARE);
        // What was left when an earlier lead ended.
        for part in unwritten.jobs().chunks(PLACES_MAX) {
            self.keep_part(part, unwritten, shutdown).await;
        }
        let mut news = Vec::with_capacity(PLACES_MAX);
        while placed.recv_many(&mut news, PLACES_MAX).await > 0 {
            // The first of them has waited longest, and the last not much shorter where there are many.
            let oldest = news.iter().map(|(_, at)| *at).min().unwrap_or_else(Instant::now);
            tokio::time::sleep_until(oldest + wait).await;
            while news.len() < PLACES_MAX {
                let Ok(further) = placed.try_recv() else { break };
                news.push(further);
            }
            let part: Vec<JobId> = news.drain(..).map(|(job, _)| job).collect();
            self.keep_part(&part, unwritten, shutdown).await;
        }
    }

    /// Writes the places of jobs, for as long as that takes. A place that is lost costs another copy of the message.
    async fn keep_part(&self, jobs: &[JobId], unwritten: &Unwritten, shutdown: &CancellationToken) {
        let part = unwritten.of(jobs);
        let mut left = part.clone();
        while let Err(error) = self.write_places(&mut left).await {
            tracing::warn!(%error, "the places of messages wait to be written");
            tokio::select! {
                () = tokio::time::sleep(TROUBLE_WAIT) => {}
                () = shutdown.cancelled() => return,
            }
        }
        unwritten.forget(&part);
    }

    async fn write_places(&self, places: &mut Places) -> Result<(), JobsDbError> {
        for _ in 0..TRIES_MAX {
            let ids: Vec<JobId> = places.keys().copied().collect();
            let (now, found) = self.db.sent_now(&ids).await?;
            let mut left = Places::new();
            let mut decided = Vec::new();
            for Versioned { job, version } in found {
                let Some((attempt, placement)) = places.get(&job.id).copied() else { continue };
                let event = Event::Placed { attempt, placement, now };
                if let Ok(decision) = decide(&job, &event, &self.policy) {
                    left.insert(job.id, (attempt, placement));
                    decided.push((decision, version));
                }
            }
            for written in self.write(decided, now).await? {
                left.remove(&written.job.id);
            }
            *places = left;
            if places.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
