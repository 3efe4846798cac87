//! What jobs are found by that their rows do not need otherwise.

use panofleet_job_schema::job::State;
use panofleet_job_schema::operation::Operation;
use panofleet_job_schema::{Attempt, Job, JobId, OutputName, Tenant, Timestamp};
use panofleet_jobs_db::{Batch, JobFilter, JobWrite, JobsDb};
use uuid::Uuid;

use crate::fixture::{Fixture, accept, entry, get, ids, job, running, sent, to_state, worker};

async fn write(db: &dyn JobsDb, id: JobId, change: impl FnOnce(JobWrite) -> JobWrite, to: State) {
    let write = change(to_state(get(db, id).await, to));
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
}

async fn found(db: &dyn JobsDb, filter: JobFilter) -> Vec<u128> {
    let listed = ids(&db.list(&filter, 9).await.unwrap());
    assert_eq!(db.count(&filter).await.unwrap(), listed.len() as u64, "{filter:?}");
    listed
}

pub(crate) async fn jobs_are_found_by_operation_worker_and_attempt(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let tiles: Operation = serde_json::from_str(r#"{ "op": "pano.tiles" }"#).unwrap();
    let mut both = job(2);
    both.spec.outputs.insert(OutputName::new("tiles").unwrap(), tiles.clone());
    let mut other = job(3);
    other.spec.outputs = [(OutputName::new("tiles").unwrap(), tiles)].into();
    for job in [&job(1), &both, &other] {
        accept(&*db, job).await;
    }
    let of = |name: &str| JobFilter { operation: Some(name.to_owned()), ..JobFilter::default() };
    assert_eq!(found(&*db, of("media.probe")).await, [2, 1]);
    assert_eq!(found(&*db, of("pano.tiles")).await, [3, 2]);
    assert_eq!(found(&*db, of("pano")).await, []);

    let at = |number| JobFilter { attempt: Some(Attempt(number)), ..JobFilter::default() };
    let by = |name| JobFilter { worker: Some(worker(name)), ..JobFilter::default() };
    assert_eq!(found(&*db, by("w1")).await, []);
    let attempt = |number| {
        move |mut write: JobWrite| {
            write.job.counters.last_attempt = number;
            write
        }
    };
    let id = |number| JobId(Uuid::from_u128(number));
    write(&*db, id(1), attempt(1), sent(1)).await;
    write(&*db, id(1), attempt(1), running()).await;
    write(&*db, id(2), attempt(2), running()).await;
    assert_eq!(found(&*db, by("w1")).await, [2, 1]);
    assert_eq!((found(&*db, at(1)).await, found(&*db, at(2)).await), (vec![1], vec![2]));
    // Who held it last is found when nobody holds it any more, and so is whose end its history tells.
    write(&*db, id(1), |write| write, State::Cancelled).await;
    let by_another = |mut write: JobWrite| {
        let mut line = entry("waiting", "failed");
        line.worker = Some(worker("w2"));
        write.history = vec![line, entry("waiting", "test")];
        write
    };
    write(&*db, id(2), by_another, State::Expired).await;
    assert_eq!((found(&*db, by("w1")).await, found(&*db, by("w2")).await), (vec![1], vec![2]));
    // A new generation has had no attempt yet.
    let anew = |mut write: JobWrite| {
        write.job = Job { finished_at: None, ..write.job };
        write.job.counters.before_generation = write.job.counters.last_attempt;
        write
    };
    write(&*db, id(1), anew, State::Queued { since: crate::fixture::at(9) }).await;
    assert_eq!(found(&*db, at(1)).await, []);
    let joined = JobFilter { states: vec!["expired".to_owned()], ..of("pano.tiles") };
    assert_eq!(found(&*db, JobFilter { worker: Some(worker("w2")), ..joined }).await, [2]);
}

pub(crate) async fn jobs_are_found_by_when_they_were_accepted(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    // The first and the last that an id can be that was made in a millisecond.
    let first = |ms: u128| ms << 80 | 7 << 76;
    let last = |ms: u128| first(ms) | ((1 << 76) - 1);
    let [early, begin, end, late] = [last(998), first(999), last(1000), first(1001)];
    for number in [early, begin, end, late] {
        accept(&*db, &job(number)).await;
    }
    let ms = |ms| Some(Timestamp::from_millis(ms));
    let between = |accepted_since, accepted_until| JobFilter {
        accepted_since,
        accepted_until,
        ..JobFilter::default()
    };
    assert_eq!(found(&*db, between(ms(999), None)).await, [late, end, begin]);
    assert_eq!(found(&*db, between(None, ms(999))).await, [early]);
    assert_eq!(found(&*db, between(ms(999), ms(1001))).await, [end, begin]);
    assert_eq!(found(&*db, between(ms(1001), ms(999))).await, []);
    assert_eq!(found(&*db, between(ms(-1), ms(i64::MAX))).await, [late, end, begin, early]);
    let page = JobFilter { before: Some(JobId(Uuid::from_u128(end))), ..between(ms(999), None) };
    assert_eq!(found(&*db, page).await, [begin]);
    let of = |tenant: &str, state: &str| JobFilter {
        tenant: Some(Tenant::new(tenant).unwrap()),
        states: vec![state.to_owned()],
        ..between(ms(999), ms(1001))
    };
    assert_eq!(found(&*db, of("acme", "queued")).await, [end, begin]);
    assert_eq!(found(&*db, of("acme", "dead")).await, []);
    assert_eq!(found(&*db, of("other", "queued")).await, []);
}
