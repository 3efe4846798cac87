//! The change counter and the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::JobsDb;
use tokio::task::JoinSet;

use crate::fixture::{Fixture, WAIT, accept, advance, job, move_to, sent, within};

pub(crate) async fn a_write_ends_the_wait_and_silence_times_out(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let mut seen = db.changed(0, Duration::ZERO).await.unwrap();
    let (asked_at, wait) = (Instant::now(), Duration::from_millis(50));
    assert_eq!(db.changed(seen, wait).await.unwrap(), seen);
    assert!(asked_at.elapsed() >= wait, "nothing was written, so it must wait");

    let new_job = job(1);
    let (changed, ()) = tokio::join!(within(db.changed(seen, WAIT)), accept(&*db, &new_job));
    assert_ne!(changed.unwrap(), seen);
    seen = db.changed(seen, Duration::ZERO).await.unwrap();
    let (changed, ()) =
        tokio::join!(within(db.changed(seen, WAIT)), move_to(&*db, job(1).id, sent(1)));
    assert_ne!(changed.unwrap(), seen);
    seen = db.changed(seen, Duration::ZERO).await.unwrap();
    // What was written before the call ends the wait too: nothing falls between two calls.
    db.commit(advance("log", 0, 0, 1)).await.unwrap();
    let now = within(db.changed(seen, WAIT)).await.unwrap();
    assert_ne!(now, seen);
    assert_eq!(db.changed(now, Duration::ZERO).await.unwrap(), now);
}

pub(crate) async fn the_clock_never_goes_back(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let db: Arc<dyn JobsDb> = Arc::clone(&db);
        readers.spawn(async move {
            let mut last = Timestamp::default();
            for _ in 0..200 {
                let now = db.now().await.unwrap();
                assert!(now >= last, "{now} came after {last}");
                last = now;
            }
            last
        });
    }
    let last = readers.join_all().await.into_iter().max().unwrap();
    let begun = db.now().await.unwrap();
    assert!(begun >= last);
    assert!(
        begun > "2026-01-01T00:00:00Z".parse().unwrap(),
        "it is the wall clock, in milliseconds: {begun}"
    );
    let begun_at = Instant::now();
    while db.now().await.unwrap().since(begun) < Duration::from_millis(20) {
        assert!(begun_at.elapsed() < crate::fixture::PATIENCE, "it must move");
    }
    assert!(begun_at.elapsed() >= Duration::from_millis(15), "it must move as time does");
}
