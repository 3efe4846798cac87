//! Batches: compare-and-set, all or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use panofleet_job_schema::job::State;
use panofleet_jobs_db::{
    Batch, HeartbeatWrite, HistoryEntry, JobWrite, JobsDb, JobsDbError, Versioned,
};
use tokio::task::JoinSet;

use crate::fixture::{
    Fixture, accept, advance, assert_conflict, at, entry, get, job, move_to, next_due, running,
    sent, to_state, worker,
};
use crate::workers::info;

async fn next_offset(db: &dyn JobsDb, log_id: &str, partition: u32) -> Option<u64> {
    db.partitions(log_id).await.unwrap().get(&partition).map(|row| row.next_offset)
}

pub(crate) async fn of_two_writers_one_wins_and_the_other_wrote_nothing(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in 1..=2 {
        accept(&*db, &job(number)).await;
    }
    let (one, two) = (get(&*db, job(1).id).await, get(&*db, job(2).id).await);
    move_to(&*db, job(2).id, sent(1)).await;
    // The second writer read job 2 before that: its write of job 1 must not stand either.
    let mut late = advance("log", 0, 0, 10);
    late.jobs = vec![to_state(one.clone(), sent(1)), to_state(two, State::Cancelled)];
    late.heartbeats = vec![heartbeat("w1")];
    assert_conflict(db.commit(late).await);
    assert_eq!(get(&*db, job(1).id).await, one);
    let second = get(&*db, job(2).id).await;
    assert_eq!((second.version, second.job.state), (2, sent(1)));
    assert!(db.history(job(1).id).await.unwrap().is_empty());
    assert_eq!(db.history(job(2).id).await.unwrap(), [entry("sent", "test")]);
    assert_eq!(next_offset(&*db, "log", 0).await.unwrap_or(0), 0);
    assert!(db.workers().await.unwrap().is_empty());
}

/// Each row is a compare-and-set of its own, and what it lost leaves no history either.
pub(crate) async fn of_writes_that_stand_alone_one_that_lost_holds_up_no_other(
    fixture: &mut dyn Fixture,
) {
    let db = fixture.db();
    for number in 1..=3 {
        accept(&*db, &job(number)).await;
    }
    let (one, two, three) =
        (get(&*db, job(1).id).await, get(&*db, job(2).id).await, get(&*db, job(3).id).await);
    move_to(&*db, job(2).id, sent(1)).await;
    let writes = [
        to_state(three, State::Cancelled),
        to_state(two, State::Cancelled),
        to_state(one, State::Cancelled),
    ];
    let written = db.write_each(&writes).await.unwrap();
    assert_eq!(written, BTreeSet::from([job(1).id, job(3).id]));
    assert_eq!(db.write_each(&[]).await.unwrap(), BTreeSet::new());
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    for number in [1, 3] {
        assert_eq!(get(&*db, job(number).id).await.job.state, State::Cancelled);
        assert_eq!(db.history(job(number).id).await.unwrap(), [entry("cancelled", "test")]);
    }
    assert_eq!(get(&*db, job(2).id).await.job.state, sent(1));
    assert_eq!(db.history(job(2).id).await.unwrap(), [entry("sent", "test")]);
}

fn heartbeat(name: &str) -> HeartbeatWrite {
    HeartbeatWrite { worker: info(name, 0), claims: vec![], progress: vec![], at: at(5) }
}

pub(crate) async fn racing_writers_never_lose_an_update(fixture: &mut dyn Fixture) {
    const WRITERS: u32 = 8;
    const EACH: u32 = 10;
    accept(&*fixture.db(), &job(1)).await;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let db = Arc::clone(&fixture.db());
        writers.spawn(async move {
            for _ in 0..EACH {
                loop {
                    let Versioned { mut job, version } = get(&*db, job(1).id).await;
                    job.counters.losses += 1;
                    let history = vec![entry("queued", &job.counters.losses.to_string())];
                    let timer_at = Some(job.deadline_at);
                    let write = JobWrite {
                        expected_version: version,
                        job,
                        timer_at,
                        children: Vec::new(),
                        history,
                    };
                    match db.commit(Batch { jobs: vec![write], ..Batch::default() }).await {
                        Ok(()) => break,
                        Err(JobsDbError::Conflict(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let ended = get(&*fixture.db(), job(1).id).await;
    assert_eq!(
        (ended.job.counters.losses, ended.version),
        (WRITERS * EACH, u64::from(WRITERS * EACH) + 1)
    );
    let history = fixture.db().history(job(1).id).await.unwrap();
    assert!(
        history
            .into_iter()
            .map(|line| line.reason)
            .eq((1..=WRITERS * EACH).map(|at| at.to_string()))
    );
}

pub(crate) async fn offsets_move_by_compare_and_set(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.partitions("log").await.unwrap().is_empty());
    assert_conflict(db.commit(advance("log", 0, 5, 6)).await);
    assert!(db.partitions("log").await.unwrap().is_empty(), "a refused advance makes no row");
    db.commit(advance("log", 0, 0, 10)).await.unwrap();
    for (from, to) in [(0, 10), (0, 5), (9, 11), (11, 12)] {
        assert_conflict(db.commit(advance("log", 0, from, to)).await);
    }
    db.commit(advance("log", 0, 10, 11)).await.unwrap();
    db.commit(advance("log", 1, 0, 1)).await.unwrap();
    db.commit(advance("other log", 0, 0, 3)).await.unwrap();
    assert_eq!(next_offset(&*db, "log", 0).await, Some(11));
    assert_eq!(next_offset(&*db, "log", 1).await, Some(1));
    assert_eq!(next_offset(&*db, "other log", 0).await, Some(3));
}

pub(crate) async fn a_batch_is_all_or_nothing(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    db.commit(advance("log", 0, 0, 10)).await.unwrap();
    let before = get(&*db, job(1).id).await;
    // Another collector has applied these offsets.
    let mut stale = advance("log", 0, 0, 10);
    stale.jobs = vec![to_state(before.clone(), sent(1))];
    stale.heartbeats = vec![heartbeat("w1")];
    assert_conflict(db.commit(stale.clone()).await);
    assert_eq!(get(&*db, job(1).id).await, before);
    assert!(db.workers().await.unwrap().is_empty());
    // The same batch where it belongs, with a job that does not exist.
    stale.offset = advance("log", 0, 10, 20).offset;
    let nobody = Versioned { job: job(99), version: 1 };
    let mut with_nobody = stale.clone();
    with_nobody.jobs.push(to_state(nobody, sent(1)));
    assert_conflict(db.commit(with_nobody).await);
    assert_eq!(next_offset(&*db, "log", 0).await, Some(10));
    // And without.
    db.commit(stale).await.unwrap();
    assert_eq!(get(&*db, job(1).id).await.version, 2);
    assert_eq!(next_offset(&*db, "log", 0).await, Some(20));
    assert_eq!(db.workers().await.unwrap().len(), 1);
    db.commit(Batch::default()).await.unwrap();
}

pub(crate) async fn a_job_that_has_not_ended_needs_a_timer(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    let before = get(&*db, job(1).id).await;
    for state in
        [State::Queued { since: at(0) }, State::Waiting { due_at: at(9) }, sent(1), running()]
    {
        let write = JobWrite { timer_at: None, ..to_state(before.clone(), state) };
        let refused = db.commit(Batch { jobs: vec![write], ..Batch::default() }).await;
        assert!(matches!(refused, Err(JobsDbError::Refused(_))), "{refused:?}");
    }
    assert_eq!(get(&*db, job(1).id).await, before);
    move_to(&*db, job(1).id, State::Expired).await;
    assert_eq!(next_due(&*db).await, None, "a job that has ended needs none");
}

pub(crate) async fn history_keeps_its_order_over_batches(fixture: &mut dyn Fixture) {
    accept(&*fixture.db(), &job(1)).await;
    let mut expected = Vec::new();
    for batch in 0..3 {
        let mut write = to_state(get(&*fixture.db(), job(1).id).await, sent(1));
        write.history = (0..12)
            .map(|line| HistoryEntry {
                attempt: Some(batch),
                worker: Some(worker("w1")),
                detail: Some(format!("line {line}: “{{\"a\": [1, null]}}” \u{0} \\ ' 全景\n")),
                ..entry("sent", "test")
            })
            .collect();
        expected.extend(write.history.clone());
        fixture.db().commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    }
    fixture.crash().await;
    assert_eq!(fixture.db().history(job(1).id).await.unwrap(), expected);
}

pub(crate) async fn everything_survives_a_crash(fixture: &mut dyn Fixture) {
    accept(&*fixture.db(), &job(1)).await;
    let mut batch = advance("log", 3, 0, 7);
    batch.jobs = vec![to_state(get(&*fixture.db(), job(1).id).await, running())];
    batch.heartbeats = vec![heartbeat("w1")];
    fixture.db().commit(batch).await.unwrap();
    let before = get(&*fixture.db(), job(1).id).await;
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(get(&*db, job(1).id).await, before);
    assert_eq!(next_offset(&*db, "log", 3).await, Some(7));
    assert_eq!(db.workers().await.unwrap()[0].worker, info("w1", 0));
    assert_eq!(db.history(job(1).id).await.unwrap(), [entry("running", "test")]);
}
