//! `panofleet top`: the fleet in the terminal.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use panofleet_job_schema::Span;

use super::Shared;
use crate::terminal::say;
use crate::top::app::App;
use crate::top::snapshot::Snapshot;
use crate::top::{screen, text};

/// Between two looks at least.
const EVERY_MIN: Duration = Duration::from_millis(500);

/// Watch the fleet in the terminal, by its API only
///
/// Keys: tab, or 1 to 5, for the parts; j and k for rows; r starts the jobs of a failure anew, c cancels a job, d has a
/// worker drain or take jobs again, p pauses a queue or has jobs sent to it again, each once somebody has said yes; q
/// leaves.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Time between two looks
    #[arg(long, default_value = "2s", value_name = "TIME")]
    every: Span,
    /// Print what there is once, as text, or with --json as data
    #[arg(long)]
    once: bool,
}

impl Top {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        if self.once {
            let snapshot = Snapshot::read(&client).await?;
            if shared.json {
                say(serde_json::to_string_pretty(&snapshot)?);
            } else {
                let mut app = App::new(client.url());
                app.news(Ok(snapshot));
                say(text(&app));
            }
            return Ok(ExitCode::SUCCESS);
        }
        if shared.json || !std::io::stdout().is_terminal() {
            bail!("this is no terminal: say --once, for data --once --json");
        }
        screen::run(&client, self.every.0.max(EVERY_MIN)).await?;
        Ok(ExitCode::SUCCESS)
    }
}
