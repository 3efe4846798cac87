//! The roles of a fleet as tasks: the same over embedded parts and over real servers.

use std::path::Path;
use std::sync::Arc;

use panofleet_bus::Bus;
use panofleet_collector::Collector;
use panofleet_job_schema::RegionKeys;
use panofleet_job_schema::envelope::KeyRing;
use panofleet_jobs_db::JobsDb;
use panofleet_objects::ObjectStore;
use panofleet_producer::api::{self, ApiState};
use panofleet_producer::dispatcher::Dispatcher;
use panofleet_service::{OnError, Tasks};
use panofleet_worker::WorkerResources;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// What every role but the worker stands on.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) db: Arc<dyn JobsDb>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) objects: ObjectStore,
    pub(crate) keys: RegionKeys,
}

/// What a worker stands on: no database, and its own region's keys only.
#[derive(Clone, Debug)]
pub(crate) struct WorkerParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) objects: ObjectStore,
    pub(crate) keys: KeyRing,
}

/// Serves the API.
pub(crate) fn start_api(config: &Config, parts: &Parts, listener: TcpListener, tasks: &Tasks) {
    let state = ApiState {
        db: Arc::clone(&parts.db),
        bus: Arc::clone(&parts.bus),
        objects: parts.objects.clone(),
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
pub(crate) fn start_dispatcher(config: &Config, parts: &Parts, tasks: &Tasks) {
    let dispatcher = Dispatcher {
        db: Arc::clone(&parts.db),
        bus: Arc::clone(&parts.bus),
        objects: parts.objects.clone(),
        keys: parts.keys.clone(),
        policy: config.policy,
        regions: config.api.regions.keys().cloned().collect(),
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
