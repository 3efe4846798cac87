//! `/metrics`, and what the API counts. Other tests of this process count too: values are compared with what they were.

use std::collections::BTreeMap;

use panofleet_service::{Tasks, metrics};
use serde_json::json;

use crate::harness::Fleet;

/// Every sample by its name and labels.
async fn scrape(fleet: &Fleet) -> BTreeMap<String, f64> {
    let answer = fleet.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some(metrics::CONTENT_TYPE));
    let text = answer.text();
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(sample, value)| (sample.to_owned(), value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn requests_and_jobs_are_counted() {
    metrics::start(&Tasks::new(), &[panofleet_producer::metrics::METRICS]);
    let fleet = Fleet::start().await;
    let before = scrape(&fleet).await;
    let key = json!({ "idempotency_key": "counted", "outputs": {
        "t": { "op": "pano.tiles" }, "p": { "op": "image.thumbnail" }
    } });
    let [first, again] = [fleet.submit(&key).await, fleet.submit(&key).await];
    assert!(first.status == 201 && again.status == 200);
    assert_eq!(fleet.submit(&json!({ "idempotency_key": "counted" })).await.status, 409);
    fleet.get("/v1/jobs/00000000-0000-0000-0000-000000000001").await.problem(404, "job_not_found");
    fleet.get("/v1/nothing/at/all").await.problem(404, "no_such_route");
    let brew = reqwest::Method::from_bytes(b"BREW").unwrap();
    assert_eq!(fleet.request(brew, "/v1/jobs").send().await.unwrap().status(), 405);

    let after = scrape(&fleet).await;
    for sample in [
        r#"panofleet_producer_requests_total{method="POST",route="/v1/jobs",status="201"}"#,
        r#"panofleet_producer_requests_total{method="POST",route="/v1/jobs",status="409"}"#,
        r#"panofleet_producer_requests_total{method="GET",route="/v1/jobs/{id}",status="404"}"#,
        r#"panofleet_producer_requests_total{method="GET",route="none",status="404"}"#,
        r#"panofleet_producer_requests_total{method="other",route="/v1/jobs",status="405"}"#,
        r#"panofleet_producer_request_seconds_count{route="/v1/jobs"}"#,
        r#"panofleet_producer_jobs_accepted_total{region="home",lane="image"}"#,
        r#"panofleet_producer_outputs_accepted_total{lane="image",operation="pano.tiles"}"#,
        r#"panofleet_producer_outputs_accepted_total{lane="image",operation="image.thumbnail"}"#,
        r#"panofleet_producer_idempotency_keys_found_total{outcome="replayed"}"#,
        r#"panofleet_producer_idempotency_keys_found_total{outcome="refused"}"#,
    ] {
        let value = |samples: &BTreeMap<String, f64>| samples.get(sample).copied().unwrap_or(0.0);
        assert!(value(&after) > value(&before), "{sample}: {after:#?}");
    }
}
