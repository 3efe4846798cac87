//! The simulated bus: Kafka as the dispatcher, the workers and the collectors see it.
//!
//! | in | is |
//! |---|---|
//! | `bus/queue.rs` | job queues: locks that lapse, deliveries that are counted |
//! | `bus/events.rs` | the event log, and who reads which partition |
//! | `bus/control.rs` | the last control record of each job |

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use panofleet_bus::{
    Bus, BusError, ControlFollower, CopyFate, DeadLetter, EventReader, JobSource, KeptLetter,
    LetterPage, Queue,
};
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use panofleet_job_schema::{JobId, Region, WorkerId};

use crate::link::{Link, NoAnswer};
use crate::mutant::Mutant;
use crate::world::Shared;

mod control;
mod events;
mod queue;

use control::{ControlKey, ControlLog, Follower};
use events::{EventLog, Reader};
use queue::{JobQueue, Member};

/// The identity of the event log; it is never made anew.
const LOG_ID: &str = "simulated-log";

/// How the reason begins of a dead letter that nobody could settle.
pub(crate) const NEVER_SETTLED: &str = "handed out ";

/// How the simulated bus is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusSettings {
    /// How long a received message is its receiver's.
    pub lock: Duration,
    /// How often a message is handed out before it becomes a dead letter.
    pub delivery_limit: u32,
    /// Partitions of the event log.
    pub partitions: u32,
    /// A reader that says nothing for this long has left.
    pub session: Duration,
}

impl BusSettings {
    /// Those of simulated fleets: the production ones, some times faster.
    pub(crate) const FLEET: Self = Self {
        lock: Duration::from_secs(4),
        delivery_limit: 12,
        partitions: 3,
        session: Duration::from_secs(6),
    };
}

/// Everything on the bus.
#[derive(Debug)]
pub(crate) struct BusState {
    pub(crate) settings: BusSettings,
    queues: BTreeMap<String, JobQueue>,
    log: EventLog,
    control: BTreeMap<Region, ControlLog>,
    pub(crate) dead: Vec<KeptLetter>,
    members: u64,
    /// When a lock lapses and somebody waits for that.
    pub(crate) wake_at: Option<Duration>,
}

impl BusState {
    pub(crate) fn new(settings: BusSettings) -> Self {
        Self {
            settings,
            queues: BTreeMap::new(),
            log: EventLog::default(),
            control: BTreeMap::new(),
            dead: Vec::new(),
            members: 0,
            wake_at: None,
        }
    }

    fn queue(&mut self, topic: &str) -> &mut JobQueue {
        self.queues.entry(topic.to_owned()).or_default()
    }

    /// A broker has forgotten who holds what: it is handed out again.
    pub(crate) fn forget_locks(&mut self) {
        for queue in self.queues.values_mut() {
            queue.forget_locks();
        }
    }

    /// Every reader has to give up what it has.
    pub(crate) fn rebalance(&mut self) {
        self.log.rebalance();
    }
}

impl Shared {
    /// Keeps a dead letter behind the others.
    fn keep_letter(&mut self, letter: DeadLetter) {
        let (id, kept_at) = (self.bus.dead.len() as u64, self.db_now());
        let bytes = letter.payload.len() as u64;
        self.bus.dead.push(KeptLetter { id, kept_at, bytes, letter });
    }
}

/// The bus, as one process sees it.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedBus(pub Link);

impl From<NoAnswer> for BusError {
    fn from(NoAnswer(why): NoAnswer) -> Self {
        Self::Unavailable(why)
    }
}

fn check_length(payload: &Bytes) -> Result<(), BusError> {
    if payload.len() > ENVELOPE_BYTES_MAX {
        return Err(BusError::Refused(format!("a record of {} bytes", payload.len())));
    }
    Ok(())
}

#[async_trait]
impl Bus for SimulatedBus {
    async fn send_job(
        &self,
        queue: &Queue,
        job: JobId,
        payload: Bytes,
    ) -> Result<Placement, BusError> {
        check_length(&payload)?;
        let topic = queue.topic();
        let send = move |shared: &mut Shared| {
            let mut kept = payload.clone();
            if shared.is_mutant(Mutant::MessagesAreGarbled) && shared.random.happens(500) {
                kept = kept.slice(..kept.len() / 2);
            }
            let sent = crate::checker::message_sent(shared, &payload);
            let placement = shared.bus.queue(&topic).send(kept);
            shared.note(format_args!("bus: {topic} {} ← {job} {sent}", placement.offset));
            placement
        };
        let sent = self.0.call("send_job", send).await;
        self.0.world.arrivals.notify_waiters();
        Ok(sent?)
    }

    async fn copy_fate(&self, queue: &Queue, placement: Placement) -> Result<CopyFate, BusError> {
        let topic = queue.topic();
        let look = move |shared: &mut Shared| {
            if shared.is_mutant(Mutant::CopiesLookGone) {
                return CopyFate::Gone;
            }
            shared.bus.queue(&topic).fate(placement)
        };
        Ok(self.0.call("copy_fate", look).await?)
    }

    async fn take_jobs(&self, queue: &Queue, member: &str) -> Result<Box<dyn JobSource>, BusError> {
        let join = |shared: &mut Shared| {
            shared.bus.members += 1;
            (shared.bus.members, shared.bus.settings.lock)
        };
        let (id, lock) = self.0.call("take_jobs", join).await?;
        self.0.world.enter().note(format_args!("bus: {member} takes jobs as member {id}"));
        Ok(Box::new(Member::new(self.0.clone(), id, queue, lock)))
    }

    fn event_partitions(&self) -> u32 {
        self.0.world.lock().bus.settings.partitions
    }

    async fn event_log_id(&self) -> Result<String, BusError> {
        Ok(self.0.call("event_log_id", |_| LOG_ID.to_owned()).await?)
    }

    async fn publish_events(&self, events: Vec<(u32, Bytes)>) -> Result<(), BusError> {
        for (partition, payload) in &events {
            check_length(payload)?;
            if *partition >= self.event_partitions() {
                return Err(BusError::Refused(format!("there is no partition {partition}")));
            }
        }
        let publish = move |shared: &mut Shared| events::append(shared, &events);
        let published = self.0.call("publish_events", publish).await;
        self.0.world.arrivals.notify_waiters();
        Ok(published?)
    }

    async fn read_events(&self, member: &str) -> Result<Box<dyn EventReader>, BusError> {
        let join = |shared: &mut Shared| events::join(shared);
        let id = self.0.call("read_events", join).await?;
        self.0.world.arrivals.notify_waiters();
        self.0.world.enter().note(format_args!("bus: {member} reads events as reader {id}"));
        Ok(Box::new(Reader::new(self.0.clone(), id)))
    }

    async fn publish_control(
        &self,
        region: &Region,
        job: JobId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        check_length(&payload)?;
        let region = region.clone();
        let publish = move |shared: &mut Shared| {
            if !shared.is_mutant(Mutant::ControlIsForgotten) {
                let key = ControlKey::Job(job);
                shared.bus.control.entry(region.clone()).or_default().put(key, payload.clone());
            }
        };
        let published = self.0.call("publish_control", publish).await;
        self.0.world.arrivals.notify_waiters();
        Ok(published?)
    }

    async fn publish_order(
        &self,
        region: &Region,
        worker: &WorkerId,
        payload: Bytes,
    ) -> Result<(), BusError> {
        check_length(&payload)?;
        let (region, key) = (region.clone(), ControlKey::Worker(worker.clone()));
        let publish = move |shared: &mut Shared| {
            shared.bus.control.entry(region.clone()).or_default().put(key.clone(), payload.clone());
        };
        let published = self.0.call("publish_order", publish).await;
        self.0.world.arrivals.notify_waiters();
        Ok(published?)
    }

    async fn follow_control(&self, region: &Region) -> Result<Box<dyn ControlFollower>, BusError> {
        self.0.call("follow_control", |_| ()).await?;
        Ok(Box::new(Follower::new(self.0.clone(), region.clone())))
    }

    async fn dead_letter(&self, letter: DeadLetter) -> Result<(), BusError> {
        let keep = move |shared: &mut Shared| {
            shared.note(format_args!("bus: dead letter of {}: {}", letter.topic, letter.reason));
            crate::checker::buried(shared, &letter);
            shared.keep_letter(letter.clone());
        };
        Ok(self.0.call("dead_letter", keep).await?)
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
        let read = move |shared: &mut Shared| {
            let newest_first = shared.bus.dead.iter().rev().take(limit as usize);
            newest_first.map(|kept| kept.letter.clone()).collect()
        };
        Ok(self.0.call("dead_letters", read).await?)
    }

    async fn letters(&self, page: LetterPage) -> Result<Vec<KeptLetter>, BusError> {
        let read = move |shared: &mut Shared| {
            let wanted = shared.bus.dead.iter().rev();
            let wanted = wanted.filter(|kept| page.before.is_none_or(|before| kept.id < before));
            let cut = |kept: &KeptLetter| {
                let mut kept = kept.clone();
                kept.letter.payload.truncate(page.payload_bytes_max);
                kept
            };
            wanted.take(page.limit.min(LetterPage::LETTERS_MAX) as usize).map(cut).collect()
        };
        Ok(self.0.call("letters", read).await?)
    }
}
