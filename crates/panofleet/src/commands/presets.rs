//! `panofleet presets`: named sets of outputs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::preset::Preset;
use panofleet_producer::api::PresetList;

use super::Shared;
use crate::terminal::{Paint, paint, say};

/// List the presets that jobs may name
#[derive(Debug, Args)]
pub(crate) struct Presets {}

impl Presets {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let list = shared.client()?.presets().await?;
        if shared.json {
            say(serde_json::to_string_pretty(&list)?);
            return Ok(ExitCode::SUCCESS);
        }
        let PresetList { presets } = list;
        for (name, Preset { summary, outputs }) in presets {
            say(format!("{}  {summary}", paint(Paint::Strong, name.as_str())));
            for (output, operation) in outputs {
                say(format!("  {:<10} {}", output.as_str(), operation.name()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
