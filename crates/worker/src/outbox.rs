//! Events on their way to the bus: bounded, in order, and kept while the bus is away.
//!
//! Only heartbeats may be lost: each takes the place of the one before it. Everything else waits for its turn
//! and is sent until the bus has it; a call that failed may have appended a part, which is then there twice,
//! and the lifecycle refuses the second. When the buffer is full, publishing waits, and [`Outbox::room`] holds
//! back the intake of jobs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::Bus;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::metrics;

/// Events that one call to the bus carries.
const BATCH_MAX: usize = 256;
/// The first wait after a call that failed; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// The longest wait.
const BACKOFF_LONGEST: Duration = Duration::from_secs(5);

/// A sealed envelope and the partition that it goes to.
pub(crate) type Sealed = (u32, Bytes);

/// The buffer of outgoing events.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    heartbeat: Option<Sealed>,
}

#[derive(Debug)]
struct Event {
    sealed: Sealed,
    /// Present on the last event of a publication.
    durable: Option<oneshot::Sender<()>>,
    /// Its place in the buffer.
    _room: OwnedSemaphorePermit,
}

/// Tells when a publication is durable.
#[derive(Debug)]
pub(crate) struct Durable(oneshot::Receiver<()>);

impl Durable {
    /// Waits until the bus has all of it. `false` if the worker ended first: then nobody knows.
    pub(crate) async fn wait(self) -> bool {
        self.0.await.is_ok()
    }
}

impl Outbox {
    /// A buffer for `capacity` events.
    pub(crate) fn new(capacity: u32) -> Self {
        let room = Arc::new(Semaphore::new(capacity as usize));
        Self { waiting: Mutex::default(), changed: Notify::new(), room }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues events, in order; waits while the buffer is full. There are fewer than the buffer holds.
    pub(crate) async fn publish(&self, events: Vec<Sealed>) -> Durable {
        let (durable, is_durable) = oneshot::channel();
        let mut durable = Some(durable);
        let count = events.len();
        let needed = u32::try_from(count).expect("a publication is a few events");
        let room = Arc::clone(&self.room).acquire_many_owned(needed).await;
        let mut room = room.expect("the semaphore is never closed");
        let mut waiting = self.waiting();
        for (index, sealed) in events.into_iter().enumerate() {
            let own = room.split(1).expect("a place for each event was acquired");
            let durable = if index + 1 == count { durable.take() } else { None };
            waiting.events.push_back(Event { sealed, durable, _room: own });
        }
        metrics::outbox(waiting.events.len());
        drop(waiting);
        if let Some(nothing_to_do) = durable
            && nothing_to_do.send(()).is_err()
        {
            tracing::trace!("nobody waits for an empty publication");
        }
        self.changed.notify_one();
        Durable(is_durable)
    }

    /// Puts a heartbeat in place of one that was not sent yet.
    pub(crate) fn heartbeat(&self, sealed: Sealed) {
        if self.waiting().heartbeat.replace(sealed).is_some() {
            metrics::heartbeat(false);
        }
        self.changed.notify_one();
    }

    /// Waits until there is room for another event.
    pub(crate) async fn room(&self) {
        let permit = self.room.acquire().await.expect("the semaphore is never closed");
        drop(permit);
    }

    /// Sends what waits, for ever. Dropping it leaves the rest unsent.
    pub(crate) async fn pump(&self, bus: &dyn Bus) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let (batch, events) = self.batch();
            if batch.is_empty() {
                self.changed.notified().await;
                continue;
            }
            let has_heartbeat = batch.len() > events;
            let published = bus.publish_events(batch).await;
            if has_heartbeat {
                metrics::heartbeat(published.is_ok());
            }
            match published {
                Ok(()) => {
                    if backoff > BACKOFF_FIRST {
                        tracing::info!("events are published again");
                        backoff = BACKOFF_FIRST;
                    }
                    self.sent(events);
                }
                Err(error) => {
                    metrics::publish_failed();
                    // Said once for each outage; what waits is kept.
                    if backoff == BACKOFF_FIRST {
                        tracing::warn!(%error, "events cannot be published; they are kept");
                    }
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_LONGEST);
                }
            }
        }
    }

    /// What to send next, and how many events are in it. Events stay in the buffer until [`Outbox::sent`]; a
    /// heartbeat goes last and does not.
    fn batch(&self) -> (Vec<Sealed>, usize) {
        let mut waiting = self.waiting();
        let mut batch: Vec<Sealed> =
            waiting.events.iter().take(BATCH_MAX).map(|event| event.sealed.clone()).collect();
        let events = batch.len();
        batch.extend(waiting.heartbeat.take());
        (batch, events)
    }

    /// Forgets the oldest `events`: the bus has them.
    fn sent(&self, events: usize) {
        let mut waiting = self.waiting();
        let sent: Vec<Event> = waiting.events.drain(..events).collect();
        metrics::outbox(waiting.events.len());
        drop(waiting);
        for durable in sent.into_iter().filter_map(|event| event.durable) {
            if durable.send(()).is_err() {
                tracing::trace!("nobody waits for this publication");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn event(number: u8) -> Sealed {
        (u32::from(number % 2), Bytes::copy_from_slice(&[number]))
    }

    fn numbers(batch: &[Sealed]) -> Vec<u8> {
        batch.iter().map(|(_, payload)| payload[0]).collect()
    }

    #[tokio::test]
    async fn events_leave_in_order_and_stay_until_they_are_sent() {
        let outbox = Outbox::new(8);
        let first = outbox.publish(vec![event(1), event(2)]).await;
        let second = outbox.publish(vec![event(3)]).await;
        let (batch, events) = outbox.batch();
        assert_eq!((numbers(&batch), events), (vec![1, 2, 3], 3));
        assert_eq!(numbers(&outbox.batch().0), [1, 2, 3], "a call that failed is made again");
        outbox.sent(2);
        assert!(first.wait().await);
        assert_eq!(second.wait().now_or_never(), None);
        assert_eq!(numbers(&outbox.batch().0), [3]);
    }

    #[tokio::test]
    async fn a_heartbeat_goes_last_and_takes_the_place_of_the_one_before() {
        let outbox = Outbox::new(8);
        outbox.heartbeat(event(8));
        outbox.heartbeat(event(9));
        let _durable = outbox.publish(vec![event(1)]).await;
        let (batch, events) = outbox.batch();
        assert_eq!((numbers(&batch), events), (vec![1, 9], 1));
        assert_eq!(numbers(&outbox.batch().0), [1], "it is not kept");
    }

    #[tokio::test]
    async fn a_full_buffer_takes_nothing_and_holds_intake_back() {
        let outbox = Outbox::new(2);
        let _durable = outbox.publish(vec![event(1), event(2)]).await;
        assert!(outbox.room().now_or_never().is_none());
        assert!(outbox.publish(vec![event(3)]).now_or_never().is_none());
        outbox.heartbeat(event(9));
        let (_, events) = outbox.batch();
        outbox.sent(events);
        assert!(outbox.room().now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_nobody_will_send_any_more_is_not_durable() {
        let outbox = Outbox::new(2);
        let durable = outbox.publish(vec![event(1)]).await;
        drop(outbox);
        assert!(!durable.wait().await);
    }
}
