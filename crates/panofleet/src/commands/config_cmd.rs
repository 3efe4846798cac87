//! `panofleet config`: the merged configuration.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Shared;
use crate::terminal::{say, table};

/// Print the merged configuration
#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {}

impl ConfigCommand {
    #[expect(clippy::unused_self, reason = "every subcommand is called the same way")]
    pub(crate) fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let layered = shared.load()?;
        if shared.json {
            say(serde_json::to_string_pretty(&layered.settings)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = layered
            .settings
            .into_iter()
            .map(|(path, setting)| vec![path, setting.value.to_string(), setting.origin])
            .collect();
        say(table(&["setting", "value", "from"], &rows));
        Ok(ExitCode::SUCCESS)
    }
}
