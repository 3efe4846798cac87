//! What is sent, whose time has come, and how much there is.

use std::time::Duration;

use panofleet_job_schema::job::{CloseTarget, State};
use panofleet_job_schema::{Job, Lane};
use panofleet_jobs_db::{
    Backlog, Batch, Due, DueKey, JobWrite, JobsDb, Outlook, Pause, PauseTarget,
};

use crate::fixture::{
    Fixture, accept, at, get, ids, job, move_to, next_due, region, running, sent, to_state,
};

pub(crate) async fn sent_counts_what_no_claim_holds(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in 1..=4 {
        accept(&*db, &job(number)).await;
    }
    accept(&*db, &Job { region: region("us-west"), ..job(5) }).await;
    for number in [1, 2, 3, 5] {
        move_to(&*db, job(number).id, sent(1)).await;
    }
    let count = async |name| {
        let outlook =
            db.outlook(&[(region(name), Lane::Image)], Some(Duration::MAX)).await.unwrap();
        outlook.queues[0].sent
    };
    assert_eq!(
        (count("hangzhou").await, count("us-west").await, count("nowhere").await),
        (3, 1, 0)
    );
    move_to(&*db, job(1).id, running()).await;
    move_to(&*db, job(2).id, State::Expired).await;
    assert_eq!(count("hangzhou").await, 1);
    let asked = [5, 9, 1, 2, 3, 4].map(|number| job(number).id);
    let before = db.now().await.unwrap();
    let (now, found) = db.sent_now(&asked).await.unwrap();
    assert_eq!(ids(&found), [5, 3], "in the order in which they were asked for");
    assert!(before <= now && now <= db.now().await.unwrap());
    assert!(db.sent_now(&[]).await.is_ok_and(|(then, none)| then >= now && none.is_empty()));
}

pub(crate) async fn due_comes_longest_due_first(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for (number, timer) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 40)] {
        accept(&*db, &job(number)).await;
        let write = JobWrite {
            timer_at: Some(at(timer)),
            ..to_state(get(&*db, job(number).id).await, sent(1))
        };
        db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    }
    assert_eq!(due(&*db, 30, None, 10).await, [2, 4, 3, 1], "due at this very time, too");
    assert_eq!(due(&*db, 30, None, 2).await, [2, 4]);
    let behind = |seconds, number| Some(DueKey { timer_at: at(seconds), job: job(number).id });
    assert_eq!(due(&*db, 30, behind(10, 2), 2).await, [4, 3]);
    assert_eq!(due(&*db, 30, behind(10, 4), 10).await, [3, 1]);
    assert!(due(&*db, 30, behind(30, 1), 10).await.is_empty());
    assert!(due(&*db, 9, None, 10).await.is_empty());
    assert_eq!(next_due(&*db).await, Some(at(10)));
    for number in [2, 4] {
        move_to(&*db, job(number).id, State::Cancelled).await;
    }
    assert_eq!(next_due(&*db).await, Some(at(20)));
    assert_eq!(due(&*db, 30, None, 10).await, [3, 1]);
}

pub(crate) async fn an_outlook_is_how_things_stand(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let queues = ["us-west", "nowhere", "hangzhou"].map(|name| (region(name), Lane::Image));
    let before = db.now().await.unwrap();
    let nothing = db.outlook(&queues, Some(Duration::MAX)).await.unwrap();
    assert!(before <= nothing.now && nothing.now <= db.now().await.unwrap());
    assert_eq!((nothing.next_due, nothing.pauses.as_slice()), (None, [].as_slice()));
    assert!(!nothing.is_due());
    for number in 1..=3 {
        accept(&*db, &job(number)).await;
    }
    for number in [4, 5] {
        accept(&*db, &Job { region: region("us-west"), ..job(number) }).await;
    }
    for number in [1, 2, 4, 5] {
        move_to(&*db, job(number).id, sent(1)).await;
    }
    move_to(&*db, job(5).id, running()).await;
    for (kind, name) in [("tenant", "acme"), ("region", "hangzhou")] {
        let target = PauseTarget::new(kind, name).unwrap();
        db.pause(&Pause { target, since: at(3), reason: format!("for {name}") }).await.unwrap();
    }
    let outlook = db.outlook(&queues, Some(Duration::MAX)).await.unwrap();
    assert_eq!(outlook.queues.iter().map(|queue| queue.sent).collect::<Vec<_>>(), [1, 0, 2]);
    let waits = |outlook: &Outlook| -> Vec<bool> {
        outlook.queues.iter().map(|queue| queue.has_queued).collect()
    };
    assert_eq!(waits(&outlook), [false, false, true], "one waits in hangzhou");
    assert_eq!(outlook.next_due, (1..=5).map(|number| job(number).deadline_at).min());
    assert_eq!(outlook.pauses, db.pauses().await.unwrap());
    assert_eq!(outlook.pauses.len(), 2);
    let timers = outlook.next_due.map(|due| (due <= outlook.now, outlook.is_due()));
    assert!(timers.is_some_and(|(due, is_due)| due == is_due));
    move_to(&*db, job(3).id, sent(1)).await;
    assert_eq!(waits(&db.outlook(&queues, Some(Duration::MAX)).await.unwrap()), [false; 3]);
    assert!(db.outlook(&[], Some(Duration::MAX)).await.unwrap().queues.is_empty());
}

pub(crate) async fn an_outlook_tells_of_timers_as_far_as_it_is_asked_to(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let due = db.now().await.unwrap() + Duration::from_secs(3600);
    accept(&*db, &Job { deadline_at: due, ..job(1) }).await;
    let within = async |minutes: u64| {
        let ahead = Duration::from_secs(60 * minutes);
        db.outlook(&[], Some(ahead)).await.unwrap().next_due
    };
    assert_eq!((within(0).await, within(59).await, within(61).await), (None, None, Some(due)));
    assert_eq!(db.outlook(&[], None).await.unwrap().next_due, None);
}

async fn due(db: &dyn JobsDb, seconds: i64, after: Option<DueKey>, limit: u32) -> Vec<u128> {
    let found = db.due(at(seconds), after, limit).await.unwrap();
    assert!(found.is_sorted_by_key(Due::key));
    ids(&found.into_iter().map(|due| due.found).collect::<Vec<_>>())
}

pub(crate) async fn an_accepted_job_has_a_timer(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert_eq!(next_due(&*db).await, None);
    accept(&*db, &job(1)).await;
    assert_eq!(next_due(&*db).await, Some(job(1).deadline_at));
    accept(&*db, &Job { state: State::Waiting { due_at: at(7) }, ..job(2) }).await;
    assert_eq!(next_due(&*db).await, Some(at(7)));
}

pub(crate) async fn the_backlog_is_what_has_not_ended(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.backlog().await.unwrap().is_empty());
    let states = [
        State::Waiting { due_at: at(1) },
        State::Queued { since: at(1) },
        sent(1),
        running(),
        State::Blocked { look_at: at(1) },
        State::Closing { target: CloseTarget::Cancelled, try_at: at(1) },
        State::Cancelled,
        State::Expired,
    ];
    let open: Vec<_> = states.iter().filter(|state| !state.is_terminal()).collect();
    let names = State::NAMES.len();
    assert_eq!(open.len() + ["succeeded", "dead", "cancelled", "expired"].len(), names);
    // Two of each in two regions; the one with the higher id was accepted at a time that must not be told.
    let mut number = 0;
    for region in ["hangzhou", "us-west"].map(region) {
        for state in &states {
            for accepted_at in [at(10), at(5)] {
                number += 1;
                let region = region.clone();
                accept(&*db, &Job { region, accepted_at, ..job(number) }).await;
                move_to(&*db, job(number).id, state.clone()).await;
            }
        }
    }
    let mut found = db.backlog().await.unwrap();
    found.sort_by(|a, b| (&a.region, a.state).cmp(&(&b.region, b.state)));
    let mut expected = Vec::new();
    for region in ["hangzhou", "us-west"].map(region) {
        let mut names: Vec<_> = open.iter().map(|state| state.name()).collect();
        names.sort_unstable();
        expected.extend(names.into_iter().map(|state| Backlog {
            region: region.clone(),
            lane: Lane::Image,
            state,
            jobs: 2,
            oldest_accepted_at: at(10),
        }));
    }
    assert_eq!(found, expected);
}
