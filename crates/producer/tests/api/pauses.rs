//! Pausing and resuming.

use panofleet_job_schema::limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, HOME};

impl Fleet {
    async fn pause(&self, what: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, &format!("/v1/pauses/{what}")).json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    async fn resume(&self, what: &str) -> Answer {
        let request = self.request(Method::DELETE, &format!("/v1/pauses/{what}"));
        Answer::of(request.send().await.unwrap()).await
    }

    async fn paused(&self) -> Vec<Value> {
        self.get("/v1/pauses").await.ok()["pauses"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_pause_lasts_until_it_is_ended_and_twice_is_once() {
    let fleet = Fleet::start().await;
    assert!(fleet.paused().await.is_empty());
    let region = format!("region/{HOME}");
    let first = fleet.pause(&region, &json!({ "reason": "fire" })).await.ok();
    assert_eq!(
        (&first["kind"], &first["name"], &first["reason"]),
        (&json!("region"), &json!(HOME), &json!("fire"))
    );
    assert_eq!(fleet.paused().await, std::slice::from_ref(&first));
    let again = fleet.pause(&region, &json!({ "reason": "water" })).await.ok();
    assert_eq!((&again["since"], &again["reason"]), (&first["since"], &json!("water")));
    fleet.pause(&format!("lane/{HOME}.image"), &json!({ "reason": "" })).await.ok();
    fleet.pause("tenant/acme", &json!({ "reason": "unpaid" })).await.ok();
    assert_eq!(fleet.paused().await.len(), 3);
    // Jobs are accepted all the same.
    fleet.submitted(&json!({})).await;
    assert_eq!(fleet.resume(&region).await.ok(), again);
    fleet.resume(&region).await.problem(404, "not_paused");
    assert_eq!(fleet.paused().await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_paused_is_refused() {
    let fleet = Fleet::start().await;
    let why = json!({ "reason": "fire" });
    for (what, code) in [
        ("region/nowhere", "region_unknown"),
        ("lane/nowhere.image", "region_unknown"),
        ("lane/image", "bad_pause"),
        ("tenant/ACME", "bad_pause"),
        ("fleet/all", "bad_pause"),
    ] {
        let said = fleet.pause(what, &why).await.problem(422, code);
        assert!(!said.is_empty());
    }
    fleet.resume("fleet/all").await.problem(422, "bad_pause");
    let long = "x".repeat(limits::PAUSE_REASON_BYTES_MAX + 1);
    for reason in [long.as_str(), "a\u{0}b"] {
        fleet.pause("tenant/acme", &json!({ "reason": reason })).await.problem(422, "bad_pause");
    }
    fleet.pause("tenant/acme", &json!({})).await.problem(422, "does_not_fit");
    assert!(fleet.paused().await.is_empty());
}
