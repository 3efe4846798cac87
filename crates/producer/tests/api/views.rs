//! Filters by name.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet};

impl Fleet {
    async fn save(&self, name: &str, filter: Value) -> Answer {
        let body = json!({ "filter": filter });
        self.by(None, (Method::PUT, &format!("/v1/views/{name}")), Some(&body)).await
    }
}

#[tokio::test]
async fn a_view_is_saved_shown_and_removed() {
    let fleet = Fleet::start().await;
    let (one, other) = (
        fleet.submitted(&json!({ "labels": { "album": "42" } })).await.to_string(),
        fleet.submitted(&json!({})).await.to_string(),
    );
    let filter =
        json!({ "states": ["queued", "dead"], "label": "album:42", "failed_within": null });
    let saved = fleet.save("Album%2042%20%3Cnew%3E", filter).await.ok();
    assert_eq!(saved["name"], "Album 42 <new>");
    let kept = json!({ "states": ["queued", "dead"], "label": "album:42" });
    assert_eq!(saved["filter"], kept);
    assert_eq!(fleet.get("/v1/views").await.ok()["views"], json!([saved]));
    let page = fleet.get("/").await.text();
    let link = "/?label=album%3A42&amp;state=queued%2Cdead";
    assert!(page.contains(&format!("<a href=\"{link}\">Album 42 &lt;new&gt;</a>")), "{page}");
    let page = fleet.get(&link.replace("&amp;", "&")).await.text();
    assert!(page.contains(&one) && !page.contains(&other), "{page}");
    assert!(page.contains("data-path=\"/v1/views/Album%2042%20%3Cnew%3E\""), "{page}");
    let remove = || fleet.by(None, (Method::DELETE, "/v1/views/Album%2042%20%3Cnew%3E"), None);
    assert_eq!(remove().await.ok(), saved);
    remove().await.problem(404, "view_not_found");
    assert!(!fleet.get("/").await.text().contains("Album 42"));
}

#[tokio::test]
async fn what_cannot_be_looked_for_cannot_be_saved() {
    let fleet = Fleet::start().await;
    let long = "x".repeat(65);
    for (name, filter, said) in [
        ("a", json!({}), "empty"),
        ("a", json!({ "states": ["lost"] }), "lost"),
        ("a", json!({ "operation": "pano.nonsense" }), "pano.nonsense"),
        ("%20", json!({ "attempt": 1 }), "name"),
        ("a%0Ab", json!({ "attempt": 1 }), "name"),
        (&long, json!({ "attempt": 1 }), "name"),
    ] {
        let answer = fleet.save(name, filter).await;
        assert!(
            answer.status.is_client_error() && answer.text().contains(said),
            "{}",
            answer.text()
        );
    }
    for number in 0..100 {
        fleet.save(&number.to_string(), json!({ "attempt": 1 })).await.ok();
    }
    fleet.save("one-more", json!({ "attempt": 1 })).await.problem(409, "too_many_views");
    fleet.save("7", json!({ "attempt": 2 })).await.ok();
}

#[tokio::test]
async fn views_are_a_tenant_s_own() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let (_, other) = fleet.new_key(Some("other"), &["jobs:write"]).await;
    let (_, reads) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let body = json!({ "filter": { "states": ["dead"] } });
    let put = (Method::PUT, "/v1/views/dead");
    fleet.by(Some(&acme), put.clone(), Some(&body)).await.ok();
    fleet.by(Some(&reads), put, Some(&body)).await.problem(403, "missing_scope");
    assert_eq!(fleet.get_by(&other, "/v1/views").await.ok()["views"], json!([]));
    assert_eq!(fleet.get_by(&reads, "/v1/views").await.ok()["views"][0]["name"], "dead");
    let delete = (Method::DELETE, "/v1/views/dead");
    fleet.by(Some(&other), delete.clone(), None).await.problem(404, "view_not_found");
    // Who reads sees the link, and no button.
    let page = fleet.get_by(&reads, "/?state=dead").await.text();
    assert!(page.contains(">dead</a>") && !page.contains("/v1/views/"), "{page}");
    // The operators see whose it is.
    let all = fleet.get("/").await.text();
    assert!(all.contains("acme · dead"), "{all}");
}
