//! Job queues, with locks that lapse.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use panofleet_bus::{CopyFate, Received};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, queue, receive_one, send, text, within};

/// Whether `later` came after the lock of `earlier` had lapsed.
fn waited_for_lapse(earlier: &Received, later: &Received, lock: Duration) -> bool {
    later.received_at >= earlier.received_at + lock
}

pub(crate) async fn a_lapsed_lock_hands_the_message_to_another(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut stuck = bus.take_jobs(&queue, "stuck").await.unwrap();
    let mut other = bus.take_jobs(&queue, "other").await.unwrap();
    let placement = send(&*bus, &queue, "job").await;
    let first = receive_one(&mut *stuck).await;
    let second = receive_one(&mut *other).await;
    assert!(waited_for_lapse(&first, &second, stuck.lock()));
    assert_eq!((first.deliveries, second.deliveries), (1, 2));
    assert_eq!((&second.payload, second.receipt.placement), (&first.payload, placement));
    assert!(second.receipt.delivery > first.receipt.delivery);
}

pub(crate) async fn a_late_settlement_settles_nothing(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut late = bus.take_jobs(&queue, "late").await.unwrap();
    let mut other = bus.take_jobs(&queue, "other").await.unwrap();
    let placement = send(&*bus, &queue, "job").await;
    let first = receive_one(&mut *late).await;
    let second = receive_one(&mut *other).await;
    late.acknowledge(std::slice::from_ref(&first.receipt)).await.unwrap();
    late.release(&[first.receipt]).await.unwrap();
    assert_eq!(bus.copy_fate(&queue, placement).await.unwrap(), CopyFate::Present);

    let third = receive_one(&mut *late).await;
    assert!(
        waited_for_lapse(&second, &third, late.lock()),
        "the late release freed another's lock"
    );
    assert_eq!(third.deliveries, 3);
}

pub(crate) async fn what_a_dropped_member_held_comes_back(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut dropped = bus.take_jobs(&queue, "dropped").await.unwrap();
    let mut other = bus.take_jobs(&queue, "other").await.unwrap();
    send(&*bus, &queue, "job").await;
    receive_one(&mut *dropped).await;
    drop(dropped);
    assert_eq!(receive_one(&mut *other).await.deliveries, 2);
}

/// Four members settle nothing: whatever is handed out again must have lapsed.
pub(crate) async fn nothing_is_handed_out_twice_while_it_is_locked(fleet: &mut dyn Fixture) {
    const MESSAGES: usize = 20;
    const ROUNDS: usize = 3;
    let (bus, queue) = (fleet.bus(), queue("a"));
    for number in 0..MESSAGES {
        send(&*bus, &queue, &number.to_string()).await;
    }
    let taken = Arc::new(AtomicUsize::new(0));
    let mut members = JoinSet::new();
    for number in 0..4 {
        let (bus, queue, taken) = (Arc::clone(&bus), queue.clone(), Arc::clone(&taken));
        members.spawn(async move {
            let mut member = bus.take_jobs(&queue, &format!("member-{number}")).await.unwrap();
            let mut received = Vec::new();
            while taken.load(Ordering::Relaxed) < ROUNDS * MESSAGES {
                let some = member.receive(3, Duration::from_millis(50)).await.unwrap();
                taken.fetch_add(some.len(), Ordering::Relaxed);
                received.extend(some);
            }
            (member, received) // Nobody leaves before the end: a member that leaves gives back what it has.
        });
    }
    let ended = within(members.join_all()).await;
    let lock = ended[0].0.lock();
    let mut all: Vec<Received> = ended.iter().flat_map(|(_, received)| received).cloned().collect();
    all.sort_by_key(|message| message.received_at);
    let mut last = HashMap::<String, Received>::new();
    for message in all {
        let number = text(&message.payload);
        if let Some(earlier) = last.get(&number) {
            assert!(
                waited_for_lapse(earlier, &message, lock),
                "message {number} was handed out while it was locked"
            );
            assert_eq!(message.deliveries, earlier.deliveries + 1);
        }
        last.insert(number, message);
    }
    assert_eq!(last.len(), MESSAGES);
}
