//! What gets no jobs.

use std::time::Duration;

use panofleet_jobs_db::{Pause, PauseTarget};

use crate::fixture::{Fixture, WAIT, at, within};

fn pause(kind: &str, name: &str, seconds: i64, reason: &str) -> Pause {
    let target = PauseTarget::new(kind, name).unwrap();
    Pause { target, since: at(seconds), reason: reason.to_owned() }
}

pub(crate) async fn a_pause_lasts_until_it_is_ended(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    assert!(db.pauses().await.unwrap().is_empty());
    let paused = [
        pause("lane", "hangzhou.image", 2, "decoder \u{1f525}"),
        pause("region", "hangzhou", 1, "maintenance"),
        pause("tenant", "acme", 3, ""),
        pause("tenant", "hangzhou", 4, "has a region's name"),
    ];
    for pause in paused.iter().rev() {
        db.pause(pause).await.unwrap();
    }
    assert_eq!(db.pauses().await.unwrap(), paused);
    // Again: it began when it began.
    db.pause(&pause("tenant", "acme", 9, "unpaid")).await.unwrap();
    let acme = pause("tenant", "acme", 3, "unpaid");
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(db.pauses().await.unwrap()[2], acme);
    assert_eq!(db.resume(&acme.target).await.unwrap(), Some(acme.clone()));
    assert_eq!(db.resume(&acme.target).await.unwrap(), None);
    let left = [&paused[0], &paused[1], &paused[3]].map(Clone::clone);
    assert_eq!(db.pauses().await.unwrap(), left);
}

/// Whoever waits for news goes on at once.
pub(crate) async fn a_pause_and_its_end_are_news(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let acme = pause("tenant", "acme", 1, "");
    let seen = db.changed(0, Duration::ZERO).await.unwrap();
    db.pause(&acme).await.unwrap();
    let seen = within(db.changed(seen, WAIT)).await.unwrap();
    db.resume(&acme.target).await.unwrap();
    within(db.changed(seen, WAIT)).await.unwrap();
}
