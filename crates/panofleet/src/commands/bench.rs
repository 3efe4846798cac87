//! `panofleet bench`: how fast a fleet takes jobs that do nothing, and how soon its workers begin one.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{JobId, Region, Rerun};
use panofleet_jobs_db::{BulkAction, HistoryEntry};
use panofleet_producer::api::{BulkFilter, BulkRequest};
use panofleet_service::quantiles::nearest_rank;
use serde_json::json;
use uuid::Uuid;

use super::Shared;
use crate::client::Client;
use crate::terminal::{count_bar, say};

/// Jobs of one request.
const REQUEST_JOBS: u32 = 2500;
/// Time between two counts of what has not ended: each looks at all of it.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Jobs whose history is read, evenly from all of them.
const SAMPLE: u32 = 200;
/// A fleet that does not move for so long is not waited for any more.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Run jobs that do nothing through the fleet, and say how fast that went
#[derive(Debug, Args)]
#[command(
    after_help = "The jobs go through every part, object store excepted. They are deleted at the end, and their rows go up to two days after their deadline. They wait behind everything else unless --priority says otherwise."
)]
pub(crate) struct Bench {
    /// How many jobs
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// How long each of them runs, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    run_ms: u32,
    /// The region to run in
    #[arg(long)]
    region: Option<Region>,
    /// high, normal or low
    #[arg(long, value_parser = super::act::priority, default_value = "low")]
    priority: Priority,
    /// Do not delete the jobs at the end
    #[arg(long)]
    keep: bool,
}

/// What it came to.
#[derive(Debug, serde::Serialize)]
struct Outcome {
    jobs: u32,
    label: String,
    accepted_s: f64,
    accepted_per_s: f64,
    ended_s: f64,
    ended_per_s: f64,
    /// From the sending of an attempt to the worker's claim, of a sample.
    pickup_ms: Quantiles,
    /// Attempts beyond the first of each job, of the sample.
    retries: u32,
}

/// What was seen of the jobs.
#[derive(Debug)]
struct Measured {
    accepted: Duration,
    ended: Duration,
    pickup_ms: Quantiles,
    retries: u32,
}

#[derive(Debug, serde::Serialize)]
struct Quantiles {
    p50: f64,
    p95: f64,
    p99: f64,
}

impl Bench {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        let label = Uuid::now_v7().simple().to_string();
        let measured = self.measure(&client, &label, shared.json).await;
        // Whatever came between: what was accepted goes.
        let deleted = match self.keep {
            true => Ok(()),
            false => {
                client.begin_bulk(&of_label(BulkAction::Delete, &label, false)).await.map(drop)
            }
        };
        let Measured { accepted, ended, pickup_ms, retries } = measured?;
        deleted?;
        let per_s = |time: Duration| f64::from(self.jobs) / time.as_secs_f64();
        let outcome = Outcome {
            jobs: self.jobs,
            label: format!("bench:{label}"),
            accepted_s: accepted.as_secs_f64(),
            accepted_per_s: per_s(accepted),
            ended_s: ended.as_secs_f64(),
            ended_per_s: per_s(ended),
            pickup_ms,
            retries,
        };
        if shared.json {
            say(serde_json::to_string_pretty(&outcome)?);
        } else {
            tell(&outcome);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(&self, client: &Client, label: &str, quiet: bool) -> Result<Measured> {
        let begun = Instant::now();
        let ids = self.submit(client, label, quiet).await?;
        let accepted = begun.elapsed();
        self.wait(client, label, quiet).await?;
        let ended = begun.elapsed();
        let (pickup_ms, retries) = sample(client, &ids).await?;
        Ok(Measured { accepted, ended, pickup_ms, retries })
    }

    async fn submit(&self, client: &Client, label: &str, quiet: bool) -> Result<Vec<JobId>> {
        let job = json!({
            "source": "none",
            "outputs": { "n": { "op": "fleet.noop", "run_ms": self.run_ms } },
            "region": self.region, "priority": self.priority, "labels": { "bench": label },
        });
        let line = format!("{job}\n");
        let bar = count_bar(self.jobs.into(), "submitting", quiet);
        let mut ids = Vec::new();
        while (ids.len() as u32) < self.jobs {
            let count = REQUEST_JOBS.min(self.jobs - ids.len() as u32);
            let verdicts = client.submit_lines(line.repeat(count as usize)).await?;
            if verdicts.len() != count as usize {
                bail!("{} of {count} jobs have a verdict", verdicts.len());
            }
            for verdict in verdicts {
                let Some(id) = verdict.id else { bail!("{}", verdict.why()) };
                ids.push(id);
            }
            bar.set_position(ids.len() as u64);
        }
        bar.finish_and_clear();
        Ok(ids)
    }

    /// Until none of them is left that has not ended.
    async fn wait(&self, client: &Client, label: &str, quiet: bool) -> Result<()> {
        let bar = count_bar(self.jobs.into(), "running", quiet);
        let (mut last, mut moved_at) = (u64::MAX, Instant::now());
        loop {
            let left = client.count_bulk(&of_label(BulkAction::Cancel, label, true)).await?.matched;
            bar.set_position(u64::from(self.jobs).saturating_sub(left));
            if left == 0 {
                bar.finish_and_clear();
                return Ok(());
            }
            if left != last {
                (last, moved_at) = (left, Instant::now());
            }
            if moved_at.elapsed() >= STANDSTILL {
                bail!(
                    "{left} of {} jobs do not move; `panofleet workers` lists who takes jobs",
                    self.jobs
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// How soon workers took them, and how many attempts there were too many.
async fn sample(client: &Client, ids: &[JobId]) -> Result<(Quantiles, u32)> {
    let step = ids.len().div_ceil(SAMPLE as usize);
    let (mut pickups, mut retries) = (Vec::new(), 0);
    for id in ids.iter().step_by(step) {
        let entries = client.history(*id).await?;
        let at = |entry: &HistoryEntry| entry.at.as_millis();
        let of = |reason: &'static str| entries.iter().filter(move |entry| entry.reason == reason);
        let (sent, claimed) = (of("dispatched").next().map(at), of("claimed").next().map(at));
        if let Some((sent, claimed)) = sent.zip(claimed) {
            pickups.push((claimed - sent).max(0) as f64);
        }
        retries += u32::try_from(of("dispatched").count()).unwrap_or(u32::MAX).saturating_sub(1);
        if of("succeeded").next().is_none() {
            bail!("job {id} did not succeed: panofleet job {id} says why");
        }
    }
    Ok((Quantiles::of(pickups), retries))
}

fn of_label(action: BulkAction, label: &str, dry_run: bool) -> BulkRequest {
    let filter = BulkFilter { label: Some(format!("bench:{label}")), ..BulkFilter::default() };
    BulkRequest { action, priority: None, rerun: Rerun::default(), filter, dry_run }
}

impl Quantiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |thousandths| nearest_rank(&values, thousandths).unwrap_or(f64::NAN);
        Self { p50: at(500), p95: at(950), p99: at(990) }
    }
}

fn tell(outcome: &Outcome) {
    let Outcome {
        jobs, accepted_s, accepted_per_s, ended_s, ended_per_s, pickup_ms, retries, ..
    } = outcome;
    say(format!("{jobs} jobs accepted in {accepted_s:.2} s: {accepted_per_s:.0} jobs/s"));
    say(format!("all ended {ended_s:.2} s after the first was sent: {ended_per_s:.0} jobs/s"));
    let Quantiles { p50, p95, p99 } = pickup_ms;
    say(format!(
        "from being sent to being claimed: p50 {p50:.0} ms, p95 {p95:.0} ms, p99 {p99:.0} ms"
    ));
    if *retries > 0 {
        say(format!(
            "{retries} attempts too many in the sample: panofleet jobs --label {}",
            outcome.label
        ));
    }
}
