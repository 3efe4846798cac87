//! Schedules: each tick has its job once, whoever dies.

use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_job_schema::{Job, JobId, Timestamp};
use panofleet_jobs_db::{JobFilter, Missed, Overlap, Schedule, Tick, TickOutcome};
use panofleet_tests::eventually;

use crate::house::{House, PATIENCE};

/// It ticks each minute; its next tick was due `minutes` ago.
async fn schedule(house: &House, minutes: u64) -> Schedule {
    let now = house.db.now().await.unwrap().as_millis();
    let next = Timestamp::from_millis(now - now % 60_000) - Duration::from_secs(60 * minutes);
    let spec = r#"{"source": "s3://in/a.jpg", "outputs": {"probe": {"op": "media.probe"}}}"#;
    Schedule {
        tenant: "default".parse().unwrap(),
        name: "minutely".into(),
        cron: "* * * * *".into(),
        time_zone: "UTC".into(),
        job: serde_json::from_str(spec).unwrap(),
        missed: Missed::Latest,
        overlap: Overlap::Allow,
        next_at: Some(next),
        paused: false,
        last: None,
        created_at: next,
    }
}

impl House {
    async fn ticked(&self) -> Schedule {
        let tenant = "default".parse().unwrap();
        eventually("it has ticked", PATIENCE, async || {
            let found = self.db.schedules(&tenant).await.unwrap().pop().unwrap().schedule;
            found.last.is_some().then_some(found)
        })
        .await
    }

    async fn jobs(&self) -> Vec<Job> {
        let found = self.db.list(&JobFilter::default(), 200).await.unwrap();
        found.into_iter().map(|found| found.job).collect()
    }
}

fn job_of(tick: &Tick) -> JobId {
    let TickOutcome::Job { job } = tick.outcome else { panic!("{tick:?}") };
    job
}

/// After an outage, the latest tick is made up for, and the schedule goes on behind it.
#[tokio::test(flavor = "multi_thread")]
async fn of_missed_ticks_the_latest_has_a_job() {
    let house = House::closed().await;
    let nightly = schedule(&house, 90).await;
    house.db.put_schedule(&nightly).await.unwrap();
    let house = house.start();
    let ticked = house.ticked().await;
    let last = ticked.last.unwrap();
    let now = house.db.now().await.unwrap();
    assert!(now.since(last.at) < Duration::from_secs(120), "{last:?}");
    assert!(ticked.next_at.unwrap() > last.at);
    let job = house.job(job_of(&last)).await;
    assert_eq!(job.spec, nightly.job);
    assert_eq!(house.take().await.message.id.job, job.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_ticks_are_caught_up_with_as_far_as_allowed() {
    let house = House::closed().await;
    let missed = Missed::CatchUp { ticks_max: 3 };
    let nightly = Schedule { missed, ..schedule(&house, 90).await };
    house.db.put_schedule(&nightly).await.unwrap();
    let house = house.start();
    house.ticked().await;
    let count = house.jobs().await.len();
    // A minute may have begun since.
    assert!((3..=4).contains(&count), "{count}");
}

/// The dispatcher died after it had made the job and before it moved the schedule on; or two lead at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_has_one_job_whoever_dies() {
    let house = House::closed().await;
    let nightly = schedule(&house, 0).await;
    house.db.put_schedule(&nightly).await.unwrap();
    let house = house.start();
    let first = house.ticked().await;
    house.stop_dispatcher().await;
    // As if the schedule had never moved on.
    let tenant = nightly.tenant.clone();
    let version = house.db.schedules(&tenant).await.unwrap().pop().unwrap().version;
    let again =
        Schedule { next_at: Some(first.last.as_ref().unwrap().at), last: None, ..first.clone() };
    assert!(house.db.write_schedule(&again, version).await.unwrap());
    let before: Vec<JobId> = house.jobs().await.iter().map(|job| job.id).collect();
    house.restart_after_stop();
    let second = house.ticked().await;
    let (first, second) = (first.last.unwrap(), second.last.unwrap());
    if first.at == second.at {
        assert_eq!(job_of(&first), job_of(&second));
        let after: Vec<JobId> = house.jobs().await.iter().map(|job| job.id).collect();
        assert!(before.contains(&job_of(&second)) && after.len() <= before.len() + 1, "{after:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_skipped_while_the_last_one_s_job_runs() {
    let house = House::closed().await;
    let running = house.accept(1).await;
    let mut nightly = Schedule { overlap: Overlap::Skip, ..schedule(&house, 0).await };
    let before = nightly.next_at.unwrap() - Duration::from_secs(60);
    let outcome = TickOutcome::Job { job: running };
    nightly.last = Some(Tick { at: before, outcome, last_job: Some(running) });
    house.db.put_schedule(&nightly).await.unwrap();
    let house = house.start();
    let tenant = nightly.tenant.clone();
    let skipped = eventually("it has skipped", PATIENCE, async || {
        let found = house.db.schedules(&tenant).await.unwrap().pop().unwrap().schedule;
        found.last.filter(|last| last.outcome == TickOutcome::Skipped)
    })
    .await;
    assert_eq!(skipped.last_job, Some(running));
    assert!(!matches!(house.job(running).await.state, State::Succeeded { .. }));
    assert_eq!(house.jobs().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_is_refused_says_so() {
    let house = House::closed().await;
    let mut nightly = schedule(&house, 0).await;
    nightly.job.source = "s3://elsewhere/a.jpg".parse().unwrap();
    house.db.put_schedule(&nightly).await.unwrap();
    let house = house.start();
    let last = house.ticked().await.last.unwrap();
    let TickOutcome::Refused { code, .. } = &last.outcome else { panic!("{last:?}") };
    assert_eq!(code, "source_bucket_unknown");
    assert!(house.jobs().await.is_empty());
}
