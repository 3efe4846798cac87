//! Dead letters that are put back where they came from.

use bytes::Bytes;
use panofleet_bus::{Bus as _, DeadLetter, KeptLetter, LetterPage};
use panofleet_job_schema::job::Placement;
use panofleet_jobs_db::{LetterKey, Replay};
use panofleet_tests::eventually;

use crate::house::{House, PATIENCE};
use crate::is_running;

impl House {
    async fn letters(&self, count: usize) -> Vec<KeptLetter> {
        let page = LetterPage { before: None, limit: 100, payload_bytes_max: usize::MAX };
        eventually("the letters", PATIENCE, async || {
            Some(self.bus.letters(page).await.unwrap()).filter(|letters| letters.len() == count)
        })
        .await
    }

    async fn request_replay(&self, letter: &KeptLetter) -> LetterKey {
        let key = LetterKey { id: letter.id, kept_at: letter.kept_at };
        self.db.request_replay(key, self.db.now().await.unwrap()).await.unwrap();
        key
    }

    async fn replayed(&self, key: LetterKey) -> Replay {
        eventually("the replay has ended", PATIENCE, async || {
            let found = self.db.replays(&[key]).await.unwrap().pop();
            found.filter(|replay| replay.ended_at.is_some())
        })
        .await
    }
}

/// A message that came with a key that nobody had yet runs when it is replayed; a second request changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_put_away_goes_back_to_its_queue_once() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let letter = DeadLetter {
        topic: house.queue.topic(),
        placement: taken.received.receipt.placement,
        reason: "signed with an unknown key".into(),
        payload: taken.received.payload.clone(),
    };
    house.bus.dead_letter(letter).await.unwrap();
    house.acknowledge(&taken).await;
    let letters = house.letters(1).await;
    let key = house.request_replay(&letters[0]).await;
    let replay = house.replayed(key).await;
    assert_eq!(replay.failure, None);
    // The copy that went back, or the attempt that the dispatcher has sent for a message that vanished.
    let mut back = house.take().await;
    while back.received.payload != taken.received.payload {
        back = house.take().await;
    }
    assert_eq!(back.message, taken.message);
    house.claim(&back).await;
    house.until(id, "it runs", is_running).await;
    house.request_replay(&letters[0]).await;
    assert_eq!(house.db.open_replays(10).await.unwrap(), []);
    assert_eq!(house.letters(1).await, letters);
}

/// An event goes back to its own partition, and one that is still unusable becomes a letter of its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_back_to_its_partition() {
    let house = House::open().await;
    house.bus.publish_events(vec![(1, "garbage".into())]).await.unwrap();
    let first = house.letters(1).await.remove(0);
    assert_eq!((first.letter.topic.as_str(), first.letter.placement.partition), ("pf.events", 1));
    let key = house.request_replay(&first).await;
    assert_eq!(house.replayed(key).await.failure, None);
    let letters = house.letters(2).await;
    assert_eq!(letters[1], first);
    assert_eq!(letters[0].letter.payload, "garbage");
    let before = first.letter.placement;
    let expected = Placement { partition: 1, offset: before.offset + 1 };
    assert_eq!(letters[0].letter.placement, expected);
}

/// Whoever asks hears why a letter cannot go back, and the letters behind it do.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_back_says_so_and_holds_up_nobody() {
    let house = House::closed().await;
    let letter = |topic: &str| DeadLetter {
        topic: topic.into(),
        placement: Placement { partition: 0, offset: 0 },
        reason: String::new(),
        payload: Bytes::from("garbage"),
    };
    for topic in ["somebody.elses", "pf.events"] {
        house.bus.dead_letter(letter(topic)).await.unwrap();
    }
    let letters = house.letters(2).await;
    let foreign = house.request_replay(&letters[1]).await;
    let none = LetterKey { id: 999, ..foreign };
    house.db.request_replay(none, house.db.now().await.unwrap()).await.unwrap();
    let good = house.request_replay(&letters[0]).await;
    let house = house.start();
    assert_eq!(house.replayed(good).await.failure, None);
    let failure = house.replayed(foreign).await.failure.unwrap();
    assert!(failure.contains("somebody.elses"), "{failure}");
    let failure = house.replayed(none).await.failure.unwrap();
    assert!(failure.contains("not kept any more"), "{failure}");
}

/// The dispatcher died after it had put the letter back and before it noted it: the record comes twice, the claim once.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_whose_note_was_lost_is_made_again_and_harms_nobody() {
    let house = House::open().await;
    let id = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    let job = house.until(id, "it runs", is_running).await;
    let letter = DeadLetter {
        topic: "pf.events".into(),
        placement: Placement { partition: taken.message.events_partition, offset: 0 },
        reason: String::new(),
        payload: house.claimed_wire(&taken, claim),
    };
    house.bus.dead_letter(letter.clone()).await.unwrap();
    let partition = taken.message.events_partition;
    house.bus.publish_events(vec![(partition, letter.payload)]).await.unwrap();
    let letters = house.letters(1).await;
    let key = house.request_replay(&letters[0]).await;
    assert_eq!(house.replayed(key).await.failure, None);
    let now = house.job(id).await;
    assert!(is_running(&now), "{now:?}");
    assert_eq!(now.counters, job.counters);
}
