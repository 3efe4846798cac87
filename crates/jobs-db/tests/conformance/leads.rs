//! One leads under a name at a time.

use std::time::Instant;

use crate::fixture::{Fixture, PATIENCE};

pub(crate) async fn one_leads_until_it_gives_the_lead_up(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let first = db.try_lead("dispatcher").await.unwrap().expect("nobody leads yet");
    assert!(db.try_lead("dispatcher").await.unwrap().is_none());
    let other_name = db.try_lead("sweeper").await.unwrap().expect("another lead");
    first.resign().await.unwrap();
    let second = db.try_lead("dispatcher").await.unwrap().expect("it was given up");
    drop(second);
    let begun_at = Instant::now();
    // A database that has to notice it may take a moment.
    while db.try_lead("dispatcher").await.unwrap().is_none() {
        assert!(begun_at.elapsed() < PATIENCE, "the lead of a guard that was dropped is free");
    }
    assert!(db.try_lead("sweeper").await.unwrap().is_none(), "names do not touch each other");
    drop(other_name);
}

pub(crate) async fn the_lead_ends_with_its_process(fixture: &mut dyn Fixture) {
    let lead = fixture.db().try_lead("dispatcher").await.unwrap().expect("nobody leads yet");
    drop(lead);
    fixture.crash().await;
    let begun_at = Instant::now();
    while fixture.db().try_lead("dispatcher").await.unwrap().is_none() {
        assert!(begun_at.elapsed() < PATIENCE, "the lead of a dead process is free");
    }
}
