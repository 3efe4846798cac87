//! What pages of other origins may do.

use reqwest::{Method, header};
use serde_json::json;

use crate::harness::{ADMIN_KEY, Answer, Fleet, spec};

const NAMED: &str = "https://app.example.com";

async fn fleet() -> Fleet {
    Fleet::start_with_keys(|config| config.http.cors_origins = vec![NAMED.to_owned()]).await
}

/// What a browser asks before it sends a job for a page.
async fn preflight(fleet: &Fleet, origin: &str, path: &str) -> Answer {
    let request = fleet.client.request(Method::OPTIONS, format!("{}{path}", fleet.base));
    let request = request
        .header(header::ORIGIN, origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, content-type");
    Answer::of(request.send().await.unwrap()).await
}

async fn submit(fleet: &Fleet, origin: &str) -> Answer {
    let request = fleet.request(Method::POST, "/v1/jobs").json(&spec(&json!({})));
    let request = request.header(header::ORIGIN, origin).header("sec-fetch-site", "cross-site");
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_use_the_api() {
    let fleet = fleet().await;
    let asked = preflight(&fleet, NAMED, "/v1/jobs").await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-origin"), Some(NAMED));
    for (name, words) in [
        ("access-control-allow-methods", ["POST", "DELETE"]),
        ("access-control-allow-headers", ["authorization", "content-type"]),
    ] {
        let allowed = asked.header(name).unwrap();
        assert!(words.iter().all(|word| allowed.contains(word)), "{name}: {allowed}");
    }
    // Nobody's session goes with it.
    assert_eq!(asked.header("access-control-allow-credentials"), None);
    let answer = submit(&fleet, NAMED).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-origin"), Some(NAMED));
    assert!(answer.header("vary").unwrap().contains("origin"));
    // A refusal can be read, too.
    let request = fleet.client.get(format!("{}/v1/jobs", fleet.base)).header(header::ORIGIN, NAMED);
    let refused = Answer::of(request.send().await.unwrap()).await;
    refused.problem(401, "key_missing");
    assert_eq!(refused.header("access-control-allow-origin"), Some(NAMED));
}

#[tokio::test]
async fn a_session_is_not_used_for_a_page_of_another_origin() {
    let fleet = fleet().await;
    let signed_in = fleet.sign_in(ADMIN_KEY, "", "/").await;
    let cookie = crate::sign_in::cookie(&signed_in);
    let list = |origin: Option<&str>| {
        let request =
            fleet.client.get(format!("{}/v1/jobs", fleet.base)).header(header::COOKIE, cookie);
        origin
            .into_iter()
            .fold(request, |request, origin| request.header(header::ORIGIN, origin))
            .send()
    };
    assert_eq!(list(None).await.unwrap().status(), 200);
    assert_eq!(list(Some(NAMED)).await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_page_of_any_other_origin_may_not() {
    let fleet = fleet().await;
    for origin in ["https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let asked = preflight(&fleet, origin, "/v1/jobs").await;
        assert_eq!(asked.header("access-control-allow-origin"), None, "{origin}");
        let answer = submit(&fleet, origin).await;
        answer.problem(403, "cross_site");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert!(answer.header("vary").unwrap().contains("origin"));
    }
    // Pages for people are nobody else's, and neither are the forms that they send.
    let asked = preflight(&fleet, NAMED, "/sign-in").await;
    assert_eq!(asked.header("access-control-allow-origin"), None);
    // By default there is nobody.
    let fleet = Fleet::start().await;
    let asked = preflight(&fleet, NAMED, "/v1/jobs").await;
    assert_eq!(asked.header("access-control-allow-origin"), None);
    submit(&fleet, NAMED).await.problem(403, "cross_site");
}
