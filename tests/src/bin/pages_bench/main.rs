//! How long each page takes with many jobs in the database, SQLite's and PostgreSQL's. `./dev bench pages [JOBS]` runs it.
//!
//! Rows are made by SQL in the database, of templates that are real jobs in every state (`seed.rs`). Each page is asked for a few
//! times through HTTP; the first time is shown beside the median of the others, because what is kept may be counted then.
#![expect(clippy::print_stdout, reason = "it shows what it measured")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use panofleet_bus::embedded::{EmbeddedBus, EmbeddedConfig};
use panofleet_job_schema::envelope::KeyRing;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Region, RegionKeys, Secret};
use panofleet_jobs_db::JobsDb;
use panofleet_jobs_db::postgres::{PostgresConfig, PostgresJobsDb, PostgresTls, PostgresUrl};
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_objects::{ObjectStore, ObjectsConfig};
use panofleet_producer::api::{self, ApiConfig, ApiState};
use panofleet_test_servers::PostgresServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod seed;

/// Jobs, unless the command says so.
const JOBS: u32 = 1_000_000;
/// How often each page is asked for after the first time.
const TIMES: usize = 5;
/// What a page may take.
const MOST: Duration = Duration::from_millis(200);
/// PostgreSQL's `shared_buffers`, MiB.
const BUFFERS_MB: u32 = 512;

#[tokio::main]
async fn main() -> Result<()> {
    // Ring for every TLS connection of the process. A second call changes nothing.
    let _second = rustls::crypto::ring::default_provider().install_default();
    let jobs = std::env::args()
        .nth(1)
        .map_or(Ok(JOBS), |text| text.parse())
        .context("JOBS is a number")?;
    let folder = tempfile::tempdir()?;
    let file = SqliteFile::open(&folder.path().join("bench.sqlite")).await?;
    let db = Arc::new(SqliteJobsDb::open(file.clone()).await?);
    let begun = Instant::now();
    let newest = seed::sqlite(&file, db.as_ref(), jobs).await?;
    println!("SQLite, {jobs} jobs (made in {:.0} s)", begun.elapsed().as_secs_f64());
    measure(db, &newest).await?;

    let url = PostgresServer::shared_with(BUFFERS_MB).create_database();
    let config =
        PostgresConfig { tls: PostgresTls::Off, ..PostgresConfig::new(PostgresUrl::new(&url)) };
    let db = Arc::new(PostgresJobsDb::connect(&config).await?);
    let begun = Instant::now();
    let newest = seed::postgres(&url, db.as_ref(), jobs).await?;
    println!("PostgreSQL, {jobs} jobs (made in {:.0} s)", begun.elapsed().as_secs_f64());
    measure(db, &newest).await
}

/// Serves the API over the database, and shows what each page takes.
async fn measure(db: Arc<dyn JobsDb>, seeded: &seed::Seeded) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = SqliteFile::open(&folder.path().join("bus.sqlite")).await?;
    let bus = EmbeddedBus::open(file.writer, file.readers, EmbeddedConfig::default()).await?;
    let region = Region::new(seed::REGION)?;
    let keys = KeyRing::new("k1", BTreeMap::from([("k1".to_owned(), vec![7; 32])]))?;
    let mut config = ApiConfig::of_one_region(region.clone(), "outputs");
    config.tenant = panofleet_job_schema::Tenant::new(seed::TENANT)?;
    let state = ApiState {
        db,
        bus: Arc::new(bus),
        objects: ObjectStore::new(&ObjectsConfig::new(
            "http://127.0.0.1:9",
            "bench",
            Secret::new("bench"),
        ))?,
        keys: RegionKeys::of_one(region, keys),
        policy: Policy::default(),
        config,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let serving = api::serve(listener, state, shutdown.clone());
    let asking = async {
        let slow = ask_all(&base, &seeded.paths()).await;
        shutdown.cancel();
        slow
    };
    let ((), slow) = tokio::join!(serving, asking);
    let slow = slow?;
    ensure!(slow.is_empty(), "these take more than {MOST:?}: {slow:?}");
    Ok(())
}

/// Shows what each page takes; those that take too long.
async fn ask_all(base: &str, paths: &[String]) -> Result<Vec<String>> {
    let mut slow = Vec::new();
    for path in paths {
        let (first, median) = ask(base, path).await?;
        let mark = if median > MOST { "  slow" } else { "" };
        println!(
            "  {path:<60} {:>8.1} ms first, {:>8.1} ms then{mark}",
            1000.0 * first.as_secs_f64(),
            1000.0 * median.as_secs_f64(),
        );
        if median > MOST {
            slow.push(path.clone());
        }
    }
    Ok(slow)
}

/// How long the page takes at first, and the median of the times after that.
async fn ask(base: &str, path: &str) -> Result<(Duration, Duration)> {
    let once = async || {
        let begun = Instant::now();
        let answer = reqwest::get(format!("{base}{path}")).await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text:.500}");
        Ok(begun.elapsed())
    };
    let first = once().await?;
    let mut times = Vec::new();
    for _ in 0..TIMES {
        times.push(once().await?);
    }
    times.sort_unstable();
    Ok((first, times.get(TIMES / 2).copied().unwrap_or(first)))
}
