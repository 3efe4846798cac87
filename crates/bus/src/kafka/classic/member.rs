//! One member of a classic group: a client on a thread of its own, which is polled whatever its caller does.

use std::collections::BTreeSet;
use std::collections::btree_set::Difference;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::super::clients::{number, within};
use super::super::{Shared, member};
use super::partitions::{Membership, Partitions};
use crate::{BusError, Queue, Receipt, Received};

/// A member that nobody asks for so long leaves its group.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often the thread looks at what its caller wants.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// One member, of one queue's group.
pub(super) struct Member {
    queue: Queue,
    timeout: Duration,
    consumer: Arc<BaseConsumer<Membership>>,
    partitions: Arc<Partitions>,
    wishes: Arc<Wishes>,
}

/// What the caller wants of the thread.
#[derive(Default)]
struct Wishes {
    /// Calls that ask for messages now.
    asking: AtomicU32,
    gone: AtomicBool,
    /// Why the client cannot go on, until it was told.
    error: Mutex<Option<KafkaError>>,
}

/// Keeps a member in its group while it lives.
pub(super) struct Asking(Arc<Wishes>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, partitions, .. } = self;
        formatter
            .debug_struct("Member")
            .field("queue", queue)
            .field("partitions", partitions)
            .finish_non_exhaustive()
    }
}

impl Member {
    pub(super) fn join(shared: &Shared, queue: &Queue) -> Result<Self, BusError> {
        let config = &shared.config;
        let topic = config.jobs_topic(queue);
        let partitions = Arc::new(Partitions::new(topic.clone(), config.lock.0));
        let group = config.workers_group(queue);
        let membership = Membership(Arc::clone(&partitions));
        let consumer = Arc::new(shared.clients.group_consumer(&group, membership)?);
        let wishes = Arc::new(Wishes::default());
        let life = Life {
            topic,
            consumer: Arc::clone(&consumer),
            partitions: Arc::clone(&partitions),
            wishes: Arc::clone(&wishes),
            stopped: BTreeSet::new(),
        };
        let thread = std::thread::Builder::new().name("group-member".to_owned());
        thread
            .spawn(move || life.live())
            .map_err(|error| BusError::Unavailable(format!("no thread: {error}")))?;
        let (queue, timeout) = (queue.clone(), config.timeout.0);
        Ok(Self { queue, timeout, consumer, partitions, wishes })
    }

    /// Says that messages are wanted, until the answer is dropped.
    pub(super) fn ask(&self) -> Asking {
        self.wishes.asking.fetch_add(1, Ordering::Relaxed);
        Asking(Arc::clone(&self.wishes))
    }

    /// Takes up to `max` messages, waiting up to `wait` for the first one.
    pub(super) async fn take(&self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(error) =
                self.wishes.error.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                return Err(error.into());
            }
            let received_at = Instant::now();
            let topic = self.queue.topic();
            let taken = self.partitions.take(max, |placement, deliveries| {
                let delivery = member::delivery(deliveries);
                Receipt { topic: topic.clone(), placement, delivery }
            });
            if !taken.is_empty() {
                // The group may be changing, or away: then nobody knows that we took them.
                let taken = match self.commit().await {
                    Ok(()) => self.partitions.keep(taken),
                    Err(_) => {
                        self.partitions.untake(&taken);
                        Vec::new()
                    }
                };
                if !taken.is_empty() {
                    let receive = |(receipt, taken): (Receipt, super::ledger::Taken)| Received {
                        receipt,
                        queue: self.queue.clone(),
                        deliveries: taken.deliveries,
                        received_at,
                        payload: taken.payload,
                    };
                    return Ok(taken.into_iter().map(receive).collect());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(Vec::new());
            }
            let lapse = self.partitions.next_lapse().filter(|lapse| *lapse > now);
            let until = lapse.map_or(deadline, |lapse| lapse.min(deadline));
            let arrived = self.partitions.arrived.notified();
            let _either = tokio::time::timeout_at(until.into(), arrived).await;
        }
    }

    /// Consumes messages, or gives them back.
    pub(super) async fn settle(&self, receipts: &[Receipt], consume: bool) -> Result<(), BusError> {
        let topic = self.queue.topic();
        let ours: Vec<Receipt> =
            receipts.iter().filter(|receipt| receipt.topic == topic).cloned().collect();
        let lapse = self.partitions.settle(&ours, consume);
        let give_up = Instant::now() + self.timeout;
        let give_up = lapse.map_or(give_up, |lapse| lapse.min(give_up));
        loop {
            match self.partitions.outcome(&ours) {
                Some(true) => return Ok(()),
                Some(false) => return Err(BusError::Unavailable(GONE.to_owned())),
                None => {}
            }
            // While a group changes, its members' commits are put off.
            if let Err(error) = self.commit().await {
                if Instant::now() + LOOK_EVERY >= give_up {
                    self.partitions.unsettle(&ours);
                    return Err(error);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    async fn commit(&self) -> Result<(), BusError> {
        let (consumer, partitions) = (Arc::clone(&self.consumer), Arc::clone(&self.partitions));
        let committing = tokio::task::spawn_blocking(move || partitions.commit(&*consumer));
        let committed = within(self.timeout, async {
            let done = committing.await;
            done.map_err(|error| BusError::Unavailable(error.to_string()))
        });
        Ok(committed.await??)
    }
}

/// What a settlement comes to whose partition went away.
const GONE: &str = "a settlement is not confirmed: the group gave the partition to another member";

impl Drop for Member {
    /// The thread gives back what is held, leaves the group, and ends.
    fn drop(&mut self) {
        self.wishes.gone.store(true, Ordering::Relaxed);
    }
}

/// What the thread lives on.
struct Life {
    topic: String,
    consumer: Arc<BaseConsumer<Membership>>,
    partitions: Arc<Partitions>,
    wishes: Arc<Wishes>,
    /// Partitions of which no more is fetched for now.
    stopped: BTreeSet<u32>,
}

impl Life {
    fn live(mut self) {
        let (mut asked_at, mut joined) = (Instant::now(), false);
        while !self.wishes.gone.load(Ordering::Relaxed) {
            if self.wishes.asking.load(Ordering::Relaxed) > 0 {
                asked_at = Instant::now();
            }
            let wanted = asked_at.elapsed() < PATIENCE && !self.partitions.take_failed();
            if wanted != joined {
                joined = self.join_or_leave(wanted);
            }
            match self.consumer.poll(LOOK_EVERY) {
                Some(Ok(message)) => self.partitions.arrive(&message),
                Some(Err(error)) => self.tell(error),
                None => {}
            }
            self.eat();
        }
        self.partitions.release_all();
        if let Err(error) = self.partitions.commit(&*self.consumer) {
            tracing::debug!(%error, "a member left without giving back what it held");
        }
        self.consumer.unsubscribe();
        // The client is closed when its last owner drops it, which may wait: here, on this thread.
    }

    fn join_or_leave(&self, wanted: bool) -> bool {
        if !wanted {
            self.consumer.unsubscribe();
            return false;
        }
        match self.consumer.subscribe(&[&self.topic]) {
            Ok(()) => true,
            Err(error) => {
                self.tell(error);
                false
            }
        }
    }

    /// Stops partitions of which enough lies here, and goes on with those of which little does. What a client had
    /// fetched ahead is lost to it each time.
    fn eat(&mut self) {
        let had = std::mem::take(&mut self.stopped);
        self.stopped = self.partitions.full(&had);
        let list = |partitions: Difference<'_, u32>| {
            let mut list = TopicPartitionList::new();
            for partition in partitions {
                list.add_partition(&self.topic, number(*partition));
            }
            list
        };
        let (stop, go_on) =
            (list(self.stopped.difference(&had)), list(had.difference(&self.stopped)));
        let stopped = if stop.count() > 0 { self.consumer.pause(&stop) } else { Ok(()) };
        let went_on = if go_on.count() > 0 { self.consumer.resume(&go_on) } else { Ok(()) };
        if let Err(error) = stopped.and(went_on) {
            tracing::debug!(%error, "partitions could not be paused");
        }
    }

    /// Keeps an error for the caller. That a broker is away is none: the client comes back by itself.
    fn tell(&self, error: KafkaError) {
        if matches!(BusError::from(error.clone()), BusError::Refused(_)) {
            *self.wishes.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            self.partitions.arrived.notify_one();
        } else if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::debug!(%error, "a member waits for its group");
        }
    }
}
