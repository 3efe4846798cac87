//! What failed alike.

use std::collections::BTreeMap;

use panofleet_job_schema::job::{CloseTarget, DeadReason, State};
use panofleet_job_schema::{ErrorClass, Failure, Job, Tenant, Timestamp};
use panofleet_jobs_db::{Batch, FailureGroup, HistoryEntry, JobFilter, JobWrite, JobsDb};

use crate::fixture::{Fixture, accept, at, entry, get, ids, job, move_to, region, to_state};

fn too_large(px: u32) -> Failure {
    Failure::rejected("picture_too_large", format!("the picture has {px} px"))
}

fn away() -> Failure {
    Failure::new(ErrorClass::Transient, "store_unavailable", "the store was away")
}

/// The job fails, and is left in `state`, at that second.
async fn fail(db: &dyn JobsDb, number: u128, failure: Failure, (state, seconds): (State, i64)) {
    let found = get(db, job(number).id).await;
    let write = to_state(found, state);
    let failed = Job { failure: Some(failure), ..write.job.clone() };
    let line = HistoryEntry { at: at(seconds), ..entry("dead", "failed") };
    let write = JobWrite { job: failed, history: vec![line], ..write };
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
}

const DEAD: State = State::Dead { reason: DeadReason::Rejected };

async fn groups(db: &dyn JobsDb, failed_since: Option<Timestamp>) -> Vec<FailureGroup> {
    db.failure_groups(&JobFilter { failed_since, ..of(job(1).tenant) }, 9).await.unwrap()
}

fn of(tenant: Tenant) -> JobFilter {
    JobFilter { tenant: Some(tenant), ..JobFilter::default() }
}

pub(crate) async fn failed_jobs_are_grouped_by_what_their_failures_share(
    fixture: &mut dyn Fixture,
) {
    let db = fixture.db();
    for number in 1..=6 {
        let region = region(if number == 3 { "us-west" } else { "hangzhou" });
        accept(&*db, &Job { region, ..job(number) }).await;
    }
    let other = Tenant::new("other").unwrap();
    accept(&*db, &Job { tenant: other.clone(), ..job(7) }).await;
    assert_eq!(groups(&*db, None).await, []);
    fail(&*db, 2, away(), (State::Waiting { due_at: at(90) }, 20)).await;
    for (number, seconds) in [(1, 10), (3, 30), (4, 40), (7, 70)] {
        fail(&*db, number, too_large(100 + number as u32), (DEAD, seconds)).await;
    }
    let closing = State::Closing { target: CloseTarget::Expired, try_at: at(99) };
    fail(&*db, 5, too_large(999), (closing, 50)).await;
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let [large, store] = &groups(&*db, None).await[..] else { panic!("two kinds") };
    assert_eq!(large.fingerprint, too_large(1).fingerprint());
    assert_eq!((large.jobs, large.first_at, large.last_at), (4, at(10), at(50)));
    let named = |names: &[(&str, u64)]| -> BTreeMap<String, u64> {
        names.iter().map(|(name, jobs)| ((*name).to_owned(), *jobs)).collect()
    };
    assert_eq!(large.states, named(&[("closing", 1), ("dead", 3)]));
    assert_eq!(large.regions, BTreeMap::from([(region("hangzhou"), 3), (region("us-west"), 1)]));
    assert_eq!(large.newest, get(&*db, job(5).id).await);
    assert_eq!((store.jobs, store.states.clone()), (1, named(&[("waiting", 1)])));
    let since: Vec<u64> = groups(&*db, Some(at(30))).await.iter().map(|group| group.jobs).collect();
    assert_eq!(since, [3], "those that failed then or later");
    assert_eq!(db.failure_groups(&of(other), 9).await.unwrap()[0].jobs, 1);
    let matching = async |filter: JobFilter, limit| {
        let found = db.failure_groups(&filter, limit).await.unwrap();
        found.iter().map(|group| (group.fingerprint.clone(), group.jobs)).collect::<Vec<_>>()
    };
    let [few, many] = [away(), too_large(1)].map(|failure| failure.fingerprint());
    let ours = || of(job(1).tenant);
    assert_eq!(matching(ours(), 1).await, [(many.clone(), 4)], "the largest");
    let one = JobFilter { failure: Some(few.clone()), ..ours() };
    assert_eq!(matching(one, 9).await, [(few, 1)]);
    let dead = JobFilter { states: vec!["dead".to_owned()], ..ours() };
    assert_eq!(matching(dead, 9).await, [(many.clone(), 3)]);
    let there = JobFilter { region: Some(region("us-west")), ..ours() };
    assert_eq!(matching(there, 9).await, [(many, 1)]);

    // Not once it has its turn again, nor when somebody has ended it.
    move_to(&*db, job(2).id, State::Queued { since: at(91) }).await;
    move_to(&*db, job(5).id, State::Cancelled).await;
    let left: Vec<u64> = groups(&*db, None).await.iter().map(|group| group.jobs).collect();
    assert_eq!(left, [3]);
}

pub(crate) async fn failed_jobs_are_found_and_counted(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in 1..=5 {
        accept(&*db, &job(number)).await;
    }
    accept(&*db, &Job { region: region("us-west"), ..job(6) }).await;
    for (number, seconds) in [(1, 10), (2, 20), (3, 30), (6, 60)] {
        fail(&*db, number, too_large(7), (DEAD, seconds)).await;
    }
    fail(&*db, 4, away(), (State::Waiting { due_at: at(90) }, 40)).await;
    let tenant = Some(job(1).tenant);
    let large =
        JobFilter { tenant, failure: Some(too_large(8).fingerprint()), ..JobFilter::default() };
    let found = async |filter: JobFilter| {
        let found = ids(&db.list(&filter, 9).await.unwrap());
        assert_eq!(db.count(&filter).await.unwrap(), found.len() as u64, "{filter:?}");
        found
    };
    assert_eq!(found(large.clone()).await, [6, 3, 2, 1]);
    let dead = vec!["dead".to_owned()];
    assert_eq!(found(JobFilter { states: dead.clone(), ..large.clone() }).await, [6, 3, 2, 1]);
    let expired = vec!["expired".to_owned()];
    assert_eq!(found(JobFilter { states: expired, ..large.clone() }).await, [0; 0]);
    let nonsense = vec!["nonsense".to_owned()];
    assert_eq!(found(JobFilter { states: nonsense, ..large.clone() }).await, [0; 0]);
    assert_eq!(found(JobFilter { failed_since: Some(at(30)), ..large.clone() }).await, [6, 3]);
    let there = Some(region("hangzhou"));
    assert_eq!(found(JobFilter { region: there, ..large.clone() }).await, [3, 2, 1]);
    assert_eq!(found(JobFilter { before: Some(job(3).id), ..large }).await, [2, 1]);
    let lately = JobFilter { failed_since: Some(at(40)), ..JobFilter::default() };
    assert_eq!(found(lately).await, [6, 4]);
    assert_eq!(found(JobFilter { states: dead, ..JobFilter::default() }).await, [6, 3, 2, 1]);
    assert_eq!(found(JobFilter::default()).await, [6, 5, 4, 3, 2, 1]);
}
