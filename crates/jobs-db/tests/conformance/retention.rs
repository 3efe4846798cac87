//! What goes when its time has come.

use panofleet_job_schema::job::{DeadReason, State};
use panofleet_job_schema::orphans::quiet_at;
use panofleet_job_schema::{Job, Timestamp};
use panofleet_jobs_db::{
    Accepted, Batch, IdempotencyKey, JobWrite, JobsDb, JobsDbError, RetireBefore, Sweep, Upload,
};
use uuid::Uuid;

use crate::families::family;
use crate::fixture::{Fixture, accept, at, get, ids, job, move_to, tenant};

/// Ends a job that was sent once.
async fn end(db: &dyn JobsDb, number: u128, state: State) -> Job {
    accept(db, &job(number)).await;
    end_again(db, number, state).await
}

async fn end_again(db: &dyn JobsDb, number: u128, state: State) -> Job {
    let found = get(db, job(number).id).await;
    let mut job = found.job;
    job.state = state;
    job.counters.last_attempt = 1;
    job.finished_at = Some(at(100));
    let timer_at = (!job.state.is_terminal()).then(|| at(200));
    let write = JobWrite {
        expected_version: found.version,
        job: job.clone(),
        timer_at,
        children: Vec::new(),
        history: Vec::new(),
    };
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    job
}

const DEAD: State = State::Dead { reason: DeadReason::AttemptsExhausted };

fn late() -> Timestamp {
    at(100 * 24 * 3600)
}

pub(crate) async fn an_untidy_end_is_swept_once_it_is_quiet(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let dead = end(&*db, 1, DEAD).await;
    accept(&*db, &job(2)).await; // It has not ended.
    let due_at = quiet_at(&dead);
    let sweep = Sweep { job: dead.id, due_at };
    let before = Timestamp::from_millis(due_at.as_millis() - 1);
    assert!(db.sweeps_due(before, 10).await.unwrap().is_empty());
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(db.sweeps_due(due_at, 10).await.unwrap(), [sweep]);
    // It ended once more meanwhile: what is known of the first end says nothing about the second.
    let old = Sweep { due_at: before, ..sweep };
    db.end_sweep(old).await.unwrap();
    assert_eq!(db.sweeps_due(due_at, 10).await.unwrap(), [sweep]);
    db.end_sweep(sweep).await.unwrap();
    assert!(db.sweeps_due(late(), 10).await.unwrap().is_empty());
}

pub(crate) async fn sweeps_come_longest_due_first_and_go_with_their_job(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in [3, 1, 2] {
        end(&*db, number, DEAD).await;
    }
    let due = db.sweeps_due(late(), 10).await.unwrap();
    let ids: Vec<_> = due.iter().map(|sweep| sweep.job).collect();
    assert_eq!(ids, [1, 2, 3].map(|number| job(number).id));
    assert_eq!(db.sweeps_due(late(), 2).await.unwrap(), due[..2]);
    let found = get(&*db, ids[0]).await;
    assert!(db.remove_job(ids[0], found.version, at(300)).await.unwrap());
    assert_eq!(db.sweeps_due(late(), 10).await.unwrap(), due[1..]);
}

pub(crate) async fn ended_jobs_come_in_the_order_of_their_acceptance(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in [5, 2, 9] {
        end(&*db, number, DEAD).await;
    }
    end(&*db, 4, State::Cancelled).await;
    accept(&*db, &job(1)).await;
    let ids = async |after, limit| {
        let found = db.ended("dead", after, limit).await.unwrap();
        found.into_iter().map(|found| found.job.id.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 2).await, [2, 5]);
    assert_eq!(ids(Some(job(5).id), 9).await, [9]);
}

pub(crate) async fn a_job_is_removed_as_it_was_seen_or_not_at_all(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let dead = end(&*db, 1, DEAD).await;
    let seen = get(&*db, dead.id).await.version;
    end_again(&*db, 1, State::Queued { since: at(150) }).await;
    assert!(!db.remove_job(dead.id, seen, at(300)).await.unwrap(), "it was started anew");
    end_again(&*db, 1, DEAD).await;
    let seen = get(&*db, dead.id).await.version;
    assert!(db.remove_job(dead.id, seen, at(300)).await.unwrap());
    assert!(!db.remove_job(dead.id, seen, at(300)).await.unwrap(), "twice is once");
    assert!(db.get(&[dead.id]).await.unwrap().is_empty());
    assert!(db.history(dead.id).await.unwrap().is_empty());
    let write = JobWrite {
        expected_version: seen,
        job: dead,
        timer_at: None,
        children: Vec::new(),
        history: Vec::new(),
    };
    let written = db.commit(Batch { jobs: vec![write], ..Batch::default() }).await;
    assert!(matches!(written, Err(JobsDbError::Conflict(_))), "{written:?}");
}

pub(crate) async fn a_key_outlives_its_job(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let key = IdempotencyKey { key: "once \0".into(), payload_sha256: [7; 32] };
    assert_eq!(db.accept(&job(1), Some(&key)).await.unwrap(), Accepted::Created);
    end_again(&*db, 1, DEAD).await;
    let version = get(&*db, job(1).id).await.version;
    assert!(db.remove_job(job(1).id, version, at(300)).await.unwrap());
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let again = db.accept(&job(2), Some(&key)).await.unwrap();
    assert_eq!(again, Accepted::Removed(job(1).id));
    let other = IdempotencyKey { payload_sha256: [8; 32], ..key.clone() };
    assert_eq!(db.accept(&job(2), Some(&other)).await.unwrap(), Accepted::KeyTaken(job(1).id));
    // A key whose job is there is never removed.
    let held = IdempotencyKey { key: "held".into(), payload_sha256: [7; 32] };
    assert_eq!(db.accept(&job(3), Some(&held)).await.unwrap(), Accepted::Created);
    assert_eq!(db.remove_keys(at(300), 10).await.unwrap(), 0);
    assert_eq!(db.remove_keys(late(), 10).await.unwrap(), 1);
    assert_eq!(db.accept(&job(4), Some(&key)).await.unwrap(), Accepted::Created);
    let found = db.accept(&job(5), Some(&held)).await.unwrap();
    assert_eq!(found, Accepted::Existing(Box::new(job(3))));
}

pub(crate) async fn uploads_go_when_nobody_can_need_them(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let upload = |number: u128, begun: i64| Upload {
        id: Uuid::from_u128(number),
        tenant: tenant("acme"),
        bucket: "b".into(),
        key: format!("uploads/{number}"),
        bytes: 4,
        created_at: at(begun),
        sha256: None,
        parts: None,
    };
    let (old, used, young) = (upload(1, 10), upload(2, 10), upload(3, 90));
    for upload in [&old, &used, &young] {
        db.put_upload(upload).await.unwrap();
    }
    assert_eq!(db.use_upload(used.id, at(60)).await.unwrap(), Some(used.clone()));
    // An earlier clock does not make it older.
    assert_eq!(db.use_upload(used.id, at(20)).await.unwrap(), Some(used.clone()));
    let before = |begun, used| RetireBefore { begun, used };
    let none = db.retire_uploads(before(None, None), at(100), 10).await.unwrap();
    assert_eq!(none, []);
    let first = before(Some(at(50)), Some(at(50)));
    assert_eq!(db.retire_uploads(first, at(100), 10).await.unwrap(), std::slice::from_ref(&old));
    // From now on nobody may name it; it comes again until it is removed.
    assert_eq!(db.use_upload(old.id, at(101)).await.unwrap(), None);
    assert_eq!(db.upload(old.id).await.unwrap(), None);
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(db.retire_uploads(first, at(102), 10).await.unwrap(), std::slice::from_ref(&old));
    db.remove_upload(old.id).await.unwrap();
    db.remove_upload(young.id).await.unwrap(); // It is in use.
    assert_eq!(db.upload(young.id).await.unwrap(), Some(young.clone()));
    let second = before(Some(at(50)), Some(at(61)));
    assert_eq!(db.retire_uploads(second, at(103), 10).await.unwrap(), [used]);
    // One that a job named is not taken away by hand, and nothing is taken twice.
    let (named, unused) = (upload(4, 90), upload(5, 90));
    for upload in [&named, &unused] {
        db.put_upload(upload).await.unwrap();
    }
    db.use_upload(named.id, at(91)).await.unwrap();
    assert!(!db.retire_unused_upload(named.id, at(104)).await.unwrap());
    assert!(db.retire_unused_upload(unused.id, at(120)).await.unwrap());
    assert!(!db.retire_unused_upload(unused.id, at(104)).await.unwrap());
    assert_eq!(db.use_upload(unused.id, at(104)).await.unwrap(), None);
    // It is not due before that.
    assert_eq!(db.retire_uploads(before(None, None), at(119), 10).await.unwrap().len(), 1);
    assert_eq!(db.retire_uploads(before(None, None), at(120), 10).await.unwrap().len(), 2);
    db.remove_upload(unused.id).await.unwrap();
    db.remove_upload(named.id).await.unwrap();
    let all = before(Some(late()), Some(late()));
    assert_eq!(db.retire_uploads(all, at(104), 1).await.unwrap().len(), 1);
    assert_eq!(db.retire_uploads(all, at(104), 10).await.unwrap().len(), 3);
}

/// The result of a family names its children's files: none of them goes before it.
pub(crate) async fn children_are_not_due_to_go_before_their_parent(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let (parent, children) = family(&*db, 2).await;
    for id in [children[0], children[1], parent.id] {
        move_to(&*db, id, State::Cancelled).await;
    }
    let ended = async || ids(&db.ended("cancelled", None, 9).await.unwrap());
    assert_eq!(ended().await, [parent.id.0.as_u128()]);
    let version = get(&*db, parent.id).await.version;
    assert!(db.remove_job(parent.id, version, at(9)).await.unwrap());
    let mut left: Vec<u128> = children.iter().map(|id| id.0.as_u128()).collect();
    left.sort_unstable();
    assert_eq!(ended().await, left);
}
