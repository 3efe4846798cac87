//! What people and their programs have changed.

use panofleet_jobs_db::{Actor, AuditEntry, AuditFilter};
use uuid::Uuid;

use crate::fixture::{Fixture, assert_conflict, at, tenant};

fn entry(number: u8, of: Option<&str>, key: Option<u128>) -> AuditEntry {
    let key = key.map(|id| Actor::Key { id: Uuid::from_u128(id), name: "k\u{0}".to_owned() });
    AuditEntry {
        id: Uuid::from_u128(number.into()),
        at: at(number.into()),
        actor: key.unwrap_or(Actor::Open),
        tenant: of.map(tenant),
        action: if number.is_multiple_of(2) { "job.cancel" } else { "job.retry" }.to_owned(),
        subject: (number > 1).then(|| format!("subject {}", number / 2)),
        outcome: "done".to_owned(),
        status: Some(200),
        request: None,
        trace: Some("abc".to_owned()),
    }
}

pub(crate) async fn entries_are_found_by_what_they_say(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let all = [
        entry(1, Some("acme"), None),
        entry(2, Some("other"), Some(7)),
        entry(3, None, Some(7)),
        entry(4, Some("acme"), Some(8)),
        entry(5, Some("acme"), Some(7)),
    ];
    for entry in &all {
        db.put_audit(entry).await.unwrap();
    }
    assert_conflict(db.put_audit(&all[0]).await);
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let everything = db.audit(&AuditFilter::default(), 9).await.unwrap();
    assert_eq!(everything, all.iter().rev().cloned().collect::<Vec<_>>());
    let found = async |filter: AuditFilter, limit| -> Vec<u128> {
        let found = db.audit(&filter, limit).await.unwrap();
        found.into_iter().map(|entry| entry.id.as_u128()).collect()
    };
    let none = AuditFilter::default;
    let of_acme = || AuditFilter { tenant: Some(tenant("acme")), ..none() };
    let seven = Some(Uuid::from_u128(7));
    assert_eq!(found(of_acme(), 9).await, [5, 4, 1]);
    assert_eq!(found(of_acme(), 2).await, [5, 4]);
    assert_eq!(found(AuditFilter { before: Some(all[3].id), ..of_acme() }, 9).await, [1]);
    assert_eq!(found(AuditFilter { key: seven, ..none() }, 9).await, [5, 3, 2]);
    assert_eq!(found(AuditFilter { key: seven, ..of_acme() }, 9).await, [5]);
    let ada = Actor::Person {
        issuer: "https://id.example.com".to_owned(),
        subject: "u1".to_owned(),
        name: "ada@example.com\u{0}".to_owned(),
    };
    let by_ada = AuditEntry { actor: ada, ..entry(6, Some("acme"), None) };
    db.put_audit(&by_ada).await.unwrap();
    let of_person = |name: &str| AuditFilter { person: Some(name.to_owned()), ..none() };
    assert_eq!(found(of_person("ada@example.com"), 9).await, [6]);
    assert_eq!(found(of_person("ada"), 9).await, [] as [u128; 0]);
    let everything = db.audit(&of_person("ada@example.com"), 9).await.unwrap();
    assert_eq!(everything, [by_ada]);
    let of_kind = AuditFilter { action: Some("job.cancel".to_owned()), ..none() };
    assert_eq!(found(of_kind, 9).await, [6, 4, 2]);
    let about = AuditFilter { subject: Some("subject 1".to_owned()), ..none() };
    assert_eq!(found(about, 9).await, [3, 2]);
    assert_eq!(found(AuditFilter { since: Some(at(4)), ..none() }, 9).await, [6, 5, 4]);
}

pub(crate) async fn an_entry_says_in_the_end_what_came_of_it(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let begun = AuditEntry { outcome: "begun".to_owned(), status: None, ..entry(1, None, None) };
    db.put_audit(&begun).await.unwrap();
    db.put_audit(&entry(2, None, None)).await.unwrap();
    let (tenant, subject) = (Some(tenant("acme")), Some("job 7".to_owned()));
    let ended = AuditEntry { tenant: tenant.clone(), subject, ..entry(1, None, None) };
    db.end_audit(&ended).await.unwrap();
    db.end_audit(&entry(9, None, None)).await.unwrap();
    let everything = db.audit(&AuditFilter::default(), 9).await.unwrap();
    assert_eq!(everything, [entry(2, None, None), ended.clone()]);
    for filter in [
        AuditFilter { tenant, ..AuditFilter::default() },
        AuditFilter { subject: ended.subject.clone(), ..AuditFilter::default() },
    ] {
        assert_eq!(db.audit(&filter, 9).await.unwrap(), std::slice::from_ref(&ended));
    }
}

pub(crate) async fn old_entries_are_forgotten_a_few_at_a_time(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for number in 1..=5 {
        db.put_audit(&entry(number, None, None)).await.unwrap();
    }
    assert_eq!(db.remove_audit(at(4), 2).await.unwrap(), 2);
    assert_eq!(db.remove_audit(at(4), 2).await.unwrap(), 1);
    assert_eq!(db.remove_audit(at(4), 2).await.unwrap(), 0);
    let left = db.audit(&AuditFilter::default(), 9).await.unwrap();
    let left: Vec<_> = left.into_iter().map(|entry| entry.at).collect();
    assert_eq!(left, [at(5), at(4)]);
}
