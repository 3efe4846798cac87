//! What all simulated processes share: the servers, the network between them, chance, and the record of the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use panofleet_job_schema::Timestamp;
use tokio::sync::Notify;

use crate::bus::{BusSettings, BusState};
use crate::checker::Checker;
use crate::child::Children;
use crate::db::DbState;
use crate::faults::{Faults, Rates};
use crate::mutant::Mutant;
use crate::random::Random;
use crate::splitting::Splits;
use crate::store::StoreState;
use crate::trace::Trace;

/// The database's clock at the beginning of a simulation, in milliseconds.
const DB_BEGIN_MS: i64 = 1_770_000_000_000;

/// A server of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    /// Kafka's part.
    Bus,
    /// PostgreSQL's part.
    Db,
    /// S3's part.
    Store,
}

impl Server {
    /// Every server.
    pub(crate) const ALL: [Self; 3] = [Self::Bus, Self::Db, Self::Store];

    /// Its name in traces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Db => "db",
            Self::Store => "store",
        }
    }
}

/// The world. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct World {
    shared: Arc<Mutex<Shared>>,
    /// Something was sent, published or settled.
    pub(crate) arrivals: Arc<Notify>,
    /// Something was written to the database.
    pub(crate) writes: Arc<Notify>,
}

/// What is behind the world's lock.
#[derive(Debug)]
pub(crate) struct Shared {
    beginning: Instant,
    /// Since the beginning: the latest time at which any process was seen.
    pub(crate) now: Duration,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) faults: Faults,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) checker: Checker,
    pub(crate) bus: BusState,
    pub(crate) db: DbState,
    pub(crate) store: StoreState,
    pub(crate) children: Children,
    pub(crate) splits: Splits,
    /// Whether the caller of what is carried out now will be answered.
    pub(crate) is_answered: bool,
    /// The life of each process that lives.
    lives: BTreeMap<&'static str, u32>,
    late: Vec<Late>,
}

/// A request whose sender has given up on it, and which arrives all the same.
struct Late {
    at: Duration,
    arrive: Box<dyn FnOnce(&mut Shared) + Send>,
}

impl std::fmt::Debug for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Late").field("at", &self.at).finish_non_exhaustive()
    }
}

impl World {
    /// A world with nothing in it, which began at `beginning`.
    pub(crate) fn new(
        beginning: Instant,
        seed: u64,
        rates: Rates,
        (settings, mutant): (BusSettings, Option<Mutant>),
    ) -> Self {
        let shared = Shared {
            beginning,
            now: Duration::ZERO,
            random: Random::of(seed),
            trace: Trace::default(),
            faults: Faults::new(rates),
            mutant,
            checker: Checker::default(),
            bus: BusState::new(settings),
            db: DbState::default(),
            store: StoreState::default(),
            children: Children::default(),
            splits: Splits::default(),
            is_answered: true,
            lives: BTreeMap::new(),
            late: Vec::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            arrivals: Arc::default(),
            writes: Arc::default(),
        }
    }

    /// The world, at the time of the runtime that this is called in.
    pub(crate) fn enter(&self) -> MutexGuard<'_, Shared> {
        let mut shared = self.lock();
        let now = tokio::time::Instant::now().into_std();
        let now = now.saturating_duration_since(shared.beginning);
        shared.now = shared.now.max(now);
        shared
    }

    /// The world, outside any runtime.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time goes on to `now`: late requests arrive.
    pub(crate) fn advance(&self, now: Duration) {
        let mut shared = self.lock();
        shared.now = shared.now.max(now);
        let mut due: Vec<Late> = shared.late.extract_if(.., |late| late.at <= now).collect();
        due.sort_by_key(|late| late.at);
        shared.is_answered = false;
        for late in due {
            (late.arrive)(&mut shared);
        }
        shared.is_answered = true;
        let woken = shared.bus.wake_at.take_if(|at| *at <= now).is_some();
        drop(shared);
        if woken {
            self.arrivals.notify_waiters();
        }
    }
}

impl Shared {
    /// A process begins to live.
    pub(crate) fn begin_life(&mut self, process: &'static str, life: u32) {
        self.lives.insert(process, life);
    }

    /// A process has died: nothing of it counts any more.
    pub(crate) fn end_life(&mut self, process: &'static str) {
        self.lives.remove(process);
    }

    pub(crate) fn is_alive(&self, process: &'static str, life: u32) -> bool {
        self.lives.get(process) == Some(&life)
    }

    /// A request arrives later, after its sender has given up on it.
    pub(crate) fn arrive_late(
        &mut self,
        after: Duration,
        arrive: impl FnOnce(&mut Self) + Send + 'static,
    ) {
        self.late.push(Late { at: self.now + after, arrive: Box::new(arrive) });
    }

    /// The database's clock. It may be set forward; it never goes back.
    pub(crate) fn db_now(&self) -> Timestamp {
        let ahead = self.now + self.db.ahead;
        Timestamp::from_millis(DB_BEGIN_MS + i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// A line of the record.
    pub(crate) fn note(&mut self, line: std::fmt::Arguments<'_>) {
        self.trace.add(self.now, line);
    }
}
