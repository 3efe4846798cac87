//! Observations of the event log's ends.

use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{JobsDb, Observation, PartitionRow};

use crate::fixture::{Fixture, advance, at};

const GAP: Duration = Duration::from_secs(10);

async fn observe(db: &dyn JobsDb, observed_at: i64, caught_up_at: Option<i64>) {
    let observation = Observation {
        partition: 2,
        observed_at: at(observed_at),
        caught_up_at: caught_up_at.map(at),
    };
    db.observe("log", &[observation], GAP).await.unwrap();
}

async fn row(db: &dyn JobsDb) -> PartitionRow {
    db.partitions("log").await.unwrap()[&2]
}

pub(crate) async fn observations_restart_leases_after_a_gap_only(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    observe(&*db, 100, None).await;
    let first = row(&*db).await;
    assert_eq!((first.next_offset, first.observed_at, first.restarted_at), (0, at(100), at(100)));
    assert!(first.caught_up_at < at(0), "nothing is applied yet");
    observe(&*db, 105, Some(100)).await;
    let next = PartitionRow {
        next_offset: 0,
        observed_at: at(105),
        caught_up_at: at(100),
        restarted_at: at(100),
    };
    assert_eq!(row(&*db).await, next);
    observe(&*db, 115, Some(105)).await;
    assert_eq!(row(&*db).await.restarted_at, at(100), "exactly the gap is not more than the gap");
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    observe(&*db, 126, Some(115)).await;
    let after_gap = PartitionRow {
        next_offset: 0,
        observed_at: at(126),
        caught_up_at: at(115),
        restarted_at: at(126),
    };
    assert_eq!(row(&*db).await, after_gap);
    db.commit(advance("log", 2, 0, 9)).await.unwrap();
    assert_eq!(row(&*db).await, PartitionRow { next_offset: 9, ..after_gap });
}

pub(crate) async fn observed_times_never_move_back(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    // The offset moves before anything was observed: that is no observation.
    db.commit(advance("log", 2, 0, 4)).await.unwrap();
    assert_eq!(row(&*db).await.next_offset, 4);
    observe(&*db, 100, Some(95)).await;
    assert_eq!(row(&*db).await.restarted_at, at(100), "the first observation");
    observe(&*db, 99, Some(90)).await;
    observe(&*db, 98, None).await;
    let expected = PartitionRow {
        next_offset: 4,
        observed_at: at(100),
        caught_up_at: at(95),
        restarted_at: at(100),
    };
    assert_eq!(row(&*db).await, expected);
}

pub(crate) async fn observations_in_one_call_count_in_their_order(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let observation = |partition, seconds| Observation {
        partition,
        observed_at: at(seconds),
        caught_up_at: None,
    };
    let seen = [observation(2, 100), observation(1, 100), observation(2, 109), observation(2, 120)];
    db.observe("log", &seen, GAP).await.unwrap();
    let rows = db.partitions("log").await.unwrap();
    assert_eq!((rows[&1].observed_at, rows[&1].restarted_at), (at(100), at(100)));
    assert_eq!((rows[&2].observed_at, rows[&2].restarted_at), (at(120), at(120)));
}

pub(crate) async fn logs_do_not_see_each_other(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let observation = |partition| Observation { partition, observed_at: at(1), caught_up_at: None };
    db.observe("log", &[observation(0), observation(1)], GAP).await.unwrap();
    db.observe("other", &[observation(1)], GAP).await.unwrap();
    db.observe("other", &[], GAP).await.unwrap();
    let partitions =
        async |log_id| db.partitions(log_id).await.unwrap().into_keys().collect::<Vec<u32>>();
    assert_eq!(partitions("log").await, [0, 1]);
    assert_eq!(partitions("other").await, [1]);
    assert_eq!(partitions("").await, [0; 0]);
    assert_eq!(db.partitions("log").await.unwrap()[&0].caught_up_at, Timestamp::default());
}
