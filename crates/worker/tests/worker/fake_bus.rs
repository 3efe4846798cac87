//! A bus in memory whose faults are at hand: away, slow to confirm, handing out old messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::{
    Bus, BusError, ControlFollower, CopyFate, DeadLetter, EventReader, JobSource, KeptLetter,
    LetterPage, Queue, Receipt, Received,
};
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::{JobId, Lane, Region, WorkerId};
use tokio::sync::watch;

/// The bus. Clones are the same bus.
#[derive(Clone, Debug)]
pub(crate) struct FakeBus {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

/// A message of the queue of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    lane: Lane,
    offset: u64,
    payload: Bytes,
}

/// What is on the bus, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct State {
    /// Messages that nobody holds.
    pub(crate) waiting: VecDeque<Message>,
    /// Messages in somebody's hands, by delivery, with the end of their locks.
    pub(crate) held: BTreeMap<u64, (Message, Instant)>,
    /// Offsets that were acknowledged, in order.
    pub(crate) acknowledged: Vec<u64>,
    /// Published events, in order, with their partitions.
    pub(crate) events: Vec<(u32, Bytes)>,
    /// Calls of `publish_events` that failed.
    pub(crate) publishes_failed: u32,
    /// Control records.
    pub(crate) control: Vec<Bytes>,
    /// Dead letters.
    pub(crate) dead: Vec<DeadLetter>,
    /// Calls of `receive`, with the most that each asked for.
    pub(crate) receives: Vec<usize>,
    /// Publishing fails.
    pub(crate) away: bool,
    /// Publishing to this partition stores events, and says nothing until this is over.
    pub(crate) unconfirmed: Option<u32>,
    /// Messages look this old when they are received.
    pub(crate) age: Duration,
    /// How long a message is its receiver's.
    pub(crate) lock: Duration,
    /// Messages handed out, each as often as it was.
    pub(crate) deliveries: u64,
    sent: u64,
}

pub(crate) const PARTITIONS: u32 = 4;

impl FakeBus {
    pub(crate) fn new() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            held: BTreeMap::new(),
            acknowledged: Vec::new(),
            events: Vec::new(),
            publishes_failed: 0,
            control: Vec::new(),
            dead: Vec::new(),
            receives: Vec::new(),
            away: false,
            unconfirmed: None,
            age: Duration::ZERO,
            lock: Duration::from_secs(15),
            deliveries: 0,
            sent: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::channel(0).0 }
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        at(&self.state())
    }

    pub(crate) fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.state());
        self.changed.send_modify(|version| *version += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until `condition` gives something; fails after 20 s.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut condition: impl FnMut(&State) -> Option<T>,
    ) -> T {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = self.look(&mut condition) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap_or_else(|_| panic!("waited for {what}"))
    }

    /// Puts any bytes into the queue of a lane.
    pub(crate) fn send(&self, lane: Lane, payload: Bytes) -> u64 {
        let mut offset = 0;
        self.change(|state| {
            offset = state.sent;
            state.sent += 1;
            state.waiting.push_back(Message { lane, offset, payload });
        });
        offset
    }
}

#[async_trait]
impl Bus for FakeBus {
    async fn send_job(
        &self,
        queue: &Queue,
        _job: JobId,
        payload: Bytes,
    ) -> Result<Placement, BusError> {
        Ok(Placement { partition: 0, offset: self.send(queue.lane, payload) })
    }

    async fn copy_fate(&self, _queue: &Queue, _placement: Placement) -> Result<CopyFate, BusError> {
        unreachable!("no worker asks")
    }

    async fn take_jobs(
        &self,
        queue: &Queue,
        _member: &str,
    ) -> Result<Box<dyn JobSource>, BusError> {
        Ok(Box::new(FakeSource { bus: self.clone(), queue: queue.clone() }))
    }

    fn event_partitions(&self) -> u32 {
        PARTITIONS
    }

    async fn event_log_id(&self) -> Result<String, BusError> {
        unreachable!("no worker asks")
    }

    async fn publish_events(&self, events: Vec<(u32, Bytes)>) -> Result<(), BusError> {
        if self.look(|state| state.away) {
            self.change(|state| state.publishes_failed += 1);
            return Err(BusError::Unavailable("away".into()));
        }
        let partitions: Vec<u32> = events.iter().map(|(partition, _)| *partition).collect();
        self.change(|state| state.events.extend(events));
        let confirmed =
            |state: &State| !state.unconfirmed.is_some_and(|held| partitions.contains(&held));
        self.until("confirmations", |state| confirmed(state).then_some(())).await;
        Ok(())
    }

    async fn read_events(&self, _member: &str) -> Result<Box<dyn EventReader>, BusError> {
        unreachable!("no worker asks")
    }

    async fn publish_control(
        &self,
        _region: &Region,
        _job: JobId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        self.change(|state| state.control.push(payload));
        Ok(())
    }

    async fn publish_order(
        &self,
        _region: &Region,
        _worker: &WorkerId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        self.change(|state| state.control.push(payload));
        Ok(())
    }

    async fn follow_control(&self, _region: &Region) -> Result<Box<dyn ControlFollower>, BusError> {
        Ok(Box::new(FakeFollower { bus: self.clone(), read: 0 }))
    }

    async fn dead_letter(&self, letter: DeadLetter) -> Result<(), BusError> {
        self.change(|state| state.dead.push(letter));
        Ok(())
    }

    async fn dead_letters(&self, _limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        Ok(self.look(|state| state.dead.clone()))
    }

    async fn letters(&self, _page: LetterPage) -> Result<Vec<KeptLetter>, BusError> {
        unreachable!("no worker asks")
    }
}

#[derive(Debug)]
struct FakeSource {
    bus: FakeBus,
    queue: Queue,
}

impl FakeSource {
    fn take(&self, max: usize) -> Vec<Received> {
        let mut taken = Vec::new();
        let mut state = self.bus.state();
        let now = Instant::now();
        let lapsed: Vec<u64> = state
            .held
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(delivery, _)| *delivery)
            .collect();
        for delivery in lapsed {
            let (message, _) = state.held.remove(&delivery).unwrap();
            state.waiting.push_front(message);
        }
        while taken.len() < max
            && let Some(at) = state.waiting.iter().position(|m| m.lane == self.queue.lane)
            && let Some(message) = state.waiting.remove(at)
        {
            let Message { offset, payload, .. } = message.clone();
            state.deliveries += 1;
            let (delivery, until) = (state.deliveries, now + state.lock);
            state.held.insert(delivery, (message, until));
            taken.push(Received {
                receipt: Receipt {
                    topic: self.queue.topic(),
                    placement: Placement { partition: 0, offset },
                    delivery,
                },
                queue: self.queue.clone(),
                deliveries: 1,
                received_at: now.checked_sub(state.age).unwrap(),
                payload,
            });
        }
        taken
    }
}

#[async_trait]
impl JobSource for FakeSource {
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, BusError> {
        self.bus.change(|state| state.receives.push(max));
        let mut changes = self.bus.changed.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                let taken = self.take(max);
                if !taken.is_empty() {
                    return taken;
                }
                // Locks lapse without a word.
                let look_again = tokio::time::sleep(Duration::from_millis(20));
                tokio::select! {
                    changed = changes.changed() => changed.unwrap(),
                    () = look_again => {}
                }
            }
        };
        Ok(tokio::time::timeout(wait, waiting).await.unwrap_or_default())
    }

    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.bus.change(|state| {
            for receipt in receipts {
                // A late acknowledgement is taken without a word, and settles nothing.
                let held = state
                    .held
                    .get(&receipt.delivery)
                    .is_some_and(|(_, until)| *until > Instant::now());
                if held && let Some((message, _)) = state.held.remove(&receipt.delivery) {
                    state.acknowledged.push(message.offset);
                }
            }
        });
        Ok(())
    }

    async fn release(&mut self, receipts: &[Receipt]) -> Result<(), BusError> {
        self.bus.change(|state| {
            for receipt in receipts {
                if let Some((message, _)) = state.held.remove(&receipt.delivery) {
                    state.waiting.push_front(message);
                }
            }
        });
        Ok(())
    }

    fn lock(&self) -> Duration {
        self.bus.look(|state| state.lock)
    }
}

#[derive(Debug)]
struct FakeFollower {
    bus: FakeBus,
    read: usize,
}

#[async_trait]
impl ControlFollower for FakeFollower {
    async fn catch_up(&mut self) -> Result<Vec<Bytes>, BusError> {
        let new = self.bus.look(|state| state.control[self.read..].to_vec());
        self.read += new.len();
        Ok(new)
    }

    async fn next(&mut self, wait: Duration) -> Result<Vec<Bytes>, BusError> {
        let (bus, read) = (self.bus.clone(), self.read);
        let something = bus.until("control", |state| (state.control.len() > read).then_some(()));
        if tokio::time::timeout(wait, something).await.is_err() {
            return Ok(Vec::new());
        }
        self.catch_up().await
    }
}
