//! `panofleet collector`: folds what workers report into the job database, sharing the event log with others.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Shared, role};
use crate::roles;

/// Collect the results of a fleet
#[derive(Debug, Args)]
pub(crate) struct Collector {}

impl Collector {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        role::run(
            shared,
            |_| {},
            async |role| {
                let parts = role.parts().await?;
                role.show(roles::readiness(&parts)).await?;
                roles::start_collector(role.config, &parts, role.tasks);
                Ok("collector is up".to_owned())
            },
        )
        .await
    }
}
