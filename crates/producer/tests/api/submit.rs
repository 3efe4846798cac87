//! Submitting: what is accepted, once, and what is refused by which code.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use panofleet_job_schema::lifecycle::Event;
use panofleet_job_schema::trace::TraceContext;
use panofleet_job_schema::{JobId, Region, limits};
use panofleet_producer::api::config::RegionConfig;
use panofleet_service::telemetry;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet, OUTPUTS, spec};

#[tokio::test]
async fn a_source_and_one_output_are_a_job() {
    let fleet = Fleet::start().await;
    let answer = fleet.submit(&json!({ "labels": { "album": "42" } })).await;
    assert_eq!(answer.status, 201);
    let job = answer.json();
    let id = job["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/v1/jobs/{id}").as_str()));
    assert_eq!(job["state"], "queued");
    assert_eq!(job["labels"]["album"], "42");
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}")).await.ok(), job);
}

/// Jobs that come at the same time are written together: they share a key where they say so, and nothing else.
#[tokio::test]
async fn jobs_that_come_together_are_jobs_of_their_own() {
    let fleet = Fleet::start().await;
    let odd = fleet.submitted(&json!({ "idempotency_key": "odd" })).await;
    // A row that nobody can read.
    sqlx::query("UPDATE jobs SET doc = '{}' WHERE id = ?")
        .bind(odd.0.as_bytes().to_vec())
        .execute(&fleet.file.writer)
        .await
        .unwrap();
    let keys: Vec<Value> = (0..60)
        .map(|number| match number {
            30 => json!({ "idempotency_key": "odd" }),
            _ if number % 3 == 0 => json!({ "idempotency_key": "shared" }),
            _ => json!({}),
        })
        .collect();
    let answers = join_all(keys.iter().map(|key| fleet.submit(key))).await;
    let of = |key: &Value| -> Vec<&Answer> {
        answers.iter().zip(&keys).filter(|(_, of)| *of == key).map(|(answer, _)| answer).collect()
    };
    let ids = |answers: &[&Answer]| -> BTreeSet<String> {
        answers.iter().map(|answer| answer.ok()["id"].to_string()).collect()
    };
    let count = |answers: &[&Answer], status: u16| {
        answers.iter().filter(|answer| answer.status == status).count()
    };
    let alone = of(&json!({}));
    assert_eq!((count(&alone, 201), ids(&alone).len()), (40, 40));
    let shared = of(&json!({ "idempotency_key": "shared" }));
    assert_eq!((count(&shared, 201), count(&shared, 200), ids(&shared).len()), (1, 18, 1));
    of(&json!({ "idempotency_key": "odd" }))[0].problem(500, "internal");
    let total = fleet.get("/v1/counts").await.ok()["total"].clone();
    assert_eq!(total, 42);
}

/// A verdict for each line, in order, and nothing of one line depends on another, but for the keys that they share.
#[tokio::test]
async fn many_jobs_are_submitted_in_one_request() {
    let fleet = Fleet::start().await;
    let line = |extra: Value| spec(&extra).to_string();
    let keyed =
        |key: &str, timeout: &str| line(json!({ "idempotency_key": key, "timeout": timeout }));
    let body = [
        line(json!({})),
        String::new(),
        line(json!({ "color": "red" })),
        "{".to_owned(),
        keyed("k", "1m"),
        keyed("k", "1m"),
        keyed("k", "2m"),
        line(json!({ "source": "s3://elsewhere/a.jpg" })),
    ]
    .join("\r\n");
    let answer = fleet.post_lines("/v1/jobs", &body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some("application/x-ndjson"))
    );
    let verdicts: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            let code = verdict["problem"]["code"].as_str().unwrap_or_default();
            (verdict["line"].as_u64().unwrap(), verdict["status"].as_u64().unwrap(), code)
        })
        .collect();
    assert_eq!(
        said,
        [
            (1, 201, ""),
            (3, 422, "does_not_fit"),
            (4, 400, "malformed_json"),
            (5, 201, ""),
            (6, 200, ""),
            (7, 409, "idempotency_key_reused"),
            (8, 422, "source_bucket_unknown"),
        ]
    );
    assert_eq!(verdicts[3]["id"], verdicts[4]["id"]);
    assert_ne!(verdicts[0]["id"], verdicts[3]["id"]);
    let jobs = fleet.get("/v1/jobs").await.ok();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_request_of_too_many_jobs_is_refused_whole() {
    let fleet = Fleet::start().await;
    let line = spec(&json!({})).to_string() + "\n";
    for (body, code) in [
        (line.repeat(limits::BATCH_JOBS_MAX + 1), "too_many_jobs"),
        ("x".repeat(limits::BATCH_BODY_BYTES_MAX + 1), "body_too_large"),
    ] {
        let answer = fleet.post_lines("/v1/jobs", &body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (413, Some(code)));
    }
    assert_eq!(fleet.get("/v1/jobs").await.ok()["jobs"].as_array().unwrap().len(), 0);
}

/// It is not due before its time, and its deadline counts from then; a time that has passed is now.
#[tokio::test]
async fn a_job_may_start_later() {
    let fleet = Fleet::start().await;
    let start_at = fleet.db.now().await.unwrap() + Duration::from_secs(3600);
    let later = fleet.submit(&json!({ "start_at": start_at, "deadline": "1h" })).await.ok();
    assert_eq!((&later["state"], &later["due_at"]), (&json!("waiting"), &json!(start_at)));
    assert_eq!(later["deadline_at"], json!(start_at + Duration::from_secs(3600)));
    let path = format!("/v1/jobs/{}/cancel", later["id"].as_str().unwrap());
    let cancelled = fleet.post(&path, &json!({})).await;
    assert_eq!(cancelled.ok()["state"], "cancelled");
    let past = fleet.submit(&json!({ "start_at": "2020-01-01T00:00:00Z" })).await.ok();
    assert_eq!(past["state"], "queued");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let fleet = Fleet::start().await;
    for (extra, code, said) in [
        (json!({ "outputs": {} }), "does_not_fit", "outputs is empty"),
        (json!({ "color": "red" }), "does_not_fit", "unknown field `color`"),
        (json!({ "outputs": { "t": { "op": "pano.fly" } } }), "does_not_fit", "pano.fly"),
        (
            json!({ "outputs": { "t": { "op": "pano.tiles", "tile_px": 512 } } }),
            "does_not_fit",
            "`outputs.t`: unknown field `tile_px`",
        ),
        (
            json!({ "outputs": { "t": { "op": "pano.tiles", "quality": 0 } } }),
            "does_not_fit",
            "output `t`",
        ),
        (json!({ "timeout": "ten minutes" }), "does_not_fit", "`timeout`: `ten minutes`"),
        (json!({ "timeout": "25h" }), "does_not_fit", "timeout is 25h"),
        (json!({ "max_attempts": 0 }), "does_not_fit", "max_attempts is 0"),
        (json!({ "start_at": "2999-01-01T00:00:00Z" }), "does_not_fit", "start_at is 2999-01-01"),
        (json!({ "start_at": "soon" }), "does_not_fit", "`start_at`"),
        (json!({ "priority": "urgent" }), "does_not_fit", "`priority`: unknown variant `urgent`"),
        (json!({ "idempotency_key": "" }), "does_not_fit", "idempotency_key has 0 bytes"),
        (json!({ "region": "mars" }), "region_unknown", "there are: home"),
        (
            json!({ "regions": ["home", "mars"] }),
            "region_unknown",
            "no region `mars`; there are: home",
        ),
        (json!({ "region": "home", "any_region": true }), "does_not_fit", "give one of region"),
        (json!({ "region": "Mars!" }), "does_not_fit", "`region`: region `Mars!`"),
    ] {
        let detail = fleet.submit(&extra).await.problem(422, code);
        assert!(detail.contains(said), "{extra}: {detail}");
    }
    assert_eq!(fleet.get("/v1/counts").await.ok()["total"], 0);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let fleet = Fleet::start().await;
    let send = async |kind: &str, body: String| {
        let request = fleet.request(Method::POST, "/v1/jobs").header("content-type", kind);
        Answer::of(request.body(body).send().await.unwrap()).await
    };
    let good = spec(&json!({})).to_string();
    assert_eq!(send("application/json; charset=utf-8", good.clone()).await.status, 201);
    send("text/plain", good.clone()).await.problem(415, "not_json");
    let detail =
        send("application/json", "{\"source\": ".into()).await.problem(400, "malformed_json");
    assert!(detail.contains("line 1"), "{detail}");
    send("application/json", format!("{good} {{}}")).await.problem(400, "malformed_json");
    // A list of the fields' values is no job.
    let list = r#"["s3://b/k", {"tiles": {"op": "pano.tiles"}}]"#;
    let detail = send("application/json", list.into()).await.problem(422, "does_not_fit");
    assert!(detail.contains("JSON object"), "{detail}");
    let buffered = format!(r#"{{"x":{},"op":"pano.tiles"}}"#, "[".repeat(100_000));
    let deep = good.replace(r#"{"op":"pano.tiles"}"#, &buffered);
    assert_ne!(deep, good);
    let detail = send("application/json", deep).await.problem(400, "malformed_json");
    assert!(detail.contains("recursion limit"), "{detail}");
    let large = "x".repeat(limits::JOB_BODY_BYTES_MAX + 1);
    let detail = send("application/json", large).await.problem(413, "body_too_large");
    assert!(detail.contains("262144"), "{detail}");
}

#[tokio::test]
async fn the_same_key_and_job_is_the_same_job() {
    let fleet = Fleet::start().await;
    let first = fleet.submit(&json!({ "idempotency_key": "k", "timeout": "10m" })).await;
    // Written in another way, it is still the same.
    let again = fleet
        .submit(&json!({ "timeout": "600s", "idempotency_key": "k", "priority": "normal" }))
        .await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(first.json()["id"], again.json()["id"]);
    let detail = fleet
        .submit(&json!({ "idempotency_key": "k", "timeout": "11m" }))
        .await
        .problem(409, "idempotency_key_reused");
    assert!(detail.contains(first.json()["id"].as_str().unwrap()), "{detail}");
    assert_ne!(
        fleet.submit(&json!({})).await.ok()["id"],
        fleet.submit(&json!({})).await.ok()["id"]
    );
}

#[tokio::test]
async fn the_key_may_come_as_a_header_and_the_body_wins() {
    let fleet = Fleet::start().await;
    let send = async |header: &str, extra: Value| {
        let request = fleet.request(Method::POST, "/v1/jobs").header("idempotency-key", header);
        Answer::of(request.json(&spec(&extra)).send().await.unwrap()).await.ok()["id"].clone()
    };
    let by_body = fleet.submit(&json!({ "idempotency_key": "a" })).await.ok()["id"].clone();
    assert_eq!(send("a", json!({})).await, by_body);
    assert_ne!(send("b", json!({})).await, by_body);
    assert_eq!(send("b", json!({ "idempotency_key": "a" })).await, by_body);
}

#[tokio::test]
async fn of_many_submits_with_one_key_one_makes_the_job() {
    let fleet = Fleet::start().await;
    let extra = json!({ "idempotency_key": "race" });
    let answers = join_all((0..16).map(|_| fleet.submit(&extra))).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let ids: BTreeSet<_> =
        answers.iter().map(|answer| answer.ok()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((created, ids.len()), (1, 1));
    assert_eq!(fleet.get("/v1/counts").await.ok()["total"], 1);
}

#[tokio::test]
async fn a_job_keeps_the_trace_of_its_request_or_gets_one() {
    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let fleet = Fleet::start().await;
    let send = async |trace: &str| -> String {
        let request = fleet.request(Method::POST, "/v1/jobs").header("traceparent", trace);
        let answer = Answer::of(request.json(&spec(&json!({}))).send().await.unwrap()).await;
        let id: JobId = answer.ok()["id"].as_str().unwrap().parse().unwrap();
        fleet.job(id).await.trace.unwrap()
    };
    let trace = |text: &str| TraceContext::parse(text).unwrap().trace_id();
    let kept = send(GIVEN).await;
    assert_eq!(trace(&kept), trace(GIVEN));
    assert_ne!(kept, GIVEN, "a hop of its own");
    assert_ne!(trace(&send("nonsense").await), trace(GIVEN));
}

#[tokio::test]
async fn the_line_about_an_accepted_job_names_its_trace() {
    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let file = tempfile::NamedTempFile::new().unwrap();
    let _log = telemetry::capture("info", Arc::new(file.reopen().unwrap())).unwrap();
    let fleet = Fleet::start().await;
    let request = fleet.request(Method::POST, "/v1/jobs").header("traceparent", GIVEN);
    let answer = Answer::of(request.json(&spec(&json!({}))).send().await.unwrap()).await;
    let id = answer.ok()["id"].clone();
    fleet.post(&format!("/v1/jobs/{}/cancel", id.as_str().unwrap()), &json!({})).await.ok();
    let lines = std::fs::read_to_string(file.path()).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said: Vec<_> = lines
        .filter(|line| line["job"] == id)
        .inspect(|line| assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c", "{line}"))
        .map(|line| line["message"].clone())
        .collect();
    assert_eq!(said, ["job accepted", "job changed by request"]);
}

#[tokio::test]
async fn limits_are_what_they_say() {
    let fleet = Fleet::start().await;
    let outputs = |count: usize| -> Value {
        let outputs = (0..count).map(|index| (format!("o{index}"), json!({ "op": "media.probe" })));
        Value::Object(outputs.collect())
    };
    assert_eq!(fleet.submit(&json!({ "outputs": outputs(limits::OUTPUTS_MAX) })).await.status, 201);
    let detail = fleet
        .submit(&json!({ "outputs": outputs(limits::OUTPUTS_MAX + 1) }))
        .await
        .problem(422, "does_not_fit");
    assert_eq!(detail, "outputs: 33 given, 32 allowed");
}

/// A key outlives its job: what was done is not done again because retention has forgotten it.
#[tokio::test]
async fn a_key_whose_job_was_removed_makes_no_second_job() {
    let fleet = Fleet::start().await;
    let asked = json!({ "idempotency_key": "once" });
    let id = fleet.submitted(&asked).await;
    fleet.apply(id, |now, _| Event::CancelRequested { now }).await;
    let version = fleet.db.get(&[id]).await.unwrap().pop().unwrap().version;
    assert!(fleet.db.remove_job(id, version, fleet.db.now().await.unwrap()).await.unwrap());
    fleet.get(&format!("/v1/jobs/{id}")).await.problem(404, "job_not_found");
    let said = fleet.submit(&asked).await.problem(410, "job_removed");
    assert!(said.contains(&id.to_string()), "{said}");
    let other = json!({ "idempotency_key": "once", "priority": "low" });
    fleet.submit(&other).await.problem(409, "idempotency_key_reused");
}

#[tokio::test]
async fn a_job_may_name_several_regions_or_leave_it_open() {
    let far = Region::new("far").unwrap();
    let bucket = RegionConfig { bucket: "far-outputs".into() };
    let fleet = Fleet::start_with(|config| {
        config.regions.insert(far, bucket);
    })
    .await;
    let seen = async |extra: Value| {
        let job = fleet.submit(&extra).await.ok();
        let bucket = fleet.job(job["id"].as_str().unwrap().parse().unwrap()).await.bucket;
        (job["region"].clone(), job.get("regions").cloned(), bucket)
    };
    let home = || json!("home");
    assert_eq!(seen(json!({})).await, (home(), None, OUTPUTS.to_owned()));
    let both = json!(["far", "home"]);
    let (region, regions, bucket) = seen(json!({ "regions": both, "hop_after": "1m" })).await;
    assert_eq!((region, regions), (json!("far"), Some(both)));
    assert_eq!(bucket, "far-outputs", "of the region that it begins in");
    let any = seen(json!({ "any_region": true })).await;
    assert_eq!(any, (home(), Some(json!(["home", "far"])), OUTPUTS.to_owned()));
    let one = seen(json!({ "regions": ["far"] })).await;
    assert_eq!((one.0, one.1), (json!("far"), None), "that is a pin");
}
