//! One member of a share group: it asks for a batch of a fixed size, and for the next one only when the last one
//! is settled. That is what `krafka` gives; a source has as many members as it has unsettled batches.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use krafka::CloseOptions;
use krafka::consumer::ConsumerRecord;
use krafka::error::KrafkaError;
use krafka::share_consumer::{AcknowledgementMode, AcquireMode, ShareConsumer};
use panofleet_job_schema::job::Placement;
use tokio::task::AbortHandle;

use super::share_runtime::ShareRuntime;
use super::{KafkaConfig, Shared, clients};
use crate::{BusError, Queue, Receipt};

/// How long a member that leaves may take.
const LEAVE: Duration = Duration::from_secs(5);

/// A question's way to the broker and the answer's way back.
const ROUND_TRIP: Duration = Duration::from_millis(150);

/// How long messages are locked, and how exactly that is known.
///
/// A lock begins when the broker builds its answer, somewhere between question and arrival. So questions are short,
/// a message counts as received at most [`Lock::slack`] after its question, and its receiver is promised that much
/// less than the broker's lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lock {
    broker: Duration,
}

impl Lock {
    pub(super) const fn new(config: &KafkaConfig) -> Self {
        Self { broker: config.lock.0 }
    }

    fn slack(self) -> Duration {
        self.broker / 5
    }

    /// What a receiver is promised.
    pub(super) fn promised(self) -> Duration {
        self.broker - self.slack()
    }

    /// The longest that one poll may take: the answer of one may arrive in the next.
    pub(super) fn poll_max(self) -> Duration {
        (self.slack() / 3).min(Duration::from_secs(1))
    }

    /// How long the broker may wait for messages before it answers.
    fn question(self) -> Duration {
        (self.poll_max() / 2).min(Duration::from_millis(250))
    }

    /// After this a question that was asked before has been answered.
    fn answer(self) -> Duration {
        self.question() + ROUND_TRIP
    }
}

/// What is to become of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    Acknowledge,
    Release,
    Reject,
}

/// A message that this member holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: ConsumerRecord,
    pub(super) received_at: Instant,
}

pub(super) struct Member {
    consumer: ShareConsumer,
    runtime: ShareRuntime,
    /// Gives back what arrives while nobody asks.
    watch: Option<AbortHandle>,
    /// Before the topics' names.
    prefix: String,
    /// Whether brokers answer its questions apart, each with as many messages as were asked for.
    is_spread: bool,
    lock: Lock,
    timeout: Duration,
    pub(super) batch: usize,
    held: HashMap<Receipt, Held>,
    /// Messages whose settlement failed, and when their locks lapse: nobody knows whether they are settled.
    doubtful: HashMap<Receipt, Instant>,
    /// Whether the client gave up: it is to be left.
    broken: bool,
    /// When the last poll began and ended, if it brought nothing: its answer may still come.
    last_empty: Option<(Instant, Instant)>,
    last_begun: Instant,
}

impl fmt::Debug for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Member")
            .field("batch", &self.batch)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Member {
    /// Joins the workers of a queue. Each member has connections of its own: a broker answers one request of a connection at a
    /// time, and a question that waits for messages would hold up another's acknowledgement.
    pub(super) async fn join(
        shared: &Shared,
        queue: &Queue,
        batch: usize,
    ) -> Result<Self, BusError> {
        let (config, runtime) = (shared.config.clone(), shared.clients.share_runtime.clone());
        let (group, prefix) = (config.workers_group(queue), config.prefix.clone());
        let topic = config.jobs_topic(queue);
        let is_spread = config.job_partitions > 1;
        let (lock, timeout) = (Lock::new(&config), config.timeout.0);
        let size = i32::try_from(batch).unwrap_or(i32::MAX);
        let joining = async move {
            let consumer = clients::connect(&config)
                .await?
                .share_consumer(group)
                .acknowledgement_mode(AcknowledgementMode::Explicit)
                .acquire_mode(AcquireMode::RecordLimit)
                .max_poll_records(size)
                .batch_size(size)
                .fetch_max_wait(lock.question())
                .metrics_push(false)
                .build()
                .await?;
            clients::within(timeout, consumer.subscribe([topic])).await?;
            Ok::<_, BusError>(consumer)
        };
        let consumer = runtime.run(joining).await??;
        Ok(Self {
            consumer,
            runtime,
            watch: None,
            prefix,
            is_spread,
            lock,
            timeout,
            batch,
            held: HashMap::new(),
            doubtful: HashMap::new(),
            broken: false,
            last_empty: None,
            last_begun: Instant::now(),
        })
    }

    /// Whether it may ask for more.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty() && !self.broken
    }

    /// Whether it is of no use any more.
    pub(super) fn is_spent(&self) -> bool {
        self.held.is_empty() && self.doubtful.is_empty() && self.broken
    }

    /// Whether an answer to its last question may be under way.
    pub(super) const fn may_have_more(&self) -> bool {
        self.last_empty.is_some()
    }

    /// When the first of its locks lapses.
    pub(super) fn first_lapse(&self) -> Option<Instant> {
        self.held.values().map(|held| held.received_at + self.lock.promised()).min()
    }

    /// Lets go of what was not settled in time. If the broker's lock still stands for a moment, this ends it.
    pub(super) fn lapse(&mut self, now: Instant) {
        let promised = self.lock.promised();
        let consumer = &self.consumer;
        self.held.retain(|_, held| {
            let stands = held.received_at + promised > now;
            if !stands && let Err(error) = consumer.release(&held.record) {
                tracing::debug!(%error, "a lapsed message was no longer held");
            }
            stands
        });
        self.doubtful.retain(|_, lapses_at| *lapses_at > now);
    }

    /// Asks for a batch for at most `wait`, which is at most [`Lock::poll_max`]. Everything that comes is held; the
    /// receipts of what its caller may have are returned.
    pub(super) async fn poll(&mut self, wait: Duration) -> Result<Vec<Receipt>, BusError> {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        let begun = Instant::now();
        let before = std::mem::replace(&mut self.last_begun, begun);
        self.broken = true; // Unless the answer comes to us: if this call is given up, nobody knows what it took.
        let consumer = self.consumer.clone();
        let polling = async move {
            let mut polling = pin!(consumer.poll(wait));
            match futures_util::poll!(polling.as_mut()) {
                Poll::Ready(polled) => (true, polled),
                Poll::Pending => (false, polling.await),
            }
        };
        let (lay_here, polled) = self.runtime.run(polling).await?;
        let records = polled?;
        self.broken = false;
        let asked_at = match self.last_empty {
            _ if lay_here => before, // An answer to the last question.
            Some((asked_at, ended_at)) if begun < ended_at + self.lock.answer() => asked_at,
            _ => begun,
        };
        self.last_empty = records.is_empty().then(|| (begun, Instant::now()));
        Ok(self.hold(records, asked_at))
    }

    /// Waits for the answer to the last question, which nobody asks again: no message must lie here, locked, while
    /// its caller does something else. One that comes even later is given back.
    pub(super) async fn drain(&mut self) -> Result<Vec<Receipt>, BusError> {
        let Some((asked_at, ended_at)) = self.last_empty else {
            return Ok(Vec::new());
        };
        tokio::time::sleep_until((ended_at + self.lock.answer()).into()).await;
        self.broken = true;
        let consumer = self.consumer.clone();
        let records = self.runtime.run(async move { lying_here(&consumer) }).await??;
        self.broken = false;
        self.last_empty = None;
        if records.is_empty() {
            self.watch_for_late();
        }
        Ok(self.hold(records, asked_at))
    }

    fn hold(&mut self, records: Vec<ConsumerRecord>, asked_at: Instant) -> Vec<Receipt> {
        let now = Instant::now();
        let received_at = now.min(asked_at + self.lock.slack());
        let mut receipts = Vec::with_capacity(records.len());
        for record in records {
            let placement = Placement {
                partition: clients::index(record.partition),
                offset: clients::offset(record.offset),
            };
            let delivery = delivery(deliveries(&record));
            let topic = record.topic.strip_prefix(&self.prefix).unwrap_or(&record.topic);
            let receipt = Receipt { topic: topic.to_owned(), placement, delivery };
            self.held.insert(receipt.clone(), Held { record, received_at });
            receipts.push(receipt);
        }
        self.lapse(now);
        receipts.retain(|receipt| self.held.contains_key(receipt));
        receipts
    }

    /// A message that it holds.
    pub(super) fn held(&self, receipt: &Receipt) -> Option<&Held> {
        self.held.get(receipt)
    }

    /// Settles those of the messages that it holds. What has lapsed is let go of instead.
    pub(super) async fn settle(
        &mut self,
        receipts: &[Receipt],
        settlement: Settlement,
    ) -> Result<(), BusError> {
        self.lapse(Instant::now());
        let doubtful = receipts.iter().any(|receipt| self.doubtful.contains_key(receipt));
        let mut outcome =
            if doubtful { Err(lost("it is not known what was settled")) } else { Ok(()) };
        let mut noted = Vec::new();
        for receipt in receipts {
            let Some(held) = self.held.remove(receipt) else {
                continue;
            };
            let lapses_at = held.received_at + self.lock.promised();
            let told = match settlement {
                Settlement::Acknowledge => self.consumer.ack(&held.record),
                Settlement::Release => self.consumer.release(&held.record),
                Settlement::Reject => self.consumer.reject(&held.record),
            };
            match told {
                Ok(()) => noted.push((receipt.clone(), lapses_at)),
                Err(error) => {
                    outcome = Err(lost(error)); // The group put this member out.
                    self.doubtful.insert(receipt.clone(), lapses_at);
                }
            }
        }
        let settled = self.commit(&noted).await;
        if settled.is_err() {
            self.doubtful.extend(noted);
        }
        if self.is_spread && self.held.is_empty() && self.watch.is_none() {
            self.watch_for_late();
        }
        settled.and(outcome)
    }

    /// Gives back, until the next question, what answers of other brokers bring.
    fn watch_for_late(&mut self) {
        let watching = give_back_late(self.consumer.clone(), self.lock);
        self.watch = Some(self.runtime.spawn(watching));
    }

    /// Tells the broker what was noted, for as long as the locks stand.
    async fn commit(&self, noted: &[(Receipt, Instant)]) -> Result<(), BusError> {
        let Some(lapses_at) = noted.iter().map(|(_, lapses_at)| *lapses_at).min() else {
            return Ok(());
        };
        let left = lapses_at.saturating_duration_since(Instant::now());
        let consumer = self.consumer.clone();
        let committing = self.runtime.run(async move { consumer.commit().await });
        let outcomes = clients::within(left.min(self.timeout), committing).await??;
        outcomes.into_values().find_map(Result::err).map_or(Ok(()), |error| Err(lost(error)))
    }
}

/// What has arrived, without asking for more.
fn lying_here(consumer: &ShareConsumer) -> Result<Vec<ConsumerRecord>, KrafkaError> {
    consumer.poll(Duration::ZERO).now_or_never().unwrap_or_else(|| Ok(Vec::new()))
}

/// Gives back what arrives while nobody asks, for as long as the last question could have locked it.
async fn give_back_late(consumer: ShareConsumer, lock: Lock) {
    let begun_at = Instant::now();
    while begun_at.elapsed() < lock.broker {
        tokio::time::sleep(lock.answer()).await;
        let Ok(late) = lying_here(&consumer) else {
            return;
        };
        for record in &late {
            if let Err(error) = consumer.release(record) {
                tracing::debug!(%error, "a late message was no longer held");
            }
        }
        if !late.is_empty()
            && let Err(error) = consumer.commit().await
        {
            tracing::debug!(%error, "a late message was not given back");
        }
    }
}

/// The broker did not confirm a settlement although, by our clock, the lock stands: the message may be another's.
/// A broker that was started again has forgotten all locks.
fn lost(reason: impl fmt::Display) -> BusError {
    BusError::Unavailable(format!("a settlement is not confirmed: {reason}"))
}

/// The number of one handing out. How often it was handed out does not suffice: a broker that was started again
/// counts from what it had written down.
pub(super) fn delivery(count: u32) -> u64 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    u64::from(count) << 32 | u64::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How often a message was handed out, this time included.
pub(super) fn deliveries(record: &ConsumerRecord) -> u32 {
    record.delivery_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}

impl Drop for Member {
    /// Leaves the group, which gives back what it holds at once. A process that dies cannot: its locks lapse.
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        let (consumer, runtime) = (self.consumer.clone(), self.runtime.clone());
        self.runtime.spawn(async move {
            if let Err(error) = consumer.close_with(CloseOptions::new().timeout(LEAVE)).await {
                tracing::debug!(%error, "a member left without the group's knowledge");
            }
            drop(runtime); // It must live until here.
        });
    }
}
