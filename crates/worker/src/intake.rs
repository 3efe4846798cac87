//! Takes messages, as many as there are free slots, and turns them into claims.
//!
//! Exactly as the design says: forbidden by control → `Dropped`, acknowledged; older than half the lock →
//! silence, the lock returns it; otherwise `Claimed`, durable before the message is acknowledged, then a second
//! look at the clock, because a late acknowledgement proves nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use panofleet_bus::{Bus, BusError, DeadLetter, JobSource, Receipt, Received};
use panofleet_job_schema::ClaimId;
use panofleet_job_schema::envelope::{Body, Envelope, KeyRing};
use panofleet_job_schema::message::{JobMessage, Report};
use panofleet_service::trace;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::control::Control;
use crate::metrics::{self, Fate};
use crate::orders::{Orders, Taking};
use crate::outbox::Outbox;
use crate::reporter::{ClaimName, Reporter};
use crate::scratch::{ClaimFolder, Scratch};

/// How long one wait for messages lasts; a shutdown is noticed after that at the latest.
const RECEIVE_WAIT: Duration = Duration::from_millis(500);
/// The wait after a call to the bus, or to the disk, that failed.
const BACKOFF: Duration = Duration::from_secs(1);
/// Tries to acknowledge, while the lock stands.
const ACKNOWLEDGES_MAX: u32 = 3;

/// What intake works with.
#[derive(Debug)]
pub(crate) struct Intake {
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
    /// Waits for a free slot and room for events, then for messages; gives the jobs that are to be started.
    /// Empty when nothing came, or when the worker is to end or to drain. Not safe to cancel once messages were received:
    /// what is in its hands comes back when the locks lapse, or is abandoned by the next life.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the bus will never give messages.
    pub(crate) async fn next(
        &self,
        source: &mut dyn JobSource,
    ) -> Result<Vec<ClaimedJob>, BusError> {
        let slot = tokio::select! {
            slot = self.free_slot() => slot,
            () = self.shutdown.cancelled() => return Ok(Vec::new()),
            () = self.orders.until(Taking::No) => return Ok(Vec::new()),
        };
        let mut slots = vec![slot];
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.push(slot);
        }
        if let Err(error) = self.scratch.probe().await {
            tracing::error!(%error, "no jobs are taken: the scratch folder cannot be written");
            tokio::time::sleep(BACKOFF).await;
            return Ok(Vec::new());
        }
        let received = match source.receive(slots.len(), RECEIVE_WAIT).await {
            Ok(received) => received,
            Err(error @ BusError::Refused(_)) => return Err(error),
            Err(error @ BusError::Unavailable(_)) => {
                tracing::warn!(%error, "no jobs can be taken for now");
                tokio::time::sleep(BACKOFF).await;
                return Ok(Vec::new());
            }
        };
        let takes_none = self.shutdown.is_cancelled() || self.orders.taking() == Taking::No;
        if takes_none && !received.is_empty() {
            let receipts: Vec<_> = received.into_iter().map(|received| received.receipt).collect();
            if let Err(error) = source.release(&receipts).await {
                tracing::warn!(%error, "messages are not given back; their locks will lapse");
            }
            return Ok(Vec::new());
        }
        Ok(self.take(source, received, slots).await)
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
    ) -> Vec<ClaimedJob> {
        let lock = source.lock();
        let (mut dropped, mut claiming, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        // Never more than can be started, whatever the bus gives: locks return the rest.
        for received in received.into_iter().take(slots.len()) {
            match self.judge(&received, lock) {
                Verdict::Unusable(reason) => unusable.push((received, reason)),
                Verdict::Forbidden(name) => dropped.push((received.receipt, name)),
                Verdict::TooOld => {
                    metrics::messages(Fate::TooOld, 1);
                    tracing::debug!("a message is too old to be claimed; its lock returns it");
                }
                Verdict::Claim(name, message) => {
                    claiming.extend(self.prepare(received, name, *message, lock).await)
                }
            }
        }
        metrics::messages(Fate::Forbidden, dropped.len());
        metrics::messages(Fate::Unusable, unusable.len());
        let started = self.settle(source, dropped, claiming).await;
        self.bury(source, unusable).await;
        started
            .into_iter()
            .filter_map(|Claiming { message, name, folder, .. }| {
                slots.pop().map(|slot| ClaimedJob { message, name, folder, slot })
            })
            .collect()
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

    /// Makes the claim's folder, so that a next life knows of the claim before anybody else does.
    async fn prepare(
        &self,
        received: Received,
        name: ClaimName,
        message: JobMessage,
        lock: Duration,
    ) -> Option<Claiming> {
        match self.scratch.claim(&name).await {
            Ok(folder) => {
                let locked_until = received.received_at + lock;
                Some(Claiming { receipt: received.receipt, locked_until, name, message, folder })
            }
            Err(error) => {
                let _span = name.span().entered();
                tracing::error!(%error, "a job is not claimed: its folder cannot be written; its lock returns it");
                None
            }
        }
    }

    /// Publishes `Dropped` and `Claimed`, acknowledges once they are durable, and gives those that may start.
    async fn settle(
        &self,
        source: &mut dyn JobSource,
        dropped: Vec<(Receipt, ClaimName)>,
        claiming: Vec<Claiming>,
    ) -> Vec<Claiming> {
        if dropped.is_empty() && claiming.is_empty() {
            return claiming;
        }
        let drops = dropped.iter().map(|(_, name)| self.reporter.event(name, Report::Dropped));
        let claims = claiming.iter().map(|job| self.reporter.event(&job.name, Report::Claimed));
        if !self.outbox.publish(drops.chain(claims).collect()).await.wait().await {
            return Vec::new();
        }
        let claimed = claiming.iter().map(|job| job.receipt.clone());
        let receipts: Vec<_> =
            dropped.into_iter().map(|(receipt, _)| receipt).chain(claimed).collect();
        let locked_until =
            claiming.iter().map(|job| job.locked_until).max().unwrap_or_else(Instant::now);
        let acknowledged = acknowledge(source, &receipts, locked_until).await;
        let now = Instant::now();
        let (started, late): (Vec<_>, Vec<_>) =
            claiming.into_iter().partition(|job| acknowledged && now < job.locked_until);
        metrics::messages(Fate::Claimed, started.len());
        metrics::messages(Fate::Late, late.len());
        self.let_go(late).await;
        started
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
                job.folder.remove().await;
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

/// Acknowledges, in a few tries while the locks stand. Without it the messages go to others.
async fn acknowledge(
    source: &mut dyn JobSource,
    receipts: &[Receipt],
    locked_until: Instant,
) -> bool {
    for _ in 0..ACKNOWLEDGES_MAX {
        match source.acknowledge(receipts).await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%error, "claimed messages are not acknowledged"),
        }
        if Instant::now() + BACKOFF >= locked_until {
            return false;
        }
        tokio::time::sleep(BACKOFF).await;
    }
    false
}
