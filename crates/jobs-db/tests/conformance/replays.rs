//! Dead letters that are to go back.

use panofleet_jobs_db::{LetterKey, Replay};

use crate::fixture::{Fixture, at};

fn letter(id: u64, seconds: i64) -> LetterKey {
    LetterKey { id, kept_at: at(seconds) }
}

fn replay(letter: LetterKey, requested: i64) -> Replay {
    Replay { letter, requested_at: at(requested), ended_at: None, failure: None }
}

pub(crate) async fn a_letter_goes_back_once(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let (first, second, again) = (letter(7, 1), letter(3, 1), letter(7, 2));
    for (key, requested) in [(first, 10), (second, 11), (again, 12)] {
        assert_eq!(db.request_replay(key, at(requested)).await.unwrap(), replay(key, requested));
    }
    // Asked for twice, it waits once.
    assert_eq!(db.request_replay(first, at(99)).await.unwrap(), replay(first, 10));
    assert_eq!(
        db.open_replays(2).await.unwrap(),
        [replay(first, 10), replay(second, 11)],
        "first asked for first"
    );
    db.end_replay(first, at(20), None).await.unwrap();
    let gone = Replay { ended_at: Some(at(20)), ..replay(first, 10) };
    drop(db);
    fixture.crash().await;
    let db = fixture.db();
    assert_eq!(db.request_replay(first, at(99)).await.unwrap(), gone);
    db.end_replay(first, at(21), Some("too late")).await.unwrap();
    let known = db.replays(&[first, letter(8, 1), second]).await.unwrap();
    assert_eq!(known, [gone, replay(second, 11)]);
    assert_eq!(db.open_replays(9).await.unwrap(), [replay(second, 11), replay(again, 12)]);
}

pub(crate) async fn one_that_could_not_go_back_is_tried_anew(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let key = letter(u64::from(u32::MAX) + 1, 1);
    db.request_replay(key, at(10)).await.unwrap();
    db.end_replay(key, at(11), Some("“gone”")).await.unwrap();
    let failed =
        Replay { ended_at: Some(at(11)), failure: Some("“gone”".into()), ..replay(key, 10) };
    assert_eq!(db.replays(&[key]).await.unwrap(), [failed]);
    assert!(db.open_replays(9).await.unwrap().is_empty());
    assert_eq!(db.request_replay(key, at(12)).await.unwrap(), replay(key, 12));
    assert_eq!(db.open_replays(9).await.unwrap(), [replay(key, 12)]);
}
