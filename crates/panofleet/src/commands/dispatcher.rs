//! `panofleet dispatcher`: sends jobs and looks after timers, as one of several of which one leads.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Shared, role};
use crate::roles;

/// Dispatch the jobs of a fleet whenever this process leads
#[derive(Debug, Args)]
pub(crate) struct Dispatcher {}

impl Dispatcher {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        role::run(
            shared,
            |_| {},
            async |role| {
                let parts = role.parts().await?;
                let objects = role.all_objects().await?;
                let readiness = roles::readiness(&parts);
                role.show(roles::with_objects(readiness, &objects, role.default_bucket())).await?;
                roles::start_dispatcher(role.config, &parts, &objects, role.tasks);
                Ok("dispatcher is up".to_owned())
            },
        )
        .await
    }
}
