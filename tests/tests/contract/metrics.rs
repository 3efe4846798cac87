//! What is counted, as an operator's scraper gets it, and what the document says of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use panofleet_job_schema::message::Report;
use panofleet_job_schema::metric::MetricKind;
use panofleet_job_schema::{Failure, Metric};
use panofleet_objects::manifest::Published;
use panofleet_service::{Readiness, Tasks, admin, metrics};
use panofleet_tests::exposition::{Family, parse};
use panofleet_tests::{eventually, root};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::house::House;
use crate::{is_running, manifest_of};

const TABLES: [&[Metric]; 5] = [
    panofleet_collector::metrics::METRICS,
    panofleet_objects::metrics::METRICS,
    panofleet_producer::metrics::METRICS,
    metrics::METRICS,
    panofleet_worker::metrics::METRICS,
];

fn declared() -> BTreeMap<&'static str, &'static Metric> {
    TABLES.into_iter().flatten().map(|metric| (metric.name, metric)).collect()
}

#[test]
fn the_document_lists_what_is_counted() {
    let document = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut listed = BTreeMap::new();
    for row in document.lines().filter(|line| line.starts_with("| `panofleet_")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, what] = cells[..] else { panic!("four cells: {row}") };
        assert!(what.ends_with('.'), "a sentence: {row}");
        let labels: Vec<_> = labels
            .split(", ")
            .map(|label| label.trim_matches('`'))
            .filter(|l| !l.is_empty())
            .collect();
        let twice = listed.insert(name.trim_matches('`'), (kind, labels));
        assert_eq!(twice, None, "{name} is listed twice");
    }
    let counted: BTreeMap<_, _> = declared()
        .into_iter()
        .map(|(name, metric)| (name, (metric.kind.name(), metric.labels.to_vec())))
        .collect();
    assert_eq!(listed, counted);
}

#[test]
fn names_are_of_one_kind() {
    const PARTS: [&str; 6] =
        ["collector", "dispatcher", "objects", "producer", "service", "worker"];
    for (name, metric) in declared() {
        let part = name.strip_prefix("panofleet_").and_then(|rest| rest.split('_').next());
        assert!(part.is_some_and(|part| PARTS.contains(&part)), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == MetricKind::Counter, "{name}");
        assert!(
            metric.help.ends_with('.') && !metric.help.contains('\n'),
            "{name}: {}",
            metric.help
        );
        if let MetricKind::Histogram(bounds) = metric.kind {
            assert!(bounds.len() > 5 && bounds.is_sorted_by(|a, b| a < b), "{name}: {bounds:?}");
        }
    }
    let count: usize = TABLES.iter().map(|table| table.len()).sum();
    assert_eq!(count, declared().len(), "a name is declared twice");
}

/// An administrator's server over these parts, and its address.
async fn serve(readiness: Readiness) -> (String, CancellationToken) {
    metrics::start(&Tasks::new(), &TABLES);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = admin::serve(listener, readiness, shutdown.clone());
    #[expect(clippy::disallowed_methods, reason = "the test stops what it starts")]
    drop(tokio::spawn(serving));
    (url, shutdown)
}

async fn get(url: &str) -> (u16, String, String) {
    // The client wants to know whose TLS it could use, although it uses none.
    drop(rustls::crypto::ring::default_provider().install_default());
    let answer = reqwest::get(url).await.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), content_type, answer.text().await.unwrap())
}

async fn scrape(url: &str) -> BTreeMap<String, Family> {
    let (status, content_type, text) = get(&format!("{url}/metrics")).await;
    assert_eq!((status, &*content_type), (200, "text/plain; version=0.0.4; charset=utf-8"));
    parse(&text)
}

/// Everything that is scraped is declared, with its type, its help and just its labels.
fn assert_declared(families: &BTreeMap<String, Family>) {
    let declared = declared();
    for (name, family) in families {
        let Some(metric) = declared.get(name.as_str()) else { panic!("{name} is not declared") };
        assert_eq!((&*family.kind, &*family.help), (metric.kind.name(), metric.help), "{name}");
        for (labels, _) in &family.values {
            let mut expected = metric.labels.to_vec();
            expected.sort_unstable();
            assert_eq!(labels.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{name}");
        }
    }
    for (name, metric) in declared {
        let silent = families.get(name).is_none_or(|family| family.values.is_empty());
        let histogram = matches!(metric.kind, MetricKind::Histogram(_));
        assert!(
            !silent || histogram || !metric.labels.is_empty(),
            "{name} is not there from the start"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_jobs_leave_behind_is_scraped() {
    let (url, _shutdown) = serve(Readiness::new()).await;
    let house = House::open().await;
    let done = house.accept(1).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    let job = house.until(done, "it runs", is_running).await;
    let published = house.publish(&manifest_of(&job, claim)).await;
    let Published::Won(manifest) = published else { panic!("{published:?}") };
    house.report(&taken, claim, Report::Succeeded { manifest }).await;
    // Said twice, it changes nothing the second time.
    house.report(&taken, claim, Report::Claimed).await;
    house.until(done, "it has succeeded", |job| job.state.is_terminal()).await;
    let failed = house.accept(2).await;
    let taken = house.take().await;
    let claim = house.claim(&taken).await;
    let failure = Failure::rejected("file_truncated", "upload it again");
    house.report(&taken, claim, Report::Failed { failure }).await;
    house.until(failed, "it is dead", |job| job.state.is_terminal()).await;

    let families = eventually("everything is counted", Duration::from_secs(30), async || {
        let families = scrape(&url).await;
        let sum = |name: &str, labels: &[(&str, &str)]| {
            families.get(name).map_or(0.0, |family| family.sum(labels))
        };
        let local = ("region", "local");
        // Other tests of this process count too.
        let all = [
            sum("panofleet_dispatcher_jobs_sent_total", &[local, ("reason", "dispatched")]) >= 2.0,
            sum("panofleet_dispatcher_leading", &[]) >= 1.0,
            families.contains_key("panofleet_dispatcher_jobs"),
            families.contains_key("panofleet_dispatcher_pauses"),
            families.contains_key("panofleet_dispatcher_queue_paused"),
            families.contains_key("panofleet_dispatcher_region_unreachable"),
            sum("panofleet_dispatcher_turn_seconds", &[]) >= 2.0,
            sum("panofleet_dispatcher_seals_total", &[("outcome", "sealed")]) >= 1.0,
            sum("panofleet_dispatcher_timers_fired_total", &[]) >= 1.0,
            sum("panofleet_collector_events_total", &[("kind", "claimed")]) >= 3.0,
            sum("panofleet_collector_events_total", &[("kind", "failed")]) >= 1.0,
            sum("panofleet_collector_refusals_total", &[]) >= 1.0,
            sum("panofleet_collector_batch_events", &[]) >= 2.0,
            sum("panofleet_collector_event_age_seconds", &[]) >= 5.0,
            sum("panofleet_collector_caught_up_timestamp_seconds", &[("partition", "0")]) > 1e9,
            sum(
                "panofleet_objects_requests_total",
                &[("operation", "put_object_if_absent"), ("result", "ok")],
            ) >= 2.0,
        ];
        all.iter().all(|counted| *counted).then_some(families)
    });
    assert_declared(&families.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_ready_says_why() {
    let away = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&away);
    let readiness = Readiness::new()
        .with("bus", "no job is taken", || async { Ok::<_, String>(()) })
        .with("database", "nothing is sent", move || {
            let away = seen.load(Ordering::Relaxed);
            async move { if away { Err("connection refused") } else { Ok(()) } }
        });
    let (url, shutdown) = serve(readiness).await;
    let ready = async || {
        let (status, _, body) = get(&format!("{url}/readyz")).await;
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let bus = json!({ "part": "bus", "ok": true });
    let database = json!({ "part": "database", "ok": true });
    assert_eq!(ready().await, (200, json!({ "ready": true, "checks": [bus, database] })));
    away.store(true, Ordering::Relaxed);
    let database = json!({ "part": "database", "ok": false, "reason": "nothing is sent" });
    assert_eq!(ready().await, (503, json!({ "ready": false, "checks": [bus, database] })));
    assert_eq!(get(&format!("{url}/healthz")).await.0, 200);
    assert_eq!(get(&format!("{url}/elsewhere")).await.0, 404);
    let posted = reqwest::Client::new().post(format!("{url}/metrics")).send().await.unwrap();
    assert_eq!(posted.status(), 405);
    shutdown.cancel();
    eventually("the port is closed", Duration::from_secs(30), async || {
        reqwest::get(&url).await.err()
    })
    .await;
}
