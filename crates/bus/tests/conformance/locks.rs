//! Job queues, with locks that lapse.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use panofleet_bus::{CopyFate, Received};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, PATIENCE, queue, receive_one, send, text};

/// Whether `later` came after the lock of `earlier` had lapsed.
fn waited_for_lapse(earlier: &Received, later: &Received, lock: Duration) -> bool {
    later.received_at >= earlier.received_at + lock
}

pub(crate) async fn a_lapsed_lock_hands_the_message_to_another(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    let mut stuck = bus.take_jobs(std::slice::from_ref(&queue), "stuck").await.unwrap();
    let mut other = bus.take_jobs(std::slice::from_ref(&queue), "other").await.unwrap();
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
    let mut late = bus.take_jobs(std::slice::from_ref(&queue), "late").await.unwrap();
    let mut other = bus.take_jobs(std::slice::from_ref(&queue), "other").await.unwrap();
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
    let mut dropped = bus.take_jobs(std::slice::from_ref(&queue), "dropped").await.unwrap();
    let mut other = bus.take_jobs(std::slice::from_ref(&queue), "other").await.unwrap();
    send(&*bus, &queue, "job").await;
    receive_one(&mut *dropped).await;
    drop(dropped);
    assert_eq!(receive_one(&mut *other).await.deliveries, 2);
}

/// Four members hold on to what they get for one second: whatever is handed out again meanwhile must have lapsed.
pub(crate) async fn nothing_is_handed_out_twice_while_it_is_locked(fleet: &mut dyn Fixture) {
    let (bus, queue) = (fleet.bus(), queue("a"));
    for number in 0..20 {
        send(&*bus, &queue, &number.to_string()).await;
    }
    let until = Instant::now() + Duration::from_secs(1);
    let mut members = JoinSet::new();
    for number in 0..4 {
        let (bus, queue) = (Arc::clone(&bus), queue.clone());
        members.spawn(async move {
            let mut member = bus.take_jobs(&[queue], &format!("member-{number}")).await.unwrap();
            let lock = member.lock();
            let mut received = Vec::new();
            while Instant::now() < until {
                received.extend(member.receive(3, Duration::from_millis(50)).await.unwrap());
            }
            (lock, received)
        });
    }
    let mut last = HashMap::<String, Received>::new();
    let ended = tokio::time::timeout(PATIENCE, members.join_all()).await.unwrap();
    let lock = ended[0].0;
    let mut all: Vec<Received> = ended.into_iter().flat_map(|(_, received)| received).collect();
    all.sort_by_key(|message| message.received_at);
    assert!(all.len() > 20, "some locks must have lapsed for this to say anything");
    for message in all {
        let number = text(&message.payload);
        if let Some(earlier) = last.get(&number) {
            assert!(
                waited_for_lapse(earlier, &message, lock),
                "message {number} was handed out while locked"
            );
            assert_eq!(message.deliveries, earlier.deliveries + 1);
        }
        last.insert(number, message);
    }
}
