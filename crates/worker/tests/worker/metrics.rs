//! What a worker counts. Other tests of this process count too: values are compared with `at least`.

use panofleet_job_schema::Lane;
use panofleet_job_schema::message::Report;
use panofleet_service::{Tasks, metrics};
use panofleet_worker::metrics::METRICS;
use serde_json::json;

use crate::site::{Site, eventually, progress, script};

/// The value of a sample, by its name and labels; 0 as long as there is none.
fn value(sample: &str) -> f64 {
    let text = metrics::render();
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn what_a_worker_does_is_counted() {
    metrics::start(&Tasks::new(), &[METRICS]);
    let site = Site::new().await;
    let message = site.submit(script(&[progress(0.5, "tiles")], &[("a.jpg", 1000)])).await;
    let crash = site.submit(script(&[json!({ "act": "exit", "code": 3 })], &[])).await;
    site.bus.send(Lane::Image, "no job".into());
    let running = site.start();
    assert!(matches!(site.outcome(&message).await, Report::Succeeded { .. }));
    site.failure(&crash).await;
    let unusable = "panofleet_worker_messages_total{outcome=\"unusable\"}";
    eventually("the message that is none to be put away", || value(unusable) >= 1.0).await;
    running.shutdown.cancel();
    running.end().await.unwrap();

    for (sample, least) in [
        ("panofleet_worker_slots", 2.0),
        ("panofleet_worker_messages_total{outcome=\"claimed\"}", 2.0),
        ("panofleet_worker_attempts_total{operation=\"pano.tiles\",outcome=\"succeeded\"}", 1.0),
        ("panofleet_worker_attempts_total{operation=\"pano.tiles\",outcome=\"crashed\"}", 1.0),
        (
            "panofleet_worker_attempt_seconds_count{operation=\"pano.tiles\",outcome=\"succeeded\"}",
            1.0,
        ),
        ("panofleet_worker_child_exits_total{kind=\"ok\"}", 1.0),
        ("panofleet_worker_child_exits_total{kind=\"child_exit\"}", 1.0),
        ("panofleet_worker_downloaded_bytes_total", 100.0),
        ("panofleet_worker_uploaded_bytes_total", 1000.0),
        ("panofleet_worker_heartbeats_total", 1.0),
    ] {
        let found = value(sample);
        assert!(found >= least, "{sample} is {found}\n{}", metrics::render());
    }
}

#[tokio::test]
async fn an_outage_shows_in_what_is_dropped_and_kept() {
    metrics::start(&Tasks::new(), &[METRICS]);
    let site = Site::new().await;
    let running = site.start();
    site.heartbeat("the first", |_| Some(())).await;
    let before = value("panofleet_worker_heartbeats_dropped_total");
    site.bus.change(|state| state.away = true);
    eventually("heartbeats to be dropped", || {
        value("panofleet_worker_heartbeats_dropped_total") > before
            && value("panofleet_worker_publish_failures_total") >= 1.0
    })
    .await;
    site.bus.change(|state| state.away = false);
    running.shutdown.cancel();
    running.end().await.unwrap();
}
