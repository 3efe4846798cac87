//! One member of a share group: it asks for a batch of a fixed size, and for the next one only when the last one
//! is settled. That is what `krafka` gives; a source has as many members as it has unsettled batches.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use krafka::CloseOptions;
use krafka::consumer::ConsumerRecord;
use krafka::error::{ErrorCode, KrafkaError};
use krafka::share_consumer::{AcknowledgementMode, AcquireMode, ShareConsumer};
use panofleet_job_schema::job::Placement;

use super::{KafkaConfig, clients};
use crate::{BusError, Receipt};

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
    lock: Lock,
    pub(super) batch: usize,
    held: HashMap<Receipt, Held>,
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
    /// Joins a group. Each member has connections of its own: a broker answers one request of a connection at a
    /// time, and a question that waits for messages would hold up another's acknowledgement.
    pub(super) async fn join(
        config: &KafkaConfig,
        group: &str,
        topic: &str,
        batch: usize,
    ) -> Result<Self, BusError> {
        let lock = Lock::new(config);
        let size = i32::try_from(batch).unwrap_or(i32::MAX);
        let consumer = clients::connect(config)
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
        consumer.subscribe([topic]).await?;
        let last_begun = Instant::now();
        Ok(Self { consumer, lock, batch, held: HashMap::new(), last_empty: None, last_begun })
    }

    /// Whether it may ask for more.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
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
    }

    /// Asks for a batch for at most `wait`, which is at most [`Lock::poll_max`]. Everything that comes is held; the
    /// receipts of what its caller may have are returned.
    pub(super) async fn poll(
        &mut self,
        topic: &str,
        wait: Duration,
    ) -> Result<Vec<Receipt>, BusError> {
        let begun = Instant::now();
        let before = std::mem::replace(&mut self.last_begun, begun);
        let (polled, asked_at) = {
            let mut polling = pin!(self.consumer.poll(wait));
            match futures_util::poll!(polling.as_mut()) {
                Poll::Ready(polled) => (polled, before), // It lay here: an answer to the last question.
                Poll::Pending => {
                    let polled = polling.await;
                    match self.last_empty {
                        Some((asked_at, ended_at)) if begun < ended_at + self.lock.answer() => {
                            (polled, asked_at)
                        }
                        _ => (polled, begun),
                    }
                }
            }
        };
        let records = polled?;
        self.last_empty = records.is_empty().then(|| (begun, Instant::now()));
        Ok(self.hold(topic, records, asked_at))
    }

    /// Waits for the answer to the last question, which nobody asks again: no message must lie here, locked, while
    /// its caller does something else.
    pub(super) async fn drain(&mut self, topic: &str) -> Result<Vec<Receipt>, BusError> {
        let Some((asked_at, ended_at)) = self.last_empty else {
            return Ok(Vec::new());
        };
        tokio::time::sleep_until((ended_at + self.lock.answer()).into()).await;
        let answered = {
            let mut polling = pin!(self.consumer.poll(Duration::ZERO));
            futures_util::poll!(polling.as_mut()) // Given up at once if nothing lies here.
        };
        self.last_empty = None;
        match answered {
            Poll::Ready(records) => Ok(self.hold(topic, records?, asked_at)),
            Poll::Pending => Ok(Vec::new()),
        }
    }

    fn hold(
        &mut self,
        topic: &str,
        records: Vec<ConsumerRecord>,
        asked_at: Instant,
    ) -> Vec<Receipt> {
        let now = Instant::now();
        let received_at = now.min(asked_at + self.lock.slack());
        let mut receipts = Vec::with_capacity(records.len());
        for record in records {
            let placement = Placement {
                partition: clients::index(record.partition),
                offset: clients::offset(record.offset),
            };
            let delivery = u64::from(deliveries(&record));
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
        let mut any = false;
        for receipt in receipts {
            let Some(held) = self.held.remove(receipt) else {
                continue;
            };
            let noted = match settlement {
                Settlement::Acknowledge => self.consumer.ack(&held.record),
                Settlement::Release => self.consumer.release(&held.record),
                Settlement::Reject => self.consumer.reject(&held.record),
            };
            match noted {
                Ok(()) => any = true,
                // The group took the partition away, and the message with it: as if the lock had lapsed.
                Err(error) => tracing::debug!(%error, "a message was no longer held"),
            }
        }
        if !any {
            return Ok(());
        }
        for (_, outcome) in self.consumer.commit().await? {
            match outcome {
                Ok(()) => {}
                Err(KrafkaError::Broker { code: ErrorCode::InvalidRecordState, .. }) => {
                    tracing::debug!("a lock lapsed before the settlement");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// How often a message was handed out, this time included.
pub(super) fn deliveries(record: &ConsumerRecord) -> u32 {
    record.delivery_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}

impl Drop for Member {
    /// Leaves the group, which gives back what it holds at once. A process that dies cannot: its locks lapse.
    fn drop(&mut self) {
        let consumer = self.consumer.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        drop(runtime.spawn(async move {
            if let Err(error) = consumer.close_with(CloseOptions::new().timeout(LEAVE)).await {
                tracing::debug!(%error, "a member left without the group's knowledge");
            }
        }));
    }
}
