//! Cancelling and retrying.

use panofleet_bus::Bus as _;
use panofleet_job_schema::envelope::{Body, Envelope};
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::message::{ControlRecord, Report};
use panofleet_job_schema::{Attempt, JobId, Region};
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, HOME};
use crate::results::tiles;
use crate::sources::two_regions;

impl Fleet {
    async fn act(&self, id: JobId, what: &str) -> Answer {
        let request = self.request(reqwest::Method::POST, &format!("/v1/jobs/{id}/{what}"));
        Answer::of(request.send().await.unwrap()).await
    }

    /// Why the job changed, time after time.
    async fn told(&self, id: JobId) -> Vec<String> {
        let history = self.get(&format!("/v1/jobs/{id}/history")).await.ok();
        let entries = history["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["reason"].as_str().unwrap().to_owned()).collect()
    }

    /// The control records that workers would read.
    async fn control(&self) -> Vec<ControlRecord> {
        let mut follower = self.bus.follow_control(&Region::new(HOME).unwrap()).await.unwrap();
        let records = follower.catch_up().await.unwrap();
        let open = |wire: &bytes::Bytes| match Envelope::open(wire, &self.keys).unwrap().body {
            Body::Control(record) => record,
            other => panic!("not a control record: {other:?}"),
        };
        records.iter().map(open).collect()
    }
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_twice_is_once() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    for _ in 0..2 {
        let answer = fleet.act(id, "cancel").await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["state"].as_str()),
            (200, Some("cancelled"))
        );
    }
    // No worker has ever heard of it.
    assert_eq!(fleet.control().await, []);
}

#[tokio::test]
async fn a_running_job_closes_and_its_worker_is_told() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.run(id).await;
    for _ in 0..2 {
        let answer = fleet.act(id, "cancel").await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["state"].as_str()),
            (202, Some("closing"))
        );
        assert_eq!(answer.json()["target"], "cancelled");
    }
    let told = fleet.control().await;
    assert!(told.iter().all(|record| record.job == id && record.cancelled), "{told:?}");
    assert_eq!(told.len(), 1);
    fleet.apply(id, |now, job| Event::Sealed { generation: job.generation, now }).await;
    assert_eq!(fleet.act(id, "cancel").await.status, 200);
}

#[tokio::test]
async fn what_has_ended_otherwise_cannot_be_cancelled() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    let detail = fleet.act(id, "cancel").await.problem(409, "job_ended");
    assert!(detail.contains("succeeded"), "{detail}");

    let id = fleet.submitted(&json!({ "max_attempts": 1 })).await;
    let claim = fleet.run(id).await;
    let failure = panofleet_job_schema::Failure::transient("no_store", "the store is away");
    fleet.report(id, claim, &Report::Failed { failure }).await;
    fleet.act(id, "cancel").await.problem(409, "job_closing");
}

#[tokio::test]
async fn a_retry_is_a_new_generation_of_a_job_that_has_ended() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let detail = fleet.act(id, "retry").await.problem(409, "job_not_ended");
    assert!(detail.contains("cancel it first"), "{detail}");
    fleet.reject(id).await;
    let job = fleet.act(id, "retry").await.ok();
    assert_eq!((&job["state"], &job["generation"]), (&json!("queued"), &json!(2)));
    assert_eq!((&job["attempt"], &job["failure"]), (&json!(null), &json!(null)));
    assert_eq!(fleet.control().await.last().unwrap().generation.0, 2);
    fleet.act(id, "retry").await.problem(409, "job_not_ended");
}

#[tokio::test]
async fn a_retry_of_a_job_in_its_backoff_goes_at_once() {
    let fleet = two_regions().await;
    let id = fleet.submitted(&json!({})).await;
    let claim = fleet.run(id).await;
    let failure = panofleet_job_schema::Failure::transient("no_store", "the store is away");
    fleet.report(id, claim, &Report::Failed { failure }).await;
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}")).await.ok()["state"], "waiting");
    let job = fleet.post(&format!("/v1/jobs/{id}/retry"), &json!({ "region": "far" })).await.ok();
    assert_eq!((&job["state"], &job["region"]), (&json!("queued"), &json!("far")));
    let tries = (&job["generation"], &job["attempt"], &job["counters"]["charged"]);
    assert_eq!(tries, (&json!(1), &json!(1), &json!(1)), "it is the same try");
    let told = fleet.told(id).await;
    assert_eq!(told.last().unwrap(), "brought_forward");
    fleet.act(id, "retry").await.problem(409, "job_not_ended");
}

#[tokio::test]
async fn whoever_holds_a_job_is_asked_to_let_it_go() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let detail = fleet.act(id, "release").await.problem(409, "job_not_held");
    assert!(detail.contains("no worker holds it"), "{detail}");
    let claim = fleet.run(id).await;
    for _ in 0..2 {
        let answer = fleet.act(id, "release").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (202, &json!("running")));
        assert_eq!(fleet.control().await.last().unwrap().let_go, Some(Attempt(1)));
    }
    let reason = "somebody asked for it".to_owned();
    fleet.report(id, claim, &Report::Released { started: true, reason }).await;
    let job = fleet.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!((&job["state"], &job["counters"]["charged"]), (&json!("queued"), &json!(0)));
    let told = fleet.told(id).await;
    assert_eq!(told[told.len() - 2..], ["release_requested", "released"]);
    fleet.succeed(id, &[tiles()]).await;
    fleet.act(id, "release").await.problem(409, "job_not_held");
}

#[tokio::test]
async fn a_retry_may_go_elsewhere_and_have_other_limits() {
    let fleet = two_regions().await;
    let id = fleet.submitted(&json!({ "hop_after": "1m", "any_region": true })).await;
    fleet.reject(id).await;
    let path = format!("/v1/jobs/{id}/retry");
    for (wrong, said) in [
        (json!({ "region": "mars" }), "no region `mars`"),
        (json!({ "region": "far", "regions": ["home"] }), "give one of"),
        (json!({ "regions": ["far", "far"] }), "twice"),
        (json!({ "timeout": "1ms" }), "timeout"),
        (json!({ "max_attempts": 0 }), "max_attempts"),
        (json!({ "label": "x" }), "label"),
    ] {
        let answer = fleet.post(&path, &wrong).await;
        assert_eq!(answer.status, 422, "{wrong}");
        assert!(answer.text().contains(said), "{wrong}: {}", answer.text());
    }
    let changes = json!({
        "region": "far", "timeout": "2h", "deadline": "3h", "max_attempts": 2, "priority": "high",
    });
    let job = fleet.post(&path, &changes).await.ok();
    for (field, expected) in [
        ("state", json!("queued")),
        ("region", json!("far")),
        ("priority", json!("high")),
        ("regions", json!(null)),
    ] {
        assert_eq!(job[field], expected, "{field}");
    }
    let job = fleet.job(id).await;
    assert_eq!((job.timeout.to_string().as_str(), job.max_attempts), ("2h", 2));
    assert_eq!(job.deadline_at.since(fleet.db.now().await.unwrap()).as_secs().div_ceil(3600), 3);
    let history = fleet.get(&format!("/v1/jobs/{id}/history")).await.ok();
    let told = "region far; timeout 2h; deadline 3h; 2 attempts at most; priority high";
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["detail"], told, "{history}");
    // Not while it waits, and never by whom may not run jobs there.
    fleet.post(&path, &changes).await.problem(409, "job_not_ended");
}

#[tokio::test]
async fn a_bulk_retry_may_go_elsewhere() {
    let fleet = two_regions().await;
    let ask = async |body: &Value| fleet.post("/v1/bulk", body).await;
    let elsewhere = json!({ "action": "retry", "rerun": { "region": "far" } });
    assert_eq!(ask(&elsewhere).await.json()["rerun"], json!({ "region": "far" }));
    let unknown = json!({ "action": "retry", "rerun": { "region": "mars" }, "dry_run": true });
    ask(&unknown).await.problem(422, "region_unknown");
    let cancel = json!({ "action": "cancel", "rerun": { "region": "far" } });
    let said = ask(&cancel).await.problem(422, "does_not_fit");
    assert!(said.contains("belongs to `retry`"), "{said}");
}

#[tokio::test]
async fn a_retry_hides_the_old_result_until_there_is_a_new_one() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    let path = format!("/o/{id}/tiles/2/f0_0.jpg");
    assert_eq!(fleet.get(&path).await.status, 200);
    fleet.act(id, "retry").await.ok();
    fleet.get(&path).await.problem(404, "no_result");
    // Who has the address of that generation keeps it.
    assert_eq!(fleet.get(&format!("/o/{id}.1/tiles/2/f0_0.jpg")).await.status, 200);
    fleet.succeed(id, &[tiles()]).await;
    assert_eq!(fleet.get(&path).await.status, 200);
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}/manifest")).await.ok()["generation"], 2);
}

#[tokio::test]
async fn a_job_that_waits_is_moved_to_another_band() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let change = async |body: Value| {
        let request = fleet.request(reqwest::Method::PATCH, &format!("/v1/jobs/{id}"));
        Answer::of(request.json(&body).send().await.unwrap()).await
    };
    let first = change(json!({ "priority": "high" })).await.ok();
    assert_eq!((&first["priority"], &first["state"]), (&json!("high"), &json!("queued")));
    // Said twice it is done once.
    let again = change(json!({ "priority": "high" })).await.ok();
    assert_eq!(again["version"], first["version"]);
    let history = fleet.get(&format!("/v1/jobs/{id}/history")).await.ok();
    let last = history["entries"].as_array().unwrap().last().unwrap().clone();
    let said = (&last["reason"], &last["detail"]);
    assert_eq!(said, (&json!("reprioritised"), &json!("normal → high")));
    change(json!({ "priority": "urgent" })).await.problem(422, "does_not_fit");
    change(json!({})).await.problem(422, "does_not_fit");
    change(json!({ "priority": "low", "timeout": "1h" })).await.problem(422, "does_not_fit");
    fleet.reject(id).await;
    let ended = change(json!({ "priority": "low" })).await;
    assert!(ended.problem(409, "job_ended").contains("dead"));
}

#[tokio::test]
async fn a_job_that_was_moved_is_still_the_one_of_its_key() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({ "idempotency_key": "k" })).await;
    let request = fleet.request(reqwest::Method::PATCH, &format!("/v1/jobs/{id}"));
    let moved = request.json(&json!({ "priority": "low" })).send().await.unwrap();
    Answer::of(moved).await.ok();
    let again = fleet.submit(&json!({ "idempotency_key": "k" })).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"]), (200, &json!(id)));
    assert_eq!(again.json()["priority"], "low");
}
