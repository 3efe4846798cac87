//! `panofleet keys`: who may use the API. `panofleet whoami`: what the key at hand may do.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use panofleet_job_schema::{Region, Span};
use panofleet_jobs_db::Scope;
use panofleet_producer::api::{Auth, KeyList, KeyState, KeyView, MadeKey, NewKey, Rotation};
use panofleet_producer::dispatcher::Keep;
use panofleet_service::clock::wall_clock;
use uuid::Uuid;

use super::Shared;
use crate::terminal::{Paint, paint, say, table};

/// Who may use the API
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key, and print its secret this once; --tenant says whose jobs it is about
    #[command(after_help = "A key for a program of one tenant, and one for whoever runs the fleet:
  panofleet keys create uploader --tenant acme --scope jobs:write --expires 90d
  panofleet keys create oncall --scope ops --scope jobs:write")]
    Create(Create),
    /// List keys, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// From the one behind this key on
        #[arg(long, value_name = "ID")]
        before: Option<Uuid>,
    },
    /// Show one key
    Show {
        /// The key's id
        id: Uuid,
    },
    /// Make a key that takes the place of another; that one stays good for a while
    Rotate {
        /// The key's id
        id: Uuid,
        /// How long it stays good
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
        overlap: Span,
    },
    /// Make a key useless, within seconds
    Revoke {
        /// The key's id
        id: Uuid,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What people call it
    name: String,
    /// What it is for: jobs:read, jobs:write, ops, admin, scale; repeatable
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// A region that its jobs may run in; repeatable; all if there is none
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<Region>,
    /// How long it is good, such as 90d; for ever if unset
    #[arg(long, value_name = "TIME", value_parser = span)]
    expires: Option<Span>,
}

/// `24h`, or `90d`.
fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Keep>()? {
        Keep::For(span) => Ok(span),
        Keep::Forever => Err("write it as `24h` or `90d`".to_owned()),
    }
}

impl Keys {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        match &self.command {
            Command::Create(create) => {
                // Whose the key is stands in what is asked for, not in whose name it is asked.
                let client = client.without_tenant();
                made(&client.create_key(&create.key(shared)).await?, shared.json)
            }
            Command::List { limit, before } => {
                let mut query = vec![("limit", limit.to_string())];
                query.extend(before.map(|before| ("before", before.to_string())));
                list(&client.keys(&query).await?, shared.json)
            }
            Command::Show { id } => show(&client.key(*id).await?, shared.json),
            Command::Rotate { id, overlap } => {
                let rotation = Rotation { overlap: Some(*overlap) };
                made(&client.rotate_key(*id, &rotation).await?, shared.json)
            }
            Command::Revoke { id } => show(&client.revoke_key(*id).await?, shared.json),
        }
    }
}

impl Create {
    fn key(&self, shared: &Shared) -> NewKey {
        let Self { name, scopes, regions, expires } = self;
        NewKey {
            name: name.clone(),
            tenant: shared.tenant.clone(),
            scopes: scopes.iter().copied().collect(),
            regions: regions.iter().cloned().collect(),
            expires_at: expires.map(|expires| wall_clock() + expires.0),
        }
    }
}

fn made(made: &MadeKey, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(made)?);
        return Ok(ExitCode::SUCCESS);
    }
    describe(&made.key);
    say(format!("  secret    {}", paint(Paint::Strong, &made.secret)));
    say("keep it: it is shown this once. Clients read it from PANOFLEET_API_KEY.");
    Ok(ExitCode::SUCCESS)
}

fn show(key: &KeyView, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(key)?);
    } else {
        describe(key);
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(view: &KeyView) {
    let KeyView { key, last_used_at, .. } = view;
    say(format!("key {} {} {}", key.id, key.name, state(view)));
    say(format!("  for       {}", whose(view)));
    say(format!("  scopes    {}", scopes(&view.key.scopes)));
    if !key.regions.is_empty() {
        say(format!("  regions   {}", regions(&key.regions)));
    }
    say(format!("  made      {} by {}", key.created_at, key.created_by));
    let times = [("expires", key.expires_at), ("revoked", key.revoked_at), ("used", *last_used_at)];
    for (what, at) in times {
        if let Some(at) = at {
            say(format!("  {what:<9} {at}"));
        }
    }
    if let Some(successor) = key.rotated_to {
        say(format!("  successor {successor}"));
    }
}

fn list(list: &KeyList, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(list)?);
        return Ok(ExitCode::SUCCESS);
    }
    let time = |at: Option<panofleet_job_schema::Timestamp>| {
        at.map(|at| at.to_string()).unwrap_or_default()
    };
    let row = |view: &KeyView| {
        vec![
            view.key.id.to_string(),
            view.key.name.clone(),
            whose(view),
            scopes(&view.key.scopes),
            state(view).to_owned(),
            time(view.key.expires_at),
            time(view.last_used_at),
        ]
    };
    let rows: Vec<_> = list.keys.iter().map(row).collect();
    say(table(&["key", "name", "tenant", "scopes", "state", "expires", "last used"], &rows));
    if let Some(next) = list.next {
        say(format!("more: --before {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn whose(view: &KeyView) -> String {
    view.key.tenant.as_ref().map_or_else(|| "all tenants".to_owned(), ToString::to_string)
}

/// Scopes by their names.
pub(super) fn scopes<'a>(scopes: impl IntoIterator<Item = &'a Scope>) -> String {
    let names: Vec<_> = scopes.into_iter().map(|scope| scope.name()).collect();
    names.join(", ")
}

fn regions(regions: &BTreeSet<Region>) -> String {
    let names: Vec<_> = regions.iter().map(Region::as_str).collect();
    names.join(", ")
}

const fn state(view: &KeyView) -> &'static str {
    match view.state {
        KeyState::Active if view.key.rotated_to.is_some() => "active, rotated",
        KeyState::Active => "active",
        KeyState::Expired => "expired",
        KeyState::Revoked => "revoked",
    }
}

/// What the key at hand may do
#[derive(Debug, Args)]
pub(crate) struct Whoami {}

impl Whoami {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let who = shared.client()?.whoami().await?;
        if shared.json {
            say(serde_json::to_string_pretty(&who)?);
            return Ok(ExitCode::SUCCESS);
        }
        say(match who.auth {
            Auth::Open => "anybody: the API asks nobody who they are".to_owned(),
            Auth::Keys => who.actor.to_string(),
        });
        let tenant = who.tenant.as_ref().map_or("all tenants", |tenant| tenant.as_str());
        say(format!("  for       {tenant}"));
        say(format!("  scopes    {}", scopes(&who.scopes)));
        if !who.regions.is_empty() {
            say(format!("  regions   {}", regions(&who.regions)));
        }
        if let Some(at) = who.expires_at {
            say(format!("  expires   {at}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The key that clients send, out of a file.
pub(super) fn read_key(path: &std::path::Path) -> Result<panofleet_job_schema::Secret> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| anyhow!("--key-file {shown} cannot be read: {error}"))?;
    let key = text.trim();
    // What stands in the file is not repeated.
    if key.is_empty() || key.chars().any(|letter| !letter.is_ascii_graphic()) {
        return Err(anyhow!("--key-file {shown} must hold an API key, in one line"));
    }
    Ok(panofleet_job_schema::Secret::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_days() {
        assert_eq!(span("2d"), Ok(Span::from_secs(2 * 24 * 3600)));
        assert_eq!(span("24h"), Ok(Span::from_secs(24 * 3600)));
        assert!(span("never").is_err() && span("soon").is_err());
    }

    #[test]
    fn a_key_is_read_from_a_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "pf_1_2\n").unwrap();
        assert_eq!(read_key(&path).unwrap().expose(), "pf_1_2");
        std::fs::write(&path, "hunter2 hunter3").unwrap();
        let refused = format!("{:#}", read_key(&path).unwrap_err());
        assert!(refused.contains("in one line") && !refused.contains("hunter"), "{refused}");
        let absent = format!("{:#}", read_key(&folder.path().join("none")).unwrap_err());
        assert!(absent.contains("--key-file"), "{absent}");
    }
}
