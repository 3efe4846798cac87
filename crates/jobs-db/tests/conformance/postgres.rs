//! PostgreSQL: its fixture, and what is particular to a server that many processes share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{JobId, Lane, Span};
use panofleet_jobs_db::postgres::{PostgresConfig, PostgresJobsDb, PostgresTls, PostgresUrl};
use panofleet_jobs_db::{Batch, HeartbeatWrite, JobsDb, JobsDbError, Offer, Versioned, WorkerRow};
use panofleet_test_servers::PostgresServer;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;

use crate::fixture::{
    Fixture, PATIENCE, WAIT, accept, advance, at, get, job, region, running, sent, to_state, within,
};
use crate::workers::info;

/// How long a connection of a test is waited for.
const CONNECT_TIMEOUT: Span = Span::from_secs(20);

/// A process with a database, and the database's URL, which outlives it.
pub(crate) struct PostgresFixture {
    alive: Option<Arc<PostgresJobsDb>>,
    url: String,
}

impl PostgresFixture {
    pub(crate) async fn start() -> Self {
        let url = PostgresServer::shared().create_database();
        Self { alive: Some(connect(&url).await), url }
    }

    /// The database's name, quoted.
    fn name(&self) -> String {
        let (address, _socket) = self.url.split_once('?').unwrap();
        format!("\"{}\"", address.rsplit('/').next().unwrap())
    }

    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin(&self.url).await).await.unwrap();
    }

    /// Ends every connection to the database, as the server does when it is told to, and when it has lost them.
    async fn cut(&self) {
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }
}

/// A connection for what only a test does.
async fn admin(url: &str) -> PgConnection {
    let connect = PgConnection::connect(url);
    tokio::time::timeout(CONNECT_TIMEOUT.0, connect).await.unwrap().unwrap()
}

fn config(url: &str) -> PostgresConfig {
    PostgresConfig {
        tls: PostgresTls::Off,
        max_connections: 8,
        connect_timeout: CONNECT_TIMEOUT,
        ..PostgresConfig::new(PostgresUrl::new(url))
    }
}

async fn connect(url: &str) -> Arc<PostgresJobsDb> {
    Arc::new(PostgresJobsDb::connect(&config(url)).await.unwrap())
}

/// The database, after the server has noticed the end of everybody who had it open.
pub(crate) async fn open_alone(url: &str) -> Arc<PostgresJobsDb> {
    let mut admin = admin(url).await;
    let begun_at = Instant::now();
    loop {
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut admin)
        .await
        .unwrap();
        if others == 0 {
            return connect(url).await;
        }
        assert!(begun_at.elapsed() < PATIENCE, "{others} connections of a dead process are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[async_trait]
impl Fixture for PostgresFixture {
    fn db(&self) -> Arc<dyn JobsDb> {
        Arc::clone(self.alive.as_ref().expect("a process is alive")) as Arc<dyn JobsDb>
    }

    async fn crash(&mut self) {
        self.cut().await;
        self.alive = None;
        self.alive = Some(connect(&self.url).await);
    }
}

async fn assert_refused(config: &PostgresConfig, why: &str) {
    match PostgresJobsDb::connect(config).await {
        Err(JobsDbError::Refused(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("it must be refused because of {why}, yet {other:?}"),
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let mut fixture = PostgresFixture::start().await;
    accept(&*fixture.db(), &job(1)).await;
    fixture.execute("INSERT INTO jobs_db_migrations VALUES (99, now())").await;
    assert_refused(&config(&fixture.url), "a newer program: its schema is version 99").await;
    fixture.execute("DELETE FROM jobs_db_migrations WHERE version = 99").await;
    fixture.crash().await;
    get(&*fixture.db(), job(1).id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_make_one_schema() {
    let url = PostgresServer::shared().create_database();
    let mut starts = JoinSet::new();
    for _ in 0..8 {
        let url = url.clone();
        starts.spawn(async move { connect(&url).await });
    }
    let dbs = starts.join_all().await;
    accept(&*dbs[0], &job(1)).await;
    get(&*dbs[7], job(1).id).await;
    let migrations: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs_db_migrations")
        .fetch_one(&mut admin(&url).await)
        .await
        .unwrap();
    assert_eq!(migrations, 23);
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused() {
    let fixture = PostgresFixture::start().await;
    let name = fixture.name();
    fixture.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    assert_refused(&config(&fixture.url), "synchronous_commit = off").await;
}

#[tokio::test]
async fn what_will_never_work_is_refused_without_the_url() {
    let fixture = PostgresFixture::start().await;
    assert_refused(&config(&fixture.url.replace("localhost:", "localhost:x")), "url is not").await;
    let nowhere = fixture.url.replace('?', "x?");
    assert_refused(&config(&nowhere), "does not exist").await;
}

#[tokio::test]
async fn tls_is_on_and_the_servers_certificate_is_verified() {
    let server = PostgresServer::shared();
    let url = server.create_database();
    let (by_tcp, certificate) = server.by_tcp(&url);
    let verified = PostgresConfig {
        tls: PostgresTls::Verified,
        tls_ca_file: Some(certificate),
        ..config(&by_tcp)
    };
    let db = PostgresJobsDb::connect(&verified).await.unwrap();
    accept(&db, &job(1)).await;
    let encrypted: Vec<bool> = sqlx::query_scalar(
        "SELECT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut admin(&url).await)
    .await
    .unwrap();
    assert!(encrypted.len() >= 2 && encrypted.iter().all(|it| *it), "{encrypted:?}");
    // The web's authorities have not signed it, and it is not valid for an address.
    let unsigned = PostgresConfig { tls_ca_file: None, ..verified.clone() };
    let by_address = PostgresConfig {
        tls_ca_file: verified.tls_ca_file,
        tls: PostgresTls::Verified,
        ..config(&by_tcp.replace("localhost", "127.0.0.1"))
    };
    for wrong in [unsigned, by_address] {
        let refused = PostgresJobsDb::connect(&wrong).await.unwrap_err().to_string();
        assert!(refused.contains("certificate"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_another_process_end_the_wait() {
    let fixture = PostgresFixture::start().await;
    let (db, other) = (fixture.db(), connect(&fixture.url).await);
    let seen = db.changed(0, Duration::ZERO).await.unwrap();
    accept(&*other, &job(1)).await;
    let seen = within(db.changed(seen, WAIT)).await.unwrap();
    // The connection that hears is lost, and comes back: what was missed counts as news.
    fixture.cut().await;
    let seen = within(db.changed(seen, WAIT)).await.unwrap();
    let begun_at = Instant::now();
    while other.commit(advance("log", 0, 0, 1)).await.is_err() {
        assert!(begun_at.elapsed() < PATIENCE, "a connection that was cut is replaced");
    }
    within(db.changed(seen, WAIT)).await.unwrap();
}

/// Jobs of the tests of locks: enough for two batches to meet in the middle.
const LOCKED_JOBS: u128 = 200;

/// Two processes that each commit the batches of one of two makers, over the same jobs. PostgreSQL would end one of
/// two batches that wait for each other.
async fn race(makers: [fn(Vec<Versioned>) -> Batch; 2]) {
    let fixture = PostgresFixture::start().await;
    // Rows are met in the order of the batch, as among a million others.
    for plan in ["seqscan", "hashjoin", "mergejoin", "bitmapscan"] {
        fixture
            .execute(&format!(
                "ALTER ROLE postgres IN DATABASE {} SET enable_{plan} = off",
                fixture.name()
            ))
            .await;
    }
    for number in 1..=LOCKED_JOBS {
        accept(&*fixture.db(), &job(number)).await;
    }
    let mut racers = JoinSet::new();
    for maker in makers {
        let db = connect(&fixture.url).await;
        racers.spawn(async move {
            for _ in 0..30 {
                let all: Vec<JobId> = (1..=LOCKED_JOBS).map(|number| job(number).id).collect();
                match db.commit(maker(db.get(&all).await.unwrap())).await {
                    Ok(()) => {}
                    Err(JobsDbError::Conflict(what)) => assert!(what.starts_with("job "), "{what}"),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    tokio::time::timeout(WAIT, racers.join_all()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_jobs_in_opposite_orders_do_not_lock_each_other_out() {
    fn batch(jobs: Vec<Versioned>) -> Batch {
        Batch {
            jobs: jobs.into_iter().map(|job| to_state(job, running())).collect(),
            ..Batch::default()
        }
    }
    race([batch, |jobs| batch(jobs.into_iter().rev().collect())]).await;
}

/// Each moves jobs of its own, which forgets their progress, and hears of the progress of the other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_of_the_others_jobs_does_not_lock_them_out() {
    fn batch(name: &str, own: Vec<Versioned>, others: &[Versioned]) -> Batch {
        let progress = Progress {
            fraction: 0.5,
            step: String::new(),
            uploaded_bytes: 0,
            curve: Curve::default(),
        };
        let heartbeat = HeartbeatWrite {
            worker: info(name, 0),
            claims: vec![],
            progress: others.iter().map(|job| (job.job.id, progress.clone())).collect(),
            at: at(1),
        };
        Batch {
            jobs: own.into_iter().map(|job| to_state(job, sent(1))).collect(),
            heartbeats: vec![heartbeat],
            offset: None,
            ..Batch::default()
        }
    }
    race([
        |mut jobs| {
            let upper = jobs.split_off(jobs.len() / 2);
            batch("w1", jobs, &upper)
        },
        |mut jobs| {
            let upper = jobs.split_off(jobs.len() / 2);
            batch("w2", upper, &jobs)
        },
    ])
    .await;
}

#[tokio::test]
async fn a_batch_of_many_jobs_is_one_batch() {
    const JOBS: u128 = 1000;
    let fixture = PostgresFixture::start().await;
    let db = fixture.db();
    for number in 1..=JOBS {
        accept(&*db, &job(number)).await;
    }
    let all: Vec<JobId> = (1..=JOBS).map(|number| job(number).id).collect();
    let read = db.get(&all).await.unwrap();
    let jobs = read.into_iter().map(|job| to_state(job, sent(1))).collect();
    db.commit(Batch { jobs, ..advance("log", 0, 0, 1000) }).await.unwrap();
    assert_eq!(db.counts(None).await.unwrap(), BTreeMap::from([("sent".to_owned(), 1000)]));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let fixture = PostgresFixture::start().await;
    accept(&*fixture.db(), &job(0xabc)).await;
    fixture.execute("UPDATE jobs SET doc = '{\"future\": true}'").await;
    match fixture.db().get(&[job(0xabc).id]).await {
        Err(JobsDbError::Corrupt(reason)) => assert!(reason.contains("0abc"), "{reason}"),
        other => panic!("it must be called corrupt, yet {other:?}"),
    }
}

/// Statements that are planned once are planned by the first job, when reading all of the table is the least work.
#[tokio::test]
async fn what_was_planned_on_an_empty_table_does_not_read_all_of_a_full_one() {
    const JOBS: u128 = 3000;
    let mut fixture = PostgresFixture::start().await;
    let db = fixture.db();
    let (queue, one) = ((region("hangzhou"), Lane::Image), job(1).id);
    let turn = async || {
        db.outlook(std::slice::from_ref(&queue), Some(Duration::ZERO)).await.unwrap();
        db.heads(&queue.0, queue.1, &Default::default(), 8).await.unwrap();
        db.sent_now(&[one]).await.unwrap();
        let (_, mut found) = db.get_now(&[one]).await.unwrap();
        let write = to_state(found.remove(0), sent(1));
        assert_eq!(db.write_each(&[write]).await.unwrap().len(), 1);
        let jobs = vec![to_state(get(&*db, one).await, running())];
        db.commit(Batch { jobs, ..Batch::default() }).await.unwrap();
    };
    accept(&*db, &job(1)).await;
    turn().await;
    let offers: Vec<_> = (2..=JOBS).map(|number| Offer { job: job(number), key: None }).collect();
    db.accept_all(&offers).await.unwrap();
    turn().await;
    drop(db);
    fixture.alive = None;
    // A connection tells what it has read when it ends.
    open_alone(&fixture.url).await;
    let read: i64 = sqlx::query_scalar(
        "SELECT ((SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = 'jobs')
            + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'jobs'))::bigint",
    )
    .fetch_one(&mut admin(&fixture.url).await)
    .await
    .unwrap();
    assert!((1..300).contains(&read), "{read} rows and entries were read, of {JOBS}");
}

/// Lists, turns and timers must stay quick with a million jobs: each has to be answered by an index, in its order.
#[tokio::test]
async fn queries_of_the_hot_path_walk_an_index() {
    let fixture = PostgresFixture::start().await;
    let mut admin = admin(&fixture.url).await;
    // What a planner does of itself once there are many rows.
    admin.execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await.unwrap();
    for (query, index) in [
        (
            "state = 'queued' AND region = 'a' AND lane = 'b' AND band = 1 AND tenant > 't'
             ORDER BY tenant, deadline_at, id",
            "jobs_queued",
        ),
        (
            "state = 'queued' AND region = 'a' AND lane = 'b' AND band = 1 AND tenant = 't'
             ORDER BY deadline_at, id",
            "jobs_queued",
        ),
        ("state = 'running' AND region = 'a' AND lane = 'b' ORDER BY tenant", "jobs_at_work"),
        ("timer_at <= 5 ORDER BY timer_at, id", "jobs_due"),
        ("state = 'sent' AND region = 'a' AND lane = 'b'", "jobs_at_work"),
        ("TRUE AND state = 'succeeded' AND tenant = 't' ORDER BY id DESC", "jobs_by_tenant_state"),
        ("TRUE AND state = 'dead' ORDER BY id DESC", "jobs_set_aside"),
        ("failure IS NOT NULL AND failure = 'f' AND tenant = 't' ORDER BY id DESC", "jobs_failed"),
        ("TRUE AND worker = 'w' ORDER BY id DESC", "jobs_by_worker"),
        ("TRUE ORDER BY id DESC", "jobs_pkey"),
    ] {
        let explain =
            format!("EXPLAIN (COSTS OFF) SELECT id, version, doc FROM jobs WHERE {query} LIMIT 10");
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut admin).await.unwrap();
        let plan = plan.join("\n");
        assert!(!plan.contains("Sort") && plan.contains(&format!("using {index} on")), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_is_lost_with_its_connection() {
    let fixture = PostgresFixture::start().await;
    let (one, two) = (connect(&fixture.url).await, connect(&fixture.url).await);
    let mut guard = one.try_lead("dispatcher").await.unwrap().expect("nobody leads yet");
    assert!(two.try_lead("dispatcher").await.unwrap().is_none());
    assert!(tokio::time::timeout(Duration::from_millis(50), guard.lost()).await.is_err());
    fixture.cut().await;
    within(guard.lost()).await;
    let begun_at = Instant::now();
    let _leads = loop {
        if let Some(guard) = two.try_lead("dispatcher").await.unwrap() {
            break guard;
        }
        assert!(begun_at.elapsed() < PATIENCE, "the lead of a lost connection is free");
    };
    assert!(one.try_lead("dispatcher").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_server_loses_nothing_and_is_survived() {
    let server = PostgresServer::start();
    let url = server.create_database();
    let short = PostgresConfig { connect_timeout: Span::from_secs(1), ..config(&url) };
    let db = PostgresJobsDb::connect(&short).await.unwrap();
    accept(&db, &job(1)).await;
    let mut batch = advance("log", 3, 0, 7);
    batch.jobs = vec![to_state(get(&db, job(1).id).await, running())];
    batch.heartbeats =
        vec![HeartbeatWrite { worker: info("w1", 0), claims: vec![], progress: vec![], at: at(5) }];
    db.commit(batch).await.unwrap();
    let before = get(&db, job(1).id).await;
    server.crash();
    let away = db.now().await;
    assert!(matches!(away, Err(JobsDbError::Unavailable(_))), "{away:?}");
    let away = db.commit(advance("log", 3, 7, 8)).await;
    assert!(matches!(away, Err(JobsDbError::Unavailable(_))), "{away:?}");
    server.start_again();
    // The same process goes on.
    assert_eq!(get(&db, job(1).id).await, before);
    assert_eq!(db.partitions("log").await.unwrap()[&3].next_offset, 7);
    let w1 = WorkerRow { worker: info("w1", 0), beat_at: at(5), claims: vec![] };
    assert_eq!(db.workers().await.unwrap(), [w1]);
    db.commit(advance("log", 3, 7, 8)).await.unwrap();
}
