//! How many workers a queue should have, as an autoscaler asks.

use panofleet_job_schema::{Region, Timestamp};
use panofleet_jobs_db::{Pause, PauseTarget};
use serde_json::{Value, json};

use crate::harness::{Fleet, HOME};

/// The answer without its age, which goes on while the test runs.
async fn ask(fleet: &Fleet, query: &str) -> Value {
    let mut answer = fleet.get(&format!("/v1/scale/home/image{query}")).await.ok();
    let age = answer.as_object_mut().unwrap().remove("oldest_s").unwrap();
    assert!(age.as_u64().unwrap() < 60, "{age}");
    answer
}

#[tokio::test]
async fn an_autoscaler_hears_how_many_workers_there_should_be() {
    let fleet = Fleet::start().await;
    let idle = json!({
        "region": "home", "lane": "image", "queued": 0, "sent": 0, "running": 0, "workers": 0,
        "workers_busy": 0, "slots": 0, "slots_busy": 0, "paused": false, "desired": 0,
    });
    assert_eq!(ask(&fleet, "").await, idle);
    for _ in 0..3 {
        fleet.submitted(&json!({})).await;
    }
    fleet.hear("w1", 0).await;
    let busy = ask(&fleet, "").await;
    for (field, value) in [("queued", 3), ("workers", 1), ("slots", 2), ("desired", 1)] {
        assert_eq!(busy[field], value, "{field}: {busy}");
    }
    assert_eq!(ask(&fleet, "?min=4").await["desired"], 4);
    assert_eq!(ask(&fleet, "?target_wait=1ms").await["desired"], 2);
    assert_eq!(ask(&fleet, "?target_wait=1ms&max=1").await["desired"], 1);
    let all = fleet.get("/v1/scale?min=7").await.ok();
    assert_eq!(all["queues"][0]["desired"], 7, "{all}");

    let target = PauseTarget::Region(Region::new(HOME).unwrap());
    let pause = Pause { target, since: Timestamp::from_millis(0), reason: String::new() };
    fleet.db.pause(&pause).await.unwrap();
    let paused = ask(&fleet, "").await;
    assert_eq!((&paused["paused"], &paused["desired"]), (&json!(true), &json!(0)));
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let fleet = Fleet::start().await;
    fleet.get("/v1/scale/mars/image").await.problem(422, "region_unknown");
    fleet.get("/v1/scale/Mars!/image").await.problem(404, "region_unknown");
    let said = fleet.get("/v1/scale/home/live").await.problem(404, "lane_unknown");
    assert!(said.contains("there are image"), "{said}");
    for query in
        ["min=3&max=2", "max=0", "slots=0", "target_wait=0s", "target_wait=soon", "colour=1"]
    {
        fleet.get(&format!("/v1/scale/home/image?{query}")).await.problem(400, "bad_parameter");
    }
}
