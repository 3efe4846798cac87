//! How much a tenant may ask for.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Answer, DEADLINE, Fleet, spec};

#[tokio::test]
async fn a_tenant_submits_as_fast_as_it_may_and_is_told_when_to_come_again() {
    let fleet = Fleet::start_with_keys(|config| {
        config.limits.tenant_jobs_per_s = Some(2);
        config.limits.tenant_jobs_burst = Some(4);
    })
    .await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let submit = async || fleet.post_by(&acme, "/v1/jobs", &spec(&json!({}))).await;
    let first = submit().await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"jobs\";q=4;w=2"));
    assert_eq!(first.header("ratelimit"), Some("\"jobs\";r=3;t=1"));
    // However slow this machine is, no more get in than came into the bucket meanwhile.
    let (begun, mut let_in) = (Instant::now(), 1);
    let answer = loop {
        let answer = submit().await;
        if answer.status != 201 {
            break answer;
        }
        let_in += 1;
        assert!(let_in <= 5 + 2 * (begun.elapsed().as_secs() + 1), "{let_in}");
    };
    assert!(let_in >= 4, "{let_in}");
    let said = answer.problem(429, "rate_limited");
    assert!(said.contains("2 jobs a second"), "{said}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.header("ratelimit").unwrap().starts_with("\"jobs\";r=0;t="));
    // Others have buckets of their own, and to look is free.
    assert_eq!(fleet.submit(&json!({})).await.status, 201);
    assert_eq!(fleet.get_by(&acme, "/v1/counts").await.ok()["total"], let_in);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(submit().await.status, 201);
}

#[tokio::test]
async fn each_line_of_a_batch_counts() {
    let fleet = Fleet::start_with(|config| {
        config.limits.tenant_jobs_per_s = Some(1);
        config.limits.tenants = [(
            "default".parse().unwrap(),
            serde_json::from_value(json!({ "jobs_burst": 10 })).unwrap(),
        )]
        .into();
    })
    .await;
    let lines = |jobs: usize| vec![spec(&json!({})).to_string(); jobs].join("\n");
    let answer = fleet.post_lines("/v1/jobs", &lines(8)).await;
    assert_eq!(answer.text().lines().count(), 8);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"jobs\";q=10;w=10"));
    fleet.post_lines("/v1/jobs", &lines(8)).await.problem(429, "rate_limited");
    assert_eq!(fleet.get("/v1/counts").await.ok()["total"], 8, "all of them or none");
    assert_eq!(fleet.post_lines("/v1/jobs", &lines(2)).await.status, 200);
}

#[tokio::test]
async fn a_tenant_has_so_many_jobs_that_have_not_ended() {
    let fleet = Fleet::start_with(|config| config.limits.tenant_open_jobs_max = Some(3)).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(fleet.submitted(&json!({})).await);
    }
    let answer = fleet.submit(&json!({})).await;
    let said = answer.problem(429, "quota_exceeded");
    assert!(said.contains("3 jobs that have not ended, and may have 3"), "{said}");
    assert_eq!(answer.header("retry-after"), Some("10"));
    let lines = vec![spec(&json!({})).to_string(); 2].join("\n");
    fleet.post_lines("/v1/jobs", &lines).await.problem(429, "quota_exceeded");
    let cancel = fleet.request(Method::POST, &format!("/v1/jobs/{}/cancel", jobs[0]));
    Answer::of(cancel.send().await.unwrap()).await.ok();
    let ended = Instant::now() + DEADLINE;
    while fleet.submit(&json!({})).await.status != 201 {
        assert!(Instant::now() < ended, "there is room again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_tenant_has_so_many_bytes_of_uploads() {
    let fleet = Fleet::start_with(|config| config.limits.tenant_upload_bytes_max = Some(100)).await;
    let begin = async |bytes: u64| fleet.post("/v1/uploads", &json!({ "bytes": bytes })).await;
    let first = begin(60).await.ok();
    let answer = begin(41).await;
    let said = answer.problem(429, "quota_exceeded");
    assert!(said.contains("60 bytes") && said.contains("DELETE /v1/uploads/ID"), "{said}");
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert_eq!(begin(40).await.status, 201);
    begin(1).await.problem(429, "quota_exceeded");
    let path = format!("/v1/uploads/{}", first["id"].as_str().unwrap());
    Answer::of(fleet.request(Method::DELETE, &path).send().await.unwrap()).await.ok();
    let ended = Instant::now() + DEADLINE;
    while begin(60).await.status != 201 {
        assert!(Instant::now() < ended, "there is room again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn nothing_is_limited_by_default() {
    let fleet = Fleet::start().await;
    let answer = fleet.submit(&json!({})).await;
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), (None, None));
}
