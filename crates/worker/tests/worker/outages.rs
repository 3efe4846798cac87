//! The bus is away: nothing is lost, and order is kept.

use panofleet_job_schema::message::Report;

use crate::site::{Site, eventually, script};

#[tokio::test]
async fn events_wait_for_the_bus_and_come_in_order() {
    let site = Site::new().await;
    let (_running, message) = site.waiting().await;
    site.bus.change(|state| state.away = true);
    site.go();
    eventually("the attempt to end", || site.claim_folders().is_empty()).await;
    site.bus.until("a few tries", |state| (state.publishes_failed >= 3).then_some(())).await;
    assert_eq!(site.events(message.id).len(), 1);
    assert_eq!(site.claims_held().len(), 1, "kept until its last event is durable");
    site.bus.change(|state| state.away = false);
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn while_claims_cannot_be_published_no_more_jobs_are_taken() {
    let mut site = Site::new().await;
    site.config.event_buffer = 4;
    let mut messages = Vec::new();
    for _ in 0..2 {
        messages.push(site.submit(site.patient()).await);
    }
    let _running = site.start();
    for message in &messages {
        site.step(message, "ready").await;
    }
    site.bus.change(|state| state.away = true);
    site.go();
    // The next claims wait behind two last events; the other jobs stay where they are.
    for _ in 0..6 {
        messages.push(site.submit(script(&[], &[("a.jpg", 10)])).await);
    }
    site.bus.until("more claims", |state| (!state.held.is_empty()).then_some(())).await;
    let (asked, failed) = site.bus.look(|state| (state.receives.len(), state.publishes_failed));
    site.bus
        .until("more tries", |state| (state.publishes_failed >= failed + 3).then_some(()))
        .await;
    site.bus.look(|state| {
        assert_eq!(
            (state.held.len() + state.waiting.len(), state.receives.len()),
            (6, asked),
            "no more was asked for"
        );
    });
    site.bus.change(|state| state.away = false);
    for message in &messages {
        assert!(matches!(site.outcome(message).await, Report::Succeeded { .. }));
    }
    site.scratch_is_empty().await;
}
