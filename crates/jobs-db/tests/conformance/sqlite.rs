//! SQLite: its fixture, and what is particular to its file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_jobs_db::{JobsDb, JobsDbError};
use tempfile::TempDir;

use crate::fixture::{Fixture, accept, get, job};

/// A process with a database, and the folder that outlives it.
pub(crate) struct SqliteFixture {
    alive: Option<(SqliteFile, Arc<SqliteJobsDb>)>,
    folder: TempDir,
}

impl SqliteFixture {
    pub(crate) async fn start() -> Self {
        let mut fixture = Self { alive: None, folder: tempfile::tempdir().unwrap() };
        fixture.crash().await;
        fixture
    }

    fn file(&self) -> &SqliteFile {
        &self.alive.as_ref().expect("a process is alive").0
    }
}

/// Opens the database of a folder.
pub(crate) async fn open(folder: &Path) -> Result<(SqliteFile, Arc<SqliteJobsDb>), JobsDbError> {
    let file = SqliteFile::open(&folder.join("panofleet.db")).await?;
    let db = SqliteJobsDb::open(file.clone()).await?;
    Ok((file, Arc::new(db)))
}

#[async_trait]
impl Fixture for SqliteFixture {
    fn db(&self) -> Arc<dyn JobsDb> {
        Arc::clone(&self.alive.as_ref().expect("a process is alive").1) as Arc<dyn JobsDb>
    }

    async fn crash(&mut self) {
        self.alive = None;
        self.alive = Some(open(self.folder.path()).await.unwrap());
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, JobsDbError>, why: &str) {
    match result {
        Err(JobsDbError::Refused(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("it must be refused because of {why}, yet {other:?}"),
    }
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_by_name_and_left_alone() {
    let mut fixture = SqliteFixture::start().await;
    accept(&*fixture.db(), &job(1)).await;
    let writer = fixture.file().writer.clone();
    sqlx::query("INSERT INTO jobs_db_migrations (version, applied_at) VALUES (99, 0)")
        .execute(&writer)
        .await
        .unwrap();
    fixture.alive = None;
    let refused = open(fixture.folder.path()).await;
    assert_refused(
        refused,
        "panofleet.db was written by a newer program: its schema is version 99",
    );
    sqlx::query("DELETE FROM jobs_db_migrations WHERE version = 99")
        .execute(&writer)
        .await
        .unwrap();
    fixture.crash().await;
    get(&*fixture.db(), job(1).id).await;
}

#[tokio::test]
async fn a_file_has_one_owner_at_a_time() {
    let mut fixture = SqliteFixture::start().await;
    assert_refused(open(fixture.folder.path()).await, "another process has");
    // A second part of the same process shares the file instead; its schema is only made once.
    let shared = SqliteJobsDb::open(fixture.file().clone()).await.unwrap();
    accept(&shared, &job(1)).await;
    get(&*fixture.db(), job(1).id).await;
    fixture.alive = None;
    assert_refused(open(fixture.folder.path()).await, "another process has");
    drop(shared);
    fixture.crash().await;
}

#[tokio::test]
async fn commits_are_durable_and_readers_cannot_write() {
    let fixture = SqliteFixture::start().await;
    let pragma = async |pool, name: &'static str| -> i64 {
        sqlx::query_scalar(name).fetch_one::<&sqlx::SqlitePool>(pool).await.unwrap()
    };
    let SqliteFile { writer, readers, .. } = fixture.file();
    assert_eq!(pragma(writer, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(pragma(writer, "PRAGMA foreign_keys").await, 1);
    let written = sqlx::query("DELETE FROM jobs").execute(readers).await;
    assert!(written.is_err(), "a reader must not take the writer's lock");
    fixture.file().close().await;
    let closed = fixture.db().now().await;
    assert!(matches!(closed, Err(JobsDbError::Unavailable(_))), "{closed:?}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let fixture = SqliteFixture::start().await;
    accept(&*fixture.db(), &job(0xabc)).await;
    sqlx::query("UPDATE jobs SET doc = '{\"future\": true}'")
        .execute(&fixture.file().writer)
        .await
        .unwrap();
    match fixture.db().get(&[job(0xabc).id]).await {
        Err(JobsDbError::Corrupt(reason)) => assert!(reason.contains("0abc"), "{reason}"),
        other => panic!("it must be called corrupt, yet {other:?}"),
    }
}

/// Lists, turns and timers must stay quick with a million jobs: each has to be answered by an index.
#[tokio::test]
async fn queries_of_the_hot_path_walk_an_index() {
    let fixture = SqliteFixture::start().await;
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
        (
            "state IN ('sent', 'running') AND region = 'a' AND lane = 'b' ORDER BY tenant",
            "jobs_in_flight",
        ),
        ("timer_at <= 5 ORDER BY timer_at, id", "jobs_due"),
        ("state = 'sent' AND region = 'a' AND lane = 'b'", "jobs_sent"),
        ("TRUE AND state = 'dead' AND tenant = 't' ORDER BY id DESC", "jobs_by_tenant_state"),
        ("TRUE AND state = 'dead' ORDER BY id DESC", "jobs_by_state"),
        ("TRUE AND tenant = 't' ORDER BY id DESC", "jobs_by_tenant"),
        (
            "TRUE AND +state = 'dead' AND +tenant = 't' AND worker = 'w' ORDER BY id DESC",
            "jobs_by_worker",
        ),
        ("TRUE ORDER BY id DESC", "sqlite_autoindex_jobs_1"),
    ] {
        let explain =
            format!("EXPLAIN QUERY PLAN SELECT id, version, doc FROM jobs WHERE {query} LIMIT 10");
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explain))
            .fetch_all(&fixture.file().readers)
            .await
            .unwrap();
        let steps: Vec<&str> = plan.iter().map(|(_, _, _, step)| &**step).collect();
        assert!(steps.len() == 1 && steps[0].contains(index), "{query}: {steps:?}");
    }
}
