//! How many jobs an API takes, one by one and in streams, how long it takes about one, and how fast it finds and counts among
//! very many.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use panofleet_service::quantiles::nearest_rank;
use panofleet_tests::bench::load::Load;
use panofleet_tests::bench::wire::Connection;
use panofleet_tests::fleet::Roles;
use tokio::time::sleep_until;

use crate::lab::Lab;
use crate::{SETTINGS, lab};

/// Connections that submit jobs, each one after the other.
const CLIENTS: u32 = 32;
/// How long each load lasts, and the one before it that counts for nothing.
const TIME: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(3);
/// The steady load under which answers are timed.
const STEADY_JOBS_PER_S: u32 = 2500;
/// Jobs that are submitted in streams.
const STREAMED: u32 = 200_000;
/// Questions of each kind.
const QUESTIONS: u32 = 100;

/// Every tenth job is dead, of one of 50 kinds of failure; six of ten have succeeded. Each has an album.
const ENDS: &str = r#"
    UPDATE jobs SET state = 'dead', timer_at = NULL, failure = 'f' || n % 50, failed_at = 1000 * n, worker = 'w' || n % 8, attempt = 5,
        doc = jsonb_set(jsonb_set(doc::jsonb, '{state}', '{"state": "dead", "reason": "attempts_exhausted"}'), '{failure}',
            jsonb_build_object('class', 'transient', 'code', 'f' || n % 50, 'message', 'it failed'))::text
    FROM (SELECT id AS numbered, row_number() OVER (ORDER BY id) AS n FROM jobs) AS numbers
    WHERE id = numbered AND n % 10 = 0;
    UPDATE jobs SET state = 'cancelled', timer_at = NULL, worker = 'w' || n % 8, attempt = 1,
        doc = jsonb_set(doc::jsonb, '{state}', '{"state": "cancelled"}')::text
    FROM (SELECT id AS numbered, row_number() OVER (ORDER BY id) AS n FROM jobs) AS numbers
    WHERE id = numbered AND n % 10 BETWEEN 1 AND 6;
    INSERT INTO labels (job, key, value) SELECT id, 'album', ('a' || row_number() OVER (ORDER BY id) % 1000)::bytea FROM jobs
        ON CONFLICT DO NOTHING"#;

/// What is asked of an API with very many jobs.
const LISTS: [(&str, &str); 8] = [
    ("the newest", "/v1/jobs"),
    ("dead", "/v1/jobs?state=dead"),
    ("of an album", "/v1/jobs?label=album:a7"),
    ("of an operation", "/v1/jobs?operation=fleet.noop&state=cancelled"),
    ("of a worker", "/v1/jobs?worker=w3"),
    ("of a kind of failure", "/v1/jobs?failure=f10"),
    ("at an attempt", "/v1/jobs?attempt=5&state=dead"),
    ("that failed by why, counted", "/v1/failures"),
];

pub(crate) async fn run(jobs: u32) -> Result<()> {
    let roles = Roles { workers: 0, collectors: 0, api_only: true, ..Roles::default() };
    let mut lab = Lab::start(&roles, &SETTINGS).await;
    let [load] = lab.loads()?;
    let url = lab.fleet.api.url.clone();
    let plain = |_: u64| r#"{"source":"none","outputs":{"n":{"op":"fleet.noop"}}}"#.to_owned();
    let keyed = |n: u64| {
        format!(
            r#"{{"source":"https://example.com/{n}.jpg","outputs":{{"tiles":{{"op":"pano.tiles"}}}},"labels":{{"album":"{}"}},"idempotency_key":"bench-{n}"}}"#,
            n % 1000
        )
    };
    submit(&lab, &url, "one by one", (&plain, None)).await?;
    submit(&lab, &url, "one by one, with a key and a label", (&keyed, None)).await?;
    // A server that has run for a while has segments of its log to write over; a new one makes each, which takes 100 ms.
    lab.ask("CHECKPOINT");
    submit(&lab, &url, "steadily", (&plain, Some(STEADY_JOBS_PER_S))).await?;
    stream(&lab, &load, STREAMED).await?;
    let there: u32 = lab.ask("SELECT count(*) FROM jobs").trim().parse()?;
    if there < jobs {
        load.submit_many(jobs - there, 2).await?;
    }
    for statement in ENDS.split(';') {
        lab.ask(statement);
    }
    lab.ask("VACUUM ANALYZE jobs");
    lab.ask("VACUUM ANALYZE labels");
    println!("among {} jobs, one question at a time", there.max(jobs));
    for (what, path) in LISTS {
        ask(&url, what, path).await?;
    }
    ask(&url, "in each state, counted", "/v1/counts").await?;
    lab.fleet.stop().await;
    Ok(())
}

/// Submits jobs over several connections: as fast as they are answered, or so many a second all together. Then the time of an
/// answer counts from when its request was due, not from when it could be sent.
async fn submit(
    lab: &Lab,
    url: &str,
    what: &str,
    (body, rate): (&(dyn Fn(u64) -> String + Sync), Option<u32>),
) -> Result<()> {
    load_for(url, WARM_UP, (body, rate, 0)).await?;
    let before = lab.spent();
    let mut took = load_for(url, TIME, (body, rate, 1)).await?;
    let jobs = u32::try_from(took.len())?;
    lab::show_rate("submitted", what, jobs, TIME);
    show_times(&mut took);
    before.show(&lab.spent(), jobs.into());
    Ok(())
}

async fn load_for(
    url: &str,
    time: Duration,
    (body, rate, run): (&(dyn Fn(u64) -> String + Sync), Option<u32>, u64),
) -> Result<Vec<Duration>> {
    let begun = Instant::now();
    let of_one = |client: u32| async move {
        let mut connection = Connection::open(url).await?;
        let mut took = Vec::new();
        for number in 0_u64.. {
            let due = match rate {
                Some(rate) => {
                    let place = number * u64::from(CLIENTS) + u64::from(client);
                    #[expect(clippy::cast_precision_loss, reason = "some thousands of jobs")]
                    let due = begun + Duration::from_secs_f64(place as f64 / f64::from(rate));
                    sleep_until(due.into()).await;
                    due
                }
                None => Instant::now(),
            };
            if begun.elapsed() >= time {
                break;
            }
            // Numbers of different runs and clients differ.
            let body = body((run << 48) | (u64::from(client) << 32) | number);
            let answer = connection.post("/v1/jobs", &body).await?;
            if answer.status != 201 {
                bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
            took.push(due.elapsed());
        }
        Ok(took)
    };
    let all = futures_util::future::try_join_all((0..CLIENTS).map(of_one)).await?;
    Ok(all.into_iter().flatten().collect())
}

async fn stream(lab: &Lab, load: &Load, jobs: u32) -> Result<()> {
    let before = lab.spent();
    let took = load.submit_many(jobs, 2).await?;
    lab::show_rate("submitted", "in streams of 2500 lines", jobs, took);
    before.show(&lab.spent(), jobs.into());
    Ok(())
}

async fn ask(url: &str, what: &str, path: &str) -> Result<()> {
    let mut connection = Connection::open(url).await?;
    let (mut took, mut bytes) = (Vec::new(), 0);
    for number in 0..QUESTIONS + 3 {
        let begun = Instant::now();
        let answer = connection.get(path).await?;
        if answer.status != 200 {
            bail!("{path}: {}", String::from_utf8_lossy(&answer.body));
        }
        bytes = answer.body.len();
        // The first ones find nothing in memory.
        if number >= 3 {
            took.push(begun.elapsed());
        }
    }
    println!("{what} ({path}, {bytes} bytes)");
    show_times(&mut took);
    Ok(())
}

fn show_times(took: &mut [Duration]) {
    took.sort_unstable();
    let at = |thousandths| nearest_rank(took, thousandths).unwrap_or_default().as_secs_f64() * 1e3;
    println!(
        "  p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, the longest {:.2} ms",
        at(500),
        at(950),
        at(990),
        at(1000)
    );
}
