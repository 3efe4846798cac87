//! Making, rotating and revoking keys, and how soon that is felt.

use std::time::Duration;

use panofleet_job_schema::{Span, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Answer, DEADLINE, Fleet};

/// How long a key may be of use after it was revoked, in these tests.
const CACHE: Duration = Duration::from_millis(400);

impl Fleet {
    async fn start_quick() -> Self {
        Self::start_with_keys(|config| config.key_cache = Span(CACHE)).await
    }

    async fn revoke(&self, id: &str) -> Value {
        let request = self.request(Method::DELETE, &format!("/v1/keys/{id}"));
        Answer::of(request.send().await.unwrap()).await.ok()
    }
}

#[tokio::test]
async fn a_key_is_made_shown_and_revoked_and_its_secret_is_told_once() {
    let fleet = Fleet::start_quick().await;
    let new = json!({ "name": "uploader", "tenant": "acme", "scopes": ["jobs:write"] });
    let answer = fleet.post("/v1/keys", &new).await;
    assert_eq!(answer.status, 201);
    let made = answer.ok();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!(answer.header("location"), Some(format!("/v1/keys/{id}").as_str()));
    assert!(secret.starts_with("pf_") && secret.contains(&id.replace('-', "")), "{secret}");
    assert_eq!(
        (&made["state"], &made["created_by"]["kind"]),
        (&json!("active"), &json!("admin_key"))
    );

    let shown = fleet.get(&format!("/v1/keys/{id}")).await;
    let hidden = secret.rsplit_once('_').unwrap().1;
    for answer in [&shown, &fleet.get("/v1/keys").await, &fleet.get("/v1/audit").await] {
        assert!(answer.text().contains(id) && !answer.text().contains(hidden), "{}", answer.text());
    }
    let who = fleet.get_by(secret, "/v1/whoami").await.ok();
    assert_eq!(
        (&who["actor"]["name"], &who["tenant"], &who["scopes"]),
        (&json!("uploader"), &json!("acme"), &json!(["jobs:read", "jobs:write"]))
    );
    // Its id with another secret is no key.
    let forged = format!("{}_{}", secret.rsplit_once('_').unwrap().0, "0".repeat(64));
    fleet.get_by(&forged, "/v1/whoami").await.problem(401, "key_unknown");

    let revoked = fleet.revoke(id).await;
    assert_eq!(revoked["state"], "revoked");
    // Here at once; and twice is once.
    let answer = fleet.get_by(secret, "/v1/whoami").await;
    assert!(answer.problem(401, "key_revoked").contains("revoked at"));
    fleet.get_by(&forged, "/v1/whoami").await.problem(401, "key_unknown");
    assert_eq!(fleet.revoke(id).await["revoked_at"], revoked["revoked_at"]);
}

#[tokio::test]
async fn a_revoked_key_is_of_use_elsewhere_for_a_moment_at_most() {
    let mut fleet = Fleet::start_quick().await;
    let elsewhere = fleet.start_another(|_| {}).await;
    let (id, secret) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let ask = async || {
        let request = fleet.client.get(format!("{elsewhere}/v1/jobs")).bearer_auth(&secret);
        Answer::of(request.send().await.unwrap()).await
    };
    ask().await.ok();
    fleet.revoke(&id).await;
    let revoked = Instant::now();
    // What it has read is good for a while: this is what makes a request cheap.
    while ask().await.status == 200 {
        assert!(revoked.elapsed() < CACHE + Duration::from_secs(2), "the key is still of use");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ask().await.problem(401, "key_revoked");
}

#[tokio::test]
async fn a_key_expires_to_the_moment_even_if_it_was_just_read() {
    let fleet = Fleet::start_with_keys(|config| config.key_cache = Span::from_secs(60)).await;
    let expires_at = fleet.db.now().await.unwrap() + Duration::from_millis(700);
    let new = json!({
        "name": "k", "tenant": "acme", "scopes": ["jobs:read"], "expires_at": expires_at,
    });
    let made = fleet.post("/v1/keys", &new).await.ok();
    let secret = made["secret"].as_str().unwrap();
    fleet.get_by(secret, "/v1/jobs").await.ok();
    let answer = loop {
        let answer = fleet.get_by(secret, "/v1/jobs").await;
        if answer.status != 200 {
            break answer;
        }
        assert!(fleet.db.now().await.unwrap().since(expires_at) < Duration::from_millis(500));
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(fleet.db.now().await.unwrap() >= expires_at, "too early");
    assert!(answer.problem(401, "key_expired").contains(&expires_at.to_string()));
    let id = made["id"].as_str().unwrap();
    assert_eq!(fleet.get(&format!("/v1/keys/{id}")).await.ok()["state"], "expired");
    let rotated = fleet.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await;
    rotated.problem(409, "key_not_active");
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_are_both_good_for_a_while() {
    let fleet = Fleet::start_quick().await;
    let (id, old) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let path = format!("/v1/keys/{id}/rotate");
    let made = fleet.post(&path, &json!({ "overlap": "1s" })).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let (next, new) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!((&made["tenant"], &made["scopes"]), (&json!("acme"), &json!(["jobs:write"])));
    for key in [old.as_str(), new] {
        fleet.get_by(key, "/v1/jobs").await.ok();
    }
    assert_eq!(fleet.get(&format!("/v1/keys/{id}")).await.ok()["rotated_to"], next);
    fleet.post(&path, &json!({})).await.problem(409, "key_not_active");
    fleet.post(&path, &json!({ "overlap": "91d" })).await.problem(422, "does_not_fit");
    let ended = Instant::now() + DEADLINE;
    while fleet.get_by(&old, "/v1/jobs").await.status == 200 {
        assert!(Instant::now() < ended, "the old key is still of use");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fleet.get_by(&old, "/v1/jobs").await.problem(401, "key_expired");
    fleet.get_by(new, "/v1/jobs").await.ok();
    // By default a day.
    let second = fleet.post(&format!("/v1/keys/{next}/rotate"), &json!({})).await.ok();
    assert_eq!(second["state"], "active");
    let end = fleet.get(&format!("/v1/keys/{next}")).await.ok()["expires_at"].clone();
    let end: Timestamp = serde_json::from_value(end).unwrap();
    let left = end.since(fleet.db.now().await.unwrap());
    assert!(
        left > Duration::from_secs(23 * 3600) && left <= Duration::from_secs(24 * 3600),
        "{left:?}"
    );
}

#[tokio::test]
async fn nobody_makes_a_key_that_can_do_more_than_they() {
    let fleet = Fleet::start_quick().await;
    let (own_id, admin) = fleet.new_key(Some("acme"), &["admin"]).await;
    let (root_id, _) = fleet.new_key(None, &["admin", "ops"]).await;
    let make = async |extra: Value| {
        let mut new = json!({ "name": "k", "scopes": ["jobs:read"] });
        new.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        fleet.post_by(&admin, "/v1/keys", &new).await
    };
    assert_eq!(make(json!({})).await.ok()["tenant"], "acme");
    assert_eq!(make(json!({ "scopes": ["jobs:write", "admin"] })).await.status, 201);
    make(json!({ "tenant": "other" })).await.problem(403, "more_than_own");
    for path in [format!("/v1/keys/{root_id}"), format!("/v1/keys/{root_id}/rotate")] {
        let method = if path.ends_with("rotate") { Method::POST } else { Method::DELETE };
        fleet
            .by(Some(&admin), (method, &path), Some(&json!({})))
            .await
            .problem(404, "key_not_found");
    }
    let listed = fleet.get_by(&admin, "/v1/keys").await.ok();
    let listed = listed["keys"].as_array().unwrap();
    assert!(listed.len() == 3 && listed.iter().all(|key| key["tenant"] == "acme"), "{listed:?}");
    assert!(listed.iter().any(|key| key["id"] == own_id.as_str()));
}

#[tokio::test]
async fn keys_that_make_no_sense_are_refused() {
    let fleet = Fleet::start_quick().await;
    let long = "x".repeat(101);
    for (new, code) in [
        (json!({ "name": "", "tenant": "acme", "scopes": ["jobs:read"] }), "bad_key"),
        (json!({ "name": long, "tenant": "acme", "scopes": ["jobs:read"] }), "bad_key"),
        (json!({ "name": "a\u{0}", "tenant": "acme", "scopes": ["jobs:read"] }), "bad_key"),
        (json!({ "name": "k", "tenant": "acme", "scopes": [] }), "bad_key"),
        (json!({ "name": "k", "tenant": "acme", "scopes": ["ops"] }), "bad_key"),
        (json!({ "name": "k", "scopes": ["jobs:write"] }), "bad_key"),
        (
            json!({ "name": "k", "scopes": ["ops"], "expires_at": "2020-01-01T00:00:00Z" }),
            "bad_key",
        ),
        (json!({ "name": "k", "scopes": ["all"] }), "does_not_fit"),
        (json!({ "name": "k", "scopes": ["ops"], "color": 1 }), "does_not_fit"),
    ] {
        fleet.post("/v1/keys", &new).await.problem(422, code);
    }
    fleet.get("/v1/keys/7").await.problem(404, "key_not_found");
    fleet.get("/v1/keys?limit=0").await.problem(400, "bad_parameter");
    assert_eq!(fleet.get("/v1/keys").await.ok()["keys"], json!([]));
    for _ in 0..3 {
        fleet.new_key(None, &["ops"]).await;
    }
    let page = fleet.get("/v1/keys?limit=2").await.ok();
    let rest = fleet.get(&format!("/v1/keys?before={}", page["next"].as_str().unwrap())).await.ok();
    assert_eq!((rest["keys"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_a_little_later() {
    let fleet = Fleet::start_quick().await;
    let (id, secret) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let path = format!("/v1/keys/{id}");
    assert_eq!(fleet.get(&path).await.ok().get("last_used_at"), None);
    let begun = fleet.db.now().await.unwrap();
    fleet.get_by(&secret, "/v1/jobs").await.ok();
    let ended = Instant::now() + DEADLINE;
    loop {
        let key = fleet.get(&path).await.ok();
        if let Some(used) = key.get("last_used_at") {
            let used: Timestamp = serde_json::from_value(used.clone()).unwrap();
            assert!(used >= begun && used <= fleet.db.now().await.unwrap(), "{used}");
            return;
        }
        assert!(Instant::now() < ended, "its use is not noted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
