//! `panofleet retry-all`, `cancel-all`, `reprioritise-all`, `delete-all`: one action for all jobs that match.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use panofleet_job_schema::Rerun;
use panofleet_job_schema::spec::Priority;
use panofleet_jobs_db::BulkAction;
use panofleet_producer::api::{BulkRequest, BulkView};

use super::Shared;
use super::which::Which;
use crate::client::Client;
use crate::terminal::{ask, say, work_bar};

/// Time between two looks at a bulk action under way.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A bulk action that does not move for so long is not waited for any more.
const STANDSTILL: Duration = Duration::from_secs(30);

/// Which jobs, and whether to ask first
#[derive(Debug, Args)]
pub(crate) struct All {
    /// Only in these states, such as dead,expired; without it: to retry, dead and expired; to cancel or reprioritise, all that have not ended; to delete, all
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Do not wait for its end
    #[arg(long)]
    detach: bool,
}

impl All {
    /// Does `action` to all that match, once somebody has seen how many there are.
    pub(crate) async fn run(&self, action: BulkAction, shared: &Shared) -> Result<ExitCode> {
        self.run_with(self.request(action), shared).await
    }

    fn request(&self, action: BulkAction) -> BulkRequest {
        let filter = self.which.filter(&self.state);
        BulkRequest { action, priority: None, rerun: Rerun::default(), filter, dry_run: false }
    }

    async fn run_with(&self, request: BulkRequest, shared: &Shared) -> Result<ExitCode> {
        let (client, action) = (shared.client()?, request.action);
        let count = client.count_bulk(&BulkRequest { dry_run: true, ..request.clone() }).await?;
        if self.dry_run {
            say(if shared.json {
                serde_json::to_string_pretty(&count)?
            } else {
                format!("{} match", jobs(count.matched))
            });
            return Ok(ExitCode::SUCCESS);
        }
        if count.matched == 0 && !shared.json {
            say("no job matches");
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && !confirmed(action, count.matched)? {
            say("nothing was done");
            return Ok(ExitCode::SUCCESS);
        }
        let begun = client.begin_bulk(&request).await?;
        let bulk = if self.detach { begun } else { follow(&client, begun, shared.json).await? };
        if shared.json {
            say(serde_json::to_string_pretty(&bulk)?);
        } else {
            say(summary(&bulk));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Which jobs are to wait in which band
#[derive(Debug, Args)]
pub(crate) struct ReprioritiseAll {
    /// The band: high, normal or low
    #[arg(value_parser = super::act::priority)]
    priority: Priority,
    #[command(flatten)]
    all: All,
}

impl ReprioritiseAll {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let request = self.all.request(BulkAction::Reprioritise);
        self.all.run_with(BulkRequest { priority: Some(self.priority), ..request }, shared).await
    }
}

/// Which jobs are to run anew, and what is to be different of them
#[derive(Debug, Args)]
pub(crate) struct RetryAll {
    #[command(flatten)]
    all: All,
    #[command(flatten)]
    changes: super::act::Changes,
}

impl RetryAll {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let request = self.all.request(BulkAction::Retry);
        self.all.run_with(BulkRequest { rerun: self.changes.rerun(), ..request }, shared).await
    }
}

fn confirmed(action: BulkAction, matched: u64) -> Result<bool> {
    let question = format!("{} {}?", action.name(), jobs(matched));
    let otherwise = "Say --yes to do it, or --dry-run to count only";
    let answer = ask(&question, "[y/N]", otherwise)?;
    Ok(matches!(answer.as_str(), "y" | "Y" | "yes"))
}

/// Stays with it to its end.
async fn follow(client: &Client, begun: BulkView, quiet: bool) -> Result<BulkView> {
    let bar = work_bar(begun.action.name(), quiet);
    let (mut bulk, mut moved_at) = (begun, Instant::now());
    while bulk.ended_at.is_none() {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = client.bulk(bulk.id).await?;
        if now != bulk {
            moved_at = Instant::now();
        } else if moved_at.elapsed() >= STANDSTILL {
            let (matched, page) = (jobs(bulk.matched), client.link(&format!("/bulk/{}", bulk.id)));
            bail!(
                "it stands at {} of {matched}; is a dispatcher leading? It goes on as soon as one does: {page}",
                bulk.done + bulk.refused
            );
        }
        bulk = now;
        let thousandths = 1000 * (bulk.done + bulk.refused) / bulk.matched.max(1);
        bar.set_position(thousandths.min(1000));
    }
    bar.finish_and_clear();
    Ok(bulk)
}

fn summary(bulk: &BulkView) -> String {
    let did = match bulk.action {
        BulkAction::Retry => "started anew",
        BulkAction::Cancel => "cancelled",
        BulkAction::Reprioritise => "moved to another band",
        BulkAction::Delete => "to be deleted",
    };
    let BulkView { id, done, refused, ended_at, stopped, .. } = bulk;
    let refused = match refused {
        0 => String::new(),
        more => format!(", {} had changed before it came to them", jobs(*more)),
    };
    let so_far = match (ended_at, stopped) {
        (None, _) => " so far; it goes on in the background",
        (Some(_), true) => "; somebody stopped it",
        (Some(_), false) => "",
    };
    let hint = match bulk.action {
        BulkAction::Delete => "; `panofleet deletions` shows what is gone",
        _ => "",
    };
    format!("{} {did}{refused}{so_far}{hint} (bulk action {id})", jobs(*done))
}

fn jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}
