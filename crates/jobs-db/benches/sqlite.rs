//! The job database on a real SQLite file with `synchronous=FULL`.
//!
//! The limit is the disk: every write ends in one `fdatasync` of the write-ahead log, and writes queue for the one
//! writer. A batch shares its sync among its jobs; then the limit is the statements, three a job.
#![expect(clippy::unwrap_used, reason = "a benchmark ends where something fails")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use divan::Bencher;
use divan::counter::ItemsCount;
use panofleet_job_schema::job::{Acceptance, State};
use panofleet_job_schema::operation::{MediaProbe, Operation};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::{Source, SourceLocation};
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Job, JobId, JobSpec, Lane, OutputName, Region, Tenant, Timestamp};
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_jobs_db::{Batch, HistoryEntry, JobWrite, JobsDb as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);

struct Database {
    runtime: Runtime,
    db: SqliteJobsDb,
    _folder: TempDir,
}

impl Database {
    fn with_jobs(count: u128) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let db = runtime.block_on(async {
            let file = SqliteFile::open(&folder.path().join("panofleet.db")).await.unwrap();
            let db = SqliteJobsDb::open(file).await.unwrap();
            for number in 0..count {
                db.accept(&job(number), None).await.unwrap();
            }
            db
        });
        Self { runtime, db, _folder: folder }
    }
}

fn job(number: u128) -> Job {
    let probe = Operation::MediaProbe(MediaProbe::default());
    let spec = JobSpec {
        source: Source::Upload(Uuid::nil()),
        outputs: BTreeMap::from([(OutputName::new("probe").unwrap(), probe)]),
        region: None,
        regions: Vec::new(),
        any_region: false,
        hop_after: None,
        priority: Priority::Normal,
        timeout: None,
        deadline: None,
        max_attempts: None,
        start_at: None,
        idempotency_key: None,
        labels: BTreeMap::from([("album".to_owned(), "42".to_owned())]),
        preset: None,
        source_sha256: None,
    };
    let acceptance = Acceptance {
        id: JobId(Uuid::from_u128(number)),
        tenant: Tenant::new("acme").unwrap(),
        source: SourceLocation::https("https://example.org/a.jpg"),
        region: Region::new("hangzhou").unwrap(),
        bucket: "outputs".to_owned(),
        events_partition: 0,
        trace: None,
        now: NOW,
    };
    Job::accept(spec, acceptance, &Policy::default())
}

/// Each job once to the other of two states, with a line of history: what the collector does.
fn turn_over(jobs: u128, version: u64) -> Batch {
    let write = |number| {
        let job = job(number);
        let state = match version % 2 {
            0 => State::Queued { since: NOW },
            _ => State::Waiting { due_at: NOW },
        };
        let history = HistoryEntry {
            at: NOW,
            state: state.name().to_owned(),
            reason: "bench".to_owned(),
            generation: 1,
            attempt: Some(1),
            worker: None,
            detail: None,
            code: None,
            failure: None,
            held_ms: None,
            progress: None,
        };
        let timer_at = Some(job.deadline_at);
        JobWrite {
            expected_version: version,
            timer_at,
            children: Vec::new(),
            history: vec![history],
            job: Job { state, ..job },
        }
    };
    Batch { jobs: (0..jobs).map(write).collect(), ..Batch::default() }
}

fn main() {
    divan::main();
}

#[divan::bench]
fn accept(bencher: Bencher<'_, '_>) {
    let Database { runtime, db, _folder } = Database::with_jobs(0);
    let number = Cell::new(0);
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| job(number.replace(number.get() + 1)))
        .bench_local_values(|job| runtime.block_on(db.accept(&job, None)).unwrap());
}

#[divan::bench(args = [1, 16, 256])]
fn commit(bencher: Bencher<'_, '_>, jobs: u32) {
    let Database { runtime, db, _folder } = Database::with_jobs(jobs.into());
    let version = RefCell::new(1..);
    bencher
        .counter(ItemsCount::new(jobs))
        .with_inputs(|| turn_over(jobs.into(), version.borrow_mut().next().unwrap()))
        .bench_local_values(|batch| runtime.block_on(db.commit(batch)).unwrap());
}

#[divan::bench(args = [100, 10_000])]
fn heads(bencher: Bencher<'_, '_>, jobs: u32) {
    let Database { runtime, db, _folder } = Database::with_jobs(jobs.into());
    let region = Region::new("hangzhou").unwrap();
    bencher.bench_local(|| {
        runtime.block_on(db.heads(&region, Lane::Image, &[None, None, None], 16)).unwrap()
    });
}
