//! Sign-in at a real provider of identities, in a real browser: `oidc-provider`, which the OpenID Foundation has certified.

use std::process::Command;

use panofleet_test_servers::free_ports;
use panofleet_tests::fleet::{ADMIN_KEY, Fleet, Kind};
use panofleet_tests::root;
use serde_json::{Value, json};

const SECRET: &str = "a-secret-between-the-two-of-them";

/// The browser goes to the provider and back, sees the page that it wanted at once, and is somebody until it signs out.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
async fn a_person_signs_in_with_a_browser() {
    let [port, own] = free_ports();
    let url = format!("http://127.0.0.1:{own}");
    let issuer = format!("http://localhost:{port}");
    let settings = [
        "api.auth=keys".to_owned(),
        format!("api.admin_key={ADMIN_KEY}"),
        format!("api.public_url={url}"),
        format!("api.oidc.issuer={issuer}"),
        "api.oidc.client_id=panofleet".to_owned(),
        format!("api.oidc.client_secret={SECRET}"),
        "api.oidc.title=Example".to_owned(),
        "api.oidc.sign_out=true".to_owned(),
        "api.oidc.grants=[{ who = { group = \"acme\" }, tenant = \"acme\", scopes = [\"jobs:write\"] }]"
            .to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let fleet = Fleet::start(Kind::OneProcess, &settings).await;
    let mut browser = Command::new("node");
    browser.arg(root().join("tests/browser/oidc.mjs"));
    browser.args([&url, &fleet.apis[0].url, &port.to_string(), SECRET]);
    let output = tokio::task::spawn_blocking(move || browser.output()).await.unwrap();
    let output = output.expect("node is there; ./dev test brings it, the browser and the provider");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let seen: Value = serde_json::from_str(&said).unwrap_or_else(|_| {
        panic!("it said: {said}{}", String::from_utf8_lossy(&output.stderr));
    });
    assert_eq!(seen["errors"], json!([]), "{seen}");
    assert_eq!(seen["who"], "acme@example.com · acme Sign out");
    assert_eq!(
        seen["cookies"],
        json!([{ "name": "panofleet_session", "httpOnly": true, "sameSite": "Strict" }])
    );
    assert_eq!(seen["scripts"], "");
    let actor = json!({
        "kind": "person", "issuer": issuer, "subject": "acme", "name": "acme@example.com",
    });
    assert_eq!((&seen["whoami"]["actor"], &seen["whoami"]["tenant"]), (&actor, &json!("acme")));
    assert_eq!(seen["after"], "/sign-in");
    assert_eq!(seen["asks_again"], 1, "the provider's session has ended too");
    let of = |name: &str| seen[name].as_str().unwrap();
    assert!(of("refused").contains("the claim `groups` has: nobody"), "{}", of("refused"));
    assert!(of("denied").contains("access_denied"), "{}", of("denied"));
    assert!(!fleet.log("up").contains(SECRET), "a secret is in the log");
}
