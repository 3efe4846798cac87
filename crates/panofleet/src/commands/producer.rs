//! `panofleet producer`: the HTTP API of a fleet, and a dispatcher beside it.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{Shared, role};
use crate::listening::{listen, local_url};
use crate::roles;

/// Serve the API of a fleet, and dispatch whenever this process leads
#[derive(Debug, Args)]
pub(crate) struct Producer {
    /// Where the API listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Serve the API only: dispatchers run elsewhere, as `panofleet dispatcher`
    #[arg(long)]
    api_only: bool,
}

impl Producer {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let adjust = |config: &mut crate::config::Config| {
            config.api.listen = self.listen.unwrap_or(config.api.listen);
        };
        role::run(shared, adjust, async |role| {
            let listener = listen(role.config.api.listen, "api.listen").await?;
            let url = local_url(listener.local_addr()?);
            let parts = role.parts().await?;
            let objects = role.all_objects().await?;
            let readiness = roles::readiness(&parts);
            role.show(roles::with_objects(readiness, &objects, role.default_bucket())).await?;
            roles::start_api(role.config, &parts, &objects, listener, role.tasks);
            if !self.api_only {
                roles::start_dispatcher(role.config, &parts, &objects, role.tasks);
            }
            Ok(format!("producer is up: {url}"))
        })
        .await
    }
}
