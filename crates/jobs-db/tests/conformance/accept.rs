//! New jobs and uploads.

use std::sync::Arc;

use panofleet_job_schema::JobId;
use panofleet_jobs_db::{
    Accepted, IdempotencyKey, JobFilter, Offer, Upload, UploadParts, Versioned,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{Fixture, accept, assert_conflict, at, get, job, tenant};

fn key(text: &str, payload: u8) -> IdempotencyKey {
    IdempotencyKey { key: text.to_owned(), payload_sha256: [payload; 32] }
}

pub(crate) async fn a_job_comes_back_as_it_was_accepted(fixture: &mut dyn Fixture) {
    let mut job = job(1);
    job.spec.labels.insert("album".to_owned(), "42".to_owned());
    job.trace = Some("00-abc-01".to_owned());
    accept(&*fixture.db(), &job).await;
    fixture.crash().await;
    assert_eq!(get(&*fixture.db(), job.id).await, Versioned { job, version: 1 });
}

pub(crate) async fn a_key_is_one_job_in_the_same_words_only(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert_eq!(db.accept(&job(1), Some(&key("k", 1))).await.unwrap(), Accepted::Created);
    let again = db.accept(&job(2), Some(&key("k", 1))).await.unwrap();
    assert_eq!(again, Accepted::Existing(Box::new(job(1))));
    let other_words = db.accept(&job(3), Some(&key("k", 2))).await.unwrap();
    assert_eq!(other_words, Accepted::KeyTaken(job(1).id));
    // Another tenant's keys are its own, and so is another key.
    let mut foreign = job(4);
    foreign.tenant = tenant("other");
    assert_eq!(db.accept(&foreign, Some(&key("k", 1))).await.unwrap(), Accepted::Created);
    assert_eq!(db.accept(&job(5), Some(&key("K", 1))).await.unwrap(), Accepted::Created);
    let found = db.get(&[1, 2, 3, 4, 5].map(|number| job(number).id)).await.unwrap();
    assert_eq!(crate::fixture::ids(&found), [1, 4, 5], "a job that was not created leaves nothing");
    drop(db);
    fixture.crash().await;
    let after = fixture.db().accept(&job(6), Some(&key("k", 1))).await.unwrap();
    assert_eq!(after, Accepted::Existing(Box::new(job(1))));
}

/// Answers come in order; an offer sees the keys of those before it.
pub(crate) async fn many_jobs_are_accepted_together_or_none_of_them(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let offer = |number, key: Option<IdempotencyKey>| Offer { job: job(number), key };
    let mut labelled = offer(5, None);
    labelled.job.spec.labels.insert("album".to_owned(), "42".to_owned());
    let offers = [
        offer(1, None),
        offer(2, Some(key("k", 1))),
        offer(3, Some(key("k", 1))),
        offer(4, Some(key("k", 2))),
        labelled.clone(),
        offer(6, Some(key("l", 1))),
    ];
    let answers = db.accept_all(&offers).await.unwrap();
    let existing = Accepted::Existing(Box::new(job(2)));
    let taken = Accepted::KeyTaken(job(2).id);
    let created = || Accepted::Created;
    assert_eq!(answers, [created(), created(), existing.clone(), taken, created(), created()]);
    let again =
        [offer(7, Some(key("l", 1))), offer(8, Some(key("m", 1))), offer(9, Some(key("k", 1)))];
    let answers = db.accept_all(&again).await.unwrap();
    assert_eq!(answers, [Accepted::Existing(Box::new(job(6))), created(), existing]);
    assert_conflict(db.accept_all(&[offer(10, Some(key("n", 1))), offer(1, None)]).await);
    assert_eq!(db.accept_all(&[]).await.unwrap(), []);
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let found = db.get(&(1..=10).map(|number| job(number).id).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(crate::fixture::ids(&found), [1, 2, 5, 6, 8]);
    let asked = [8, 3, 1].map(|number| job(number).id);
    let before = db.now().await.unwrap();
    let (now, of_them) = db.get_now(&asked).await.unwrap();
    assert_eq!(of_them, db.get(&asked).await.unwrap());
    assert!(before <= now && now <= db.now().await.unwrap());
    assert!(db.get_now(&[]).await.is_ok_and(|(then, none)| then >= now && none.is_empty()));
    let filter =
        JobFilter { label: Some(("album".to_owned(), "42".to_owned())), ..JobFilter::default() };
    assert_eq!(db.list(&filter, 9).await.unwrap()[0].job, labelled.job);
    assert_eq!(db.accept(&job(11), Some(&key("n", 2))).await.unwrap(), Accepted::Created);
}

pub(crate) async fn sixteen_accepts_with_one_key_make_one_job(fixture: &mut dyn Fixture) {
    let mut accepts = JoinSet::new();
    for number in 1..=16 {
        let db = Arc::clone(&fixture.db());
        accepts.spawn(async move {
            (number, db.accept(&job(number), Some(&key("k", 1))).await.unwrap())
        });
    }
    let answers = accepts.join_all().await;
    let created: Vec<u128> = answers
        .iter()
        .filter(|(_, answer)| *answer == Accepted::Created)
        .map(|(number, _)| *number)
        .collect();
    let [winner] = created[..] else { panic!("one of them creates the job, not {created:?}") };
    let existing = Accepted::Existing(Box::new(job(winner)));
    assert!(answers.iter().all(|(number, answer)| *number == winner || *answer == existing));
    let all: Vec<JobId> = (1..=16).map(|number| job(number).id).collect();
    assert_eq!(crate::fixture::ids(&fixture.db().get(&all).await.unwrap()), [winner]);
}

pub(crate) async fn an_id_is_accepted_once(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    let mut other = job(1);
    other.bucket = "elsewhere".to_owned();
    assert_conflict(db.accept(&other, Some(&key("k", 1))).await);
    assert_eq!(get(&*db, other.id).await.job, job(1));
    // The key was not kept either.
    assert_eq!(db.accept(&job(2), Some(&key("k", 1))).await.unwrap(), Accepted::Created);
}

pub(crate) async fn jobs_that_do_not_exist_are_left_out(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.get(&[]).await.unwrap().is_empty());
    let ids: Vec<JobId> = (0..2000).map(|number| job(number).id).collect();
    assert!(db.get(&ids).await.unwrap().is_empty());
    accept(&*db, &job(7)).await;
    assert_eq!(crate::fixture::ids(&db.get(&ids).await.unwrap()), [7]);
    assert!(db.history(job(8).id).await.unwrap().is_empty());
}

pub(crate) async fn an_upload_comes_back_as_it_was_put(fixture: &mut dyn Fixture) {
    let upload = Upload {
        id: Uuid::from_u128(5),
        tenant: tenant("acme"),
        bucket: "uploads".to_owned(),
        key: "acme/5/ünïcode 'quoted'".to_owned(),
        bytes: 1 << 40,
        created_at: at(3),
        sha256: None,
        parts: None,
    };
    let in_parts = Upload {
        id: Uuid::from_u128(7),
        sha256: Some([9; 32]),
        parts: Some(UploadParts { store_upload: "ünder/way".to_owned(), part_bytes: 1 << 33 }),
        ..upload.clone()
    };
    fixture.db().put_upload(&in_parts).await.unwrap();
    fixture.db().put_upload(&upload).await.unwrap();
    let bytes = async |of: &str| fixture.db().upload_bytes(&tenant(of)).await.unwrap();
    assert_eq!(bytes(upload.tenant.as_str()).await, upload.bytes + in_parts.bytes);
    assert_eq!(bytes("nobody").await, 0);
    fixture.crash().await;
    assert_eq!(fixture.db().upload(upload.id).await.unwrap(), Some(upload.clone()));
    assert_eq!(fixture.db().upload(in_parts.id).await.unwrap(), Some(in_parts));
    assert_eq!(fixture.db().upload(Uuid::from_u128(6)).await.unwrap(), None);
    assert_conflict(fixture.db().put_upload(&upload).await);
}
