//! `panofleet topics`: what a fleet needs in Kafka.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use panofleet_bus::BusError;
use panofleet_bus::kafka::topics::{self, Difference};
use panofleet_bus::kafka::{KafkaConfig, acls};
use panofleet_job_schema::{Lane, Region};
use serde_json::json;

use super::{EXIT_TROUBLE, Shared};
use crate::terminal::{Paint, paint, say, table};

/// Make and check the topics and groups of a fleet
#[derive(Debug, Args)]
pub(crate) struct Topics {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// Make what is missing, put right what differs, and print it; safe to repeat, and while the fleet runs
    Apply(What),
    /// Print what differs, and change nothing
    Check(What),
}

#[derive(Clone, Copy, Debug, Args)]
struct What {
    /// What the users in fleet.kafka.users may do, instead of topics and groups
    #[arg(long)]
    acls: bool,
}

impl Action {
    async fn differences(
        self,
        kafka: &KafkaConfig,
        regions: &[Region],
    ) -> Result<Vec<Difference>, BusError> {
        match self {
            Self::Apply(What { acls: false }) => topics::apply(kafka, regions, &Lane::ALL).await,
            Self::Check(What { acls: false }) => topics::check(kafka, regions, &Lane::ALL).await,
            Self::Apply(What { acls: true }) => acls::apply(kafka, regions, &Lane::ALL).await,
            Self::Check(What { acls: true }) => acls::check(kafka, regions, &Lane::ALL).await,
        }
    }
}

impl Topics {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let config = shared.load()?.config;
        let fleet = config.fleet.as_ref().ok_or_else(|| {
            anyhow!("the configuration names no Kafka: give it a file with [fleet.kafka] settings by --config")
        })?;
        let regions: Vec<Region> = config.api.regions.keys().cloned().collect();
        let differences = self.action.differences(&fleet.kafka, &regions).await?;
        if shared.json {
            let shown: Vec<_> = differences.iter().map(shown_json).collect();
            say(serde_json::to_string_pretty(&shown)?);
        } else {
            show(&differences);
        }
        let all_right = differences.iter().all(|difference| difference.applied);
        Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TROUBLE) })
    }
}

fn shown_json(difference: &Difference) -> serde_json::Value {
    let Difference { name, setting, found, wanted, applied, advice } = difference;
    json!({
        "name": name, "setting": setting, "found": found, "wanted": wanted, "applied": applied, "advice": advice,
    })
}

fn show(differences: &[Difference]) {
    if differences.is_empty() {
        say("everything is as the configuration says");
        return;
    }
    let rows: Vec<_> = differences
        .iter()
        .map(|difference| {
            let Difference { name, setting, found, wanted, applied, advice } = difference;
            let done = match advice {
                _ if *applied => paint(Paint::Good, "done"),
                Some(advice) => paint(Paint::Bad, advice),
                None => paint(Paint::Bad, "not done"),
            };
            let found = found.clone().unwrap_or_else(|| "nothing".to_owned());
            vec![name.clone(), setting.clone(), found, wanted.clone(), done]
        })
        .collect();
    say(table(&["topic, group or user", "setting", "found", "wanted", ""], &rows));
}
