//! Records that nobody could use.

use bytes::Bytes;
use panofleet_bus::DeadLetter;
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

pub(crate) async fn a_message_that_is_never_settled_becomes_a_dead_letter(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let placement = send(&*bus, &queue, "poison").await;
    let mut member = bus.take_jobs(std::slice::from_ref(&queue), "member").await.unwrap();
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
