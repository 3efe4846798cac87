//! The frame of a role of a fleet: it waits for its servers, runs until a signal, and ends in order.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use panofleet_bus::kafka::KafkaBus;
use panofleet_bus::{Bus, BusError};
use panofleet_job_schema::Region;
use panofleet_jobs_db::postgres::PostgresJobsDb;
use panofleet_jobs_db::{JobsDb, JobsDbError};
use panofleet_objects::{ObjectStore, ObjectsError};
use panofleet_service::patience::persistently;
use panofleet_service::readiness::Readiness;
use panofleet_service::{Tasks, signals};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::config::{Config, FleetConfig};
use crate::roles::{self, Parts};
use crate::terminal::say;

/// A role that is starting.
#[derive(Debug)]
pub(super) struct Role<'a> {
    pub(super) config: &'a Config,
    pub(super) fleet: &'a FleetConfig,
    pub(super) tasks: &'a Tasks,
    /// Ends what runs, at once.
    pub(super) now: &'a CancellationToken,
}

/// Runs one role: `start` starts its tasks, and says what it is and where.
pub(super) async fn run(
    shared: &Shared,
    adjust: impl FnOnce(&mut Config),
    start: impl AsyncFnOnce(&Role<'_>) -> Result<String>,
) -> Result<ExitCode> {
    let mut layered = shared.load()?;
    Shared::start_logs(&layered)?;
    adjust(&mut layered.config);
    let config = &layered.config;
    let fleet = config.fleet.as_ref().ok_or_else(|| {
        anyhow!(
            "this role needs the fleet's servers, and the configuration names none: give it a file with [fleet] \
             settings by --config (docs/fleet.md has one), or run everything by itself with `panofleet up`"
        )
    })?;
    let (tasks, now) = (Tasks::new(), CancellationToken::new());
    let signals = signals::watch(tasks.shutdown().clone(), now.clone());
    let shutdown = tasks.shutdown().clone();
    let role = Role { config, fleet, tasks: &tasks, now: &now };
    let running = async {
        tokio::select! {
            started = start(&role) => say(format!("panofleet {}", started?)),
            () = shutdown.cancelled() => {}
        }
        anyhow::Ok(())
    };
    let grace = config.shutdown_grace.0 + config.worker.drain_grace.0;
    let finished = async {
        running.await?;
        tasks.clone().finish(grace).await.map_err(anyhow::Error::from)
    };
    tokio::select! {
        finished = finished => finished?,
        // Ends only if signals cannot be caught.
        Err(error) = signals => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

impl Role<'_> {
    /// What every role but the worker stands on.
    pub(super) async fn parts(&self) -> Result<Parts> {
        let keys = self.fleet.region_keys()?;
        let regions = &self.config.api.regions;
        if let Some(region) = regions.keys().find(|region| keys.ring(region).is_none()) {
            // The same words as for a worker.
            self.fleet.key_ring(region)?;
        }
        let db = self.database().await?;
        let bus = self.bus().await?;
        Ok(Parts { db, bus, keys })
    }

    async fn database(&self) -> Result<Arc<dyn JobsDb>> {
        let postgres = self.fleet.postgres.as_ref().ok_or_else(|| {
            anyhow!("fleet.postgres is not set: every role but the worker needs the job database")
        })?;
        let is_away = |error: &JobsDbError| matches!(error, JobsDbError::Unavailable(_));
        let connect = || PostgresJobsDb::connect(postgres);
        let db = persistently("the job database", connect, is_away).await;
        Ok(Arc::new(db.context("fleet.postgres")?))
    }

    /// The bus, once its topics are there.
    pub(super) async fn bus(&self) -> Result<Arc<dyn Bus>> {
        let is_away = |error: &BusError| matches!(error, BusError::Unavailable(_));
        let connect = || KafkaBus::connect(&self.fleet.kafka);
        let bus = persistently("Kafka", connect, is_away).await;
        Ok(Arc::new(bus.context("fleet.kafka")?))
    }

    /// The object store, for those who put seals or serve results.
    pub(super) async fn all_objects(&self) -> Result<ObjectStore> {
        self.objects(self.config.api.regions.keys()).await
    }

    /// The object store, once it has shown that the buckets of these regions keep the one promise that results rest on.
    pub(super) async fn objects(
        &self,
        regions: impl IntoIterator<Item = &Region>,
    ) -> Result<ObjectStore> {
        let objects = ObjectStore::new(&self.fleet.objects).context("fleet.objects")?;
        let is_away = |error: &ObjectsError| {
            use ObjectsError as E;
            matches!(error, E::Unavailable { .. } | E::OutcomeUnknown { .. } | E::Conflict { .. })
        };
        for region in regions {
            let bucket = &self.config.api.regions[region].bucket;
            let probe = || objects.probe_conditional_writes(bucket);
            let probed = persistently("the object store", probe, is_away).await;
            probed.with_context(|| format!("fleet.objects, bucket {bucket} of region {region}"))?;
        }
        Ok(objects)
    }

    /// The bucket of the default region.
    pub(super) fn default_bucket(&self) -> &str {
        let api = &self.config.api;
        &api.regions[&api.default_region].bucket
    }

    /// Lets Prometheus and orchestrators look at this role.
    pub(super) async fn show(&self, readiness: Readiness) -> Result<()> {
        if let Some(url) = roles::start_admin(self.config, readiness, self.tasks).await? {
            say(format!("metrics: {url}/metrics"));
        }
        Ok(())
    }

    /// The folder for what a role keeps on this machine.
    pub(super) fn data(&self) -> Result<PathBuf> {
        let data = &self.config.data_dir;
        std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
        Ok(data.canonicalize()?)
    }
}
