//! What comes and goes: each number is held to a count of what the test wrote itself.

use std::time::Duration;

use panofleet_job_schema::job::{DeadReason, State};
use panofleet_job_schema::{Job, JobId, Region, Timestamp};
use panofleet_jobs_db::{Batch, Course, JobsDb, QueueAges, TenantLoad, Traffic};
use uuid::Uuid;

use crate::fixture::{Fixture, accept, at, get, job, region, running, tenant, to_state};

/// A job that was accepted then.
fn job_at(seconds: i64, number: u128, of: &str, place: &str) -> Job {
    let ms = u128::try_from(at(seconds).as_millis()).unwrap();
    let id = JobId(Uuid::from_u128(ms << 80 | 7 << 76 | number));
    let accepted_at = at(seconds);
    Job { id, accepted_at, tenant: tenant(of), region: region(place), ..job(number) }
}

async fn end(db: &dyn JobsDb, id: JobId, state: State, finished_at: Timestamp) {
    let mut write = to_state(get(db, id).await, state);
    write.job.finished_at = Some(finished_at);
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
}

const DEAD: State = State::Dead { reason: DeadReason::Rejected };

/// Sixty jobs, one a second from 0 on; every third of `other`, every second in us-west. Of the first thirty, each ends ten
/// seconds after it came.
async fn fill(db: &dyn JobsDb) -> Vec<Job> {
    let mut jobs = Vec::new();
    for number in 0..60_u32 {
        let of = if number.is_multiple_of(3) { "other" } else { "acme" };
        let place = if number.is_multiple_of(2) { "us-west" } else { "hangzhou" };
        let job = job_at(number.into(), number.into(), of, place);
        accept(db, &job).await;
        if number < 30 {
            let state = match number % 3 {
                0 => State::Cancelled,
                1 => DEAD,
                _ => State::Expired,
            };
            end(db, job.id, state, at(i64::from(number) + 10)).await;
        }
        jobs.push(job);
    }
    jobs
}

pub(crate) async fn traffic_is_what_came_and_went_by_queue(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let jobs = fill(db.as_ref()).await;
    // From 20 on: accepted 20 to 59; ended 10 to 29, at 20 to 39.
    for of in [None, Some(tenant("other"))] {
        let row = |place: &Region| {
            let ours = |number: &usize| {
                jobs[*number].region == *place
                    && of.as_ref().is_none_or(|of| jobs[*number].tenant == *of)
            };
            let ended =
                |rest: usize| (10..30).filter(ours).filter(|it| it % 3 == rest).count() as u64;
            Traffic {
                region: place.clone(),
                lane: jobs[0].lane,
                accepted: (20..60).filter(ours).count() as u64,
                succeeded: 0,
                failed: ended(1) + ended(2),
                cancelled: ended(0),
            }
        };
        let expected = ["hangzhou", "us-west"].map(|place| row(&region(place)));
        assert_eq!(db.traffic(of.as_ref(), at(20)).await.unwrap(), expected, "{of:?}");
    }
    assert_eq!(db.traffic(None, at(60)).await.unwrap(), []);
    // What runs anew has not ended.
    let again = to_state(get(db.as_ref(), jobs[29].id).await, State::Queued { since: at(99) });
    let mut again = again;
    again.job.finished_at = None;
    db.commit(Batch { jobs: vec![again], ..Batch::default() }).await.unwrap();
    let went = db.traffic(None, at(39)).await.unwrap();
    assert!(went.iter().all(|row| row.failed + row.cancelled == 0), "{went:?}");
}

pub(crate) async fn a_course_counts_by_step(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    fill(db.as_ref()).await;
    let steps = (Duration::from_secs(20), 4);
    let course = db.course(None, at(0), steps).await.unwrap();
    let expected = Course { accepted: vec![20, 20, 20, 0], ended: vec![10, 20, 0, 0] };
    assert_eq!(course, expected);
    let course = db.course(Some(&tenant("other")), at(0), steps).await.unwrap();
    assert_eq!(course, Course { accepted: vec![7, 7, 6, 0], ended: vec![4, 6, 0, 0] });
}

pub(crate) async fn ages_of_a_queue_are_those_of_its_jobs(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert_eq!(db.queue_ages(None, &[0.5]).await.unwrap(), []);
    let jobs = fill(db.as_ref()).await;
    // Queued: 30 to 59, the even ones in us-west.
    let row = |place: &str, oldest: [i64; 3]| QueueAges {
        region: region(place),
        lane: jobs[0].lane,
        queued: 15,
        accepted_at: oldest.map(at).to_vec(),
    };
    // Of fifteen, eight are not older than the eighth youngest, fourteen than the second oldest.
    let found = db.queue_ages(None, &[0.5, 0.9, 1.0]).await.unwrap();
    assert_eq!(found, [row("hangzhou", [45, 33, 31]), row("us-west", [44, 32, 30])]);
    let found = db.queue_ages(Some(&tenant("other")), &[1.0]).await.unwrap();
    let oldest: Vec<_> = found.iter().map(|row| (row.queued, row.accepted_at[0])).collect();
    assert_eq!(oldest, [(5, at(33)), (5, at(30))]);
}

pub(crate) async fn the_busiest_tenants_are_those_with_most_queued(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert_eq!(db.busiest_tenants(9).await.unwrap(), []);
    let jobs = fill(db.as_ref()).await;
    for number in [31, 33, 34] {
        crate::fixture::move_to(db.as_ref(), jobs[number].id, running()).await;
    }
    let lone = Job { tenant: tenant("busy"), ..job_at(70, 70, "busy", "hangzhou") };
    accept(db.as_ref(), &lone).await;
    crate::fixture::move_to(db.as_ref(), lone.id, running()).await;
    let row = |of: &str, queued, at_work, oldest: Option<i64>| TenantLoad {
        tenant: tenant(of),
        queued,
        at_work,
        oldest_accepted_at: oldest.map(at),
    };
    let all = [row("acme", 18, 2, Some(32)), row("other", 9, 1, Some(30)), row("busy", 0, 1, None)];
    assert_eq!(db.busiest_tenants(9).await.unwrap(), all);
    assert_eq!(db.busiest_tenants(1).await.unwrap(), all[..1]);
}
