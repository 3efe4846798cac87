//! Records that nobody could use.

use bytes::Bytes;
use panofleet_bus::{DeadLetter, LetterPage};
use panofleet_job_schema::job::Placement;

use crate::fixture::{DELIVERY_LIMIT, Fixture, queue, receive_now, receive_one, send, text};
use crate::queue::within_patience_gone;

pub(crate) async fn letters_are_kept_byte_for_byte_newest_first(fleet: &mut dyn Fixture) {
    let letter = |offset, reason: &str, payload: &[u8]| DeadLetter {
        topic: "pf.events".to_owned(),
        placement: Placement { partition: 3, offset },
        reason: reason.to_owned(),
        payload: Bytes::copy_from_slice(payload),
    };
    let letters = [
        letter(7, "bad signature", &[0, 159, 146, 150, 255]),
        letter(u64::from(u32::MAX) + 1, "“unknown” version\0'; DROP TABLE jobs; --", b"{}"),
        letter(0, "", b""),
    ];
    for letter in &letters {
        fleet.bus().dead_letter(letter.clone()).await.unwrap();
    }
    fleet.crash().await;
    let newest_first: Vec<DeadLetter> = letters.into_iter().rev().collect();
    assert_eq!(fleet.bus().dead_letters(10).await.unwrap(), newest_first);
    assert_eq!(fleet.bus().dead_letters(2).await.unwrap(), newest_first[..2]);
}

pub(crate) async fn pages_of_letters_meet_and_payloads_are_cut(fleet: &mut dyn Fixture) {
    let bus = fleet.bus();
    let page = |before, limit, payload_bytes_max| LetterPage { before, limit, payload_bytes_max };
    assert!(bus.letters(page(None, 10, 10)).await.unwrap().is_empty());
    for offset in 0..5 {
        let letter = DeadLetter {
            topic: "pf.events".to_owned(),
            placement: Placement { partition: 0, offset },
            reason: format!("reason {offset}"),
            payload: Bytes::from(vec![b'x'; 100 + usize::try_from(offset).unwrap()]),
        };
        bus.dead_letter(letter).await.unwrap();
    }
    let all = bus.letters(page(None, 10, usize::MAX)).await.unwrap();
    let offsets: Vec<_> = all.iter().map(|kept| kept.letter.placement.offset).collect();
    assert_eq!(offsets, [4, 3, 2, 1, 0]);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id && newer.kept_at >= older.kept_at));
    assert!(all.iter().all(|kept| kept.bytes == kept.letter.payload.len() as u64));
    assert!(all[0].kept_at.as_millis() > 1_700_000_000_000, "{:?}", all[0].kept_at);

    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let found = bus.letters(page(before, 2, usize::MAX)).await.unwrap();
        let Some(last) = found.last() else { break };
        before = Some(last.id);
        paged.extend(found);
    }
    assert_eq!(paged, all);
    assert_eq!(bus.letters(LetterPage::one(all[2].id)).await.unwrap(), all[2..3]);
    let cut = bus.letters(page(None, 1, 7)).await.unwrap();
    assert_eq!((cut[0].bytes, &cut[0].letter.payload[..]), (104, &b"xxxxxxx"[..]));
}

pub(crate) async fn a_message_that_is_never_settled_becomes_a_dead_letter(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let placement = send(&*bus, &queue, "poison").await;
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    for delivery in 1..=DELIVERY_LIMIT {
        let received = receive_one(&mut *member).await;
        assert_eq!((text(&received.payload), received.deliveries), ("poison".to_owned(), delivery));
        member.release(&[received.receipt]).await.unwrap();
    }
    send(&*bus, &queue, "good").await;
    let next = receive_one(&mut *member).await;
    assert_eq!((text(&next.payload), next.deliveries), ("good".to_owned(), 1));
    assert!(receive_now(&mut *member).await.is_empty());

    fleet.advance(&queue).await;
    within_patience_gone(&*bus, &queue, placement).await;
    let letters = bus.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0].topic, letters[0].placement), (&queue.topic(), placement));
    assert_eq!(letters[0].payload, "poison");
    assert!(letters[0].reason.contains(&DELIVERY_LIMIT.to_string()), "{}", letters[0].reason);
}
