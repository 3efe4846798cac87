//! Who waits for a turn: what each tenant has queued in each band.

use std::collections::BTreeMap;

use panofleet_job_schema::job::{CloseTarget, State};
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Job, Lane, Tenant};
use panofleet_jobs_db::{Batch, ByBand, JobWrite, JobsDb, LineRead, Versioned};

use crate::fixture::{Fixture, accept, at, get, ids, job, move_to, region, running, sent, tenant};

const FROM_THE_FIRST: ByBand<Option<Tenant>> = [None, None, None];

fn queued(number: u128, who: &str, priority: Priority, deadline: i64) -> Job {
    let mut job = Job { tenant: tenant(who), deadline_at: at(deadline), ..job(number) };
    job.spec.priority = priority;
    job
}

async fn heads(db: &dyn JobsDb, after: &ByBand<Option<Tenant>>, limit: u32) -> Vec<u128> {
    ids(&db.heads(&region("hangzhou"), Lane::Image, after, limit).await.unwrap())
}

async fn lines(db: &dyn JobsDb, asked: &[(Priority, &str, u32)]) -> Vec<u128> {
    let line = |&(priority, who, jobs): &(Priority, &str, u32)| LineRead {
        band: priority.band(),
        tenant: tenant(who),
        jobs,
    };
    let asked: Vec<_> = asked.iter().map(line).collect();
    ids(&db.lines(&region("hangzhou"), Lane::Image, &asked).await.unwrap())
}

pub(crate) async fn heads_are_the_first_of_each_line(fixture: &mut dyn Fixture) {
    use Priority::{High, Low, Normal};
    let db = fixture.db();
    assert!(heads(&*db, &FROM_THE_FIRST, 10).await.is_empty());
    for job in [
        queued(1, "b", Normal, 300),
        queued(2, "b", Normal, 200),
        queued(3, "b", Normal, 200),
        queued(4, "a-2", Normal, 100),
        queued(5, "a", Normal, 900),
        queued(6, "a_1", Normal, 900),
        queued(7, "b", High, 900),
        queued(8, "c", Low, 1),
        Job { region: region("us-west"), ..queued(9, "z", High, 1) },
    ] {
        accept(&*db, &job).await;
    }
    assert_eq!(heads(&*db, &FROM_THE_FIRST, 10).await, [7, 5, 4, 6, 2, 8], "names go by bytes");
    assert_eq!(heads(&*db, &FROM_THE_FIRST, 2).await, [7, 5, 4, 8], "two of each band");
    assert!(heads(&*db, &FROM_THE_FIRST, 0).await.is_empty());
}

pub(crate) async fn heads_go_on_behind_a_tenant_in_every_band(fixture: &mut dyn Fixture) {
    use Priority::{High, Low, Normal};
    let db = fixture.db();
    let mut number = 0;
    for priority in [High, Normal, Low] {
        for who in ["a", "b", "c", "d"] {
            number += 1;
            accept(&*db, &queued(number, who, priority, 100)).await;
        }
    }
    let behind = [Some(tenant("c")), None, Some(tenant("d"))];
    assert_eq!(heads(&*db, &behind, 10).await, [4, 5, 6, 7, 8]);
    let nobody_there = [Some(tenant("b-left")), Some(tenant("a")), Some(tenant("aa"))];
    assert_eq!(heads(&*db, &nobody_there, 1).await, [3, 6, 10]);
}

pub(crate) async fn lines_go_by_deadline_then_age(fixture: &mut dyn Fixture) {
    use Priority::{High, Low, Normal};
    let db = fixture.db();
    for job in [
        queued(1, "a", Normal, 300),
        queued(3, "a", Normal, 200),
        queued(2, "a", Normal, 200),
        queued(4, "a", High, 500),
        queued(5, "b", Normal, 100),
        queued(6, "b", Normal, 50),
        Job { region: region("us-west"), ..queued(7, "a", Normal, 1) },
    ] {
        accept(&*db, &job).await;
    }
    assert_eq!(lines(&*db, &[(Normal, "a", 10)]).await, [2, 3, 1]);
    let asked = [(Normal, "b", 1), (High, "a", 5), (Low, "a", 5), (Normal, "a", 2)];
    assert_eq!(lines(&*db, &asked).await, [6, 4, 2, 3]);
    assert!(lines(&*db, &[]).await.is_empty());
}

pub(crate) async fn what_is_not_queued_is_in_no_line(fixture: &mut dyn Fixture) {
    use Priority::Normal;
    let db = fixture.db();
    for job in [
        queued(1, "a", Normal, 100),
        queued(2, "a", Normal, 200),
        queued(3, "b", Normal, 100),
        Job { state: State::Waiting { due_at: at(1) }, ..queued(4, "c", Normal, 100) },
    ] {
        accept(&*db, &job).await;
    }
    let both = [(Normal, "a", 9), (Normal, "b", 9), (Normal, "c", 9)];
    assert_eq!(heads(&*db, &FROM_THE_FIRST, 9).await, [1, 3]);
    assert_eq!(lines(&*db, &both).await, [1, 2, 3]);
    // What is sent waits no more; what comes to the queue does, and a new deadline counts.
    move_to(&*db, job(1).id, sent(1)).await;
    move_to(&*db, job(3).id, State::Expired).await;
    move_to(&*db, job(4).id, State::Queued { since: at(1) }).await;
    accept(&*db, &queued(5, "c", Normal, 300)).await;
    let Versioned { mut job, version } = get(&*db, job(5).id).await;
    job.deadline_at = at(50);
    let write = JobWrite {
        expected_version: version,
        timer_at: Some(at(50)),
        job,
        children: vec![],
        history: vec![],
    };
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    assert_eq!(heads(&*db, &FROM_THE_FIRST, 9).await, [2, 5]);
    assert_eq!(lines(&*db, &both).await, [2, 5, 4]);
}

pub(crate) async fn what_is_sent_or_runs_is_in_flight(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let states = [
        sent(1),
        running(),
        State::Queued { since: at(1) },
        State::Waiting { due_at: at(1) },
        State::Closing { target: CloseTarget::Cancelled, try_at: at(1) },
        State::Cancelled,
    ];
    let mut number = 0;
    for (who, there) in [("a", "hangzhou"), ("b", "hangzhou"), ("b", "us-west")] {
        for state in &states {
            number += 1;
            accept(&*db, &Job { tenant: tenant(who), region: region(there), ..job(number) }).await;
            move_to(&*db, job(number).id, state.clone()).await;
        }
    }
    accept(&*db, &queued(90, "idle", Priority::Normal, 100)).await;
    move_to(&*db, job(3).id, sent(1)).await;
    let in_flight = async |name| db.in_flight(&region(name), Lane::Image).await.unwrap();
    let expected = BTreeMap::from([(tenant("a"), 3), (tenant("b"), 2)]);
    assert_eq!(in_flight("hangzhou").await, expected);
    assert_eq!(in_flight("us-west").await, BTreeMap::from([(tenant("b"), 2)]));
    assert!(in_flight("nowhere").await.is_empty());
}
