//! Jobs that are split.

use std::collections::BTreeMap;
use std::sync::Arc;

use panofleet_job_schema::family::{ChildOf, child_id};
use panofleet_job_schema::job::{CloseTarget, State};
use panofleet_job_schema::{Generation, Job, JobId, Timestamp};
use panofleet_jobs_db::{
    Batch, ChildCount, FamilyKey, JobFilter, JobWrite, JobsDb, JobsDbError, Versioned,
};
use tokio::task::JoinSet;

use crate::fixture::{
    Fixture, accept, assert_conflict, at, get, ids, job, move_to, running, to_state,
};

const BLOCKED: State = State::Blocked { look_at: Timestamp::from_millis(1_770_000_060_000) };

fn child(parent: &Job, index: u32) -> Job {
    let generation = parent.generation;
    Job {
        id: child_id(parent.id, generation, index),
        child_of: Some(ChildOf { parent: parent.id, generation, index }),
        ..job(1)
    }
}

/// The write that splits a job into so many children.
fn split(found: Versioned, children: u32) -> JobWrite {
    let children = (0..children).map(|index| child(&found.job, index)).collect();
    JobWrite { children, ..to_state(found, BLOCKED) }
}

/// Job 1, in so many children.
pub(crate) async fn family(db: &dyn JobsDb, children: u32) -> (Job, Vec<JobId>) {
    accept(db, &job(1)).await;
    let write = split(get(db, job(1).id).await, children);
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    let ids = (0..children).map(|index| child(&job(1), index).id).collect();
    (job(1), ids)
}

async fn counted(db: &dyn JobsDb, parent: &Job) -> Vec<(String, u32, JobId)> {
    let key = FamilyKey::of(parent);
    let counts = db.child_counts(&[key]).await.unwrap().remove(&key).unwrap_or_default();
    let mut counts: Vec<_> =
        counts.into_iter().map(|ChildCount { state, jobs, first }| (state, jobs, first)).collect();
    counts.sort();
    counts
}

async fn is_due(db: &dyn JobsDb, id: JobId) -> bool {
    let due = db.due(at(0), None, 100).await.unwrap();
    due.iter().any(|due| due.found.job.id == id)
}

pub(crate) async fn children_come_with_their_parent_s_write_or_not_at_all(
    fixture: &mut dyn Fixture,
) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    let before = get(&*db, job(1).id).await;
    let stale = JobWrite { expected_version: 9, ..split(before.clone(), 3) };
    assert_conflict(db.commit(Batch { jobs: vec![stale], ..Batch::default() }).await);
    assert!(db.children(FamilyKey::of(&before.job)).await.unwrap().is_empty());

    let batch = Batch { jobs: vec![split(before.clone(), 3)], ..Batch::default() };
    db.commit(batch.clone()).await.unwrap();
    assert_conflict(db.commit(batch).await);
    let children = db.children(FamilyKey::of(&before.job)).await.unwrap();
    let expected: Vec<Job> = (0..3).map(|index| child(&before.job, index)).collect();
    let found: Vec<Job> = children.iter().map(|found| found.job.clone()).collect();
    assert_eq!(found, expected, "as they were made, in their order");
    assert!(children.iter().all(|found| found.version == 1));
    assert_eq!(db.due(expected[0].deadline_at, None, 9).await.unwrap().len(), 4, "with timers");
    assert_eq!(counted(&*db, &before.job).await, [("queued".into(), 3, expected[0].id)]);
    let other = Job { generation: Generation(2), ..before.job };
    assert!(counted(&*db, &other).await.is_empty(), "of another generation");

    drop(db);
    fixture.crash().await;
    assert_eq!(counted(&*fixture.db(), &job(1)).await, [("queued".into(), 3, expected[0].id)]);
}

pub(crate) async fn a_child_that_ends_wakes_its_parent_and_refuses_older_counts(
    fixture: &mut dyn Fixture,
) {
    let db = fixture.db();
    let (parent, children) = family(&*db, 2).await;
    move_to(&*db, children[0], running()).await;
    assert!(!is_due(&*db, parent.id).await, "nobody has ended");
    // Somebody counts, and is slow to write what follows.
    let before = get(&*db, parent.id).await;
    move_to(&*db, children[0], State::Cancelled).await;
    assert!(is_due(&*db, parent.id).await);
    let slow = to_state(before, BLOCKED);
    assert_conflict(db.commit(Batch { jobs: vec![slow], ..Batch::default() }).await);
    assert!(is_due(&*db, parent.id).await, "the news is still there");
    assert_eq!(get(&*db, parent.id).await.job.state, BLOCKED, "and nothing else has changed");
    assert_eq!(
        counted(&*db, &parent).await,
        [("cancelled".into(), 1, children[0]), ("queued".into(), 1, children[1])]
    );
    // Whoever does not wait is left alone.
    move_to(&*db, parent.id, State::Cancelled).await;
    let ended = get(&*db, parent.id).await;
    move_to(&*db, children[1], State::Cancelled).await;
    assert_eq!(get(&*db, parent.id).await, ended);
}

pub(crate) async fn of_two_children_that_end_at_once_the_last_is_counted(
    fixture: &mut dyn Fixture,
) {
    let db = fixture.db();
    let (parent, children) = family(&*db, 8).await;
    // Each ends its child, counts, and lets the parent go on if it was the last: several may see all of them.
    let mut tasks = JoinSet::new();
    for child in children {
        let (db, parent) = (Arc::clone(&db), parent.clone());
        tasks.spawn(async move {
            move_to(&*db, child, State::Cancelled).await;
            joins(&*db, &parent).await
        });
    }
    let joined = tasks.join_all().await;
    assert_eq!(joined.iter().filter(|joined| **joined).count(), 1, "{joined:?}");
    assert_eq!(get(&*db, parent.id).await.job.state, State::Queued { since: at(9) });
}

/// Whether it was this call that let the parent go on.
async fn joins(db: &dyn JobsDb, parent: &Job) -> bool {
    loop {
        let found = get(db, parent.id).await;
        let all = [("cancelled".to_owned(), 8, child(parent, 0).id)];
        if counted(db, parent).await != all || found.job.state != BLOCKED {
            return false;
        }
        let write = to_state(found, State::Queued { since: at(9) });
        match db.commit(Batch { jobs: vec![write], ..Batch::default() }).await {
            Ok(()) => return true,
            Err(JobsDbError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) async fn children_are_listed_where_they_are_asked_for(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(2)).await;
    let (parent, children) = family(&*db, 3).await;
    move_to(&*db, children[1], State::Cancelled).await;
    assert_eq!(ids(&db.list(&JobFilter::default(), 9).await.unwrap()), [2, 1]);
    let of = JobFilter { parent: Some(parent.id), ..JobFilter::default() };
    let expected: Vec<_> = children.iter().rev().map(|id| id.0.as_u128()).collect();
    assert_eq!(ids(&db.list(&of, 9).await.unwrap()), expected);
    let queued = JobFilter { states: vec!["queued".into(), "dead".into()], ..of };
    assert_eq!(ids(&db.list(&queued, 9).await.unwrap()), [expected[0], expected[2]]);
    let nobody = JobFilter { parent: Some(job(2).id), ..JobFilter::default() };
    assert!(db.list(&nobody, 9).await.unwrap().is_empty());
    let states: BTreeMap<_, _> =
        db.backlog().await.unwrap().into_iter().map(|row| (row.state, row.jobs)).collect();
    assert_eq!(states, BTreeMap::from([("blocked", 1), ("queued", 3)]), "work is work");
}

pub(crate) async fn nobody_s_children_are_found(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let (parent, children) = family(&*db, 4).await;
    move_to(&*db, children[0], State::Cancelled).await;
    let closing = CloseTarget::Cancelled;
    move_to(&*db, children[1], State::Closing { target: closing, try_at: at(1) }).await;
    assert!(db.stray_children(9).await.unwrap().is_empty(), "their parent waits");
    move_to(&*db, parent.id, State::Expired).await;
    let expected: Vec<_> = children[2..].iter().map(|id| id.0.as_u128()).collect();
    assert_eq!(strays(&*db, 9).await, expected);
    assert_eq!(strays(&*db, 1).await.len(), 1);
    // Started anew: it waits for others.
    let mut write = to_state(get(&*db, parent.id).await, State::Queued { since: at(5) });
    write.job.generation = Generation(2);
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    assert_eq!(strays(&*db, 9).await, expected);
}

async fn strays(db: &dyn JobsDb, limit: u32) -> Vec<u128> {
    let mut strays = ids(&db.stray_children(limit).await.unwrap());
    strays.sort_unstable();
    strays
}
