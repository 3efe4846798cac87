//! Webhooks and their deliveries.

use std::collections::BTreeSet;

use panofleet_job_schema::job::{DeadReason, State};
use panofleet_job_schema::{Job, JobId, Secret, Timestamp};
use panofleet_jobs_db::{
    Batch, Delivery, DeliveryState, Disabled, DisabledBecause, JobWrite, JobsDb, StoredWebhook,
    Then, Tried, Webhook, WebhookEvent, WebhookSecret,
};
use uuid::Uuid;

use crate::fixture::{Fixture, accept, assert_conflict, at, get, job, tenant, to_state};

fn webhook(number: u128, of: &str, events: &[WebhookEvent]) -> Webhook {
    Webhook {
        id: Uuid::from_u128(number),
        tenant: tenant(of),
        url: "https://example.com/\"hook\"?ü".to_owned(),
        events: events.iter().copied().collect(),
        created_at: at(1),
        disabled: None,
    }
}

fn secrets(until: Option<i64>) -> Vec<WebhookSecret> {
    let secret =
        |key, until: Option<i64>| WebhookSecret { key: Secret::new(key), until: until.map(at) };
    vec![secret("bmV3", None), secret("b2xk", until)]
}

async fn put(db: &dyn JobsDb, webhook: &Webhook) {
    db.put_webhook(webhook, &secrets(None)).await.unwrap();
}

/// The write that ends a job.
async fn end(db: &dyn JobsDb, id: JobId, state: State, when: i64) -> JobWrite {
    let mut write = to_state(get(db, id).await, state);
    write.job.finished_at = Some(at(when));
    write
}

async fn ends(db: &dyn JobsDb, id: JobId, state: State, when: i64) {
    let jobs = vec![end(db, id, state, when).await];
    db.commit(Batch { jobs, ..Batch::default() }).await.unwrap();
}

fn dead() -> State {
    State::Dead { reason: DeadReason::Rejected }
}

fn tried(when: i64, status: Option<u16>) -> Tried {
    let error = status.is_none().then(|| "no \"route\"".to_owned());
    Tried { at: at(when), took_ms: 12, status, error }
}

/// What is due: to which webhook, of which job.
async fn due(db: &dyn JobsDb, now: Timestamp, each: u32) -> Vec<(u128, u128, WebhookEvent)> {
    let found = db.deliveries_due(now, each).await.unwrap();
    let name = |delivery: &Delivery| {
        let job = delivery.job.map_or(0, |job| job.0.as_u128());
        (delivery.webhook.as_u128(), job, delivery.event)
    };
    let mut found: Vec<_> = found.iter().map(|due| name(&due.delivery)).collect();
    found.sort_unstable();
    found
}

pub(crate) async fn webhooks_are_changed_as_they_were_seen(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let first = webhook(1, "acme", &[WebhookEvent::JobDead]);
    for webhook in [first.clone(), webhook(2, "other", &[]), webhook(3, "acme", &[])] {
        put(&*db, &webhook).await;
    }
    assert_conflict(db.put_webhook(&first, &[]).await);
    let numbers = |found: Vec<StoredWebhook>| {
        found.iter().map(|found| found.webhook.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(db.webhooks(None, 9).await.unwrap()), [3, 2, 1]);
    assert_eq!(numbers(db.webhooks(Some(&tenant("acme")), 1).await.unwrap()), [3]);
    let disabled = Some(Disabled { at: at(9), why: DisabledBecause::Gone });
    let changed = Webhook { disabled, events: BTreeSet::new(), ..first.clone() };
    assert!(db.write_webhook(&changed, &secrets(Some(70)), 1).await.unwrap());
    assert!(!db.write_webhook(&first, &[], 1).await.unwrap(), "it has changed");
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let expected = StoredWebhook { webhook: changed, secrets: secrets(Some(70)), version: 2 };
    assert_eq!(db.webhook(first.id).await.unwrap(), Some(expected));
    assert!(db.remove_webhook(first.id).await.unwrap());
    assert!(!db.remove_webhook(first.id).await.unwrap(), "there is none any more");
    assert_eq!(db.webhook(first.id).await.unwrap(), None);
}

pub(crate) async fn an_end_is_told_with_its_write_or_not_at_all(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    put(&*db, &webhook(1, "acme", &[])).await;
    put(&*db, &webhook(2, "acme", &[WebhookEvent::JobDead, WebhookEvent::JobExpired])).await;
    put(&*db, &webhook(3, "other", &[])).await;
    let disabled = Some(Disabled { at: at(1), why: DisabledBecause::Requested });
    put(&*db, &Webhook { disabled, ..webhook(4, "acme", &[]) }).await;
    for number in 10..=13 {
        accept(&*db, &job(number)).await;
    }
    let id = |number| JobId(Uuid::from_u128(number));
    // A batch that is refused tells nothing.
    let mut jobs = vec![end(&*db, id(10), dead(), 20).await, end(&*db, id(11), dead(), 20).await];
    jobs[1].expected_version = 9;
    assert_conflict(db.commit(Batch { jobs, ..Batch::default() }).await);
    assert_eq!(due(&*db, at(99), 9).await, []);

    ends(&*db, id(10), dead(), 20).await;
    ends(&*db, id(11), State::Cancelled, 30).await;
    // Of writes that stand alone, those are told that were made.
    let mut lost = end(&*db, id(13), dead(), 40).await;
    lost.expected_version = 9;
    let alone = [end(&*db, id(12), State::Expired, 40).await, lost];
    assert_eq!(db.write_each(&alone).await.unwrap(), BTreeSet::from([id(12)]));
    // A change that is no end is not told.
    crate::fixture::move_to(&*db, id(13), crate::fixture::sent(1)).await;
    let (died, cancelled, expired) =
        (WebhookEvent::JobDead, WebhookEvent::JobCancelled, WebhookEvent::JobExpired);
    let expected =
        [(1, 10, died), (1, 11, cancelled), (1, 12, expired), (2, 10, died), (2, 12, expired)];
    assert_eq!(due(&*db, at(99), 9).await, expected);
    assert_eq!(due(&*db, at(29), 9).await.len(), 2, "the others are not due yet");
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let found = db.deliveries_due(at(99), 9).await.unwrap();
    let told = found.iter().find(|due| due.delivery.event == cancelled).unwrap();
    let expected = get(&*db, id(11)).await;
    assert_eq!(told.job.as_ref(), Some(&expected), "the job as it was then");
    assert_eq!((told.delivery.happened_at, told.delivery.tries), (at(30), 0));
    assert_eq!(told.to.secrets, secrets(None));
    let ids: BTreeSet<_> = found.iter().map(|due| due.delivery.id).collect();
    assert_eq!(ids.len(), 5, "each has an id of its own");
}

pub(crate) async fn children_end_as_parts_of_their_parents(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    put(&*db, &webhook(1, "acme", &[])).await;
    accept(&*db, &job(10)).await;
    let parent = get(&*db, job(10).id).await;
    let of = panofleet_job_schema::family::ChildOf {
        parent: parent.job.id,
        generation: parent.job.generation,
        index: 0,
    };
    let mut split = to_state(parent, State::Blocked { look_at: at(900) });
    split.children = vec![Job { child_of: Some(of), ..job(11) }];
    db.commit(Batch { jobs: vec![split], ..Batch::default() }).await.unwrap();
    ends(&*db, job(11).id, dead(), 20).await;
    assert_eq!(due(&*db, at(99), 9).await, []);
    ends(&*db, job(10).id, dead(), 30).await;
    assert_eq!(due(&*db, at(99), 9).await, [(1, 10, WebhookEvent::JobDead)]);
}

pub(crate) async fn a_delivery_is_tried_until_it_is_over(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    put(&*db, &webhook(1, "acme", &[])).await;
    let test = db.put_test_delivery(Uuid::from_u128(1), at(10)).await.unwrap();
    let one = async |db: &dyn JobsDb| {
        db.deliveries(Uuid::from_u128(1), None, None, 9).await.unwrap().pop().unwrap()
    };
    let new = one(&*db).await;
    assert_eq!((new.id, new.event, new.job), (test, WebhookEvent::Test, None));
    assert_eq!((new.state, new.due_at, new.last), (DeliveryState::Pending, Some(at(10)), None));
    assert_eq!(db.deliveries_due(at(10), 9).await.unwrap().len(), 1);

    db.end_try(test, 0, &tried(11, Some(500)), Then::Again(at(20))).await.unwrap();
    // Somebody else's note of the same try changes nothing.
    db.end_try(test, 0, &tried(12, Some(200)), Then::Delivered).await.unwrap();
    let failed = one(&*db).await;
    assert_eq!((failed.state, failed.tries), (DeliveryState::Pending, 1));
    assert_eq!((failed.due_at, failed.last), (Some(at(20)), Some(tried(11, Some(500)))));
    assert_eq!(due(&*db, at(19), 9).await, []);
    db.end_try(test, 1, &tried(21, None), Then::GivenUp).await.unwrap();
    let failed = one(&*db).await;
    assert_eq!((failed.state, failed.tries, failed.due_at), (DeliveryState::Failed, 2, None));
    assert_eq!(failed.last, Some(tried(21, None)));

    let webhook = Uuid::from_u128(1);
    assert_eq!(db.replay_deliveries(webhook, Some(Uuid::nil()), at(30)).await.unwrap(), 0);
    assert_eq!(db.replay_deliveries(Uuid::nil(), Some(test), at(30)).await.unwrap(), 0);
    assert_eq!(db.replay_deliveries(webhook, None, at(30)).await.unwrap(), 1);
    let again = one(&*db).await;
    assert_eq!((again.state, again.tries, again.due_at), (DeliveryState::Pending, 0, Some(at(30))));
    assert_eq!(db.replay_deliveries(webhook, Some(test), at(31)).await.unwrap(), 0, "not over");
    db.end_try(test, 0, &tried(31, Some(204)), Then::Delivered).await.unwrap();
    assert_eq!(one(&*db).await.state, DeliveryState::Delivered);
    assert_eq!(db.replay_deliveries(webhook, None, at(40)).await.unwrap(), 0, "it did not fail");
    assert_eq!(db.replay_deliveries(webhook, Some(test), at(40)).await.unwrap(), 1);
}

pub(crate) async fn what_happened_to_a_job_is_told_in_its_order(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    put(&*db, &webhook(1, "acme", &[])).await;
    put(&*db, &webhook(2, "acme", &[])).await;
    accept(&*db, &job(10)).await;
    let id = job(10).id;
    ends(&*db, id, dead(), 20).await;
    ends(&*db, id, State::Cancelled, 10).await; // a clock that was set back changes no order
    let (died, cancelled) = (WebhookEvent::JobDead, WebhookEvent::JobCancelled);
    assert_eq!(due(&*db, at(99), 9).await, [(1, 10, died), (2, 10, died)]);
    let first = db.deliveries_due(at(99), 9).await.unwrap();
    let to_one = first.iter().find(|due| due.delivery.webhook.as_u128() == 1).unwrap();
    let id = to_one.delivery.id;
    db.end_try(id, 0, &tried(100, Some(503)), Then::Again(at(200))).await.unwrap();
    assert_eq!(due(&*db, at(110), 9).await, [(2, 10, died)], "one waits for its first");
    db.end_try(id, 1, &tried(200, Some(200)), Then::Delivered).await.unwrap();
    assert_eq!(due(&*db, at(210), 9).await, [(1, 10, cancelled), (2, 10, died)]);
}

pub(crate) async fn each_webhook_has_its_share_of_what_is_due(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in 1..=3 {
        put(&*db, &webhook(number, "acme", &[])).await;
    }
    let mut made = Vec::new();
    for (webhook, count) in [(1, 5), (2, 1), (3, 2)] {
        for place in 0..count {
            let webhook = Uuid::from_u128(webhook);
            made.push(db.put_test_delivery(webhook, at(10 + place)).await.unwrap());
        }
    }
    let webhooks = async |db: &dyn JobsDb| {
        due(db, at(99), 2).await.into_iter().map(|(webhook, ..)| webhook).collect::<Vec<_>>()
    };
    assert_eq!(webhooks(&*db).await, [1, 1, 2, 3, 3]);
    let disabled = Some(Disabled { at: at(1), why: DisabledBecause::Requested });
    let quiet = Webhook { disabled, ..webhook(1, "acme", &[]) };
    assert!(db.write_webhook(&quiet, &secrets(None), 1).await.unwrap());
    assert_eq!(webhooks(&*db).await.len(), 3, "what one is told waits while it is disabled");

    let page = |before, limit| db.deliveries(Uuid::from_u128(1), None, before, limit);
    let newest: Vec<_> = page(None, 2).await.unwrap().iter().map(|found| found.id).collect();
    assert_eq!(newest, [made[4], made[3]]);
    let next: Vec<_> = page(Some(made[3]), 9).await.unwrap().iter().map(|found| found.id).collect();
    assert_eq!(next, [made[2], made[1], made[0]]);
    db.end_try(made[2], 0, &tried(20, Some(200)), Then::Delivered).await.unwrap();
    db.end_try(made[1], 0, &tried(20, None), Then::GivenUp).await.unwrap();
    for (state, expected) in [
        (DeliveryState::Pending, vec![made[4], made[3], made[0]]),
        (DeliveryState::Delivered, vec![made[2]]),
        (DeliveryState::Failed, vec![made[1]]),
    ] {
        let found = db.deliveries(Uuid::from_u128(1), Some(state), None, 9).await.unwrap();
        assert_eq!(found.iter().map(|found| found.id).collect::<Vec<_>>(), expected, "{state:?}");
    }
    // The oldest go first, and a webhook takes along what is its own.
    assert_eq!(db.remove_deliveries(at(10), 9).await.unwrap(), 0);
    assert_eq!(db.remove_deliveries(at(11), 2).await.unwrap(), 2);
    assert_eq!(db.remove_deliveries(at(11), 9).await.unwrap(), 1);
    assert!(db.remove_webhook(Uuid::from_u128(1)).await.unwrap());
    assert_eq!(page(None, 9).await.unwrap(), []);
    assert_eq!(webhooks(&*db).await, [3]);
}
