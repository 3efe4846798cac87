//! From a message to a claim, and the ways in which it does not become one.

use std::time::{Duration, Instant};

use panofleet_job_schema::Lane;
use panofleet_job_schema::envelope::Body;
use panofleet_job_schema::message::Report;

use crate::site::{Site, eventually, script};

fn plain() -> serde_json::Value {
    script(&[], &[("a.jpg", 10)])
}

#[tokio::test]
async fn what_nobody_can_read_goes_to_the_dead_letters_and_the_queue_moves_on() {
    let site = Site::new().await;
    let message = site.job(plain()).await;
    let good = site.seal(Body::Job(Box::new(message.clone())));
    let text = String::from_utf8(good.clone()).unwrap();
    let mut forged = good;
    *forged.last_mut().unwrap() = b' ';
    let mut elsewhere = message.clone();
    elsewhere.events_partition = 99;
    let letters = [
        (b"hello".to_vec(), "not an envelope"),
        (text.replacen("pf1", "pf7", 1).into_bytes(), "version 7"),
        (text.replacen("k1", "k2", 1).into_bytes(), "unknown key `k2`"),
        (forged, "signature"),
        (
            site.seal(Body::Control(panofleet_job_schema::message::ControlRecord {
                job: message.id.job,
                generation: message.id.generation,
                cancelled: false,
                closed: false,
                lowest_live: message.id.attempt,
                let_go: None,
            })),
            "no job",
        ),
        (site.seal(Body::Job(Box::new(elsewhere))), "partition 99"),
    ];
    for (payload, _) in &letters {
        site.bus.send(Lane::Image, payload.clone().into());
    }
    site.send(&message);
    let _running = site.start();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    let dead = site
        .bus
        .until("dead letters", |state| (state.dead.len() == 6).then(|| state.dead.clone()))
        .await;
    for (letter, (payload, reason)) in dead.iter().zip(&letters) {
        assert!(letter.reason.contains(reason), "{}", letter.reason);
        assert_eq!(
            (&letter.payload[..], letter.topic.as_str()),
            (&payload[..], "pf.jobs.local.image")
        );
    }
    site.bus.until("acknowledgements", |state| (state.acknowledged.len() == 7).then_some(())).await;
}

#[tokio::test]
async fn what_control_forbids_is_dropped() {
    let site = Site::new().await;
    let (cancelled, closed, superseded, live) = (
        site.job(plain()).await,
        site.job(plain()).await,
        site.job(plain()).await,
        site.job(plain()).await,
    );
    // Published before the worker starts: it reads to the end of control before it takes work.
    site.control(cancelled.id, true, false, 0);
    site.control(closed.id, false, true, 0);
    site.control(superseded.id, false, false, 2);
    site.control(live.id, false, false, 1);
    for message in [&cancelled, &closed, &superseded, &live] {
        site.send(message);
    }
    let _running = site.start();
    assert!(matches!(site.outcome(&live).await, Report::Succeeded { .. }));
    for message in [cancelled, closed, superseded] {
        let events = site.events_of(message.id, 1).await;
        assert_eq!(
            events.iter().map(|event| &event.report).collect::<Vec<_>>(),
            [&Report::Dropped]
        );
    }
    site.bus.until("acknowledgements", |state| (state.acknowledged.len() == 4).then_some(())).await;
}

#[tokio::test]
async fn a_message_older_than_half_its_lock_is_left_to_its_lock() {
    let site = Site::new().await;
    site.bus.change(|state| {
        state.lock = Duration::from_secs(2);
        state.age = Duration::from_millis(1500);
    });
    let message = site.submit(plain()).await;
    let _running = site.start();
    site.bus.until("the message to be taken", |state| (state.held.len() == 1).then_some(())).await;
    site.bus.change(|state| state.age = Duration::ZERO);
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    site.bus.look(|state| assert_eq!((&state.acknowledged[..], state.deliveries), (&[0][..], 2)));
}

#[tokio::test]
async fn a_claim_that_is_durable_too_late_is_released_and_not_started() {
    let site = Site::new().await;
    site.bus.change(|state| {
        state.lock = Duration::from_millis(300);
        state.unconfirmed = Some(2);
    });
    // Were it started, it would succeed.
    let message = site.submit(plain()).await;
    let _running = site.start();
    let first = site.events_of(message.id, 1).await.remove(0);
    let lapsed =
        || site.bus.look(|state| state.held.values().all(|(_, until)| *until <= Instant::now()));
    eventually("the lock to lapse", lapsed).await;
    site.bus.change(|state| {
        state.unconfirmed = None;
        state.lock = Duration::from_secs(15);
    });
    // The message was not lost with its lock: it comes again, and the second claim of the same attempt runs.
    let events = site.events_of(message.id, 4).await;
    assert_eq!(events[1].claim, first.claim);
    assert!(matches!(&events[1].report, Report::Released { started: false, .. }), "{events:?}");
    assert_ne!(events[2].claim, first.claim);
    assert_eq!(events[2].report, Report::Claimed);
    assert!(matches!(&events[3].report, Report::Succeeded { .. }), "{events:?}");
    site.scratch_is_empty().await;
}
