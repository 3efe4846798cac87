//! Jobs that somebody should look at.

use std::time::Duration;

use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::job::{Claim, CloseTarget, State};
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::{Failure, Job, JobId};
use panofleet_jobs_db::{Batch, HeartbeatWrite, JobWrite, JobsDb};

use crate::fixture::{
    Fixture, accept, at, get, ids, job, move_to, running, sent, tenant, to_state,
};
use crate::workers::info;

fn claimed(seconds: i64) -> State {
    let State::Running { claims, placement } = running() else { unreachable!("it runs") };
    let claims = claims.into_iter().map(|claim| Claim { claimed_at: at(seconds), ..claim });
    State::Running { claims: claims.collect(), placement }
}

/// A worker says how far its jobs are.
async fn say(db: &dyn JobsDb, seconds: i64, said: &[(JobId, f64)]) {
    let progress = |fraction| Progress {
        fraction,
        step: "tiles".to_owned(),
        uploaded_bytes: 0,
        curve: Curve::default(),
    };
    let progress = said.iter().map(|(id, fraction)| (*id, progress(*fraction))).collect();
    let beat = HeartbeatWrite { worker: info("w1", 0), claims: vec![], progress, at: at(seconds) };
    db.commit(Batch { heartbeats: vec![beat], ..Batch::default() }).await.unwrap();
}

pub(crate) async fn what_says_nothing_new_is_stuck(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for (number, claimed_at) in [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)] {
        let whose = tenant(if number == 5 { "other" } else { "acme" });
        accept(&*db, &Job { tenant: whose, ..job(number) }).await;
        move_to(&*db, job(number).id, claimed(claimed_at)).await;
    }
    let stuck = async |whose: Option<&str>, before| {
        let whose = whose.map(tenant);
        let found = db.stuck(whose.as_ref(), at(before), 9).await.unwrap();
        let pair = |stuck: &panofleet_jobs_db::Stuck| (stuck.found.job.id.0.as_u128(), stuck.since);
        found.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(
        stuck(None, 31).await,
        [(1, at(10)), (2, at(20)), (3, at(30))],
        "since their claims"
    );
    say(&*db, 100, &[(job(1).id, 0.1), (job(2).id, 0.1)]).await;
    say(&*db, 110, &[(job(1).id, 0.1), (job(2).id, 0.2)]).await;
    say(&*db, 120, &[(job(1).id, 0.1), (job(2).id, 0.2)]).await;
    // 1 has said the same since 100, and 2 something new at 110.
    assert_eq!(stuck(None, 101).await, [(3, at(30)), (4, at(40)), (5, at(50)), (1, at(100))]);
    assert_eq!(
        stuck(Some("acme"), 111).await,
        [(3, at(30)), (4, at(40)), (1, at(100)), (2, at(110))]
    );
    assert_eq!(stuck(Some("other"), 111).await, [(5, at(50))]);
    assert_eq!(db.stuck(None, at(111), 2).await.unwrap().len(), 2);
    // The next attempt begins anew.
    move_to(&*db, job(1).id, sent(2)).await;
    move_to(&*db, job(1).id, claimed(200)).await;
    assert_eq!(stuck(Some("acme"), 201).await.last(), Some(&(1, at(200))));
    move_to(&*db, job(3).id, State::Cancelled).await;
    assert!(!stuck(None, 999).await.iter().any(|(number, _)| *number == 3));
}

/// Puts a job into the backoff of a retry, or lets it wait for its start.
async fn wait(db: &dyn JobsDb, number: u128, seconds: i64, failed: bool) {
    let due_at = at(seconds);
    let write = to_state(get(db, job(number).id).await, State::Waiting { due_at });
    let failure = failed.then(|| Failure::transient("store_away", "the store was away"));
    let write =
        JobWrite { job: Job { failure, ..write.job.clone() }, timer_at: Some(due_at), ..write };
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
}

pub(crate) async fn retries_are_counted_by_when_they_are_due(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let due = [(1, 90), (2, 130), (3, 100), (4, 159), (5, 160), (6, 219), (7, 220)];
    for (number, seconds) in due {
        let whose = tenant(if number == 4 { "other" } else { "acme" });
        accept(&*db, &Job { tenant: whose, ..job(number) }).await;
        wait(&*db, number, seconds, true).await;
    }
    accept(&*db, &job(8)).await;
    wait(&*db, 8, 120, false).await;
    accept(&*db, &job(9)).await;
    let found = async |whose: Option<&str>, until| {
        let whose = whose.map(tenant);
        let found = db.retries_due(whose.as_ref(), at(until), 9).await.unwrap();
        found.iter().map(|due| (due.found.job.id.0.as_u128(), due.timer_at)).collect::<Vec<_>>()
    };
    assert_eq!(found(None, 131).await, [(1, at(90)), (3, at(100)), (2, at(130))]);
    assert_eq!(found(Some("other"), 1000).await, [(4, at(159))]);
    assert_eq!(db.retries_due(None, at(1000), 2).await.unwrap().len(), 2);
    // Steps of a minute from 100 on; what is due already counts in the first, what is due behind the last in none.
    let steps = (Duration::from_secs(60), 2);
    let expected = |whose: Option<u128>| {
        let mut counts = [0; 2];
        for (number, seconds) in due {
            let step = (seconds - 100).max(0) / 60;
            if step < 2 && whose.is_none_or(|whose| whose == number) {
                counts[step as usize] += 1;
            }
        }
        counts
    };
    assert_eq!(db.retry_forecast(None, at(100), steps).await.unwrap(), expected(None));
    assert_eq!(expected(None), [4, 2]);
    let other = tenant("other");
    assert_eq!(db.retry_forecast(Some(&other), at(100), steps).await.unwrap(), expected(Some(4)));
    let later = db.retry_forecast(None, at(5000), steps).await.unwrap();
    assert_eq!(later, [7, 0], "all are due already");
}

pub(crate) async fn deadlines_come_the_next_first(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for (number, seconds) in [(1, 500), (2, 400), (3, 300), (4, 450), (5, 350), (6, 320)] {
        let whose = tenant(if number == 5 { "other" } else { "acme" });
        accept(&*db, &Job { tenant: whose, deadline_at: at(seconds), ..job(number) }).await;
    }
    move_to(&*db, job(3).id, State::Cancelled).await;
    let closing = State::Closing { target: CloseTarget::Expired, try_at: at(1) };
    move_to(&*db, job(6).id, closing).await;
    let mut runs = to_state(get(&*db, job(2).id).await, claimed(10));
    runs.timer_at = Some(at(60));
    db.commit(Batch { jobs: vec![runs], ..Batch::default() }).await.unwrap();
    let near = async |whose: Option<&str>, until, limit| {
        let whose = whose.map(tenant);
        ids(&db.deadlines(whose.as_ref(), at(until), limit).await.unwrap())
    };
    assert_eq!(near(None, 451, 9).await, [5, 2, 4]);
    assert_eq!(near(None, 450, 9).await, [5, 2]);
    assert_eq!(near(None, 451, 1).await, [5]);
    assert_eq!(near(Some("acme"), 9999, 9).await, [2, 4, 1]);
    assert_eq!(near(Some("other"), 9999, 9).await, [5]);
}

pub(crate) async fn each_tenant_s_oldest_queued_job_is_found(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.oldest_queued(None, 9).await.unwrap().is_empty());
    for (number, whose) in
        [(1, "b"), (2, "c"), (3, "a"), (4, "b"), (5, "a"), (6, "d"), (7, "c"), (8, "e")]
    {
        accept(&*db, &Job { tenant: tenant(whose), ..job(number) }).await;
    }
    move_to(&*db, job(1).id, sent(1)).await;
    move_to(&*db, job(8).id, State::Cancelled).await;
    let heads = async |whose: Option<&str>, limit| {
        let whose = whose.map(tenant);
        ids(&db.oldest_queued(whose.as_ref(), limit).await.unwrap())
    };
    assert_eq!(heads(None, 9).await, [2, 3, 4, 6]);
    assert_eq!(heads(None, 2).await, [2, 3]);
    assert_eq!(heads(Some("b"), 9).await, [4]);
    assert_eq!(heads(Some("e"), 9).await, [0; 0]);
}
