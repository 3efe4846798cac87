//! `panofleet views`: filters that somebody wants to look through again.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use panofleet_jobs_db::View;
use panofleet_producer::api::{NewView, view_query};
use panofleet_service::clock::wall_clock;

use super::Shared;
use super::which::Which;
use crate::client::Client;
use crate::terminal::{duration, say, table};

/// Keep filters by name: `panofleet jobs --view NAME`, and links on the page of jobs
#[derive(Debug, Args)]
pub(crate) struct Views {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them
    List,
    /// Keep one, in place of one of its name
    Save(Save),
    /// Remove one
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
struct Save {
    /// Its name
    name: String,
    /// Only in these states, such as running,dead
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<String>,
    #[command(flatten)]
    which: Which,
}

impl Views {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        match &self.command {
            Command::List => list(&client.views().await?.views, shared.json)?,
            Command::Save(Save { name, state, which }) => {
                let view = NewView { filter: which.filter(state) };
                report("saved", &client.save_view(name, &view).await?, shared.json)?;
            }
            Command::Remove { name } => {
                report("removed", &client.remove_view(name).await?, shared.json)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a view looks for, as the parameters of a list.
pub(super) async fn query(client: &Client, name: &str) -> Result<Vec<(String, String)>> {
    let views = client.views().await?.views;
    let found: Vec<&View> = views.iter().filter(|view| view.name == name).collect();
    match *found {
        [view] => Ok(view_query(view)),
        [] => bail!("there is no view `{name}`; panofleet views list shows them"),
        _ => bail!("several tenants have a view `{name}`: say whose with --tenant"),
    }
}

fn report(done: &str, view: &View, json: bool) -> Result<()> {
    say(if json {
        serde_json::to_string_pretty(view)?
    } else {
        format!("view {} {done}: {}", view.name, told(view))
    });
    Ok(())
}

fn list(views: &[View], json: bool) -> Result<()> {
    if json {
        say(serde_json::to_string_pretty(views)?);
        return Ok(());
    }
    let now = wall_clock();
    let row = |view: &View| {
        vec![
            view.tenant.to_string(),
            view.name.clone(),
            told(view),
            view.saved_by.to_string(),
            format!("{} ago", duration(now.since(view.saved_at))),
        ]
    };
    let rows: Vec<Vec<String>> = views.iter().map(row).collect();
    say(table(&["TENANT", "NAME", "LOOKS FOR", "BY", "SAVED"], &rows));
    Ok(())
}

/// `state=dead region=us-west`.
fn told(view: &View) -> String {
    let pairs = view_query(view);
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(" ")
}
