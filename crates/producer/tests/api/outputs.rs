//! Results: only what the manifest lists, as it lists it.

use std::collections::BTreeMap;

use panofleet_job_schema::manifest::{OutputRecord, Seal};
use panofleet_job_schema::{Attempt, ClaimId, JobId, OutputName};
use panofleet_objects::client::PutOptions;
use panofleet_objects::manifest::{self, SealOutcome};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::harness::{Answer, Fleet};
use crate::results::tiles;

async fn finished(fleet: &Fleet) -> JobId {
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    id
}

#[tokio::test]
async fn files_come_with_type_tag_and_lasting_cache() {
    let fleet = Fleet::start().await;
    let id = finished(&fleet).await;
    let job = fleet.get(&format!("/v1/jobs/{id}")).await.ok();
    let base = job["links"]["outputs"]["tiles"].as_str().unwrap().to_owned();
    assert_eq!(base, format!("/o/{id}.1/tiles/"));
    let tile = fleet.get(&format!("{base}2/f0_0.jpg")).await;
    assert_eq!((tile.status.as_u16(), tile.text().as_str()), (200, "0123456789"));
    assert_eq!(tile.header("content-type"), Some("image/jpeg"));
    assert_eq!(tile.header("content-length"), Some("10"));
    assert_eq!(tile.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(tile.header("x-content-type-options"), Some("nosniff"));
    assert!(tile.header("content-security-policy").unwrap().contains("sandbox"));

    let tag = tile.header("etag").unwrap();
    for (known, status) in
        [(tag, 304), (&format!("W/{tag}"), 304), ("*", 304), ("\"x\", \"y\"", 200)]
    {
        let request = fleet.request(Method::GET, &format!("{base}2/f0_0.jpg"));
        let answer = request.header("if-none-match", known).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{known}");
    }
    let head = fleet.request(Method::HEAD, &format!("{base}2/f0_0.jpg")).send().await.unwrap();
    let head = Answer::of(head).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("10")));
    assert_eq!(head.header("etag"), Some(tag));
    // Without a generation the same address may mean another file later.
    let present = fleet.get(&format!("/o/{id}/tiles/2/f0_0.jpg")).await;
    assert_eq!(present.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn parts_of_files_can_be_read() {
    let fleet = Fleet::start().await;
    let id = finished(&fleet).await;
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=8-", 206, "89", Some("bytes 8-9/10")),
        ("bytes=0-0,2-3", 200, "0123456789", None),
    ] {
        let request = fleet.request(Method::GET, &format!("/o/{id}.1/tiles/2/f0_0.jpg"));
        let answer = Answer::of(request.header("range", range).send().await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, body), "{range}");
        assert_eq!(answer.header("content-range"), content_range, "{range}");
    }
    let request = fleet.request(Method::GET, &format!("/o/{id}.1/tiles/2/f0_0.jpg"));
    let answer = Answer::of(request.header("range", "bytes=10-").send().await.unwrap()).await;
    answer.problem(416, "no_such_range");
}

#[tokio::test]
async fn only_what_the_manifest_lists_can_be_reached() {
    let fleet = Fleet::start().await;
    let id = finished(&fleet).await;
    // It is in the output's folder, but a file of nobody.
    let address = fleet.job(id).await.manifest_address();
    let found = manifest::read(&fleet.objects, &address).await.unwrap().unwrap();
    let prefix = &found.outputs[&OutputName::new("tiles").unwrap()].prefix;
    let key = format!("{prefix}/stray.txt");
    let options = PutOptions::of_type("text/plain");
    fleet.objects.put_bytes(&address.bucket, &key, "stray".into(), &options).await.unwrap();

    for (path, code) in [
        (format!("/o/{id}.1/tiles/stray.txt"), "no_such_file"),
        (format!("/o/{id}.1/tiles/2/f0_0.jpg/"), "no_such_file"),
        (format!("/o/{id}.1/tiles/%2e%2e/%2e%2e/manifest.json"), "no_such_file"),
        (format!("/o/{id}.1/tiles/..%2f..%2f..%2fmanifest.json"), "no_such_file"),
        (format!("/o/{id}.1/tiles/%00"), "no_such_file"),
        (format!("/o/{id}.1/other/psv.json"), "no_such_output"),
        (format!("/o/{id}.1/..%2ftiles/psv.json"), "no_such_output"),
        (format!("/o/{id}.2/tiles/psv.json"), "no_result"),
        (format!("/o/{id}.x/tiles/psv.json"), "job_not_found"),
        (format!("/o/{}.1/tiles/psv.json", Uuid::now_v7()), "job_not_found"),
    ] {
        let answer = raw_get(&fleet, &path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{path}: {answer}");
    }
    let above = raw_get(&fleet, &format!("/o/{id}.1/tiles/../../../v1/jobs")).await;
    assert!(above.starts_with("HTTP/1.1 404"), "{above}");
}

/// A path just as it is: clients would tidy it up.
async fn raw_get(fleet: &Fleet, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(&fleet.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_manifest_that_points_elsewhere_is_not_followed() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let claim = fleet.run(id).await;
    let job = fleet.job(id).await;
    let record = OutputRecord {
        op: "pano.tiles".into(),
        prefix: "foreign/0190/g1/a1-00000000/tiles".into(),
        entry_points: BTreeMap::new(),
        quality: Vec::new(),
        files: Vec::new(),
        total_bytes: 0,
    };
    let outputs = BTreeMap::from([(OutputName::new("tiles").unwrap(), record)]);
    let written = fleet.manifest_of(&job, Attempt(1), claim, outputs).await;
    let (address, now) = (job.manifest_address(), written.finished_at);
    manifest::publish(&fleet.objects, &address, &written, job.deadline_at, || now).await.unwrap();
    let detail = fleet.get(&format!("/v1/jobs/{id}/manifest")).await.problem(500, "internal");
    assert!(!detail.contains("foreign"), "{detail}");
}

#[tokio::test]
async fn a_seal_is_the_absence_of_a_result() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let detail = fleet.get(&format!("/v1/jobs/{id}/manifest")).await.problem(404, "no_result");
    assert!(detail.contains("is queued"), "{detail}");
    let job = fleet.job(id).await;
    let seal = Seal {
        schema: 1,
        job: id,
        generation: job.generation,
        target: panofleet_job_schema::job::CloseTarget::Cancelled,
        sealed_at: job.accepted_at,
    };
    let outcome = manifest::put_seal(&fleet.objects, &job.manifest_address(), &seal).await;
    assert_eq!(outcome.unwrap(), SealOutcome::Sealed);
    fleet.get(&format!("/v1/jobs/{id}/manifest")).await.problem(404, "no_result");
    fleet.get(&format!("/o/{id}.1/tiles/psv.json")).await.problem(404, "no_result");
}

#[tokio::test]
async fn a_file_that_is_not_as_listed_is_not_handed_out() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    let found = manifest::read(&fleet.objects, &fleet.job(id).await.manifest_address()).await;
    let prefix = found.unwrap().unwrap().outputs[&OutputName::new("tiles").unwrap()].prefix.clone();
    let options = PutOptions::of_type("image/jpeg");
    let key = format!("{prefix}/2/f0_0.jpg");
    fleet.objects.put_bytes("outputs", &key, "cut".into(), &options).await.unwrap();
    fleet.get(&format!("/o/{id}.1/tiles/2/f0_0.jpg")).await.problem(500, "internal");
}

#[tokio::test]
async fn a_manifest_is_read_once() {
    let mut fleet = Fleet::start().await;
    let id = finished(&fleet).await;
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}/manifest")).await.status, 200);
    let other = fleet.submitted(&json!({})).await;
    let claim = ClaimId(Uuid::new_v4());
    fleet.send(other).await;
    fleet.publish(other, claim, &[tiles()]).await;
    fleet.stop_store().await;
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}/manifest")).await.status, 200);
    fleet.get(&format!("/v1/jobs/{other}/manifest")).await.problem(503, "store_unavailable");
}
