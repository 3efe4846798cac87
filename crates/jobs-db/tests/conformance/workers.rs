//! Heartbeats, and what is known by them.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::job::State;
use panofleet_job_schema::message::{Progress, WorkerInfo};
use panofleet_job_schema::{JobId, Lane};
use panofleet_jobs_db::{Batch, HeartbeatWrite, JobsDb, WorkerRow};

use crate::fixture::{
    Fixture, accept, at, claim, entry, get, job, move_to, region, running, sent, to_state, worker,
};

/// A worker whose process began at `started`.
pub(crate) fn info(name: &str, started: i64) -> WorkerInfo {
    WorkerInfo {
        worker: worker(name),
        region: region("hangzhou"),
        lanes: vec![Lane::Image],
        slots: 4,
        lane_slots: BTreeMap::new(),
        version: "0.1.0".to_owned(),
        draining: false,
        order_revision: 0,
        started_at: at(started),
    }
}

fn progress(fraction: f64) -> Progress {
    Progress { fraction, step: "tiles".to_owned(), uploaded_bytes: 1 << 33, curve: curve(fraction) }
}

/// That of an attempt that does as much in each second.
fn curve(fraction: f64) -> Curve {
    let mut curve = Curve::default();
    for second in 1..=20_u32 {
        curve.note(fraction.min(f64::from(second) / 20.0), Duration::from_secs(second.into()));
    }
    curve
}

fn beat(name: &str, started: i64, beat_at: i64, claims: &[u128]) -> HeartbeatWrite {
    let claims = claims.iter().map(|number| claim(*number)).collect();
    HeartbeatWrite { worker: info(name, started), claims, progress: vec![], at: at(beat_at) }
}

async fn apply(db: &dyn JobsDb, heartbeats: Vec<HeartbeatWrite>) {
    db.commit(Batch { heartbeats, ..Batch::default() }).await.unwrap();
}

pub(crate) async fn a_heartbeat_replaces_the_one_before(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    apply(
        &*db,
        vec![beat("w2", 0, 10, &[5]), beat("w1", 0, 10, &[1, 2]), beat("w1", 0, 11, &[2, 3])],
    )
    .await;
    let row = |name, beat_at, claims: &[u128]| WorkerRow {
        worker: info(name, 0),
        beat_at: at(beat_at),
        claims: claims.iter().map(|number| claim(*number)).collect(),
    };
    assert_eq!(db.workers().await.unwrap(), [row("w1", 11, &[2, 3]), row("w2", 10, &[5])]);
}

pub(crate) async fn a_heartbeat_of_an_earlier_life_is_ignored(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    move_to(&*db, job(1).id, running()).await;
    apply(&*db, vec![beat("w1", 100, 110, &[2])]).await;
    let mut old = beat("w1", 50, 120, &[1]);
    old.progress = vec![(job(1).id, progress(0.9))];
    apply(&*db, vec![old]).await;
    let rows = db.workers().await.unwrap();
    assert_eq!(
        (rows[0].beat_at, &rows[0].claims[..], &rows[0].worker),
        (at(110), &[claim(2)][..], &info("w1", 100))
    );
    assert!(db.progress(&[job(1).id]).await.unwrap().is_empty());
    apply(&*db, vec![beat("w1", 101, 121, &[3])]).await;
    assert_eq!(db.workers().await.unwrap()[0].claims, [claim(3)], "a later life takes over");
}

pub(crate) async fn of_two_lives_in_one_batch_the_later_counts(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    move_to(&*db, job(1).id, running()).await;
    let said = |beat: HeartbeatWrite, part| HeartbeatWrite {
        progress: vec![(job(1).id, progress(part))],
        ..beat
    };
    let later = said(beat("w1", 100, 12, &[2]), 0.5);
    // In whatever order a log that has several writers keeps them.
    apply(&*db, vec![beat("w1", 50, 10, &[1]), later, said(beat("w1", 50, 13, &[1]), 0.9)]).await;
    let rows = db.workers().await.unwrap();
    assert_eq!(
        (rows[0].beat_at, &rows[0].claims[..], &rows[0].worker),
        (at(12), &[claim(2)][..], &info("w1", 100))
    );
    assert_eq!(db.progress(&[job(1).id]).await.unwrap()[&job(1).id], progress(0.5));
}

pub(crate) async fn beats_are_of_listed_claims_only(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    apply(&*db, vec![beat("w1", 0, 10, &[1, 2]), beat("w2", 0, 20, &[3])]).await;
    let asked = [("w1", 1), ("w1", 3), ("w2", 3), ("w2", 4), ("w3", 1), ("w1", 2)];
    let asked = asked.map(|(name, number)| (worker(name), claim(number)));
    let expected = BTreeMap::from([(claim(1), at(10)), (claim(2), at(10)), (claim(3), at(20))]);
    assert_eq!(db.beats(&asked).await.unwrap(), expected);
    apply(&*db, vec![beat("w1", 0, 30, &[2])]).await;
    let expected = BTreeMap::from([(claim(2), at(30)), (claim(3), at(20))]);
    assert_eq!(db.beats(&asked).await.unwrap(), expected, "a claim that is not listed any more");
    assert!(db.beats(&[]).await.unwrap().is_empty());
}

pub(crate) async fn progress_is_of_running_jobs_only(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let ids: Vec<JobId> = (1..=4).map(|number| job(number).id).collect();
    for number in 1..=3 {
        accept(&*db, &job(number)).await;
        move_to(&*db, job(number).id, running()).await;
    }
    let mut heartbeat = beat("w1", 0, 10, &[]);
    // Job 4 does not exist, and must not stop the others.
    heartbeat.progress = [(1, 0.25), (2, 1.0), (4, 0.5), (1, 0.5)]
        .map(|(at, part)| (job(at).id, progress(part)))
        .to_vec();
    apply(&*db, vec![heartbeat.clone()]).await;
    let expected = BTreeMap::from([(ids[0], progress(0.5)), (ids[1], progress(1.0))]);
    assert_eq!(db.progress(&ids).await.unwrap(), expected);
    assert_eq!(db.progress(&ids[1..]).await.unwrap().len(), 1);

    move_to(&*db, ids[0], sent(2)).await;
    move_to(&*db, ids[1], State::Cancelled).await;
    apply(&*db, vec![HeartbeatWrite { progress: vec![(ids[1], progress(0.1))], ..heartbeat }])
        .await;
    assert!(db.progress(&ids).await.unwrap().is_empty());
    move_to(&*db, ids[0], running()).await;
    assert!(db.progress(&ids).await.unwrap().is_empty(), "the next attempt begins at nothing");
}

pub(crate) async fn the_line_that_ends_an_attempt_says_how_far_it_was(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let id = job(1).id;
    accept(&*db, &job(1)).await;
    move_to(&*db, id, running()).await;
    let heartbeat =
        |part| HeartbeatWrite { progress: vec![(id, progress(part))], ..beat("w1", 0, 10, &[]) };
    apply(&*db, vec![heartbeat(0.5)]).await;
    // Lines of a batch: the attempt ends in the second one, and the job goes on to something else.
    let mut write = to_state(get(&*db, id).await, sent(2));
    write.history = [("running", "joined"), ("queued", "lease_lapsed"), ("sent", "dispatched")]
        .map(|(state, reason)| entry(state, reason))
        .to_vec();
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    // A worker that was given up may say something yet; the line that follows ends nothing.
    apply(&*db, vec![heartbeat(0.75)]).await;
    move_to(&*db, id, State::Queued { since: at(20) }).await;
    // An attempt that was never heard of.
    move_to(&*db, id, running()).await;
    move_to(&*db, id, State::Cancelled).await;
    let said: Vec<_> =
        db.history(id).await.unwrap().into_iter().map(|line| line.progress).collect();
    let half = Some(progress(0.5));
    assert_eq!(said, [None, None, half, None, None, None, None]);
}
