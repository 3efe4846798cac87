//! What a scenario is given, and what all of them use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::job::{Acceptance, Claim, Placement, State};
use panofleet_job_schema::operation::{MediaProbe, Operation};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::source::{Source, SourceLocation};
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{
    Attempt, ClaimId, Job, JobId, JobSpec, OutputName, Region, Tenant, Timestamp, WorkerId,
};
use panofleet_jobs_db::{
    Accepted, Batch, HistoryEntry, JobWrite, JobsDb, JobsDbError, OffsetAdvance, Versioned,
};
use uuid::Uuid;

/// How long a test waits for what must happen at once: generous, but shorter than [`WAIT`].
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A wait that something else has to end.
pub(crate) const WAIT: Duration = Duration::from_secs(40);

/// A database for one test, with nothing in it.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// The database, as the process that lives now has it open.
    fn db(&self) -> Arc<dyn JobsDb>;

    /// That process dies without a goodbye, and another one starts.
    async fn crash(&mut self);
}

/// A time of the tests: seconds after 2026-02-02.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_770_000_000_000 + seconds * 1000)
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

pub(crate) fn claim(number: u128) -> ClaimId {
    ClaimId(Uuid::from_u128(number))
}

/// A job as it is accepted. Jobs with a higher number are younger.
pub(crate) fn job(number: u128) -> Job {
    let spec = JobSpec {
        source: Source::Upload(Uuid::from_u128(9)),
        outputs: BTreeMap::from([(
            OutputName::new("probe").unwrap(),
            Operation::MediaProbe(MediaProbe::default()),
        )]),
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
        labels: BTreeMap::new(),
        preset: None,
        source_sha256: None,
    };
    let acceptance = Acceptance {
        id: JobId(Uuid::from_u128(number)),
        tenant: tenant("acme"),
        source: SourceLocation::https("https://example.org/a.jpg"),
        region: region("hangzhou"),
        bucket: "outputs".to_owned(),
        events_partition: 3,
        trace: None,
        now: at(0),
    };
    Job::accept(spec, acceptance, &Policy::default())
}

pub(crate) fn sent(attempt: u32) -> State {
    State::Sent {
        attempt: Attempt(attempt),
        sent_at: at(1),
        look_at: at(900),
        gone_at: None,
        placement: Some(Placement { partition: 0, offset: 5 }),
    }
}

pub(crate) fn running() -> State {
    let claim = Claim {
        claim: claim(1),
        attempt: Attempt(1),
        worker: worker("w1"),
        heartbeat_partition: 2,
        claimed_at: at(2),
        renewed_at: at(2),
        excused_at: None,
    };
    State::Running { claims: vec![claim], placement: None }
}

/// Accepts a job that must be new.
pub(crate) async fn accept(db: &dyn JobsDb, job: &Job) {
    assert_eq!(db.accept(job, None).await.unwrap(), Accepted::Created);
}

/// The job, which must exist.
pub(crate) async fn get(db: &dyn JobsDb, id: JobId) -> Versioned {
    db.get(&[id]).await.unwrap().pop().expect("the job exists")
}

/// The time of the next timer.
pub(crate) async fn next_due(db: &dyn JobsDb) -> Option<Timestamp> {
    db.outlook(&[], Some(Duration::MAX)).await.unwrap().next_due
}

/// A write that puts a job into another state.
pub(crate) fn to_state(versioned: Versioned, state: State) -> JobWrite {
    let timer_at = (!state.is_terminal()).then_some(versioned.job.deadline_at);
    let history = vec![entry(state.name(), "test")];
    let job = Job { state, ..versioned.job };
    JobWrite { expected_version: versioned.version, job, timer_at, children: Vec::new(), history }
}

/// Puts an existing job into another state.
pub(crate) async fn move_to(db: &dyn JobsDb, id: JobId, state: State) {
    let write = to_state(get(db, id).await, state);
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
}

pub(crate) fn entry(state: &str, reason: &str) -> HistoryEntry {
    HistoryEntry {
        at: at(1),
        state: state.to_owned(),
        reason: reason.to_owned(),
        generation: 1,
        attempt: None,
        worker: None,
        detail: None,
        code: None,
        failure: None,
        held_ms: None,
        progress: None,
    }
}

pub(crate) fn advance(log_id: &str, partition: u32, from: u64, to: u64) -> Batch {
    let offset = Some(OffsetAdvance { log_id: log_id.to_owned(), partition, from, to });
    Batch { offset, ..Batch::default() }
}

pub(crate) fn ids(jobs: &[Versioned]) -> Vec<u128> {
    jobs.iter().map(|versioned| versioned.job.id.0.as_u128()).collect()
}

#[track_caller]
pub(crate) fn assert_conflict<T: std::fmt::Debug>(result: Result<T, JobsDbError>) {
    match result {
        Err(JobsDbError::Conflict(_)) => {}
        other => panic!("a conflict is due, yet {other:?}"),
    }
}

/// The result of something that must happen soon.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it must happen within the test's patience")
}
