//! `panofleet jobs`: the newest jobs.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_producer::api::JobView;
use panofleet_service::clock::wall_clock;

use super::Shared;
use super::views;
use super::which::Which;
use crate::terminal::{duration, say, table};

/// List jobs, newest first
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// Only in these states, such as running,dead
    #[arg(long, value_name = "STATES")]
    state: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Those of this view, which `panofleet views` has saved, and what else is asked for
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    /// The parts that this job was split into; without it, they are not listed
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Those accepted before this job: what the page before ended with
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

impl Jobs {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let mut asked = vec![("limit", self.limit.to_string())];
        asked.extend(self.which.query());
        let texts = [("state", &self.state), ("parent", &self.parent), ("before", &self.before)];
        asked.extend(texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        let saved = match &self.view {
            Some(name) => views::query(&client, name).await?,
            None => Vec::new(),
        };
        // What is asked for goes before what the view says.
        let more = saved.iter().filter(|(name, _)| asked.iter().all(|(asked, _)| asked != name));
        let more: Vec<_> = more.map(|(name, value)| (name.as_str(), value.clone())).collect();
        let query: Vec<(&str, String)> = asked.into_iter().chain(more).collect();
        let page = client.jobs(&query).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&page)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = page.jobs.iter().map(row).collect();
        say(table(&["job", "state", "age", "attempt", "outputs", "failure"], &rows));
        if let Some(next) = &page.next {
            say(format!("more: panofleet jobs --before {next}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(job: &JobView) -> Vec<String> {
    let outputs: Vec<_> = job.outputs.keys().map(ToString::to_string).collect();
    vec![
        job.id.to_string(),
        job.state.name().to_owned(),
        duration(wall_clock().since(job.accepted_at)),
        job.attempt.map_or_else(String::new, |attempt| attempt.to_string()),
        outputs.join(","),
        job.failure.as_ref().map_or_else(String::new, |view| view.failure.code.clone()),
    ]
}
