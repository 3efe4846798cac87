//! What is done to all jobs that match.

use panofleet_job_schema::{Region, Rerun, Tenant};
use panofleet_jobs_db::{Bulk, BulkAction, JobFilter, VersionedBulk};
use uuid::Uuid;

use crate::fixture::{Fixture, assert_conflict, at, job};

fn bulk(number: u128, tenant: &str) -> Bulk {
    let tenant = Tenant::new(tenant).unwrap();
    Bulk {
        id: Uuid::from_u128(number),
        tenant: tenant.clone(),
        action: BulkAction::Retry,
        priority: None,
        rerun: Rerun { region: Region::new("us-west").ok(), ..Rerun::default() },
        filter: JobFilter {
            tenant: Some(tenant),
            label: Some(("quote\"".to_owned(), "ü".to_owned())),
            failed_since: Some(at(5)),
            ..JobFilter::default()
        },
        matched: 7,
        done: 0,
        refused: 0,
        requested_at: at(9),
        ended_at: None,
        stopped: false,
    }
}

pub(crate) async fn bulk_actions_are_changed_as_they_were_seen(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for bulk in [bulk(1, "acme"), bulk(3, "acme"), bulk(2, "other")] {
        db.put_bulk(&bulk).await.unwrap();
    }
    assert_conflict(db.put_bulk(&bulk(1, "other")).await);
    assert_eq!(db.bulk(Uuid::from_u128(9)).await.unwrap(), None);
    let first = VersionedBulk { bulk: bulk(1, "acme"), version: 1 };
    assert_eq!(db.bulk(first.bulk.id).await.unwrap(), Some(first.clone()));

    let filter = JobFilter { before: Some(job(4).id), ..first.bulk.filter.clone() };
    let next = Bulk { done: 3, refused: 1, filter, ..first.bulk };
    assert!(db.write_bulk(&next, 1).await.unwrap());
    assert!(!db.write_bulk(&bulk(1, "acme"), 1).await.unwrap(), "it has changed");
    assert!(db.write_bulk(&Bulk { ended_at: Some(at(20)), ..bulk(3, "acme") }, 1).await.unwrap());
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let open = db.open_bulks(9).await.unwrap();
    assert_eq!(open[0], VersionedBulk { bulk: next, version: 2 });
    let names = |found: &[VersionedBulk]| -> Vec<u128> {
        found.iter().map(|found| found.bulk.id.as_u128()).collect()
    };
    assert_eq!(names(&open), [1, 2], "oldest first, what has ended left out");
    assert_eq!(names(&db.open_bulks(1).await.unwrap()), [1]);
    let acme = Tenant::new("acme").unwrap();
    assert_eq!(names(&db.bulks(&acme, 9).await.unwrap()), [3, 1]);
    assert_eq!(names(&db.bulks(&acme, 1).await.unwrap()), [3]);
}
