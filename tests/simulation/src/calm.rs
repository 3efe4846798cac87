//! The simulated servers by themselves, in real time, with nothing that goes wrong: for the conformance suites.

use std::sync::Arc;
use std::time::Instant;

use panofleet_bus::Bus;
use panofleet_jobs_db::JobsDb;
use panofleet_objects::ObjectStore;
use tokio::sync::Notify;

use crate::bus::{BusSettings, SimulatedBus};
use crate::db::SimulatedDb;
use crate::faults::Rates;
use crate::link::Link;
use crate::store::object_store;
use crate::world::{Server, World};

/// The one process of a calm world.
const PROCESS: &str = "process";

/// A world of one process and no faults.
#[derive(Debug)]
pub struct CalmWorld {
    world: World,
    life: u32,
}

impl CalmWorld {
    /// A world with nothing in it, whose process lives.
    pub fn new(settings: BusSettings) -> Self {
        let world = World::new(Instant::now(), 0, Rates::NONE, (settings, None));
        let mut calm = Self { world, life: 0 };
        calm.crash();
        calm
    }

    /// The process dies without a goodbye, and another one starts.
    pub fn crash(&mut self) {
        let mut world = self.world.lock();
        world.end_life(PROCESS);
        self.life += 1;
        world.begin_life(PROCESS, self.life);
    }

    fn link(&self, server: Server) -> Link {
        Link {
            world: self.world.clone(),
            process: PROCESS,
            life: self.life,
            server,
            has_network: false,
            kill: Arc::new(Notify::new()),
        }
    }

    /// The bus, as the process sees it.
    pub fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(SimulatedBus(self.link(Server::Bus)))
    }

    /// The job database, as the process sees it.
    pub fn db(&self) -> Arc<dyn JobsDb> {
        Arc::new(SimulatedDb(self.link(Server::Db)))
    }

    /// The object store, as the process sees it.
    pub fn objects(&self) -> ObjectStore {
        object_store(self.link(Server::Store))
    }
}
