//! `panofleet ready`: wait until the service is there.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use panofleet_job_schema::Span;

use super::Shared;
use crate::terminal::say;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Wait until the service is ready
#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// How long to wait
    #[arg(long, default_value = "0s", value_name = "TIME")]
    wait: Span,
}

impl Ready {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let begun = Instant::now();
        loop {
            // The address is read each time: a service that starts writes it when it has one.
            let client = shared.client()?;
            match client.ready().await {
                Ok(()) => {
                    say(client.url());
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) if begun.elapsed() >= self.wait.0 => {
                    bail!("the service at {} is not ready: {error:#}", client.url())
                }
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}
