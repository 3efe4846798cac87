//! Jobs that are split, as clients see them.

use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::family::{ChildSpec, Join, OnChildFailure};
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::message::{Progress, Report};
use panofleet_job_schema::{ClaimId, JobId};
use panofleet_jobs_db::{Batch, FamilyKey, HeartbeatWrite};
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, worker_info};

/// A job in three parts, and the parts.
async fn split(fleet: &Fleet, on_failure: OnChildFailure) -> (JobId, Vec<JobId>) {
    let id = fleet.submitted(&json!({ "labels": { "album": "42" } })).await;
    let claim = fleet.run(id).await;
    let outputs = serde_json::from_value(json!({ "part": { "op": "media.probe" } })).unwrap();
    let child = ChildSpec { part: None, outputs, timeout: None, max_attempts: None };
    let report = Report::Expanded { children: vec![child; 3], join: Join { on_failure } };
    let job = fleet.report(id, claim, &report).await;
    let children = fleet.db.children(FamilyKey::of(&job)).await.unwrap();
    (id, children.into_iter().map(|found| found.job.id).collect())
}

async fn seen(fleet: &Fleet, path: &str) -> Value {
    fleet.get(path).await.ok()
}

fn listed(page: &Value) -> Vec<JobId> {
    let jobs = page["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// A worker says how far a job is.
async fn say(fleet: &Fleet, id: JobId, claim: ClaimId, fraction: f64) {
    let worker = worker_info("w1");
    let progress =
        Progress { fraction, step: "tiles".into(), uploaded_bytes: 7, curve: Curve::default() };
    let at = fleet.db.now().await.unwrap();
    let beat = HeartbeatWrite { worker, claims: vec![claim], progress: vec![(id, progress)], at };
    fleet.db.commit(Batch { heartbeats: vec![beat], ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn a_family_is_one_job_in_lists_and_shows_how_far_its_parts_are() {
    let fleet = Fleet::start().await;
    let (id, parts) = split(&fleet, OnChildFailure::FailFast).await;
    fleet.succeed(parts[0], &[]).await;
    let claim = fleet.run(parts[1]).await;
    say(&fleet, parts[1], claim, 0.5).await;

    let job = seen(&fleet, &format!("/v1/jobs/{id}")).await;
    assert_eq!(job["state"], "blocked");
    let family = json!({ "children": 3, "on_failure": "fail_fast",
        "states": { "succeeded": 1, "running": 1, "queued": 1 } });
    assert_eq!(job["family"], family);
    let progress =
        json!({ "fraction": 0.5, "step": "1 of 3 children have ended", "uploaded_bytes": 7 });
    assert_eq!(job["progress"], progress, "one is done, one half way");

    assert_eq!(listed(&seen(&fleet, "/v1/jobs").await), [id]);
    assert_eq!(listed(&seen(&fleet, "/v1/jobs?state=running,queued").await), []);
    let of = seen(&fleet, &format!("/v1/jobs?parent={id}")).await;
    assert_eq!(listed(&of), parts.iter().rev().copied().collect::<Vec<_>>());
    let part = &of["jobs"][0];
    assert_eq!(part["child_of"], json!({ "parent": id, "generation": 1, "index": 2 }));
    assert_eq!(part["labels"], json!({ "album": "42" }), "whose part it is can be seen");
    assert_eq!(part["deadline_at"], job["deadline_at"]);
    let running = seen(&fleet, &format!("/v1/jobs?parent={id}&state=running")).await;
    assert_eq!(listed(&running), [parts[1]]);
    assert_eq!(fleet.get("/v1/jobs?parent=x").await.status, 400);
    assert!(fleet.get("/").await.text().contains("blocked"));
    assert!(fleet.get(&format!("/view/{id}")).await.text().contains("1 of 3 children have ended"));
}

#[tokio::test]
async fn a_job_is_moved_to_another_band_with_its_parts() {
    let fleet = Fleet::start().await;
    let (id, parts) = split(&fleet, OnChildFailure::WaitForAll).await;
    fleet.reject(parts[0]).await;
    let request = fleet.request(reqwest::Method::PATCH, &format!("/v1/jobs/{id}"));
    let moved = request.json(&json!({ "priority": "high" })).send().await.unwrap();
    assert_eq!(Answer::of(moved).await.ok()["priority"], "high");
    for (part, expected) in parts.iter().zip(["normal", "high", "high"]) {
        let part = seen(&fleet, &format!("/v1/jobs/{part}")).await;
        assert_eq!(part["priority"], expected, "{part}");
    }
}

#[tokio::test]
async fn a_part_is_retried_while_its_job_waits_for_it_and_not_afterwards() {
    let fleet = Fleet::start().await;
    let (id, parts) = split(&fleet, OnChildFailure::WaitForAll).await;
    fleet.reject(parts[0]).await;
    let path = format!("/v1/jobs/{}/retry", parts[0]);
    fleet.post(&path, &json!({ "deadline": "2h" })).await.problem(422, "does_not_fit");
    let again = fleet.post(&path, &json!({})).await.ok();
    assert_eq!((&again["state"], &again["generation"]), (&json!("queued"), &json!(2)));
    fleet.reject(parts[0]).await;
    fleet.apply(id, |now, _| Event::CancelRequested { now }).await;
    let late = fleet.post(&path, &json!({})).await;
    let problem = late.problem(409, "parent_not_waiting");
    assert!(problem.contains(&id.to_string()), "{problem}");
    // The job itself is started anew as any other.
    fleet.apply(id, |now, job| Event::Sealed { generation: job.generation, now }).await;
    let anew = fleet.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.ok();
    assert_eq!((&anew["state"], anew.get("family")), (&json!("queued"), None));
}
