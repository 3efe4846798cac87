//! `panofleet scale`: how many workers each queue has, and how many it should have.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use panofleet_job_schema::Span;
use panofleet_producer::api::ScaleView;

use super::Shared;
use crate::terminal::{duration, say, table};

/// Show how many workers each queue has, and how many it should have
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// Of this region only
    region: Option<String>,
    /// And of this lane only
    lane: Option<String>,
    /// How long the oldest job may wait before every waiting job is given a slot, such as 30s
    #[arg(long, value_name = "TIME")]
    target_wait: Option<Span>,
    /// Workers that are wanted though there is nothing to do
    #[arg(long)]
    min: Option<u32>,
    /// Workers that are wanted at most, unless more are busy
    #[arg(long)]
    max: Option<u32>,
    /// Jobs that a worker runs at once, while there is none to tell
    #[arg(long)]
    slots: Option<u32>,
}

impl Scale {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let numbers = [("min", self.min), ("max", self.max), ("slots", self.slots)];
        let numbers =
            numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string())));
        let target = self.target_wait.map(|wait| ("target_wait", wait.to_string()));
        let query: Vec<_> = numbers.chain(target).collect();
        let mut queues = shared.client()?.scale(&query).await?;
        queues.retain(|queue| {
            self.region.as_ref().is_none_or(|region| queue.region.as_str() == region)
                && self.lane.as_ref().is_none_or(|lane| queue.lane.as_str() == lane)
        });
        if queues.is_empty() {
            bail!("there is no such queue; `panofleet scale` lists all");
        }
        if shared.json {
            say(serde_json::to_string_pretty(&queues)?);
            return Ok(ExitCode::SUCCESS);
        }
        let columns = [
            "region", "lane", "queued", "sent", "running", "oldest", "busy", "workers", "wanted",
            "",
        ];
        say(table(&columns, &queues.iter().map(row).collect::<Vec<_>>()));
        Ok(ExitCode::SUCCESS)
    }
}

fn row(queue: &ScaleView) -> Vec<String> {
    vec![
        queue.region.to_string(),
        queue.lane.to_string(),
        queue.queued.to_string(),
        queue.sent.to_string(),
        queue.running.to_string(),
        duration(Duration::from_secs(queue.oldest_s)),
        format!("{}/{}", queue.slots_busy, queue.slots),
        queue.workers.to_string(),
        queue.desired.to_string(),
        if queue.paused { "paused".to_owned() } else { String::new() },
    ]
}
