//! A fleet with its servers, and what can be asked of them.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server};
use panofleet_tests::bench::load::Load;
use panofleet_tests::exposition;
use panofleet_tests::fleet::{Fleet, Roles};

use crate::spending::Spent;

/// PostgreSQL's `shared_buffers`: all jobs of a run fit. Otherwise its own settings, `fsync` among them; Kafka's too, in a
/// heap of 384 MiB.
const BUFFERS_MB: u32 = 512;
/// Requests at a time.
const CLIENTS: u32 = 2;
/// Time between two looks at what collectors have counted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Lab {
    pub(crate) fleet: Fleet,
    kafka: &'static KafkaServer,
    pub(crate) postgres: &'static PostgresServer,
}

impl Lab {
    pub(crate) async fn start(roles: &Roles, settings: &[&str]) -> Self {
        let (kafka, postgres) = (KafkaServer::shared(), PostgresServer::shared_with(BUFFERS_MB));
        S3Server::shared();
        Self { fleet: Fleet::of_roles(roles, settings).await, kafka, postgres }
    }

    /// A client of each API, the first one's first.
    pub(crate) fn loads<const N: usize>(&self) -> Result<[Load; N]> {
        let loads: Vec<_> =
            self.fleet.apis.iter().map(|api| Load::new(&api.url)).collect::<Result<_>>()?;
        loads.try_into().map_err(|loads: Vec<_>| anyhow!("there are {} APIs, not {N}", loads.len()))
    }

    pub(crate) fn spent(&self) -> Spent {
        Spent::so_far(&self.fleet, self.kafka, self.postgres)
    }

    /// What the job database answers.
    pub(crate) fn ask(&self, query: &str) -> String {
        self.postgres.query(self.fleet.database.as_deref().unwrap_or_default(), query)
    }

    /// Submits so many jobs, and shows how fast that was and what they take up in the database.
    pub(crate) async fn accept(&self, load: &Load, jobs: u32) -> Result<()> {
        let before = self.spent();
        let took = load.submit_many(jobs, CLIENTS).await?;
        show_rate("accepted", &format!("{jobs} jobs"), jobs, took);
        before.show(&self.spent(), jobs.into());
        let bytes: f64 = self.ask("SELECT pg_total_relation_size('jobs')").parse()?;
        println!("  {:.0} bytes a queued job in the database", bytes / f64::from(jobs));
        Ok(())
    }

    /// Lets queued jobs go, waits until `all` have succeeded, and shows how fast that was.
    pub(crate) async fn run(&self, load: &Load, what: &str, (jobs, all): (u32, u64)) -> Result<()> {
        let before = self.spent();
        load.pause(self.fleet.region(), false).await?;
        let took = self.await_folded(all).await?;
        show_rate("ran", what, jobs, took);
        before.show(&self.spent(), jobs.into());
        Ok(())
    }

    /// Waits until collectors have written so many successes, by their own count: counting the rows would cost the database
    /// more than the jobs do.
    async fn await_folded(&self, jobs: u64) -> Result<Duration> {
        let begun = Instant::now();
        let (mut last, mut moved) = (0.0, Instant::now());
        loop {
            let mut folded = 0.0;
            for (name, admin) in self.fleet.admins() {
                if name.starts_with("collector") {
                    let text = reqwest::get(format!("{admin}/metrics")).await?.text().await?;
                    let events =
                        exposition::parse(&text).remove("panofleet_collector_events_total");
                    folded += events.unwrap_or_default().sum(&[("kind", "succeeded")]);
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "some thousands of jobs")]
            if folded >= jobs as f64 {
                return Ok(begun.elapsed());
            }
            if folded > last {
                (last, moved) = (folded, Instant::now());
            }
            if moved.elapsed() > Duration::from_secs(30) {
                bail!("nothing moves: {folded} of {jobs} jobs have succeeded");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

pub(crate) fn show_rate(done: &str, what: &str, jobs: u32, took: Duration) {
    let took_s = took.as_secs_f64();
    println!("{done} {what} in {took_s:.2} s: {:.0} jobs/s", f64::from(jobs) / took_s);
}
