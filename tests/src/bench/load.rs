//! Load on the API of a fleet.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

/// Jobs of one request.
const REQUEST_JOBS: u32 = 2500;
/// Time between two looks at the counts, each of which reads every job.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A client that submits jobs which do nothing.
#[derive(Clone, Debug)]
pub struct Load {
    http: Client,
    url: String,
    run_ms: u32,
}

/// How many jobs there are in a state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Jobs that a worker holds.
    pub running: u64,
    /// Jobs that have succeeded.
    pub succeeded: u64,
    /// Jobs that have ended otherwise.
    pub failed: u64,
    /// All jobs.
    pub total: u64,
}

impl Load {
    /// A client of the API at `url`.
    ///
    /// # Errors
    /// If there can be no HTTP client.
    pub fn new(url: &str) -> Result<Self> {
        let http = Client::builder().timeout(Duration::from_secs(120)).build()?;
        Ok(Self { http, url: url.to_owned(), run_ms: 0 })
    }

    /// The same, but its jobs take so long.
    #[must_use]
    pub fn of_jobs_that_take(self, run_ms: u32) -> Self {
        Self { run_ms, ..self }
    }

    /// Pauses a region, or lets it go on.
    ///
    /// # Errors
    /// If the API does not.
    pub async fn pause(&self, region: &str, is_paused: bool) -> Result<()> {
        let url = format!("{}/v1/pauses/region/{region}", self.url);
        let request = match is_paused {
            true => self.http.put(url).json(&json!({ "reason": "the benchmark is not ready" })),
            false => self.http.delete(url),
        };
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Pauses a tenant.
    ///
    /// # Errors
    /// If the API does not.
    pub async fn pause_tenant(&self, tenant: &str) -> Result<()> {
        let url = format!("{}/v1/pauses/tenant/{tenant}", self.url);
        let request = self.http.put(url).json(&json!({ "reason": "its jobs are to wait" }));
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Submits jobs in requests of many, several requests at a time, and says how long that took.
    ///
    /// # Errors
    /// If a job is not accepted.
    pub async fn submit_many(&self, jobs: u32, clients: u32) -> Result<Duration> {
        let begun = Instant::now();
        let of_one = |client: u32| async move {
            let mut left = jobs / clients + u32::from(client < jobs % clients);
            while left > 0 {
                let now = left.min(REQUEST_JOBS);
                self.submit_lines(now).await?;
                left -= now;
            }
            anyhow::Ok(())
        };
        futures_util::future::try_join_all((0..clients).map(of_one)).await?;
        Ok(begun.elapsed())
    }

    async fn submit_lines(&self, jobs: u32) -> Result<()> {
        let line = noop(self.run_ms).to_string() + "\n";
        let request = self.http.post(format!("{}/v1/jobs", self.url));
        let request = request.header("content-type", "application/x-ndjson");
        let answer = request.body(line.repeat(jobs as usize)).send().await?.error_for_status()?;
        let verdicts = answer.text().await?;
        let good = verdicts.lines().filter(|line| line.contains("\"status\":201")).count();
        if good != jobs as usize {
            bail!("{good} of {jobs} jobs were accepted: {}", verdicts.lines().last().unwrap_or(""));
        }
        Ok(())
    }

    /// Submits one job after the other, so many a second, for so long.
    ///
    /// # Errors
    /// If a job is not accepted.
    pub async fn submit_steadily(&self, jobs_per_s: u32, time: Duration) -> Result<()> {
        let mut tick = tokio::time::interval(Duration::from_secs(1) / jobs_per_s);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let until = Instant::now() + time;
        let mut sent = tokio::task::JoinSet::new();
        while Instant::now() < until {
            tick.tick().await;
            let request = self.http.post(format!("{}/v1/jobs", self.url)).json(&noop(self.run_ms));
            sent.spawn(async move { request.send().await?.error_for_status().map(drop) });
        }
        while let Some(answer) = sent.join_next().await {
            answer??;
        }
        Ok(())
    }

    /// How many jobs there are.
    ///
    /// # Errors
    /// If the API does not say.
    pub async fn counts(&self) -> Result<Counts> {
        let answer = self.http.get(format!("{}/v1/counts", self.url)).send().await?;
        let counts: Value = answer.error_for_status()?.json().await?;
        let of = |state: &str| counts["states"][state].as_u64().unwrap_or(0);
        Ok(Counts {
            running: of("running"),
            succeeded: of("succeeded"),
            failed: of("dead") + of("cancelled") + of("expired"),
            total: counts["total"].as_u64().context("a total")?,
        })
    }

    /// Waits until so many jobs have succeeded, and says how long that took.
    ///
    /// # Errors
    /// If one ends otherwise, or nothing moves for 30 s.
    pub async fn await_succeeded(&self, jobs: u64) -> Result<Duration> {
        self.await_count(jobs, |counts| counts.succeeded).await
    }

    /// Waits until so many jobs run, and says how long that took.
    ///
    /// # Errors
    /// As above.
    pub async fn await_running(&self, jobs: u64) -> Result<Duration> {
        self.await_count(jobs, |counts| counts.running).await
    }

    async fn await_count(&self, jobs: u64, count: fn(&Counts) -> u64) -> Result<Duration> {
        let begun = Instant::now();
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let counts = self.counts().await?;
            if counts.failed > 0 {
                bail!("{} jobs did not succeed", counts.failed);
            }
            if count(&counts) >= jobs {
                return Ok(begun.elapsed());
            }
            if count(&counts) > last {
                (last, moved) = (count(&counts), Instant::now());
            }
            if moved.elapsed() > Duration::from_secs(30) {
                bail!("nothing moves: {counts:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn noop(run_ms: u32) -> Value {
    json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop", "run_ms": run_ms } } })
}
