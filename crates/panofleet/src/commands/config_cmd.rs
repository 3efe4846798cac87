//! `panofleet config`: the merged configuration.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

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
            let origins: Vec<_> = layered
                .origins
                .iter()
                .map(|(path, (value, origin))| json!({ "path": path, "value": value, "origin": origin }))
                .collect();
            say(serde_json::to_string_pretty(&origins)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = layered
            .origins
            .iter()
            .map(|(path, (value, origin))| vec![path.clone(), value.to_string(), origin.clone()])
            .collect();
        say(table(&["setting", "value", "from"], &rows));
        Ok(ExitCode::SUCCESS)
    }
}
