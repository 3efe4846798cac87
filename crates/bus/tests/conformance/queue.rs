//! Job queues, with locks that do not lapse.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use panofleet_bus::{Bus, BusError, CopyFate, Queue};
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::limits::ENVELOPE_BYTES_MAX;
use tokio::task::JoinSet;

use crate::fixture::{
    Fixture, PATIENCE, WAIT, job, queue, receipts, receive_now, receive_one, send, text, texts,
    within,
};

pub(crate) async fn an_idle_member_takes_what_a_busy_one_does_not(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut busy = bus.take_jobs(&queue, "busy").await.unwrap();
    let mut idle = bus.take_jobs(&queue, "idle").await.unwrap();
    send(&*bus, &queue, "long").await;
    assert_eq!(text(&receive_one(&mut *busy).await.payload), "long");
    for short in ["short 1", "short 2", "short 3"] {
        send(&*bus, &queue, short).await;
        let received = receive_one(&mut *idle).await;
        assert_eq!((text(&received.payload), received.deliveries), (short.to_owned(), 1));
        idle.acknowledge(&[received.receipt]).await.unwrap();
    }
    assert!(receive_now(&mut *idle).await.is_empty(), "the busy member's message is its own");
}

pub(crate) async fn release_is_immediate(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut first = bus.take_jobs(&queue, "first").await.unwrap();
    let mut second = bus.take_jobs(&queue, "second").await.unwrap();
    send(&*bus, &queue, "job").await;
    let held = receive_one(&mut *first).await;
    let (received, ()) = tokio::join!(receive_one(&mut *second), async {
        first.release(&[held.receipt]).await.unwrap();
    });
    assert_eq!((text(&received.payload), received.deliveries), ("job".to_owned(), 2));
}

pub(crate) async fn an_acknowledgement_is_final_also_after_a_crash(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    for text in ["settled", "held", "waiting"] {
        send(&*bus, &queue, text).await;
    }
    let settled = receive_one(&mut *member).await;
    member.acknowledge(&[settled.receipt]).await.unwrap();
    receive_one(&mut *member).await;
    drop((member, bus));

    fleet.crash().await;
    let mut member = fleet.bus().take_jobs(&queue, "member").await.unwrap();
    let mut left = BTreeSet::new();
    for _ in 0..2 {
        let received = receive_one(&mut *member).await;
        left.insert((text(&received.payload), received.deliveries));
    }
    assert_eq!(left, BTreeSet::from([("held".to_owned(), 2), ("waiting".to_owned(), 1)]));
    assert!(receive_now(&mut *member).await.is_empty());
}

pub(crate) async fn a_receipt_of_before_a_crash_settles_nothing(fleet: &mut dyn Fixture) {
    let queue = queue("a");
    let mut member = fleet.bus().take_jobs(&queue, "member").await.unwrap();
    send(&*fleet.bus(), &queue, "job").await;
    let before = receive_one(&mut *member).await;
    drop(member);

    fleet.crash().await;
    let mut member = fleet.bus().take_jobs(&queue, "member").await.unwrap();
    let after = receive_one(&mut *member).await;
    assert_eq!(after.deliveries, 2);
    member.acknowledge(std::slice::from_ref(&before.receipt)).await.unwrap();
    member.release(&[before.receipt]).await.unwrap();
    assert!(receive_now(&mut *member).await.is_empty(), "it is still held by the later delivery");
    let fate = fleet.bus().copy_fate(&queue, after.receipt.placement).await.unwrap();
    assert_eq!(fate, CopyFate::Present);
}

pub(crate) async fn copy_fate_follows_a_message_through_its_life(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let fate = async |placement| bus.copy_fate(&queue, placement).await.unwrap();
    let unsent = Placement { partition: 0, offset: 0 };
    assert_eq!(fate(unsent).await, CopyFate::Present, "it may be sent yet: nothing is proven");

    let first = send(&*bus, &queue, "first").await;
    let second = send(&*bus, &queue, "second").await;
    assert_eq!((fate(first).await, fate(second).await), (CopyFate::Present, CopyFate::Present));
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    let held = receive_one(&mut *member).await;
    assert_eq!(fate(first).await, CopyFate::Present, "held");
    member.release(&[held.receipt]).await.unwrap();
    assert_eq!(fate(first).await, CopyFate::Present, "released");

    let received = within(member.receive(1, WAIT)).await.unwrap();
    member.acknowledge(&receipts(&received)).await.unwrap();
    let gone = received[0].receipt.placement;
    fleet.advance(&queue).await;
    within_patience_gone(&*bus, &queue, gone).await;
    let other = if gone == first { second } else { first };
    assert_eq!(fate(other).await, CopyFate::Present, "the other one");
    drop((member, bus));
    fleet.crash().await;
    assert_eq!(fleet.bus().copy_fate(&queue, gone).await.unwrap(), CopyFate::Gone);
    assert_eq!(fleet.bus().copy_fate(&queue, other).await.unwrap(), CopyFate::Present);
}

/// A broker may move the queue's start a moment after the acknowledgement.
pub(crate) async fn within_patience_gone(bus: &dyn Bus, queue: &Queue, placement: Placement) {
    let asked_at = Instant::now();
    while bus.copy_fate(queue, placement).await.unwrap() == CopyFate::Present {
        assert!(asked_at.elapsed() < PATIENCE, "{placement:?} must be gone");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn ten_thousand_messages_are_neither_lost_nor_doubled(fleet: &mut dyn Fixture) {
    const SENDERS: usize = 8;
    const MEMBERS: usize = 8;
    const EACH: usize = 1250;
    let (bus, queue) = (fleet.bus(), queue("a"));
    let seen_count = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (bus, queue) = (Arc::clone(&bus), queue.clone());
        senders.spawn(async move {
            for number in 0..EACH {
                send(&*bus, &queue, &(sender * EACH + number).to_string()).await;
            }
        });
    }
    let mut members = JoinSet::new();
    for number in 0..MEMBERS {
        let (bus, queue, seen_count) = (Arc::clone(&bus), queue.clone(), Arc::clone(&seen_count));
        members.spawn(async move {
            let mut member = bus.take_jobs(&queue, &format!("member-{number}")).await.unwrap();
            let mut seen = Vec::new();
            while seen_count.load(Ordering::Relaxed) < SENDERS * EACH {
                let received = member.receive(16, Duration::from_millis(100)).await.unwrap();
                member.acknowledge(&receipts(&received)).await.unwrap();
                seen_count.fetch_add(received.len(), Ordering::Relaxed);
                seen.extend(texts(&received));
            }
            seen
        });
    }
    senders.join_all().await;
    let mut seen: Vec<usize> =
        members.join_all().await.into_iter().flatten().map(|text| text.parse().unwrap()).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..SENDERS * EACH), "each message exactly once");
}

pub(crate) async fn a_waiting_member_wakes_when_a_message_is_sent(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    for text in ["one", "two", "three"] {
        // The member is polled first, and finds nothing.
        let (received, _) = tokio::join!(receive_one(&mut *member), send(&*bus, &queue, text));
        assert_eq!(crate::fixture::text(&received.payload), text);
        member.acknowledge(&[received.receipt]).await.unwrap();
    }
}

pub(crate) async fn a_member_gets_what_is_in_its_queue_and_nothing_else(fleet: &mut dyn Fixture) {
    let (bus, own, foreign) = (fleet.bus(), queue("own"), queue("foreign"));
    for number in 0..3 {
        send(&*bus, &foreign, &format!("foreign {number}")).await;
        send(&*bus, &own, &format!("own {number}")).await;
    }
    let mut member = bus.take_jobs(&own, "member").await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let received = receive_one(&mut *member).await;
        assert_eq!(
            (&received.queue, received.queue.topic()),
            (&own, received.receipt.topic.clone())
        );
        seen.push(text(&received.payload));
        member.acknowledge(&[received.receipt]).await.unwrap();
    }
    assert_eq!(seen, ["own 0", "own 1", "own 2"]);
    assert!(receive_now(&mut *member).await.is_empty());
}

pub(crate) async fn receive_keeps_to_its_maximum_and_its_wait(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    let wait = Duration::from_millis(50);
    let asked_at = Instant::now();
    assert!(within(member.receive(1, wait)).await.unwrap().is_empty());
    assert!(asked_at.elapsed() >= wait, "it must wait for the first message");
    for number in 0..5 {
        send(&*bus, &queue, &number.to_string()).await;
    }
    let mut seen = BTreeSet::new();
    while seen.len() < 5 {
        let received = within(member.receive(2, WAIT)).await.unwrap();
        assert!((1..=2).contains(&received.len()));
        seen.extend(texts(&received));
    }
}

pub(crate) async fn payloads_are_kept_byte_for_byte_up_to_the_limit(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let every_byte: Vec<u8> = (0..=255).collect();
    let longest: Vec<u8> = (0..ENVELOPE_BYTES_MAX).map(|at| (at % 251) as u8).collect();
    let mut member = bus.take_jobs(&queue, "member").await.unwrap();
    for payload in [Bytes::from(every_byte), Bytes::from(longest)] {
        bus.send_job(&queue, job(1), payload.clone()).await.unwrap();
        let received = receive_one(&mut *member).await;
        assert!(received.payload == payload, "{} bytes came back changed", payload.len());
        member.acknowledge(&[received.receipt]).await.unwrap();
    }
    let too_long = Bytes::from(vec![0; ENVELOPE_BYTES_MAX + 1]);
    let refused = bus.send_job(&queue, job(1), too_long).await;
    assert!(matches!(refused, Err(BusError::Refused(_))), "{refused:?}");
}
