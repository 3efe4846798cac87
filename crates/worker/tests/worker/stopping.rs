//! Cancelling, draining, and dying.

use std::time::{Duration, Instant};

use panofleet_job_schema::Span;
use panofleet_job_schema::message::{JobMessage, Report};
use serde_json::json;

use crate::site::{Running, Site, begun, eventually, lives, script};

/// A job whose child and grandchild hang, running: the worker, the job, and the numbers of both processes.
async fn hanging(site: &Site) -> (Running, JobMessage, Vec<String>) {
    let message =
        site.submit(begun(&[json!({ "act": "grandchild" }), json!({ "act": "hang" })])).await;
    let running = site.start();
    let step = site.step(&message, "pids").await;
    let pids: Vec<_> = step.split(' ').skip(1).map(str::to_owned).collect();
    assert!(pids.iter().all(|pid| lives(pid)), "{step}");
    (running, message, pids)
}

async fn gone(pids: &[String]) {
    for pid in pids {
        eventually("the process to be gone", || !lives(pid)).await;
    }
}

fn released(report: &Report, reason: &str) -> bool {
    matches!(report, Report::Released { started: true, reason: said } if said.contains(reason))
}

#[tokio::test]
async fn cancelling_kills_the_whole_process_group_within_a_second() {
    let site = Site::new().await;
    let (_running, message, pids) = hanging(&site).await;
    let begun = Instant::now();
    site.control(message.id, true, false, 0);
    gone(&pids).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(released(&site.outcome(&message).await, "cancelled"));
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn a_job_that_is_to_be_let_go_is_and_no_copy_of_it_starts() {
    let site = Site::new().await;
    let (_running, message, pids) = hanging(&site).await;
    site.let_go(message.id);
    gone(&pids).await;
    assert!(released(&site.outcome(&message).await, "somebody asked for it"));
    site.scratch_is_empty().await;
    let heard = site.events(message.id).len();
    site.send(&message);
    let events = site.events_of(message.id, heard + 1).await;
    assert_eq!(events.last().map(|event| &event.report), Some(&Report::Dropped));
}

#[tokio::test]
async fn a_superseded_attempt_runs_on() {
    let site = Site::new().await;
    let (_running, message) = site.waiting().await;
    site.control(message.id, false, true, 7);
    // Records are applied in order: once the other job is dropped, the first has been.
    let other = site.job(script(&[], &[])).await;
    site.control(other.id, true, false, 0);
    let dropped = async {
        while site.events(other.id).iter().all(|event| event.report != Report::Dropped) {
            let so_far = site.events(other.id).len();
            site.send(&other);
            site.events_of(other.id, so_far + 1).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), dropped).await.expect("control is applied");
    site.go();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
}

#[tokio::test]
async fn draining_lets_running_attempts_finish_and_takes_no_more() {
    let site = Site::new().await;
    let (running, message) = site.waiting().await;
    running.shutdown.cancel();
    site.heartbeat("draining with its claim", |heartbeat| {
        (heartbeat.worker.draining && heartbeat.claims.len() == 1).then_some(())
    })
    .await;
    let late = site.submit(script(&[], &[("a.jpg", 10)])).await;
    site.go();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    running.end().await.unwrap();
    assert_eq!(
        site.events(late.id).iter().filter(|event| event.report == Report::Claimed).count(),
        0
    );
    site.bus.look(|state| assert_eq!(state.waiting.len(), 1, "given back, or never taken"));
}

#[tokio::test]
async fn at_the_end_of_the_grace_what_still_runs_is_released() {
    let mut site = Site::new().await;
    site.config.drain_grace = Span::from_millis(100);
    let (running, message, pids) = hanging(&site).await;
    running.shutdown.cancel();
    running.end().await.unwrap();
    assert!(released(&site.outcome(&message).await, "the worker ends"));
    gone(&pids).await;
    assert!(site.claim_folders().is_empty() && site.claims_held().is_empty());
}

#[tokio::test]
async fn the_second_signal_releases_at_once() {
    let site = Site::new().await;
    let (running, message, pids) = hanging(&site).await;
    running.shutdown.cancel();
    running.now.cancel();
    running.end().await.unwrap();
    assert!(released(&site.outcome(&message).await, "the worker ends"));
    gone(&pids).await;
}

#[tokio::test]
async fn what_a_crash_has_left_is_abandoned_by_the_next_life() {
    let site = Site::new().await;
    let (running, message, pids) = hanging(&site).await;
    running.crash().await;
    gone(&pids).await;
    assert_eq!(site.claims_held().len(), 1);
    assert_eq!(site.events(message.id).len(), 1, "a crash reports nothing");
    let _next_life = site.start();
    assert_eq!(site.outcome(&message).await, Report::Abandoned);
    site.scratch_is_empty().await;
}

#[tokio::test]
async fn a_claim_whose_last_event_is_not_durable_is_left_to_the_next_life() {
    let site = Site::new().await;
    let (running, message) = site.waiting().await;
    site.bus.change(|state| state.away = true);
    site.go();
    let done = || site.claim_folders().is_empty();
    eventually("the attempt to end", done).await;
    running.crash().await;
    site.bus.change(|state| state.away = false);
    let _next_life = site.start();
    assert_eq!(site.outcome(&message).await, Report::Abandoned);
    assert!(site.manifest(&message).await.is_some(), "the next attempt adopts it");
}
