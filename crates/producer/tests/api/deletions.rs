//! What somebody wants gone.

use panofleet_job_schema::JobId;
use panofleet_job_schema::lifecycle::Event;
use panofleet_jobs_db::{Deletion, Upload};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Fleet, OUTPUTS, spec};
use crate::results::tiles;

impl Fleet {
    async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_job_that_is_to_go_is_cancelled_and_shown_to_nobody_for_long() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.run(id).await;
    for _ in 0..2 {
        let answer = fleet.delete(&format!("/v1/jobs/{id}")).await;
        assert_eq!(answer.status, 202);
        let told = answer.json();
        assert_eq!((&told["job"], &told["tenant"]), (&json!(id), &json!("default")));
        assert!(told.get("gone_at").is_none());
    }
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}")).await.ok()["state"], "closing");
    fleet.apply(id, |now, job| Event::Sealed { generation: job.generation, now }).await;
    let view = fleet.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!((&view["state"], &view["deletion"]["job"]), (&json!("cancelled"), &json!(id)));
    let retry = fleet.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await;
    assert!(retry.problem(410, "job_deleted").contains(&format!("/v1/deletions/{id}")));
    let list = fleet.get("/v1/deletions").await.ok();
    assert_eq!((&list["deletions"][0]["job"], &list["next"]), (&json!(id), &Value::Null));
}

/// Manifests are kept in memory, where they are read from without a look at the store.
#[tokio::test]
async fn what_a_job_made_is_not_given_out_any_more() {
    let mut fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    let (manifest, file) =
        (format!("/v1/jobs/{id}/manifest"), format!("/o/{id}.1/tiles/2/f0_0.jpg"));
    fleet.get(&manifest).await.ok();
    assert_eq!(fleet.get(&file).await.status, 200);
    let other = fleet.start_another(|_| {}).await;
    fleet.client.get(format!("{other}{manifest}")).send().await.unwrap();
    assert_eq!(fleet.delete(&format!("/v1/jobs/{id}")).await.status, 202);
    fleet.get(&manifest).await.problem(410, "job_deleted");
    fleet.get(&file).await.problem(410, "job_deleted");
    // Another process notices within seconds.
    panofleet_tests_eventually(async || {
        let answer = fleet.client.get(format!("{other}{manifest}")).send().await.unwrap();
        answer.status().as_u16() == 410
    })
    .await;
}

/// Waits until it is so.
async fn panofleet_tests_eventually(is: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !is().await {
        assert!(begun.elapsed() < crate::harness::DEADLINE, "it never was");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_gone_can_be_proven_and_is_nobody_else_s_business() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let (_, other) = fleet.new_key(Some("other"), &["jobs:write"]).await;
    let made = fleet.post_by(&acme, "/v1/jobs", &spec(&json!({}))).await.ok();
    let id: JobId = made["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/v1/jobs/{id}");
    let delete = async |key: &str| fleet.by(Some(key), (Method::DELETE, &path), None).await;
    delete(&other).await.problem(404, "job_not_found");
    fleet.get_by(&acme, &format!("/v1/deletions/{id}")).await.problem(404, "deletion_not_found");
    assert_eq!(delete(&acme).await.status, 202);
    // As the dispatcher does it.
    let found = fleet.db.get(&[id]).await.unwrap().pop().unwrap();
    let now = fleet.db.now().await.unwrap();
    assert!(fleet.db.remove_job(id, found.version, now).await.unwrap());
    let kept = fleet.db.deletion(id).await.unwrap().unwrap();
    let over = Deletion { gone_at: Some(now), outputs_gone_at: Some(now), ..kept };
    fleet.db.write_deletion(&over, None).await.unwrap();

    fleet.get_by(&acme, &path).await.problem(404, "job_not_found");
    let proof = fleet.get_by(&acme, &format!("/v1/deletions/{id}")).await.ok();
    assert_eq!(proof["gone_at"], json!(now));
    let again = delete(&acme).await;
    assert_eq!((again.status.as_u16(), again.json()), (200, proof), "it is gone already");
    delete(&other).await.problem(404, "job_not_found");
    fleet.get_by(&other, &format!("/v1/deletions/{id}")).await.problem(404, "deletion_not_found");
    assert_eq!(fleet.get_by(&other, "/v1/deletions").await.ok()["deletions"], json!([]));
    let over = fleet.get_by(&acme, "/v1/deletions?over=true&limit=1").await.ok();
    assert_eq!(over["deletions"][0]["job"], json!(id));
    let open = fleet.get_by(&acme, "/v1/deletions?over=false").await.ok();
    assert_eq!(open["deletions"], json!([]));
}

#[tokio::test]
async fn bulk_actions_move_and_delete() {
    let fleet = Fleet::start().await;
    for _ in 0..3 {
        fleet.submitted(&json!({ "labels": { "album": "42" } })).await;
    }
    let ask = async |body: Value| fleet.post("/v1/bulk", &body).await;
    let album = json!({ "label": "album:42" });
    let count = ask(json!({ "action": "delete", "filter": album, "dry_run": true })).await.ok();
    assert_eq!(count["matched"], 3);
    let begun = ask(json!({ "action": "delete", "filter": album })).await;
    assert_eq!(begun.status, 202);
    assert_eq!(begun.json()["states"], json!([]), "whatever they ended as");
    let moved = ask(json!({ "action": "reprioritise", "priority": "low", "filter": album })).await;
    assert_eq!((moved.status.as_u16(), &moved.json()["priority"]), (202, &json!("low")));
    assert_eq!(moved.json()["states"].as_array().unwrap().len(), 6);
    for wrong in
        [json!({ "action": "reprioritise" }), json!({ "action": "retry", "priority": "low" })]
    {
        assert!(ask(wrong).await.problem(422, "does_not_fit").contains("`priority`"));
    }
}

#[tokio::test]
async fn a_tenant_goes_with_all_that_makes_jobs() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, admin) = fleet.new_key(Some("acme"), &["admin", "jobs:write"]).await;
    let (_, writer) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let (_, other) = fleet.new_key(Some("other"), &["jobs:write", "admin"]).await;
    for key in [&writer, &writer, &other] {
        fleet.post_by(key, "/v1/jobs", &spec(&json!({}))).await.ok();
        let hook = json!({ "url": "https://example.com/hook" });
        fleet.post_by(key, "/v1/webhooks", &hook).await.ok();
    }
    let schedule = json!({ "cron": "0 3 * * *", "job": spec(&json!({})) });
    let put = (Method::PUT, "/v1/schedules/nightly");
    fleet.by(Some(&writer), put, Some(&schedule)).await.ok();
    let upload = Upload {
        id: Uuid::now_v7(),
        tenant: "acme".parse().unwrap(),
        bucket: OUTPUTS.to_owned(),
        key: "acme/uploads/1".to_owned(),
        bytes: 3,
        created_at: fleet.db.now().await.unwrap(),
        sha256: None,
        parts: None,
    };
    fleet.db.put_upload(&upload).await.unwrap();

    let delete = async |key: &str, tenant: &str| {
        fleet.by(Some(key), (Method::DELETE, &format!("/v1/tenants/{tenant}")), None).await
    };
    delete(&other, "acme").await.problem(404, "tenant_not_found");
    delete(&writer, "acme").await.problem(403, "missing_scope");
    delete(&admin, "no such tenant").await.problem(404, "tenant_not_found");
    let answer = delete(&admin, "acme").await;
    assert_eq!(answer.status, 202);
    let told = answer.json();
    let counts = ["keys", "schedules", "webhooks", "uploads"].map(|name| told[name].clone());
    assert_eq!(counts, [json!(1), json!(1), json!(2), json!(1)], "{told}");
    assert_eq!((&told["bulk"]["action"], &told["bulk"]["matched"]), (&json!("delete"), &json!(2)));
    fleet.get_by(&writer, "/v1/jobs").await.problem(401, "key_revoked");
    fleet.get_by(&admin, "/v1/jobs").await.ok();
    assert_eq!(fleet.db.upload(upload.id).await.unwrap(), None);
    // The other tenant has lost nothing.
    assert_eq!(fleet.get_by(&other, "/v1/jobs").await.ok()["jobs"].as_array().unwrap().len(), 1);
    let hooks = fleet.get_by(&other, "/v1/webhooks").await.ok();
    assert_eq!(hooks["webhooks"].as_array().unwrap().len(), 1);
}
