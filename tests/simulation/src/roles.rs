//! The processes of the simulated fleet, each made of the production code of its role.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use panofleet_collector::Collector;
use panofleet_job_schema::envelope::KeyRing;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Lane, Region, RegionKeys, Span, Tenant, WorkerId};
use panofleet_producer::api::config::RegionConfig;
use panofleet_producer::api::{self, ApiConfig, ApiState};
use panofleet_producer::dispatcher::{DispatchConfig, Dispatcher, RetentionConfig};
use panofleet_worker::{WorkerConfig, WorkerResources};
use tokio_util::sync::CancellationToken;

use crate::bus::SimulatedBus;
use crate::child::SimulatedRunner;
use crate::db::SimulatedDb;
use crate::link::Link;
use crate::mutant::Mutant;
use crate::scenario::{REGIONS, TENANTS, policy};
use crate::store::object_store;
use crate::world::Server;

/// What a process of the fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// API and dispatcher.
    Producer,
    Collector,
    /// In the region of this place.
    Worker(usize),
}

/// Every process: two of everything, and a worker that is alone in its region.
pub(crate) const PROCESSES: [(&str, Role); 7] = [
    ("producer-1", Role::Producer),
    ("producer-2", Role::Producer),
    ("collector-1", Role::Collector),
    ("collector-2", Role::Collector),
    ("worker-1", Role::Worker(0)),
    ("worker-2", Role::Worker(0)),
    ("worker-3", Role::Worker(1)),
];

/// Where a worker stands.
pub(crate) fn region_of_worker(worker: &WorkerId) -> Option<Region> {
    let (_, role) = PROCESSES.into_iter().find(|(name, _)| *name == worker.as_str())?;
    match role {
        Role::Worker(place) => Some(region(REGIONS[place])),
        Role::Producer | Role::Collector => None,
    }
}

/// What a process is started from.
pub(crate) struct Start<'a> {
    /// Its way to the world; the server is filled in.
    pub(crate) link: Link,
    /// Where workers keep their files.
    pub(crate) scratch: &'a Path,
    pub(crate) shutdown: CancellationToken,
}

impl Start<'_> {
    fn to(&self, server: Server) -> Link {
        Link { server, ..self.link.clone() }
    }
}

/// What runs for ever in a process.
pub(crate) type Main = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

fn region(name: &str) -> Region {
    Region::new(name).expect("a lower-case name")
}

fn ring(name: &str) -> KeyRing {
    let secret = name.bytes().cycle().take(32).collect();
    KeyRing::new(name, BTreeMap::from([(name.to_owned(), secret)])).expect("the key is on the ring")
}

pub(crate) fn keys() -> RegionKeys {
    let rings = REGIONS.map(|name| (region(name), ring(name)));
    RegionKeys::new(BTreeMap::from(rings)).expect("no two regions share a key")
}

/// A producer's dispatcher, and its API for each tenant.
pub(crate) fn producer(start: &Start<'_>) -> (Main, Vec<Router>) {
    let (db, bus) = (
        Arc::new(SimulatedDb(start.to(Server::Db))),
        Arc::new(SimulatedBus(start.to(Server::Bus))),
    );
    let objects = object_store(start.to(Server::Store));
    let routers = TENANTS.map(|tenant| {
        let state = ApiState {
            db: db.clone(),
            bus: bus.clone(),
            objects: objects.clone(),
            keys: keys(),
            policy: policy(),
            config: api_config(tenant),
        };
        api::router(state, start.shutdown.clone())
    });
    let dispatcher = Dispatcher {
        api: api_config(TENANTS[0]),
        retention: RetentionConfig::default(),
        db,
        bus,
        objects,
        keys: keys(),
        policy: dispatching_policy(start),
        regions: REGIONS.map(region).to_vec(),
        config: DispatchConfig::default(),
    };
    let shutdown = start.shutdown.clone();
    let main = async move {
        dispatcher.run(shutdown).await;
        Ok(())
    };
    (Box::pin(main), routers.into())
}

fn dispatching_policy(start: &Start<'_>) -> Policy {
    match start.link.world.lock().mutant {
        Some(Mutant::RegionsGetNoPatience) => {
            Policy { region_patience: Span::from_secs(0), ..policy() }
        }
        _ => policy(),
    }
}

fn api_config(tenant: &str) -> ApiConfig {
    let of_region = |name: &str| (region(name), RegionConfig { bucket: format!("{name}-outputs") });
    let regions = BTreeMap::from(REGIONS.map(of_region));
    ApiConfig {
        tenant: Tenant::new(tenant).expect("a lower-case name"),
        regions,
        source_buckets: BTreeMap::from(
            REGIONS.map(|name| (format!("{name}-sources"), region(name))),
        ),
        ..ApiConfig::of_one_region(region(REGIONS[0]), "")
    }
}

/// A collector.
pub(crate) fn collector(start: &Start<'_>) -> Main {
    let collector = Collector {
        db: Arc::new(SimulatedDb(start.to(Server::Db))),
        bus: Arc::new(SimulatedBus(start.to(Server::Bus))),
        keys: keys(),
        policy: policy(),
        member: start.link.process.to_owned(),
    };
    let shutdown = start.shutdown.clone();
    Box::pin(async move { collector.run(shutdown).await.map_err(|error| error.to_string()) })
}

/// A worker of a region.
pub(crate) fn worker(start: &Start<'_>, place: usize) -> Main {
    let name = REGIONS[place];
    let config = WorkerConfig {
        name: WorkerId::new(start.link.process).expect("a lower-case name"),
        region: region(name),
        lanes: Lane::ALL.to_vec(),
        slots: NonZeroU32::new(3),
        video_slots: NonZeroU32::new(1),
        scratch: start.scratch.to_owned(),
        image_stall: Span::from_secs(4),
        upload_concurrency: 2,
        event_buffer: 16,
        drain_grace: Span::from_secs(5),
        ..WorkerConfig::default()
    };
    let resources = WorkerResources {
        bus: Arc::new(SimulatedBus(start.to(Server::Bus))),
        objects: object_store(start.to(Server::Store)),
        keys: ring(name),
        config,
        heartbeat: policy().heartbeat,
    };
    let runner = Arc::new(SimulatedRunner(start.link.clone()));
    let shutdown = start.shutdown.clone();
    Box::pin(async move {
        let working =
            panofleet_worker::run_with(runner, resources, shutdown, CancellationToken::new());
        working.await.map_err(|error| error.to_string())
    })
}
