//! Who has changed what: a row for every change, and what came of it.

use std::collections::BTreeMap;

use panofleet_bus::{Bus as _, DeadLetter};
use panofleet_job_schema::job::Placement;
use panofleet_jobs_db::{Batch, HeartbeatWrite};
use panofleet_producer::api;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, spec, worker_info};

impl Fleet {
    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let method: Method = method.parse().unwrap();
        let request = self.request(method, path).header("x-request-id", format!("req {path}"));
        let traced = request
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        Answer::of(traced.json(body).send().await.unwrap()).await.ok()
    }

    async fn audit(&self, query: &str) -> Vec<Value> {
        let list = self.get(&format!("/v1/audit{query}")).await.ok();
        list["entries"].as_array().unwrap().clone()
    }

    /// A job that waits, one that has ended, two that wait, and one that a worker holds.
    async fn jobs_to_act_on(&self) -> [String; 5] {
        let mut jobs = Vec::new();
        for _ in 0..5 {
            jobs.push(self.submitted(&json!({})).await);
        }
        self.reject(jobs[1]).await;
        self.run(jobs[4]).await;
        jobs.iter().map(ToString::to_string).collect::<Vec<_>>().try_into().unwrap()
    }

    /// Makes something; its id.
    async fn made(&self, path: &str, body: Value) -> String {
        self.call("POST", path, &body).await["id"].as_str().unwrap().to_owned()
    }

    /// A worker is heard of, and a letter dies.
    pub(crate) async fn populate(&self) {
        let info = worker_info("w1");
        let at = self.db.now().await.unwrap();
        let heartbeat = HeartbeatWrite { worker: info, claims: vec![], progress: vec![], at };
        self.db.commit(Batch { heartbeats: vec![heartbeat], ..Batch::default() }).await.unwrap();
        let letter = DeadLetter {
            topic: "pf.events".into(),
            placement: Placement { partition: 1, offset: 1 },
            reason: "test".into(),
            payload: b"x"[..].into(),
        };
        self.bus.dead_letter(letter).await.unwrap();
    }
}

impl Fleet {
    /// There is one row about it, and it says who, when and about whose thing.
    async fn check_row(&self, action: &str, subject: &str, tenant: Option<&str>) {
        let rows = self.audit(&format!("?action={action}")).await;
        let [row] = rows.as_slice() else { panic!("{action}: {rows:?}") };
        assert_eq!((&row["subject"], &row["outcome"]), (&json!(subject), &json!("done")), "{row}");
        assert_eq!(row["actor"], json!({ "kind": "admin_key" }), "{action}");
        assert_eq!(row["trace"], "4bf92f3577b34da6a3ce929d0e0e4736", "{action}");
        assert!(row["request"].as_str().unwrap().starts_with("req /v1/"), "{row}");
        assert!(row["status"].as_u64().unwrap() < 300, "{row}");
        assert_eq!(row.get("tenant").and_then(Value::as_str), tenant, "{action}");
    }
}

#[tokio::test]
async fn every_change_leaves_a_row_that_says_who_what_and_with_what_outcome() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    fleet.populate().await;
    let [job, ended, moved, going, held] = fleet.jobs_to_act_on().await;
    let low = json!({ "priority": "low" });
    let letters = fleet.get("/v1/dead-letters").await.ok();
    let letter = letters["letters"][0]["id"].to_string();
    let why = json!({ "reason": "test" });
    let schedule = json!({ "cron": "0 3 * * *", "job": spec(&json!({})) });

    let view = json!({ "filter": { "states": ["dead"] } });
    let bulk = json!({ "action": "cancel", "filter": { "label": "a:b" } });
    let bulk = fleet.made("/v1/bulk", bulk).await;
    let new = json!({ "name": "k", "tenant": "acme", "scopes": ["jobs:read"] });
    let key = fleet.made("/v1/keys", new).await;
    let hook = fleet.made("/v1/webhooks", json!({ "url": "https://example.com/" })).await;
    let hook_path = format!("/v1/webhooks/{hook}");
    let upload = fleet.made("/v1/uploads", json!({ "bytes": 5 })).await;
    let none = json!({});
    let mut expected = BTreeMap::from([
        ("webhook.create", (hook.clone(), Some("default"))),
        ("bulk.begin", (bulk.clone(), Some("default"))),
        ("key.create", (key.clone(), Some("acme"))),
    ]);
    let of = Some("default");
    for (action, method, path, body, subject, tenant) in [
        ("job.cancel", "POST", format!("/v1/jobs/{job}/cancel"), &none, job.as_str(), of),
        ("job.retry", "POST", format!("/v1/jobs/{ended}/retry"), &none, &ended, of),
        ("job.release", "POST", format!("/v1/jobs/{held}/release"), &none, &held, of),
        ("job.reprioritise", "PATCH", format!("/v1/jobs/{moved}"), &low, &moved, of),
        ("job.delete", "DELETE", format!("/v1/jobs/{going}"), &none, &going, of),
        ("bulk.stop", "POST", format!("/v1/bulk/{bulk}/stop"), &none, &bulk, of),
        ("view.save", "PUT", "/v1/views/late".into(), &view, "late", of),
        ("view.remove", "DELETE", "/v1/views/late".into(), &none, "late", of),
        ("schedule.add", "PUT", "/v1/schedules/nightly".into(), &schedule, "nightly", of),
        ("schedule.pause", "POST", "/v1/schedules/nightly/pause".into(), &none, "nightly", of),
        ("schedule.resume", "POST", "/v1/schedules/nightly/resume".into(), &none, "nightly", of),
        ("schedule.remove", "DELETE", "/v1/schedules/nightly".into(), &none, "nightly", of),
        ("worker.drain", "PUT", "/v1/workers/w1/drain".into(), &why, "w1", None),
        ("worker.undrain", "DELETE", "/v1/workers/w1/drain".into(), &none, "w1", None),
        (
            "dead_letter.replay",
            "POST",
            format!("/v1/dead-letters/{letter}/replay"),
            &none,
            &letter,
            None,
        ),
        ("pause.begin", "PUT", "/v1/pauses/tenant/acme".into(), &why, "tenant/acme", None),
        ("pause.end", "DELETE", "/v1/pauses/tenant/acme".into(), &none, "tenant/acme", None),
        ("key.rotate", "POST", format!("/v1/keys/{key}/rotate"), &none, &key, Some("acme")),
        ("key.revoke", "DELETE", format!("/v1/keys/{key}"), &none, &key, Some("acme")),
        ("webhook.change", "PATCH", hook_path.clone(), &none, &hook, of),
        ("webhook.rotate", "POST", format!("{hook_path}/rotate"), &none, &hook, of),
        ("webhook.test", "POST", format!("{hook_path}/test"), &none, &hook, of),
        ("webhook.replay", "POST", format!("{hook_path}/replay"), &none, &hook, of),
        ("webhook.remove", "DELETE", hook_path, &none, &hook, of),
        ("tenant.delete", "DELETE", "/v1/tenants/globex".into(), &none, "globex", Some("globex")),
        ("upload.remove", "DELETE", format!("/v1/uploads/{upload}"), &none, &upload, of),
    ] {
        fleet.call(method, &path, body).await;
        expected.insert(action, (subject.to_owned(), tenant));
    }
    for (action, (subject, tenant)) in &expected {
        fleet.check_row(action, subject, *tenant).await;
    }
    let known: Vec<&str> = api::table().iter().filter_map(|row| row.audit).collect();
    let tested: Vec<&str> = expected.keys().copied().collect();
    assert!(known.iter().all(|action| tested.contains(action)), "{known:?} {tested:?}");
    assert_eq!(known.len(), tested.len());
}

#[tokio::test]
async fn what_was_tried_and_refused_is_there_too() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (id, reader) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let job = fleet.submitted(&json!({})).await;
    let path = format!("/v1/jobs/{job}/cancel");
    fleet.post_by(&reader, &path, &json!({})).await.problem(403, "missing_scope");
    fleet.post(&format!("/v1/jobs/{job}/retry"), &json!({})).await.problem(409, "job_not_ended");
    fleet.by(None, (Method::POST, &path), None).await.problem(401, "key_missing");
    let bulk = json!({ "action": "cancel", "dry_run": true });
    fleet.post("/v1/bulk", &bulk).await.ok();
    fleet.post("/v1/jobs/%00%1b/cancel", &json!({})).await.problem(404, "job_not_found");
    let rows: Vec<_> = fleet
        .audit("")
        .await
        .iter()
        .map(|row| (row["action"].clone(), row["outcome"].clone()))
        .collect();
    assert_eq!(
        rows,
        [
            (json!("job.cancel"), json!("job_not_found")),
            (json!("bulk.begin"), json!("counted")),
            (json!("job.retry"), json!("job_not_ended")),
            (json!("job.cancel"), json!("missing_scope")),
            (json!("key.create"), json!("done")),
        ]
    );
    let by_key = fleet.audit(&format!("?key={id}")).await;
    assert_eq!(by_key.len(), 1);
    assert_eq!(
        (
            &by_key[0]["actor"]["name"],
            &by_key[0]["tenant"],
            &by_key[0]["subject"],
            &by_key[0]["status"]
        ),
        (&json!("jobs:read"), &json!("acme"), &json!(job), &json!(403))
    );
}

#[tokio::test]
async fn a_tenant_s_admin_sees_the_tenant_s_rows() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["admin"]).await;
    let (_, operator) = fleet.new_key(None, &["ops"]).await;
    let job = fleet.post_by(&acme, "/v1/jobs", &spec(&json!({}))).await.ok()["id"].clone();
    let job = job.as_str().unwrap();
    fleet.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await.ok();
    fleet
        .by(
            Some(&operator),
            (Method::PUT, "/v1/pauses/tenant/acme"),
            Some(&json!({ "reason": "" })),
        )
        .await
        .ok();
    let actions = |list: Value| -> Vec<String> {
        let entries = list["entries"].as_array().unwrap().clone();
        entries.iter().map(|row| row["action"].as_str().unwrap().to_owned()).collect()
    };
    // What an operator did to the tenant's job is the tenant's to know; what was done to the fleet is not.
    let own = fleet.get_by(&acme, "/v1/audit").await.ok();
    assert_eq!(own["entries"][0]["actor"]["kind"], "admin_key");
    assert_eq!(actions(own), ["job.cancel", "key.create"]);
    let all = actions(fleet.get_by(&operator, "/v1/audit").await.ok());
    assert_eq!(all, ["pause.begin", "job.cancel", "key.create", "key.create"]);

    let page = fleet.get("/v1/audit?limit=3").await.ok();
    let next = page["next"].as_str().unwrap();
    let rest = fleet.get(&format!("/v1/audit?limit=3&before={next}")).await.ok();
    assert_eq!((&rest["next"], actions(rest.clone()).len()), (&Value::Null, 1));
    assert_eq!(fleet.audit("?within=1h").await.len(), 4);
    assert_eq!(fleet.audit(&format!("?subject={job}")).await.len(), 1);
    fleet.get("/v1/audit?limit=201").await.problem(400, "bad_parameter");
    fleet.get("/v1/audit?actor=x").await.problem(400, "bad_parameter");
}

/// An API that asks nobody keeps the log all the same.
#[tokio::test]
async fn an_open_api_says_what_was_done() {
    let fleet = Fleet::start().await;
    let job = fleet.submitted(&json!({})).await;
    fleet.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await.ok();
    let rows = fleet.audit("").await;
    assert_eq!((rows.len(), &rows[0]["actor"]), (1, &json!({ "kind": "open" })));
}

#[tokio::test]
async fn without_a_row_nothing_is_changed() {
    let fleet = Fleet::start().await;
    let job = fleet.submitted(&json!({})).await;
    sqlx_drop(&fleet).await;
    let path = format!("/v1/jobs/{job}/cancel");
    fleet.post(&path, &json!({})).await.problem(503, "database_unavailable");
    assert_eq!(fleet.get(&format!("/v1/jobs/{job}")).await.ok()["state"], "queued");
}

/// Takes the log away.
async fn sqlx_drop(fleet: &Fleet) {
    let mut connection = fleet.file.writer.acquire().await.unwrap();
    sqlx::Executor::execute(&mut *connection, "DROP TABLE audit").await.unwrap();
}
