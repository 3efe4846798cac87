//! Draining by order: a control record says it, and it stands over restarts.

use panofleet_job_schema::message::Report;
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::{Span, WorkerId};
use serde_json::json;

use crate::site::{Site, begun, script};

/// Waits until the worker says that it follows an order, and whether it drains.
async fn followed(site: &Site, revision: u64) -> bool {
    site.heartbeat("the order to be followed", |heartbeat| {
        (heartbeat.worker.order_revision == revision).then_some(heartbeat.worker.draining)
    })
    .await
}

fn claimed(report: &Report) -> bool {
    *report == Report::Claimed
}

#[tokio::test]
async fn a_worker_that_is_told_to_drain_finishes_what_it_has_and_takes_no_more() {
    let site = Site::new().await;
    let (running, message) = site.waiting().await;
    site.order(1, true, None);
    assert!(followed(&site, 1).await);
    let late = site.submit(script(&[], &[("a.jpg", 10)])).await;
    site.go();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    // It is idle now, says so, and takes nothing.
    site.heartbeat("draining with nothing", |heartbeat| {
        (heartbeat.worker.draining && heartbeat.claims.is_empty()).then_some(())
    })
    .await;
    assert!(site.events(late.id).is_empty());
    site.order(2, false, None);
    assert!(!followed(&site, 2).await);
    assert!(matches!(site.outcome(&late).await, Report::Succeeded { .. }));
    running.shutdown.cancel();
    running.end().await.unwrap();
}

#[tokio::test]
async fn an_order_stands_over_restarts() {
    let site = Site::new().await;
    site.order(7, true, None);
    let waiting = site.submit(script(&[], &[("a.jpg", 10)])).await;
    for _life in 0..2 {
        let running = site.start();
        assert!(followed(&site, 7).await);
        running.crash().await;
    }
    assert!(site.events(waiting.id).is_empty());
    site.bus.look(|state| assert!(state.held.is_empty() && state.waiting.len() == 1));
    // Told while it was away.
    site.order(8, false, None);
    let _running = site.start();
    assert!(matches!(site.outcome(&waiting).await, Report::Succeeded { .. }));
}

#[tokio::test]
async fn at_the_end_of_the_grace_what_still_runs_goes_elsewhere() {
    let site = Site::new().await;
    let message = site.submit(begun(&[json!({ "act": "hang" })])).await;
    let _running = site.start();
    let first = site.events_of(message.id, 1).await;
    assert!(claimed(&first[0].report));
    site.order(1, true, Some(Span::from_millis(50)));
    let Report::Released { started: true, reason } = site.outcome(&message).await else {
        panic!("it is let go")
    };
    assert_eq!(reason, "the worker was told to drain");
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn old_orders_those_to_others_and_forged_ones_change_nothing() {
    let site = Site::new().await;
    site.order(5, false, None);
    site.order(4, true, None);
    let worker = WorkerId::new("somebody-else").unwrap();
    site.order_to(WorkerOrder { revision: 9, draining: true, ..WorkerOrder::none(worker) });
    let mut forged = site.seal(panofleet_job_schema::envelope::Body::Order(WorkerOrder {
        revision: 9,
        draining: true,
        ..WorkerOrder::none(site.config.name.clone())
    }));
    *forged.last_mut().unwrap() = b' ';
    site.bus.change(|state| state.control.push(forged.into()));
    let _running = site.start();
    assert!(!followed(&site, 5).await);
    let message = site.submit(script(&[], &[("a.jpg", 10)])).await;
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
}
