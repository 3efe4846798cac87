//! Looking at jobs: one, pages of many, the history, and waiting for news.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::poll;
use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::message::{Progress, WorkerInfo};
use panofleet_job_schema::{ClaimId, JobId, Tenant};
use panofleet_jobs_db::{Batch, HeartbeatWrite, JobWrite};
use panofleet_producer::api;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::harness::{DEADLINE, Fleet, worker_info};

fn ids(page: &Value) -> Vec<JobId> {
    let jobs = page["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn pages_of_the_list_hold_every_job_once_newest_first() {
    let fleet = Fleet::start().await;
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(fleet.submitted(&json!({})).await);
    }
    submitted.reverse();
    let first = fleet.get("/v1/jobs?limit=2").await.ok();
    let second = fleet
        .get(&format!("/v1/jobs?limit=2&before={}", first["next"].as_str().unwrap()))
        .await
        .ok();
    let third = fleet
        .get(&format!("/v1/jobs?limit=2&before={}", second["next"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), submitted);
    assert_eq!(third["next"], Value::Null);
    // A page that is just full and the last says so.
    assert_eq!(fleet.get("/v1/jobs?limit=5").await.ok()["next"], Value::Null);
}

#[tokio::test]
async fn lists_are_filtered_by_state_and_label() {
    let fleet = Fleet::start().await;
    let plain = fleet.submitted(&json!({})).await;
    let labelled = fleet.submitted(&json!({ "labels": { "album": "4:2" } })).await;
    let dead = fleet.submitted(&json!({ "labels": { "album": "43" } })).await;
    fleet.reject(dead).await;
    for (query, expected) in [
        ("", vec![dead, labelled, plain]),
        ("?state=queued", vec![labelled, plain]),
        ("?state=dead,queued", vec![dead, labelled, plain]),
        ("?state=running", vec![]),
        ("?label=album:4:2", vec![labelled]),
        ("?label=album:43&state=queued", vec![]),
        ("?label=album:43&state=dead", vec![dead]),
    ] {
        assert_eq!(ids(&fleet.get(&format!("/v1/jobs{query}")).await.ok()), expected, "{query}");
    }
    let counts = fleet.get("/v1/counts").await.ok();
    assert_eq!((&counts["states"]["queued"], &counts["states"]["dead"]), (&json!(2), &json!(1)));
    assert_eq!((&counts["states"]["running"], &counts["total"]), (&json!(0), &json!(3)));
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused() {
    let fleet = Fleet::start().await;
    for (query, said) in [
        ("limit=0", "1 to 200"),
        ("limit=201", "1 to 200"),
        ("limit=many", "limit"),
        ("state=done", "`done` is none of waiting, queued"),
        ("state=", "`` is none of"),
        ("label=album", "key:value"),
        ("before=yesterday", "before"),
        ("colour=red", "unknown field `colour`"),
    ] {
        let detail = fleet.get(&format!("/v1/jobs?{query}")).await.problem(400, "bad_parameter");
        assert!(detail.contains(said), "{query}: {detail}");
    }
}

#[tokio::test]
async fn a_job_that_is_not_there_is_said_to_be_so() {
    let fleet = Fleet::start().await;
    let id = Uuid::now_v7();
    for path in ["", "/history", "/manifest", "/wait"] {
        fleet.get(&format!("/v1/jobs/{id}{path}")).await.problem(404, "job_not_found");
        fleet.get(&format!("/v1/jobs/7{path}")).await.problem(404, "job_not_found");
    }
    for path in ["/cancel", "/retry"] {
        fleet.post(&format!("/v1/jobs/{id}{path}"), &json!({})).await.problem(404, "job_not_found");
    }
}

#[tokio::test]
async fn a_job_of_another_tenant_does_not_exist() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    give_away(&fleet, id).await;
    for path in ["", "/history", "/manifest", "/wait"] {
        fleet.get(&format!("/v1/jobs/{id}{path}")).await.problem(404, "job_not_found");
    }
    for path in ["/cancel", "/retry"] {
        fleet.post(&format!("/v1/jobs/{id}{path}"), &json!({})).await.problem(404, "job_not_found");
    }
    fleet.get(&format!("/o/{id}.1/tiles/psv.json")).await.problem(404, "job_not_found");
    assert_eq!(fleet.get(&format!("/view/{id}")).await.status, 404);
}

/// Gives a job to somebody else.
async fn give_away(fleet: &Fleet, id: JobId) {
    let mut found = fleet.db.get(&[id]).await.unwrap().pop().unwrap();
    found.job.tenant = Tenant::new("foreign").unwrap();
    let job = found.job;
    let timer_at = Some(job.deadline_at);
    let write = JobWrite {
        expected_version: found.version,
        job,
        timer_at,
        children: Vec::new(),
        history: Vec::new(),
    };
    fleet.db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn the_history_tells_what_happened_in_order() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.reject(id).await;
    let history = fleet.get(&format!("/v1/jobs/{id}/history")).await.ok();
    let reasons: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["reason"].clone())
        .collect();
    assert_eq!(reasons, ["accepted", "dispatched", "claimed", "attempt_failed", "sealed"]);
    assert_eq!(history["entries"][2]["worker"], "w1");
}

#[tokio::test]
async fn waiting_ends_with_a_change() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let path = format!("/v1/jobs/{id}/wait?seconds=30");
    let wait = fleet.get(&path);
    let change = fleet.apply(id, |now, _| Event::CancelRequested { now });
    // Whichever is first, the answer is the job as changed.
    let (answer, _) = tokio::join!(timeout(DEADLINE, wait), change);
    assert_eq!(answer.unwrap().ok()["state"], "cancelled");
}

#[tokio::test]
async fn waiting_ends_with_progress() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let claim = fleet.run(id).await;
    let version = fleet.get(&format!("/v1/jobs/{id}")).await.ok()["version"].clone();
    let path = format!("/v1/jobs/{id}/wait?seconds=30&version={version}");
    let worker = worker(&fleet).await;
    // Only what comes after the first look is news, and nothing shows when that was: so there is always more.
    let beats = async {
        for step in 1_u32.. {
            let beat = HeartbeatWrite {
                worker: worker.clone(),
                claims: vec![claim],
                progress: vec![(id, progress(f64::from(step) / 1e6))],
                at: fleet.db.now().await.unwrap(),
            };
            let batch = Batch { heartbeats: vec![beat], ..Batch::default() };
            fleet.db.commit(batch).await.unwrap();
        }
    };
    let job = tokio::select! {
        answer = timeout(DEADLINE, fleet.get(&path)) => answer.unwrap().ok(),
        () = beats => panic!("there is always more"),
    };
    assert_eq!(job["version"], version);
    assert!(job["progress"]["fraction"].as_f64().unwrap() > 0.0, "{job}");

    let workers = fleet.get("/v1/workers").await.ok();
    assert_eq!(
        (&workers["workers"][0]["worker"], &workers["workers"][0]["alive"]),
        (&json!("w1"), &json!(true))
    );
    assert_eq!(workers["workers"][0]["claims"], json!([claim]));
}

#[tokio::test]
async fn workers_that_fell_silent_together_are_shown_as_unreachable() {
    let fleet = Fleet::start().await;
    let lease = fleet.policy.lease.0;
    let hear = async |name: &str, ago| {
        let info = WorkerInfo { worker: name.parse().unwrap(), ..worker(&fleet).await };
        let claims = vec![ClaimId(Uuid::from_u128(1))];
        let at = fleet.db.now().await.unwrap() - ago;
        let beat = HeartbeatWrite { worker: info, claims, progress: vec![], at };
        fleet.db.commit(Batch { heartbeats: vec![beat], ..Batch::default() }).await.unwrap();
        let rows = fleet.get("/v1/workers").await.ok()["workers"].clone();
        let rows = rows.as_array().unwrap().clone();
        rows.iter().map(|row| row["unreachable"] == json!(true)).collect::<Vec<_>>()
    };
    assert_eq!(hear("w1", 2 * lease).await, [false], "it is dead");
    assert_eq!(hear("w2", 2 * lease).await, [true, true]);
    assert_eq!(hear("w2", Duration::ZERO).await, [false, false], "the region is heard of");
}

fn progress(fraction: f64) -> Progress {
    Progress { fraction, step: "tiles".into(), uploaded_bytes: 0, curve: Curve::default() }
}

async fn worker(fleet: &Fleet) -> WorkerInfo {
    let started_at = fleet.db.now().await.unwrap();
    WorkerInfo { version: "test".into(), started_at, ..worker_info("w1") }
}

#[tokio::test]
async fn waiting_ends_with_the_time_and_at_once_for_old_news() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let job = fleet.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}/wait?seconds=0")).await.ok(), job);
    // Another version than the client knows: there is news already.
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}/wait?seconds=30&version=99")).await.ok(), job);
    let detail =
        fleet.get(&format!("/v1/jobs/{id}/wait?seconds=61")).await.problem(400, "bad_parameter");
    assert!(detail.contains("up to 1m"), "{detail}");

    let other = fleet.submitted(&json!({})).await;
    fleet.reject(other).await;
    assert_eq!(fleet.get(&format!("/v1/jobs/{other}/wait?seconds=30")).await.ok()["state"], "dead");
}

#[tokio::test]
async fn waiting_ends_with_the_process() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let shutdown = CancellationToken::new();
    // Not over a connection: nothing would show that the request is under way.
    let router = api::router(fleet.state.clone(), shutdown.clone());
    let request = Request::get(format!("/v1/jobs/{id}/wait?seconds=30")).body(Body::empty());
    let mut answer = pin!(router.oneshot(request.unwrap()));
    assert!(poll!(answer.as_mut()).is_pending());
    shutdown.cancel();
    let answer = timeout(DEADLINE, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}
