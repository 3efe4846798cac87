//! Listing and counting.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::job::State;
use panofleet_job_schema::{Job, JobId};
use panofleet_jobs_db::{JobFilter, JobsDb};
use uuid::Uuid;

use crate::fixture::{Fixture, accept, ids, job, move_to, sent, tenant};

fn labelled(number: u128, key: &str, value: &str) -> Job {
    let mut job = job(number);
    job.spec.labels.insert(key.to_owned(), value.to_owned());
    job
}

fn states(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Jobs 1 to 6: of two tenants, in three states, three of them in album 42.
async fn six_jobs(db: &dyn JobsDb) {
    accept(db, &labelled(1, "album", "42")).await;
    accept(db, &labelled(2, "album", "42")).await;
    accept(db, &labelled(3, "album", "43")).await;
    accept(db, &labelled(4, "title", "42")).await;
    for (number, album) in [(5, "42"), (6, "44")] {
        accept(db, &Job { tenant: tenant("other"), ..labelled(number, "album", album) }).await;
    }
    for number in [2, 3, 5] {
        move_to(db, job(number).id, sent(1)).await;
    }
    move_to(db, job(4).id, State::Cancelled).await;
}

pub(crate) async fn filters_are_joined_and_newest_comes_first(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    six_jobs(&*db).await;
    let all = JobFilter::default();
    let acme = JobFilter { tenant: Some(tenant("acme")), ..JobFilter::default() };
    let album = Some(("album".to_owned(), "42".to_owned()));
    for (filter, expected) in [
        (all.clone(), vec![6, 5, 4, 3, 2, 1]),
        (acme.clone(), vec![4, 3, 2, 1]),
        (JobFilter { states: states(&["sent"]), ..all.clone() }, vec![5, 3, 2]),
        (JobFilter { states: states(&["sent", "queued", "sent"]), ..acme.clone() }, vec![3, 2, 1]),
        (JobFilter { states: states(&["sent", "no such state"]), ..acme.clone() }, vec![3, 2]),
        (JobFilter { states: states(&["no such state"]), ..all.clone() }, vec![]),
        (JobFilter { label: album.clone(), ..all.clone() }, vec![5, 2, 1]),
        (JobFilter { label: album.clone(), ..acme.clone() }, vec![2, 1]),
        (
            JobFilter {
                label: album,
                states: states(&["sent"]),
                before: Some(job(5).id),
                ..all.clone()
            },
            vec![2],
        ),
        (JobFilter { before: Some(job(3).id), ..all.clone() }, vec![2, 1]),
        (JobFilter { before: Some(job(1).id), ..all }, vec![]),
        (JobFilter { tenant: Some(tenant("nobody")), ..JobFilter::default() }, vec![]),
    ] {
        assert_eq!(ids(&db.list(&filter, 100).await.unwrap()), expected, "{filter:?}");
    }
}

pub(crate) async fn pages_meet_without_gap_or_overlap(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in 1..=25 {
        accept(&*db, &job(number)).await;
        if number % 3 == 0 {
            move_to(&*db, job(number).id, sent(1)).await;
        }
    }
    let mut filter = JobFilter { states: states(&["queued", "sent"]), ..JobFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = db.list(&filter, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.job.id);
        // A job that is accepted meanwhile belongs to no later page.
        accept(&*db, &job(1000 - seen.len() as u128)).await;
        seen.extend(ids(&page));
    }
    assert!(seen.into_iter().eq((1..=25).rev()));
}

pub(crate) async fn counts_are_by_state_and_tenant(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.counts(None).await.unwrap().is_empty());
    six_jobs(&*db).await;
    let expected = |counts: &[(&str, u64)]| -> BTreeMap<String, u64> {
        counts.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect()
    };
    assert_eq!(
        db.counts(None).await.unwrap(),
        expected(&[("cancelled", 1), ("queued", 2), ("sent", 3)])
    );
    let acme = db.counts(Some(&tenant("acme"))).await.unwrap();
    assert_eq!(acme, expected(&[("cancelled", 1), ("queued", 1), ("sent", 2)]));
    assert!(db.counts(Some(&tenant("nobody"))).await.unwrap().is_empty());
}

pub(crate) async fn labels_are_plain_data(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let odd = [
        ("'; DROP TABLE jobs; --", "' OR '1'='1"),
        ("全景", "🏔️ 360°"),
        ("e\u{301}", "decomposed"),
        ("é", "composed"),
        ("percent%", "_%"),
        ("nul\u{0}inside", "a\u{0}b"),
        ("nul", "a"),
        ("{\"json\": 1}", "[null]"),
        ("x?1", ":name $1 @p"),
        (" ", ""),
        ("case", "Straße"),
    ];
    for (number, (key, value)) in (1..).zip(odd) {
        accept(&*db, &labelled(number, key, value)).await;
    }
    for (number, (key, value)) in (1..).zip(odd) {
        let filter =
            JobFilter { label: Some((key.to_owned(), value.to_owned())), ..JobFilter::default() };
        assert_eq!(ids(&db.list(&filter, 100).await.unwrap()), [number], "{key:?}: {value:?}");
    }
    let none =
        [("percent%", "%"), ("case", "straße"), ("nul\u{0}other", "a"), ("' OR 1=1 --", "x")];
    for (key, value) in none {
        let filter =
            JobFilter { label: Some((key.to_owned(), value.to_owned())), ..JobFilter::default() };
        assert!(db.list(&filter, 100).await.unwrap().is_empty(), "{key:?}: {value:?}");
    }
    let states = states(&["sent') OR ('1'='1"]);
    assert!(db.list(&JobFilter { states, ..JobFilter::default() }, 9).await.unwrap().is_empty());
    let all: BTreeSet<JobId> =
        (1..=odd.len() as u128).map(|at| JobId(Uuid::from_u128(at))).collect();
    let found = db.list(&JobFilter::default(), 100).await.unwrap();
    assert_eq!(found.iter().map(|versioned| versioned.job.id).collect::<BTreeSet<_>>(), all);
}
