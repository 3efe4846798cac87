//! `panofleet audit`: who has changed what.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_jobs_db::AuditEntry;
use uuid::Uuid;

use super::Shared;
use crate::terminal::{say, table};

/// Who has changed what, newest first
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only this action, such as job.cancel
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this: a job, a worker, a key
    #[arg(long)]
    subject: Option<String>,
    /// Only what this key did
    #[arg(long, value_name = "ID")]
    key: Option<Uuid>,
    /// Only what this person did who signs in, such as ada@example.com
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// Only at most so long ago, such as 24h
    #[arg(long, value_name = "TIME")]
    within: Option<String>,
    /// From the one behind this entry on
    #[arg(long, value_name = "ID")]
    before: Option<Uuid>,
    /// How many entries
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

impl Audit {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let Self { action, subject, key, person, within, before, limit } = self;
        let mut query = vec![("limit", limit.to_string())];
        let texts =
            [("action", action), ("subject", subject), ("person", person), ("within", within)];
        query.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))));
        let ids = [("key", key), ("before", before)];
        query.extend(
            ids.into_iter().filter_map(|(name, id)| Some((name, id.as_ref()?.to_string()))),
        );
        let found = shared.client()?.audit(&query).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&found)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = found.entries.iter().map(row).collect();
        say(table(&["at", "who", "tenant", "action", "what", "outcome"], &rows));
        if let Some(next) = found.next {
            say(format!("more: --before {next}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let AuditEntry { at, actor, tenant, action, subject, outcome, .. } = entry;
    vec![
        at.to_string(),
        actor.to_string(),
        tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
        action.clone(),
        subject.clone().unwrap_or_default(),
        outcome.clone(),
    ]
}
