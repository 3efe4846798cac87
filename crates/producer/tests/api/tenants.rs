//! What one tenant has does not exist for another.

use bytes::Bytes;
use panofleet_producer::api::{self, Row};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Database, Fleet, HOME, OUTPUTS, spec};
use crate::results::Output;

/// Things of one tenant.
struct Things {
    job: String,
    failed: String,
    fingerprint: String,
    bulk: String,
    key: String,
    upload: String,
    webhook: String,
}

const SCHEDULE: &str = "acme-nightly";

impl Fleet {
    async fn in_name_of(
        &self,
        tenant: &str,
        (method, path): (Method, &str),
        body: &Value,
    ) -> Answer {
        let request = self.request(method, path).header("panofleet-tenant", tenant).json(body);
        Answer::of(request.send().await.unwrap()).await
    }

    async fn things_of(&self, tenant: &str) -> Things {
        let id = |answer: &Answer| answer.ok()["id"].as_str().unwrap().to_owned();
        let post = |path, body: Value| async move {
            self.in_name_of(tenant, (Method::POST, path), &body).await
        };
        let noop = json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop" } } });
        let job = id(&post("/v1/jobs", spec(&noop)).await);
        let failed = id(&post("/v1/jobs", spec(&json!({}))).await);
        self.reject(failed.parse().unwrap()).await;
        let bulk = json!({ "action": "retry", "filter": { "label": "a:b" } });
        let bulk = id(&post("/v1/bulk", bulk).await);
        let upload = id(&post("/v1/uploads", json!({ "bytes": 5 })).await);
        let new = json!({ "name": "k", "tenant": tenant, "scopes": ["jobs:read"] });
        let key = id(&post("/v1/keys", new).await);
        let hook = json!({ "url": "https://example.com/theirs" });
        let webhook = id(&post("/v1/webhooks", hook).await);
        let schedule = json!({ "cron": "0 3 * * *", "job": spec(&json!({})) });
        let path = format!("/v1/schedules/{SCHEDULE}");
        self.in_name_of(tenant, (Method::PUT, &path), &schedule).await.ok();
        let failures = self.get("/v1/failures").await.ok();
        let fingerprint = failures["groups"][0]["fingerprint"].as_str().unwrap().to_owned();
        Things { job, failed, fingerprint, bulk, key, upload, webhook }
    }
}

/// A route's path with things of theirs in its variable parts, and with others that there are not.
fn paths(row: &Row, things: &Things) -> Vec<(String, String)> {
    const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    let of = |theirs: &str, none: &str| {
        let with = |value: &str| {
            let parts = row.path.split('/').enumerate().map(|(at, part)| match part {
                _ if !part.starts_with('{') => part.to_owned(),
                "{output}" | "{*path}" => "x".to_owned(),
                "{kind}" => "tenant".to_owned(),
                _ if at > 0 => value.to_owned(),
                part => part.to_owned(),
            });
            parts.collect::<Vec<_>>().join("/")
        };
        (with(theirs), with(none))
    };
    match row.path {
        path if path.contains("/uploads/") => vec![of(&things.upload, NOBODY)],
        path if path.contains("/bulk/") => vec![of(&things.bulk, NOBODY)],
        path if path.contains("/webhooks/") => vec![of(&things.webhook, NOBODY)],
        path if path.contains("/keys/") => vec![of(&things.key, NOBODY)],
        path if path.contains("/schedules/") => vec![of(SCHEDULE, "none-such")],
        path if path.contains("/failures/") => vec![of(&things.fingerprint, "0123456789abcdef")],
        path if path.contains("{id}") || path.contains("{job}") => {
            vec![of(&things.job, NOBODY), of(&things.failed, NOBODY)]
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn somebody_else_s_things_are_things_that_there_are_not() {
    every_route_is_about_one_tenant(Database::Sqlite).await;
}

#[tokio::test]
async fn somebody_else_s_things_are_things_that_there_are_not_on_postgresql() {
    every_route_is_about_one_tenant(Database::Postgres).await;
}

async fn every_route_is_about_one_tenant(database: Database) {
    let fleet = Fleet::start_with_keys_over(database, |_| {}).await;
    let things = fleet.things_of("acme").await;
    let (_, other) = fleet.new_key(Some("other"), &["admin"]).await;
    let names = [
        &things.job,
        &things.failed,
        &things.bulk,
        &things.key,
        &things.upload,
        &things.fingerprint,
        &things.webhook,
        "acme",
    ];
    let (mut compared, mut lists) = (0, 0);
    for row in &api::table() {
        let moves = row.method == Method::PATCH && row.path == "/v1/jobs/{id}";
        let body = if moves { json!({ "priority": "high" }) } else { json!({}) };
        let body = Some(&body).filter(|_| row.method != Method::GET);
        // It would make one of their own.
        let makes = row.method == Method::PUT && row.path.contains("/schedules/");
        for (theirs, none) in paths(row, &things).into_iter().filter(|_| !makes) {
            let found = fleet.by(Some(&other), (row.method.clone(), &theirs), body).await;
            let absent = fleet.by(Some(&other), (row.method.clone(), &none), body).await;
            let (at, ids) =
                (format!("{} {theirs}", row.method), (last_id(&theirs), last_id(&none)));
            assert_eq!(found.status, absent.status, "{at}: {}", found.text());
            assert_eq!(
                found.text().replace(ids.0, "ID"),
                absent.text().replace(ids.1, "ID"),
                "{at}"
            );
            assert!(found.status == 404 || found.status == 403, "{at}: {}", found.status);
            compared += 1;
        }
        // What they have tried themselves is in their own log.
        if row.method == Method::GET && !row.path.contains('{') && !row.path.ends_with("/audit") {
            let answer = fleet.get_by(&other, row.path).await.text();
            assert!(names.iter().all(|name| !answer.contains(*name)), "{}: {answer}", row.path);
            lists += 1;
        }
    }
    assert!(compared > 20 && lists > 15, "{compared}, {lists}");
    for path in [
        format!("/v1/jobs?parent={}", things.job),
        format!("/v1/jobs?failure={}", things.fingerprint),
    ] {
        assert_eq!(fleet.get_by(&other, &path).await.ok()["jobs"], json!([]));
    }
    let counts = fleet.get_by(&other, "/v1/counts").await.ok();
    assert_eq!(counts["total"], 0);

    let log = fleet.get_by(&other, "/v1/audit?limit=200").await.ok();
    let log = log["entries"].as_array().unwrap();
    assert!(log.len() > 10 && log.iter().all(|row| row["tenant"] == "other"), "{log:?}");

    // And nothing of it has changed; its own tenant sees it all.
    let (_, own) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    assert_eq!(
        fleet.get_by(&own, &format!("/v1/jobs/{}", things.job)).await.ok()["state"],
        "queued"
    );
    assert_eq!(
        fleet.get_by(&own, &format!("/v1/jobs/{}", things.failed)).await.ok()["state"],
        "dead"
    );
    let bulk = fleet.get_by(&own, &format!("/v1/bulk/{}", things.bulk)).await.ok();
    assert_eq!(bulk.get("ended_at"), None, "{bulk}");
    assert_eq!(fleet.get_by(&own, "/v1/schedules").await.ok()["schedules"][0]["name"], SCHEDULE);
    assert_eq!(fleet.get_by(&own, "/v1/counts").await.ok()["total"], 2);
}

/// The variable part of a path that names a thing.
fn last_id(path: &str) -> &str {
    path.split('/')
        .find(|part| part.len() > 8 && part.bytes().any(|b| b == b'-' || b.is_ascii_digit()))
        .unwrap()
}

#[tokio::test]
async fn a_job_is_its_key_s_tenant_s() {
    let fleet = Fleet::start_with_keys(|config| {
        let home = panofleet_job_schema::Region::new(HOME).unwrap();
        config.source_buckets.insert(OUTPUTS.into(), home);
    })
    .await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let made = fleet.post_by(&acme, "/v1/jobs", &spec(&json!({}))).await.ok();
    assert_eq!(made["tenant"], "acme");
    for (tenant, status) in [("acme", 201), ("other", 403), ("Not a name", 403)] {
        let request = fleet.client.post(format!("{}/v1/jobs", fleet.base)).bearer_auth(&acme);
        let request = request.header("panofleet-tenant", tenant).json(&spec(&json!({})));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 403 {
            assert!(answer.problem(403, "wrong_tenant").contains(tenant));
        }
    }
    let request = fleet.client.post(format!("{}/v1/jobs", fleet.base)).bearer_auth(&acme);
    let request =
        request.header("content-type", "application/x-ndjson").body(spec(&json!({})).to_string());
    assert!(Answer::of(request.send().await.unwrap()).await.text().contains("201"));
    let jobs = fleet.get_by(&acme, "/v1/jobs").await.ok();
    let jobs = jobs["jobs"].as_array().unwrap();
    assert!(jobs.len() == 3 && jobs.iter().all(|job| job["tenant"] == "acme"), "{jobs:?}");

    // One key for all tenants: the configured one, or the one that is named; it sees all.
    assert_eq!(fleet.submit(&json!({})).await.ok()["tenant"], "default");
    let named = fleet.in_name_of("other", (Method::POST, "/v1/jobs"), &spec(&json!({}))).await.ok();
    assert_eq!(named["tenant"], "other");
    assert_eq!(fleet.get("/v1/counts").await.ok()["total"], 5);
    let of_other = fleet.in_name_of("other", (Method::GET, "/v1/counts"), &json!({})).await.ok();
    assert_eq!(of_other["total"], 1);

    // Idempotency keys are a tenant's own, and so are uploads and what lies among outputs.
    let key = json!({ "idempotency_key": "k" });
    let first = fleet.post_by(&acme, "/v1/jobs", &spec(&key)).await.ok();
    let second = fleet.submit(&key).await;
    assert!(second.status == 201 && second.json()["id"] != first["id"]);
    let upload = fleet.post("/v1/uploads", &json!({ "bytes": 5 })).await.ok();
    let from = |source: &str| spec(&json!({ "source": source }));
    let stolen = from(upload["source"].as_str().unwrap());
    fleet.post_by(&acme, "/v1/jobs", &stolen).await.problem(422, "upload_unknown");
    let foreign = from(&format!("s3://{OUTPUTS}/default/x.jpg"));
    fleet.post_by(&acme, "/v1/jobs", &foreign).await.problem(403, "wrong_tenant");
    let own = from(&format!("s3://{OUTPUTS}/acme/x.jpg"));
    assert_eq!(fleet.post_by(&acme, "/v1/jobs", &own).await.status, 201);
}

#[tokio::test]
async fn a_key_may_be_for_some_regions() {
    let fleet = Fleet::start_with_keys(|config| {
        for name in ["north", "south"] {
            let region = panofleet_job_schema::Region::new(name).unwrap();
            let home = config.regions[&config.default_region].clone();
            config.regions.insert(region, home);
        }
    })
    .await;
    let new = json!({
        "name": "k", "tenant": "acme", "scopes": ["jobs:write"], "regions": ["north", "south"],
    });
    let made = fleet.post("/v1/keys", &new).await.ok();
    let key = made["secret"].as_str().unwrap();
    let submit = async |extra: Value| fleet.post_by(key, "/v1/jobs", &spec(&extra)).await;
    assert_eq!(submit(json!({ "region": "north" })).await.ok()["region"], "north");
    let both = submit(json!({ "regions": ["south", "north"] })).await.ok();
    assert_eq!(both["regions"], json!(["south", "north"]));
    // The default region is not one of them.
    for extra in [json!({}), json!({ "region": HOME }), json!({ "regions": ["north", HOME] })] {
        let said = submit(extra).await.problem(403, "wrong_region");
        assert!(said.contains(HOME), "{said}");
    }
    let path = format!("/v1/jobs/{}/cancel", both["id"].as_str().unwrap());
    fleet.post_by(key, &path, &json!({})).await.ok();
    let again = path.replace("cancel", "retry");
    fleet.post_by(key, &again, &json!({ "region": HOME })).await.problem(403, "wrong_region");
    let elsewhere = json!({ "action": "retry", "rerun": { "regions": ["north", HOME] } });
    fleet.post_by(key, "/v1/bulk", &elsewhere).await.problem(403, "wrong_region");
    let schedule = |job: Value| json!({ "cron": "0 3 * * *", "job": spec(&job) });
    let add = async |name: &str, job: Value| {
        let path = format!("/v1/schedules/{name}");
        fleet.by(Some(key), (Method::PUT, &path), Some(&schedule(job))).await
    };
    assert_eq!(add("a", json!({ "region": "north" })).await.status, 201);
    add("b", json!({ "any_region": true })).await.problem(403, "wrong_region");
    let upload = fleet.post_by(key, "/v1/uploads", &json!({ "bytes": 1 })).await;
    upload.problem(403, "wrong_region");
    let unknown =
        json!({ "name": "k", "tenant": "acme", "scopes": ["jobs:write"], "regions": ["mars"] });
    fleet.post("/v1/keys", &unknown).await.problem(422, "region_unknown");
}

#[tokio::test]
async fn what_not_everybody_may_see_is_kept_by_no_shared_cache() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let id = fleet.submitted(&json!({})).await;
    let file = ("a.jpg".to_owned(), "image/jpeg", Bytes::from_static(b"jpeg"));
    let output = Output { name: "tiles", op: "pano.tiles", entry_points: &[], files: vec![file] };
    fleet.succeed(id, &[output]).await;
    let answer = fleet.get(&format!("/o/{id}.1/tiles/a.jpg")).await;
    assert_eq!(answer.header("cache-control"), Some("private, max-age=31536000, immutable"));
    let (_, other) = fleet.new_key(Some("other"), &["jobs:read"]).await;
    let foreign = fleet.get_by(&other, &format!("/o/{id}.1/tiles/a.jpg")).await;
    foreign.problem(404, "job_not_found");
}
