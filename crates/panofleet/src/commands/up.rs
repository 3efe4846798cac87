//! `panofleet up`: everything in this process, with embedded parts.
//!
//! The same producer, dispatcher, collector and worker as in a fleet; behind their interfaces stand a SQLite file
//! and an S3 server over a folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use panofleet_bus::embedded::EmbeddedBus;
use panofleet_job_schema::RegionKeys;
use panofleet_jobs_db::JobsDb;
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_objects::server::ServerConfig;
use panofleet_objects::{ObjectStore, ObjectsConfig};
use panofleet_service::{OnError, Tasks, signals};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::config::Config;
use crate::listening::{listen, local_url};
use crate::roles::{self, Parts, WorkerParts};
use crate::terminal::say;

mod housekeeping;
mod secrets;

use secrets::Secrets;

/// Run everything in this process
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where the API listens; port 0 takes a free one, and one for the object store too
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Where a running service is found, in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    /// The API.
    pub(crate) api: String,
    /// The object store.
    pub(crate) store: String,
    /// The process.
    pub(crate) pid: u32,
}

impl Up {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let mut layered = shared.load()?;
        Shared::start_logs(&layered)?;
        let config = &mut layered.config;
        if config.fleet.is_some() {
            bail!(
                "the configuration has [fleet] settings, and `up` runs everything by itself: start the roles with \
                 `panofleet producer`, `collector` and `worker`, or take the settings away"
            );
        }
        if let Some(listen) = self.listen {
            config.api.listen = listen;
            if listen.port() == 0 {
                config.store.listen.set_port(0);
            }
        }
        let tasks = Tasks::new();
        let now = CancellationToken::new();
        let signals = signals::watch(tasks.shutdown().clone(), now.clone());
        let base = start(config, &tasks, &now).await?;
        let grace = config.shutdown_grace.0 + config.worker.drain_grace.0;
        let finished = tokio::select! {
            finished = tasks.finish(grace) => finished,
            // Ends only if signals cannot be caught.
            Err(error) = signals => return Err(error.into()),
        };
        Address::forget(&config.data_dir);
        // What everything else stands on goes last.
        base.store_tasks.shutdown().cancel();
        let store_finished = base.store_tasks.finish(config.shutdown_grace.0).await;
        base.file.close().await;
        finished?;
        store_finished?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What everything else stands on.
struct Base {
    file: SqliteFile,
    store_tasks: Tasks,
}

async fn start(config: &mut Config, tasks: &Tasks, now: &CancellationToken) -> Result<Base> {
    let data = config.data_dir.clone();
    std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let data = data.canonicalize()?;
    // Whoever owns this file owns the folder: nothing in it is touched before.
    let file = SqliteFile::open(&data.join("panofleet.sqlite")).await?;
    Address::forget(&data);
    let secrets = Secrets::read_or_make(&data)?;
    let db: Arc<dyn JobsDb> = Arc::new(SqliteJobsDb::open(file.clone()).await?);
    let (writer, readers) = (file.writer.clone(), file.readers.clone());
    let bus = EmbeddedBus::open(writer, readers, config.bus.clone()).await?;

    let store_tasks = Tasks::new();
    let store = serve_store(config, &data, &secrets, (&store_tasks, tasks)).await?;
    let mut client = ObjectsConfig::new(&store, &secrets.access_key, secrets.secret_key.clone());
    client.public_endpoint.clone_from(&config.store.public_url);
    let objects = ObjectStore::new(&client)?;
    objects.create_bucket(&config.store.bucket).await?;
    objects.probe_conditional_writes(&config.store.bucket).await?;

    let ring = secrets.key_ring()?;
    let region = config.worker.region.clone();
    config.api.regions.entry(region.clone()).and_modify(|settings| {
        settings.bucket.clone_from(&config.store.bucket);
    });
    let parts = Parts {
        db: Arc::clone(&db),
        bus: Arc::new(bus.clone()),
        keys: RegionKeys::of_one(region, ring.clone()),
    };
    let readiness = roles::readiness(&parts);
    let readiness = roles::with_objects(readiness, &objects, &config.store.bucket);
    let metrics = roles::start_admin(config, readiness, tasks).await?;
    let listener = listen(config.api.listen, "api.listen").await?;
    let api = local_url(listener.local_addr()?);
    roles::start_api(config, &parts, &objects, listener, tasks);
    roles::start_dispatcher(config, &parts, &objects, tasks);
    roles::start_collector(config, &parts, tasks);
    let worker = WorkerParts { bus: Arc::clone(&parts.bus), objects, keys: ring };
    roles::start_worker(config, &data, worker, (tasks, now));
    let keeping = housekeeping::run(bus, db, config.policy, tasks.shutdown().clone());
    tasks.spawn("housekeeping", OnError::Log, keeping);
    let address = Address { api, store, pid: std::process::id() };
    address.write(&data)?;
    say(format!("panofleet is up: {}", address.api));
    say(format!("  data      {}", data.display()));
    if let Some(metrics) = metrics {
        say(format!("  metrics   {metrics}/metrics"));
    }
    say(format!("  store     {} (bucket {})", address.store, config.store.bucket));
    Ok(Base { file, store_tasks })
}

/// Serves objects until the store's own tasks are told to end; if it fails, everything ends.
async fn serve_store(
    config: &Config,
    data: &Path,
    secrets: &Secrets,
    (store_tasks, tasks): (&Tasks, &Tasks),
) -> Result<String> {
    let listener = listen(config.store.listen, "store.listen").await?;
    let url = local_url(listener.local_addr()?);
    let server = ServerConfig {
        root: data.join("objects"),
        access_key: secrets.access_key.clone(),
        secret_key: secrets.secret_key.clone(),
        cors: true,
    };
    std::fs::create_dir_all(&server.root)?;
    let serving =
        panofleet_objects::server::serve(listener, server, store_tasks.shutdown().clone());
    let everything = tasks.shutdown().clone();
    store_tasks.spawn("object store", OnError::Shutdown, async move {
        let ended = serving.await;
        everything.cancel();
        ended
    });
    Ok(url)
}

/// The object store of a running service, with its own credentials.
pub(super) fn store_of(data: &Path, address: &Address) -> Result<ObjectStore> {
    let secrets = Secrets::read_or_make(data)?;
    let config = ObjectsConfig::new(&address.store, &secrets.access_key, secrets.secret_key);
    Ok(ObjectStore::new(&config)?)
}

impl Address {
    fn path(data: &Path) -> PathBuf {
        data.join("up.json")
    }

    /// What a running service has written, if there is one.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(data)).ok()?).ok()
    }

    fn write(&self, data: &Path) -> Result<()> {
        let next = data.join("up.json.new");
        std::fs::write(&next, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(next, Self::path(data))?;
        Ok(())
    }

    fn forget(data: &Path) {
        if let Err(error) = std::fs::remove_file(Self::path(data))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the service's address stays behind");
        }
    }
}
