//! `panofleet delete`, `delete-tenant`, `deletions`: what is to go because somebody asks, and how far that is.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::{JobId, Tenant};
use panofleet_jobs_db::{Deletion, SourceEnd};
use uuid::Uuid;

use super::Shared;
use crate::terminal::{ask, say};

/// Which job is to go
#[derive(Debug, Args)]
#[command(
    after_help = "Its outputs and its uploaded source go at once. Its rows go when no attempt that was lost can add to it any more: up to two days after its deadline."
)]
pub(crate) struct Delete {
    /// The job
    id: JobId,
}

/// Whose things are to go
#[derive(Debug, Args)]
#[command(
    after_help = "Its keys, schedules and webhooks are of no use from then on, its jobs go in the background, as `delete-all` does it. The audit log stays."
)]
pub(crate) struct DeleteTenant {
    /// The tenant
    tenant: Tenant,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What was deleted by request, or is about to be
#[derive(Debug, Args)]
pub(crate) struct Deletions {
    /// The deletion of this job only
    id: Option<JobId>,
    /// Only those of this bulk action
    #[arg(long, value_name = "BULK", conflicts_with = "id")]
    bulk: Option<Uuid>,
    /// Only those that are over, or with =false those that are not
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, conflicts_with = "id")]
    over: Option<bool>,
    /// At most so many, the newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

impl Delete {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let deletion = shared.client()?.delete(self.id).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&deletion)?);
        } else {
            say(line(&deletion));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl DeleteTenant {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        if !self.yes && !confirmed(&self.tenant)? {
            say("nothing was done");
            return Ok(ExitCode::SUCCESS);
        }
        let deletion = shared.client()?.delete_tenant(&self.tenant).await?;
        if shared.json {
            say(serde_json::to_string_pretty(&deletion)?);
        } else {
            say(format!(
                "{} jobs go in the background (bulk action {}); gone: {} keys, {} schedules, {} webhooks, {} uploads",
                deletion.bulk.matched,
                deletion.bulk.id,
                deletion.keys,
                deletion.schedules,
                deletion.webhooks,
                deletion.uploads,
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Deletions {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let found = match self.id {
            Some(id) => vec![client.deletion(id).await?],
            None => client.deletions(self.bulk, self.over, self.limit).await?.deletions,
        };
        if shared.json {
            say(serde_json::to_string_pretty(&found)?);
        } else if found.is_empty() {
            say("nothing was deleted by request");
        } else {
            found.iter().for_each(|deletion| say(line(deletion)));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How far a deletion is.
fn line(deletion: &Deletion) -> String {
    let Deletion {
        job, requested_at, outputs_gone_at, objects, source, rows_go_at, gone_at, ..
    } = deletion;
    let stands = match (gone_at, outputs_gone_at, rows_go_at) {
        (Some(at), ..) => format!("gone {at}"),
        (None, Some(at), Some(rows)) => format!("outputs gone {at}, rows go {rows}"),
        (None, Some(at), None) => format!("outputs gone {at}"),
        (None, None, _) => "under way".to_owned(),
    };
    let source = match source {
        Some(SourceEnd::Shared) => ", its source stays: another job names it",
        Some(SourceEnd::Gone) | None => "",
    };
    format!("{job} {stands} (asked for {requested_at}, {objects} objects{source})")
}

fn confirmed(tenant: &Tenant) -> Result<bool> {
    let question = format!("delete all that there is of tenant {tenant}?");
    let answer = ask(&question, "Type its name:", "Say --yes to do it")?;
    Ok(answer == tenant.as_str())
}
