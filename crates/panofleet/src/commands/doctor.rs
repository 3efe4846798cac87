//! `panofleet doctor`: what this machine and the service need.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Shared;

/// Check what this machine and the service need
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) async fn run(&self, _shared: &Shared) -> Result<ExitCode> {
        Ok(ExitCode::SUCCESS)
    }
}
