//! API keys and sessions.

use std::collections::BTreeSet;

use panofleet_jobs_db::{
    Actor, ApiKey, JobsDb, Person, Scope, SecretHash, Session, SessionOf, StoredKey,
};
use uuid::Uuid;

use crate::fixture::{Fixture, assert_conflict, at, region, tenant};

fn key(number: u128, of: Option<&str>) -> ApiKey {
    ApiKey {
        id: Uuid::from_u128(number),
        name: "the \"night\" job ü".to_owned(),
        tenant: of.map(tenant),
        scopes: BTreeSet::from([Scope::JobsRead, Scope::JobsWrite]),
        regions: BTreeSet::from([region("hangzhou")]),
        created_at: at(1),
        created_by: Actor::Key { id: Uuid::from_u128(99), name: "root".to_owned() },
        expires_at: Some(at(500)),
        revoked_at: None,
        rotated_to: None,
    }
}

fn stored(key: ApiKey, secret: SecretHash) -> StoredKey {
    StoredKey { key, secret, last_used_at: None, version: 1 }
}

fn numbers(found: &[StoredKey]) -> Vec<u128> {
    found.iter().map(|found| found.key.id.as_u128()).collect()
}

pub(crate) async fn keys_are_kept_listed_and_changed_as_they_were_seen(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    for (number, of) in [(1, Some("acme")), (2, None), (3, Some("other")), (4, Some("acme"))] {
        db.put_key(&key(number, of), &[7; 32]).await.unwrap();
    }
    assert_conflict(db.put_key(&key(1, None), &[8; 32]).await);
    assert_eq!(db.key(Uuid::from_u128(9)).await.unwrap(), None);
    let first = stored(key(1, Some("acme")), [7; 32]);
    assert_eq!(db.key(first.key.id).await.unwrap(), Some(first.clone()));
    let acme = tenant("acme");
    assert_eq!(numbers(&db.keys(None, None, 9).await.unwrap()), [4, 3, 2, 1]);
    assert_eq!(numbers(&db.keys(None, Some(Uuid::from_u128(3)), 1).await.unwrap()), [2]);
    assert_eq!(numbers(&db.keys(Some(&acme), None, 9).await.unwrap()), [4, 1]);

    let revoked = ApiKey { revoked_at: Some(at(20)), ..first.key.clone() };
    assert!(db.write_key(&revoked, 1).await.unwrap());
    assert!(!db.write_key(&first.key, 1).await.unwrap(), "it has changed");
    assert!(!db.write_key(&key(9, None), 1).await.unwrap(), "there is none");
    drop(db);
    fixture.crash().await;
    let found = fixture.db().key(first.key.id).await.unwrap().unwrap();
    assert_eq!((found.key, found.secret, found.version), (revoked, [7; 32], 2));
}

pub(crate) async fn a_key_and_its_successor_change_together(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let old = key(1, Some("acme"));
    db.put_key(&old, &[1; 32]).await.unwrap();
    let next = ApiKey { id: Uuid::from_u128(2), ..old.clone() };
    let ending = ApiKey { rotated_to: Some(next.id), expires_at: Some(at(90)), ..old.clone() };
    assert!(!db.rotate_key((&ending, 7), (&next, &[2; 32])).await.unwrap(), "not that version");
    assert_eq!(db.key(next.id).await.unwrap(), None);
    assert_conflict(db.rotate_key((&ending, 1), (&old, &[2; 32])).await);
    assert_eq!(db.key(old.id).await.unwrap(), Some(stored(old.clone(), [1; 32])));
    assert!(db.rotate_key((&ending, 1), (&next, &[2; 32])).await.unwrap());
    assert_eq!(db.key(next.id).await.unwrap(), Some(stored(next, [2; 32])));
    assert_eq!(db.key(old.id).await.unwrap().unwrap().key, ending);
}

pub(crate) async fn the_latest_use_of_a_key_stands(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let ids = [1, 2, 3].map(Uuid::from_u128);
    for number in 1..=3 {
        db.put_key(&key(number, None), &[1; 32]).await.unwrap();
    }
    db.note_uses(&[]).await.unwrap();
    db.note_uses(&[(ids[1], at(50)), (ids[0], at(10)), (Uuid::from_u128(9), at(1))]).await.unwrap();
    db.note_uses(&[(ids[0], at(20)), (ids[1], at(40))]).await.unwrap();
    let uses = async |db: &dyn JobsDb| {
        let found = db.keys(None, None, 9).await.unwrap();
        found.into_iter().map(|found| (found.last_used_at, found.version)).collect::<Vec<_>>()
    };
    assert_eq!(uses(&*db).await, [(None, 1), (Some(at(50)), 1), (Some(at(20)), 1)]);
}

pub(crate) async fn a_session_lasts_until_it_is_ended_or_over(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let session = |id: u8, key: Option<u128>, ends: i64| Session {
        id: [id; 32],
        of: SessionOf::Key { id: key.map(Uuid::from_u128), secret: [9; 32] },
        tenant: key.map(|_| tenant("acme")),
        expires_at: at(ends),
    };
    let all = [session(1, Some(5), 10), session(2, None, 20), session(3, None, 30)];
    for session in &all {
        db.put_session(session).await.unwrap();
    }
    assert_conflict(db.put_session(&all[0]).await);
    for session in &all {
        assert_eq!(db.session(&session.id).await.unwrap().as_ref(), Some(session));
    }
    db.remove_session(&[2; 32]).await.unwrap();
    db.remove_session(&[2; 32]).await.unwrap();
    assert_eq!(db.session(&[2; 32]).await.unwrap(), None);
    assert_eq!(db.remove_sessions(at(10), 9).await.unwrap(), 0);
    assert_eq!(db.remove_sessions(at(99), 1).await.unwrap(), 1);
    assert_eq!(db.remove_sessions(at(99), 9).await.unwrap(), 1);
    assert_eq!(db.session(&[3; 32]).await.unwrap(), None);
}

pub(crate) async fn a_session_says_who_the_person_is_and_what_they_may(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let person = Person {
        issuer: "https://login.example/realms/fleet".to_owned(),
        subject: "248289761001".to_owned(),
        name: "Zoë \"o'brien\" \u{1f680}".to_owned(),
        tenant: Some(tenant("acme")),
        scopes: BTreeSet::from([Scope::JobsWrite, Scope::Admin]),
        regions: BTreeSet::from([region("hangzhou")]),
    };
    let everywhere = Person { tenant: None, regions: BTreeSet::new(), ..person.clone() };
    for (id, person, chosen) in [(1, person, None), (2, everywhere, Some(tenant("other")))] {
        let session = Session {
            id: [id; 32],
            of: SessionOf::Person(person),
            tenant: chosen,
            expires_at: at(i64::from(id) * 10),
        };
        db.put_session(&session).await.unwrap();
        assert_conflict(db.put_session(&session).await);
        assert_eq!(db.session(&session.id).await.unwrap(), Some(session));
    }
    db.remove_session(&[1; 32]).await.unwrap();
    assert_eq!(db.session(&[1; 32]).await.unwrap(), None);
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    let found = db.session(&[2; 32]).await.unwrap().unwrap();
    assert!(matches!(&found.of, SessionOf::Person(person) if person.tenant.is_none()), "{found:?}");
    assert_eq!(db.remove_sessions(at(99), 9).await.unwrap(), 1);
}
