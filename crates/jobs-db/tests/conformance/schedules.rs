//! Jobs that come again and again.

use panofleet_job_schema::JobId;
use panofleet_jobs_db::{Missed, Overlap, Schedule, Tick, TickOutcome, VersionedSchedule};
use uuid::Uuid;

use crate::fixture::{Fixture, at, job, tenant};

fn schedule(of: &str, name: &str, next: Option<i64>) -> Schedule {
    Schedule {
        tenant: tenant(of),
        name: name.into(),
        cron: "0 3 * * *".into(),
        time_zone: "Europe/Paris".into(),
        job: job(1).spec,
        missed: Missed::CatchUp { ticks_max: 3 },
        overlap: Overlap::Skip,
        next_at: next.map(at),
        paused: false,
        last: None,
        created_at: at(0),
    }
}

pub(crate) async fn schedules_are_changed_as_they_were_seen(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let mut nightly = schedule("acme", "nightly", Some(10));
    assert!(db.put_schedule(&nightly).await.unwrap());
    assert!(!db.put_schedule(&schedule("acme", "nightly", None)).await.unwrap(), "it is taken");
    assert!(db.put_schedule(&schedule("other", "nightly", Some(5))).await.unwrap());
    assert!(db.put_schedule(&schedule("acme", "hourly", None)).await.unwrap());
    nightly.next_at = Some(at(20));
    let job = JobId(Uuid::from_u128(5));
    nightly.last =
        Some(Tick { at: at(10), outcome: TickOutcome::Job { job }, last_job: Some(job) });
    assert!(db.write_schedule(&nightly, 1).await.unwrap());
    assert!(!db.write_schedule(&nightly, 1).await.unwrap(), "somebody was faster");
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let hourly = VersionedSchedule { schedule: schedule("acme", "hourly", None), version: 1 };
    let nightly = VersionedSchedule { schedule: nightly, version: 2 };
    assert_eq!(db.schedules(&tenant("acme")).await.unwrap(), [hourly, nightly.clone()]);
    assert!(db.remove_schedule(&tenant("acme"), "hourly").await.unwrap());
    assert!(!db.remove_schedule(&tenant("acme"), "hourly").await.unwrap());
    assert_eq!(db.schedules(&tenant("acme")).await.unwrap(), [nightly]);
}

pub(crate) async fn due_schedules_come_longest_due_first(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for (of, name, next) in
        [("b", "x", Some(10)), ("a", "y", Some(30)), ("a", "z", Some(20)), ("a", "never", None)]
    {
        db.put_schedule(&schedule(of, name, next)).await.unwrap();
    }
    let due = async |seconds, limit| {
        let found = db.schedules_due(at(seconds), limit).await.unwrap();
        found.into_iter().map(|found| found.schedule.name).collect::<Vec<_>>()
    };
    assert!(due(9, 9).await.is_empty());
    assert_eq!(due(20, 9).await, ["x", "z"]);
    assert_eq!(due(99, 2).await, ["x", "z"]);
    assert_eq!(due(99, 9).await, ["x", "z", "y"]);
}
