//! What is to go because somebody asked.

use panofleet_job_schema::{JobId, Timestamp};
use panofleet_jobs_db::{
    Deletion, DeletionFilter, DueDeletion, JobsDb, Retired, SourceEnd, Upload,
};
use uuid::Uuid;

use crate::fixture::{Fixture, accept, at, get, job, tenant};

fn deletion(number: u128, of: &str, bulk: Option<u128>) -> Deletion {
    Deletion {
        bulk: bulk.map(Uuid::from_u128),
        ..Deletion::requested(job(number).id, tenant(of), at(10 + i64::try_from(number).unwrap()))
    }
}

pub(crate) async fn deletions_are_kept_found_and_looked_after(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let first = [deletion(1, "acme", None), deletion(3, "other", Some(7))];
    db.request_deletions(&first).await.unwrap();
    // A second request changes nothing of the first, and one that is new is kept beside it.
    let again = Deletion { requested_at: at(90), ..deletion(1, "acme", Some(7)) };
    db.request_deletions(&[deletion(2, "acme", Some(7)), again]).await.unwrap();
    db.request_deletions(&[]).await.unwrap();
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(db.deletion(job(1).id).await.unwrap(), Some(first[0].clone()));
    assert_eq!(db.deletion(job(9).id).await.unwrap(), None);
    let found = async |filter: DeletionFilter, limit| -> Vec<u128> {
        let found = db.deletions(&filter, limit).await.unwrap();
        found.into_iter().map(|found| found.job.0.as_u128()).collect()
    };
    let all = DeletionFilter::default;
    assert_eq!(found(all(), 9).await, [3, 2, 1]);
    let of_acme = DeletionFilter { tenant: Some(tenant("acme")), ..all() };
    assert_eq!(found(of_acme.clone(), 9).await, [2, 1]);
    assert_eq!(found(of_acme, 1).await, [2]);
    let of_bulk = DeletionFilter { bulk: Some(Uuid::from_u128(7)), ..all() };
    assert_eq!(found(of_bulk, 9).await, [3, 2]);
    assert_eq!(found(DeletionFilter { before: Some(job(3).id), ..all() }, 9).await, [2, 1]);

    let due = async |now| -> Vec<(u128, Timestamp)> {
        let due = db.deletions_due(at(now), 9).await.unwrap();
        let line =
            |DueDeletion { look_at, deletion }: DueDeletion| (deletion.job.0.as_u128(), look_at);
        due.into_iter().map(line).collect()
    };
    assert_eq!(due(10).await, []);
    assert_eq!(due(12).await, [(1, at(11)), (2, at(12))]);
    let half = Deletion { objects: 4, outputs_gone_at: Some(at(20)), ..deletion(1, "acme", None) };
    db.write_deletion(&half, Some(at(50))).await.unwrap();
    assert_eq!(due(49).await, [(2, at(12)), (3, at(13))]);
    assert_eq!(due(50).await, [(2, at(12)), (3, at(13)), (1, at(50))]);
    let over = Deletion { source: Some(SourceEnd::Gone), gone_at: Some(at(60)), ..half };
    db.write_deletion(&over, None).await.unwrap();
    assert_eq!(db.deletion(over.job).await.unwrap(), Some(over));
    assert_eq!(found(DeletionFilter { is_over: Some(true), ..all() }, 9).await, [1]);
    assert_eq!(found(DeletionFilter { is_over: Some(false), ..all() }, 9).await, [3, 2]);
    // Only what is over is ever forgotten.
    assert_eq!(db.remove_deletions(at(60), 9).await.unwrap(), 0);
    assert_eq!(db.remove_deletions(at(999), 9).await.unwrap(), 1);
    assert_eq!(found(all(), 9).await, [3, 2]);
}

fn upload(number: u128, of: &str) -> Upload {
    Upload {
        id: Uuid::from_u128(number),
        tenant: tenant(of),
        bucket: "b".into(),
        key: format!("uploads/{number}"),
        bytes: 4,
        created_at: at(1),
        sha256: None,
        parts: None,
    }
}

/// Every job of the fixture names upload 9.
pub(crate) async fn an_upload_goes_with_the_last_job_that_names_it(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let named = upload(9, "acme");
    db.put_upload(&named).await.unwrap();
    db.use_upload(named.id, at(30)).await.unwrap();
    accept(&*db, &job(1)).await;
    accept(&*db, &job(2)).await;
    let retire = async |db: &dyn JobsDb, but: Option<JobId>, since| {
        db.retire_upload(named.id, but, at(since), at(100)).await.unwrap()
    };
    assert_eq!(retire(&*db, Some(job(1).id), 31).await, Retired::InUse);
    let version = get(&*db, job(2).id).await.version;
    assert!(db.remove_job(job(2).id, version, at(40)).await.unwrap());
    assert_eq!(retire(&*db, None, 31).await, Retired::InUse);
    // Whoever named it just now may have a job on its way.
    assert_eq!(retire(&*db, Some(job(1).id), 30).await, Retired::JustUsed);
    assert_eq!(db.upload(named.id).await.unwrap(), Some(named.clone()));
    assert_eq!(retire(&*db, Some(job(1).id), 31).await, Retired::Now(named.clone()));
    assert_eq!(db.use_upload(named.id, at(101)).await.unwrap(), None, "nobody may name it");
    // Whoever comes back after a crash finds it again, until it is removed.
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(retire(&*db, Some(job(1).id), 31).await, Retired::Now(named.clone()));
    db.remove_upload(named.id).await.unwrap();
    assert_eq!(retire(&*db, Some(job(1).id), 31).await, Retired::Missing);
}

pub(crate) async fn uploads_of_a_tenant_come_in_pages(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for (number, of) in [(1, "acme"), (2, "other"), (3, "acme"), (4, "acme")] {
        db.put_upload(&upload(number, of)).await.unwrap();
    }
    let retired = db.retire_upload(Uuid::from_u128(4), None, at(50), at(50)).await.unwrap();
    assert_eq!(retired, Retired::Now(upload(4, "acme")), "no job names it");
    let acme = tenant("acme");
    let first = db.uploads_of(&acme, None, 1).await.unwrap();
    assert_eq!(first, [upload(1, "acme")]);
    let rest = db.uploads_of(&acme, Some(first[0].id), 9).await.unwrap();
    assert_eq!(rest, [upload(3, "acme")], "what is out of use is left out");
}
