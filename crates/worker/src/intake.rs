//! Takes messages, as many as there are free slots, and turns them into claims.
//!
//! Forbidden by control → `Dropped`, acknowledged; older than half the lock → silence, the lock returns it; otherwise
//! `Claimed`, and when that is durable a second look at the clock: whoever is in time starts, and is acknowledged
//! meanwhile. An acknowledgement that comes late or not at all lets somebody else claim the job too; then both hold it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use panofleet_bus::{Bus, BusError, DeadLetter, JobSource, Receipt, Received};
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::message::{JobMessage, Report};
use panofleet_job_schema::{ClaimId, Lane};
use panofleet_service::trace;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::control::Control;
use crate::metrics::{self, Fate};
use crate::orders::{Orders, Taking};
use crate::outbox::Outbox;
use crate::reporter::{ClaimName, Reporter};
use crate::scratch::{ClaimFolder, Probed, Scratch};

/// How long one wait for messages lasts. It is given up when the worker is to end or to drain.
const RECEIVE_WAIT: Duration = Duration::from_secs(30);
/// The wait after a call to the bus, or to the disk, that failed.
const BACKOFF: Duration = Duration::from_secs(1);
/// Tries to acknowledge, while the lock stands.
const ACKNOWLEDGES_MAX: u32 = 3;

/// What the intake of a lane works with.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) lane: Lane,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) keys: KeyRing,
    pub(crate) control: Arc<Control>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) scratch: Arc<Scratch>,
    pub(crate) slots: Arc<Semaphore>,
    /// No further work is taken.
    pub(crate) shutdown: CancellationToken,
}

/// A job that this worker has claimed and is to start. Its slot is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct ClaimedJob {
    pub(crate) message: JobMessage,
    pub(crate) name: ClaimName,
    pub(crate) folder: ClaimFolder,
    pub(crate) slot: OwnedSemaphorePermit,
}

/// What one wait for messages came to.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// What is to be started.
    pub(crate) jobs: Vec<ClaimedJob>,
    /// What is to be acknowledged then.
    pub(crate) settling: Settling,
}

/// Messages that are to be acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    receipts: Vec<Receipt>,
    /// Until when that is worth trying again.
    locked_until: Option<Instant>,
}

/// What a received message comes to.
enum Verdict {
    Unusable(String),
    Forbidden(ClaimName),
    TooOld,
    Claim(ClaimName, Box<JobMessage>),
}

/// A message that is being claimed.
struct Claiming {
    receipt: Receipt,
    /// When the lock ends, at the earliest.
    locked_until: Instant,
    name: ClaimName,
    message: JobMessage,
    folder: ClaimFolder,
}

impl Intake {
    /// Waits for a free slot and room for events, then for messages; gives the jobs that are to be started, then
    /// acknowledged. Nothing when none came, or when the worker is to end or to drain. Not safe to cancel once messages
    /// were received: what is in its hands comes back when the locks lapse, or is abandoned by the next life.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the bus will never give messages.
    pub(crate) async fn next(
        &self,
        source: &mut dyn JobSource,
        probed: &mut Probed,
    ) -> Result<Taken, BusError> {
        let slot = tokio::select! {
            slot = self.free_slot() => slot,
            () = self.takes_none() => return Ok(Taken::default()),
        };
        let mut slots = vec![slot];
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.push(slot);
        }
        if let Err(error) = self.scratch.probe(probed).await {
            tracing::error!(%error, "no jobs are taken: the scratch folder cannot be written");
            tokio::time::sleep(BACKOFF).await;
            return Ok(Taken::default());
        }
        let received = tokio::select! {
            received = source.receive(slots.len(), RECEIVE_WAIT) => received,
            // What comes at this moment goes back with the source.
            () = self.takes_none() => return Ok(Taken::default()),
        };
        let received = match received {
            Ok(received) => received,
            Err(error @ BusError::Refused(_)) => return Err(error),
            Err(error @ BusError::Unavailable(_)) => {
                tracing::warn!(%error, "no jobs can be taken for now");
                tokio::time::sleep(BACKOFF).await;
                return Ok(Taken::default());
            }
        };
        let takes_none = self.shutdown.is_cancelled() || self.orders.taking() == Taking::No;
        if takes_none && !received.is_empty() {
            let receipts: Vec<_> = received.into_iter().map(|received| received.receipt).collect();
            if let Err(error) = source.release(&receipts).await {
                tracing::warn!(%error, "messages are not given back; their locks will lapse");
            }
            return Ok(Taken::default());
        }
        Ok(self.take(source, received, slots).await)
    }

    /// Waits until no more jobs are to be taken.
    async fn takes_none(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.orders.until(Taking::No) => {}
        }
    }

    async fn free_slot(&self) -> OwnedSemaphorePermit {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        self.outbox.room().await;
        slot.expect("the semaphore is never closed")
    }

    async fn take(
        &self,
        source: &mut dyn JobSource,
        received: Vec<Received>,
        mut slots: Vec<OwnedSemaphorePermit>,
    ) -> Taken {
        let lock = source.lock();
        let (mut dropped, mut claiming, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        // Never more than can be started, whatever the bus gives: locks return the rest.
        for received in received.into_iter().take(slots.len()) {
            panofleet_service::CrashPoint::WorkerAfterReceive.pass();
            match self.judge(&received, lock) {
                Verdict::Unusable(reason) => unusable.push((received, reason)),
                Verdict::Forbidden(name) => dropped.push((received.receipt, name)),
                Verdict::TooOld => {
                    metrics::messages(Fate::TooOld, 1);
                    tracing::debug!("a message is too old to be claimed; its lock returns it");
                }
                Verdict::Claim(name, message) => {
                    let locked_until = received.received_at + lock;
                    claiming.push((received.receipt, locked_until, name, *message));
                }
            }
        }
        let claiming = self.write_down(claiming);
        metrics::messages(Fate::Forbidden, dropped.len());
        metrics::messages(Fate::Unusable, unusable.len());
        let (started, mut receipts) = self.publish(dropped, claiming).await;
        self.bury(source, unusable).await;
        receipts.extend(started.iter().map(|job| job.receipt.clone()));
        let locked_until = started.iter().map(|job| job.locked_until).max();
        let start = |Claiming { message, name, folder, .. }| {
            slots.pop().map(|slot| ClaimedJob { message, name, folder, slot })
        };
        let jobs = started.into_iter().filter_map(start).collect();
        Taken { jobs, settling: Settling { receipts, locked_until } }
    }

    fn judge(&self, received: &Received, lock: Duration) -> Verdict {
        let envelope = match Envelope::open(&received.payload, &self.keys) {
            Ok(envelope) => envelope,
            Err(reason) => return Verdict::Unusable(reason.to_string()),
        };
        let message = match envelope.body {
            Body::Job(message) => message,
            Body::Event(_) | Body::Heartbeat(_) | Body::Control(_) | Body::Order(_) => {
                return Verdict::Unusable("in a queue of jobs, and no job".to_owned());
            }
        };
        let name = ClaimName {
            id: message.id,
            claim: ClaimId(Uuid::new_v4()),
            events_partition: message.events_partition,
            // This claim's own hop: all that is said about it carries one id.
            trace: Some(trace::hop(envelope.trace.as_deref()).to_string()),
        };
        if message.events_partition >= self.bus.event_partitions() {
            return Verdict::Unusable(format!(
                "names partition {} of the event log, which has none such",
                message.events_partition
            ));
        }
        if self.control.forbids_start(message.id) {
            return Verdict::Forbidden(name);
        }
        if received.received_at.elapsed() > lock / 2 {
            return Verdict::TooOld;
        }
        Verdict::Claim(name, message)
    }

    /// Notes claims on the disk, so that a next life knows of them before anybody else does.
    fn write_down(&self, found: Vec<(Receipt, Instant, ClaimName, JobMessage)>) -> Vec<Claiming> {
        if found.is_empty() {
            return Vec::new();
        }
        let names: Vec<ClaimName> = found.iter().map(|(_, _, name, _)| name.clone()).collect();
        match self.scratch.claim(&names) {
            Ok(folders) => {
                let claiming = found.into_iter().zip(folders);
                let claiming = claiming.map(|((receipt, locked_until, name, message), folder)| {
                    Claiming { receipt, locked_until, name, message, folder }
                });
                claiming.collect()
            }
            Err(error) => {
                let jobs = names.len();
                tracing::error!(%error, jobs, "jobs are not claimed: scratch cannot be written; their locks return them");
                Vec::new()
            }
        }
    }

    /// Publishes `Dropped` and `Claimed`. Once they are durable, gives those that may start, and the receipts of what
    /// was dropped.
    async fn publish(
        &self,
        dropped: Vec<(Receipt, ClaimName)>,
        claiming: Vec<Claiming>,
    ) -> (Vec<Claiming>, Vec<Receipt>) {
        if dropped.is_empty() && claiming.is_empty() {
            return Default::default();
        }
        let drops = dropped.iter().map(|(_, name)| self.reporter.event(name, Report::Dropped));
        let claims = claiming.iter().map(|job| self.reporter.event(&job.name, Report::Claimed));
        if !self.outbox.publish(drops.chain(claims).collect()).await.wait().await {
            return Default::default();
        }
        panofleet_service::CrashPoint::WorkerAfterClaimed.pass();
        let now = Instant::now();
        let (started, late): (Vec<_>, Vec<_>) =
            claiming.into_iter().partition(|job| now < job.locked_until);
        metrics::messages(Fate::Claimed, started.len());
        metrics::messages(Fate::Late, late.len());
        self.let_go(late).await;
        (started, dropped.into_iter().map(|(receipt, _)| receipt).collect())
    }

    /// Acknowledges what was taken, in a few tries while the locks stand. Without it the messages go to others too.
    pub(crate) async fn acknowledge(&self, source: &mut dyn JobSource, taken: Settling) {
        let Settling { receipts, locked_until } = taken;
        if receipts.is_empty() {
            return;
        }
        for _ in 0..ACKNOWLEDGES_MAX {
            match source.acknowledge(&receipts).await {
                Ok(()) => return panofleet_service::CrashPoint::WorkerAfterAcknowledge.pass(),
                Err(error) => tracing::warn!(%error, "claimed messages are not acknowledged"),
            }
            if locked_until.is_none_or(|until| Instant::now() + BACKOFF >= until) {
                return;
            }
            tokio::time::sleep(BACKOFF).await;
        }
    }

    /// Reports claims that came too late: the message is, or may be, somebody else's by now.
    async fn let_go(&self, late: Vec<Claiming>) {
        if late.is_empty() {
            return;
        }
        for job in &late {
            let _span = job.name.span().entered();
            tracing::warn!("a claim came too late and is let go");
        }
        let reason = "the lock on the message had lapsed when the claim was durable";
        let released = |job: &Claiming| {
            self.reporter
                .event(&job.name, Report::Released { started: false, reason: reason.to_owned() })
        };
        let durable = self.outbox.publish(late.iter().map(released).collect()).await;
        if durable.wait().await {
            for job in late {
                job.folder.end();
            }
        }
    }

    /// Puts messages that nobody can use away, so that the queue moves on.
    async fn bury(&self, source: &mut dyn JobSource, unusable: Vec<(Received, String)>) {
        let mut receipts = Vec::new();
        for (received, reason) in unusable {
            tracing::error!(
                topic = received.receipt.topic,
                reason,
                "a message goes to the dead letters"
            );
            let letter = DeadLetter {
                topic: received.receipt.topic.clone(),
                placement: received.receipt.placement,
                reason,
                payload: received.payload,
            };
            match self.bus.dead_letter(letter).await {
                Ok(()) => receipts.push(received.receipt),
                Err(error) => {
                    tracing::warn!(%error, "a dead letter is not kept; its lock returns it")
                }
            }
        }
        if !receipts.is_empty()
            && let Err(error) = source.acknowledge(&receipts).await
        {
            tracing::warn!(%error, "dead letters are not acknowledged; they will come again");
        }
    }
}
