//! What surrounds every route: unknown ones, limits, headers, health, and the end.

use std::time::Duration;

use panofleet_job_schema::Span;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Answer, DEADLINE, Fleet};

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let fleet = Fleet::start().await;
    for path in ["/v1/nothing", "/v2/jobs", "/o/x", "/viewer", "/v1/jobs/1/2/3"] {
        let detail = fleet.get(path).await.problem(404, "no_such_route");
        assert!(detail.contains(path), "{detail}");
    }
    for path in ["/o/1/2/%ff", "/v1/jobs/%ff", "/viewer/%ff", "/pages/%c3%28"] {
        fleet.get(path).await.problem(400, "bad_path");
    }
    for (method, path) in [
        (Method::DELETE, "/v1/jobs"),
        (Method::POST, "/v1/operations"),
        (Method::PUT, "/healthz"),
        (Method::PUT, "/v1/jobs/7"),
    ] {
        let answer = Answer::of(fleet.request(method, path).send().await.unwrap()).await;
        answer.problem(405, "no_such_method");
        assert!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{path}");
    }
}

#[tokio::test]
async fn every_answer_keeps_browsers_in_check() {
    let fleet = Fleet::start().await;
    for path in ["/v1/jobs", "/v1/nothing", "/healthz", "/", "/pages/page.css"] {
        let answer = fleet.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        let csp = answer.header("content-security-policy").unwrap();
        assert!(csp.starts_with("default-src 'none'") && !csp.contains("unsafe"), "{path}: {csp}");
        assert!(!csp.contains("http"), "{path}: {csp}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_act() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let cancel = |site: &str| {
        fleet
            .request(Method::POST, &format!("/v1/jobs/{id}/cancel"))
            .header("sec-fetch-site", site)
            .send()
    };
    for site in ["cross-site", "same-site"] {
        Answer::of(cancel(site).await.unwrap()).await.problem(403, "cross_site");
    }
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}")).await.ok()["state"], "queued");
    assert_eq!(cancel("same-origin").await.unwrap().status(), 200);
}

#[tokio::test]
async fn health_says_what_does_not_work() {
    let mut fleet = Fleet::start().await;
    assert_eq!(fleet.get("/healthz").await.ok()["status"], "alive");
    let ready = fleet.get("/readyz").await.ok();
    assert_eq!(ready["ready"], true);
    assert!(ready["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true), "{ready}");

    // Jobs are still accepted without the store.
    fleet.stop_store().await;
    let ready = fleet.get("/readyz").await.ok();
    assert_eq!((&ready["ready"], &ready["checks"][2]["ok"]), (&json!(true), &json!(false)));
    assert!(ready["checks"][2]["reason"].as_str().unwrap().contains("results"), "{ready}");

    fleet.file.close().await;
    let answer = fleet.get("/readyz").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["ready"]), (503, &json!(false)));
    assert_eq!(fleet.get("/healthz").await.status, 200);
    let answer = fleet.submit(&json!({})).await;
    let detail = answer.problem(503, "database_unavailable");
    assert!(detail.contains("idempotency_key"), "{detail}");
    assert_eq!(answer.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn clients_that_take_their_time_are_let_go() {
    let fleet = Fleet::start_with(|config| {
        config.http.header_timeout = Span::from_millis(100);
        config.http.request_timeout = Span::from_millis(100);
    })
    .await;
    let send = async |text: &str| {
        let mut stream = TcpStream::connect(&fleet.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    };
    // Nothing, half a head, and an idle connection: closed without a word, or with a 408.
    for text in ["", "GET /healthz HTTP/1.1\r\nhost:"] {
        let answer = send(text).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    let answer = send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("}"), "{answer}");
    // Half a body.
    let answer = send(
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"timed_out\""), "{answer}");
    // Waiting for a job is not being slow.
    let id = fleet.submitted(&json!({})).await;
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}/wait?seconds=1")).await.ok()["state"], "queued");
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_a_place() {
    let fleet = Fleet::start_with(|config| config.http.connections_max = 1).await;
    let holder = TcpStream::connect(&fleet.address).await.unwrap();
    let mut holder = ask(holder).await;
    assert_eq!(holder.1.get(..12), Some("HTTP/1.1 200"));
    let second = TcpStream::connect(&fleet.address).await.unwrap();
    let mut asking = Box::pin(ask(second));
    assert!(timeout(Duration::from_millis(200), &mut asking).await.is_err(), "there was no place");
    holder.0.shutdown().await.unwrap();
    drop(holder);
    let (_, answer) = timeout(DEADLINE, asking).await.unwrap();
    assert_eq!(answer.get(..12), Some("HTTP/1.1 200"));
}

/// Sends a request, and reads the first bytes of the answer.
async fn ask(mut stream: TcpStream) -> (TcpStream, String) {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = vec![0; 64];
    let bytes = stream.read(&mut first).await.unwrap();
    first.truncate(bytes);
    (stream, String::from_utf8_lossy(&first).into_owned())
}

#[tokio::test]
async fn shutdown_lets_a_request_end_and_takes_no_more() {
    let mut fleet = Fleet::start().await;
    let mut stream = TcpStream::connect(&fleet.address).await.unwrap();
    let body = crate::harness::spec(&json!({})).to_string();
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // `Expect` makes the server say that the handler has begun to read.
    let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    fleet.shutdown.cancel();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.contains("HTTP/1.1 201"), "{answer}");
    assert!(timeout(DEADLINE, fleet.servers.join_next()).await.unwrap().unwrap().is_ok());
    assert!(TcpStream::connect(&fleet.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_may_be_asked_for_is_documented() {
    let fleet = Fleet::start().await;
    let operations = fleet.get("/v1/operations").await.ok();
    let names: Vec<_> =
        operations["operations"].as_array().unwrap().iter().map(|op| op["name"].clone()).collect();
    let known: Vec<_> =
        panofleet_job_schema::Operation::docs().iter().map(|doc| doc.name).collect();
    assert_eq!(names, known);
    assert!(names.contains(&json!("pano.tiles")) && names.contains(&json!("video.transcode")));
    let schema = fleet.get("/v1/schema/job").await.ok();
    assert_eq!(schema["required"], json!(["source"]));
    assert_eq!(schema["anyOf"], json!([{ "required": ["outputs"] }, { "required": ["preset"] }]));
    let outputs = &schema["properties"]["outputs"]["additionalProperties"]["oneOf"];
    assert_eq!(outputs[0]["properties"]["op"]["const"], "pano.tiles");
}
