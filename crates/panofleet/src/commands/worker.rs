//! `panofleet worker`: takes and runs the jobs of its region. It knows Kafka and the object store only.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_service::readiness::Readiness;

use super::{Shared, role};
use crate::roles::{self, WorkerParts};

/// Run the jobs of a region
#[derive(Debug, Args)]
pub(crate) struct Worker {}

impl Worker {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        role::run(
            shared,
            |_| {},
            async |role| {
                let region = &role.config.worker.region;
                let keys = role.fleet.key_ring(region)?;
                let data = role.data()?;
                let bus = role.bus().await?;
                let objects = role.objects([region]).await?;
                let readiness = roles::with_bus(Readiness::new(), &bus);
                let parts = WorkerParts { bus, objects, keys };
                let bucket = &role.config.api.regions[region].bucket;
                role.show(roles::with_objects(readiness, &parts.objects, bucket)).await?;
                roles::start_worker(role.config, &data, parts, (role.tasks, role.now));
                Ok(format!("worker {} is up in region {region}", role.config.worker.name))
            },
        )
        .await
    }
}
