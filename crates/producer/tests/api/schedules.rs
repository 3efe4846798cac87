//! Schedules: making, pausing and removing them, and what is refused.

use panofleet_job_schema::Region;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, HOME, spec};

impl Fleet {
    async fn schedule(&self, name: &str, extra: &Value) -> Answer {
        let mut body =
            json!({ "cron": "0 3 * * *", "time_zone": "Europe/Paris", "job": spec(&json!({})) });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let request = self.request(Method::PUT, &format!("/v1/schedules/{name}")).json(&body);
        Answer::of(request.send().await.unwrap()).await
    }

    async fn schedules(&self) -> Vec<Value> {
        self.get("/v1/schedules").await.ok()["schedules"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_schedule_is_made_paused_resumed_and_removed() {
    let fleet = Fleet::start().await;
    let made = fleet.schedule("nightly", &json!({})).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(
        (&made["paused"], &made["missed"]["policy"], &made["overlap"]),
        (&json!(false), &json!("latest"), &json!("allow"))
    );
    let next = made["next_at"].as_str().unwrap().to_owned();
    assert!(next.ends_with("T01:00:00.000Z") || next.ends_with("T02:00:00.000Z"), "{next}");
    fleet.schedule("nightly", &json!({})).await.problem(409, "schedule_exists");
    assert_eq!(fleet.schedules().await, std::slice::from_ref(&made));
    let paused = fleet.post("/v1/schedules/nightly/pause", &json!({})).await.ok();
    assert_eq!((&paused["paused"], &paused["next_at"]), (&json!(true), &Value::Null));
    let resumed = fleet.post("/v1/schedules/nightly/resume", &json!({})).await.ok();
    assert_eq!(resumed, made);
    let request = fleet.request(Method::DELETE, "/v1/schedules/nightly");
    assert_eq!(Answer::of(request.send().await.unwrap()).await.ok(), made);
    assert!(fleet.schedules().await.is_empty());
    for path in ["pause", "resume"] {
        let path = format!("/v1/schedules/nightly/{path}");
        fleet.post(&path, &json!({})).await.problem(404, "schedule_not_found");
    }
}

#[tokio::test]
async fn what_could_not_tick_is_refused() {
    let fleet = Fleet::start_with(|config| {
        config.source_buckets.insert("in".into(), Region::new(HOME).unwrap());
    })
    .await;
    for (extra, code) in [
        (json!({ "cron": "0 3 * *" }), "bad_schedule"),
        (json!({ "cron": "0 0 30 2 *" }), "bad_schedule"),
        (json!({ "time_zone": "Mars/Olympus" }), "bad_schedule"),
        (json!({ "missed": { "policy": "catch_up", "ticks_max": 101 } }), "bad_schedule"),
        (json!({ "job": spec(&json!({ "idempotency_key": "k" })) }), "bad_schedule"),
        (json!({ "job": spec(&json!({ "start_at": "2030-01-01T00:00:00Z" })) }), "bad_schedule"),
        (
            json!({ "job": spec(&json!({ "source": "upload:00000000-0000-0000-0000-000000000001" })) }),
            "bad_schedule",
        ),
        (json!({ "job": spec(&json!({ "source": "s3://elsewhere/a" })) }), "source_bucket_unknown"),
        (json!({ "job": spec(&json!({ "region": "moon" })) }), "region_unknown"),
        (json!({ "overlap": "replace" }), "does_not_fit"),
    ] {
        fleet.schedule("nightly", &extra).await.problem(422, code);
    }
    fleet.schedule("Nightly", &json!({})).await.problem(422, "bad_schedule");
    assert!(fleet.schedules().await.is_empty());
    let good = json!({ "job": spec(&json!({ "source": "s3://in/a" })), "overlap": "skip" });
    assert_eq!(fleet.schedule("nightly", &good).await.status, 201);
}
