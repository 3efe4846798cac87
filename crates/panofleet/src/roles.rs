//! The roles of a fleet as tasks: the same over embedded parts and over real servers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use panofleet_bus::Bus;
use panofleet_collector::Collector;
use panofleet_job_schema::envelope::KeyRing;
use panofleet_job_schema::{Metric, RegionKeys};
use panofleet_jobs_db::JobsDb;
use panofleet_objects::ObjectStore;
use panofleet_producer::api::{self, ApiState};
use panofleet_producer::dispatcher::Dispatcher;
use panofleet_service::readiness::Readiness;
use panofleet_service::{OnError, Tasks, admin, metrics};
use panofleet_worker::WorkerResources;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::listening::{listen, local_url};

/// What every role but the worker stands on.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) db: Arc<dyn JobsDb>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) keys: RegionKeys,
}

/// What a worker stands on: no database, and its own region's keys only.
#[derive(Clone, Debug)]
pub(crate) struct WorkerParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) objects: ObjectStore,
    pub(crate) keys: KeyRing,
}

/// What every crate of this program counts.
const METRICS: [&[Metric]; 4] = [
    panofleet_objects::metrics::METRICS,
    panofleet_producer::metrics::METRICS,
    panofleet_collector::metrics::METRICS,
    panofleet_worker::metrics::METRICS,
];

/// Whether the database and the bus are there.
pub(crate) fn readiness(parts: &Parts) -> Readiness {
    let db = Arc::clone(&parts.db);
    let readiness = Readiness::new().with("database", "nothing is decided or written", move || {
        let db = Arc::clone(&db);
        async move { db.now().await }
    });
    with_bus(readiness, &parts.bus)
}

/// The same, and the bus.
pub(crate) fn with_bus(readiness: Readiness, bus: &Arc<dyn Bus>) -> Readiness {
    let bus = Arc::clone(bus);
    readiness.with("bus", "messages and events wait", move || {
        let bus = Arc::clone(&bus);
        async move { bus.event_log_id().await }
    })
}

/// The same, and a bucket.
pub(crate) fn with_objects(readiness: Readiness, objects: &ObjectStore, bucket: &str) -> Readiness {
    let (objects, bucket) = (objects.clone(), bucket.to_owned());
    readiness.with("objects", "sources, results and seals are out of reach", move || {
        let (objects, bucket) = (objects.clone(), bucket.clone());
        async move { objects.reach(&bucket).await }
    })
}

/// Counts what this process does, and serves `/metrics`, `/healthz` and `/readyz` if a place for them is set. Gives
/// where.
pub(crate) async fn start_admin(
    config: &Config,
    readiness: Readiness,
    tasks: &Tasks,
) -> Result<Option<String>> {
    metrics::start(tasks, &METRICS);
    let Some(address) = config.metrics.listen else { return Ok(None) };
    let listener = listen(address, "metrics.listen").await?;
    let url = local_url(listener.local_addr()?);
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("metrics server", OnError::Log, async move {
        admin::serve(listener, readiness, shutdown).await;
        Ok::<_, String>(())
    });
    Ok(Some(url))
}

/// Serves the API.
pub(crate) fn start_api(
    config: &Config,
    parts: &Parts,
    objects: &ObjectStore,
    listener: TcpListener,
    tasks: &Tasks,
) {
    if config.api.is_open_to_the_network() {
        let listen = config.api.listen;
        tracing::warn!(%listen, "the API is open: whoever reaches it may do everything; set api.auth = \"keys\"");
    }
    let state = ApiState {
        db: Arc::clone(&parts.db),
        bus: Arc::clone(&parts.bus),
        objects: objects.clone(),
        keys: parts.keys.clone(),
        policy: config.policy,
        config: config.api.clone(),
    };
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("api", OnError::Shutdown, async move {
        api::serve(listener, state, shutdown).await;
        Ok::<_, String>(())
    });
}

/// Sends jobs, whenever it leads.
pub(crate) fn start_dispatcher(
    config: &Config,
    parts: &Parts,
    objects: &ObjectStore,
    tasks: &Tasks,
) {
    let dispatcher = Dispatcher {
        db: Arc::clone(&parts.db),
        bus: Arc::clone(&parts.bus),
        objects: objects.clone(),
        keys: parts.keys.clone(),
        policy: config.policy,
        regions: config.api.regions.keys().cloned().collect(),
        config: config.dispatch.clone(),
        retention: config.retention,
        api: config.api.clone(),
    };
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("dispatcher", OnError::Shutdown, async move {
        dispatcher.run(shutdown).await;
        Ok::<_, String>(())
    });
}

/// Folds events into the database.
pub(crate) fn start_collector(config: &Config, parts: &Parts, tasks: &Tasks) {
    let collector = Collector {
        db: Arc::clone(&parts.db),
        bus: Arc::clone(&parts.bus),
        keys: parts.keys.clone(),
        policy: config.policy,
        member: format!("collector-{}", std::process::id()),
    };
    tasks.spawn("collector", OnError::Shutdown, collector.run(tasks.shutdown().clone()));
}

/// Takes and runs jobs; `now` ends them at once.
pub(crate) fn start_worker(
    config: &Config,
    data: &Path,
    parts: WorkerParts,
    (tasks, now): (&Tasks, &CancellationToken),
) {
    let mut worker = config.worker.clone();
    if worker.scratch.is_relative() {
        worker.scratch = data.join(&worker.scratch);
    }
    let WorkerParts { bus, objects, keys } = parts;
    let heartbeat = config.policy.heartbeat;
    let resources = WorkerResources { bus, objects, keys, config: worker, heartbeat };
    let working = panofleet_worker::run(resources, tasks.shutdown().clone(), now.clone());
    tasks.spawn("worker", OnError::Shutdown, working);
}
