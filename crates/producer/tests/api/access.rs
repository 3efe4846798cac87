//! Every route, by somebody without a key and by holders of each kind of key.

use panofleet_jobs_db::Scope;
use panofleet_producer::api::{self, Need, Row};
use serde_json::json;

use crate::harness::{Answer, Fleet};

/// A path with something in its variable parts that there is not.
fn somewhere(row: &Row) -> String {
    let parts = row.path.split('/').map(|part| match part {
        "{kind}" => "tenant",
        "{name}" | "{worker}" => "nobody",
        "{output}" | "{*path}" | "{file}" => "nothing",
        part if part.starts_with('{') => "01890a5d-ac96-774b-bcce-b302099a8057",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn is_page(row: &Row) -> bool {
    let is_of_programs =
        row.path.starts_with("/v1/") || row.path.starts_with("/o/") || row.path == "/metrics";
    !is_of_programs && row.method == reqwest::Method::GET
}

async fn call(fleet: &Fleet, key: Option<&str>, row: &Row) -> Answer {
    let path = somewhere(row);
    let body = json!({});
    let body = Some(&body).filter(|_| row.method != reqwest::Method::GET);
    fleet.by(key, (row.method.clone(), &path), body).await
}

#[tokio::test]
async fn every_route_asks_for_a_key_but_those_that_tell_nothing() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let rows = api::table();
    assert!(rows.len() > 50, "{}", rows.len());
    let mut told = Vec::new();
    for row in &rows {
        let answer = call(&fleet, None, row).await;
        match row.need {
            Need::Nothing => {
                assert_ne!(answer.status, 401, "{} {}", row.method, row.path);
                told.push(format!("{} {}", row.method, row.path));
            }
            _ if is_page(row) => {
                assert_eq!(answer.status, 303, "{}", row.path);
                let to = answer.header("location").unwrap();
                assert!(to.starts_with("/sign-in?next=%2F"), "{to}");
            }
            _ => {
                let said = answer.problem(401, "key_missing");
                assert!(said.contains("Authorization: Bearer"), "{said}");
                let asks = answer.header("www-authenticate").unwrap();
                assert_eq!(asks, "Bearer realm=\"panofleet\"", "{}", row.path);
            }
        }
        for wrong in ["hunter2", &format!("pf_{}_{}", "0".repeat(32), "0".repeat(64))] {
            if row.need != Need::Nothing && !is_page(row) {
                let answer = call(&fleet, Some(wrong), row).await;
                answer.problem(401, "key_unknown");
                assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
            }
        }
    }
    // Whoever adds a line here has thought about it.
    let expected = [
        "GET /v1/operations",
        "GET /v1/openapi.json",
        "GET /v1/schema/job",
        "GET /healthz",
        "GET /readyz",
        "GET /api",
        "GET /language/{code}",
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in/oidc",
        "GET /sign-in/oidc/back",
        "POST /sign-out",
        "GET /pages/{file}",
        "GET /viewer/{file}",
    ];
    assert_eq!(told, expected);
}

/// Which of these keys may call what needs one of these scopes, in the words of docs/keys.md.
fn may(holder: &str, scopes: &[Scope]) -> bool {
    let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    let allowed: &[&str] = match names.as_slice() {
        ["jobs:read"] => &["reader", "writer", "tenant's admin", "operator", "admin"],
        ["jobs:write"] => &["writer", "tenant's admin", "admin"],
        ["ops"] => &["operator", "admin"],
        ["scale"] => &["autoscaler", "operator", "admin"],
        ["admin"] => &["tenant's admin", "admin"],
        ["ops", "admin"] => &["tenant's admin", "operator", "admin"],
        other => panic!("{other:?}"),
    };
    allowed.contains(&holder)
}

#[tokio::test]
async fn every_route_refuses_each_scope_that_is_not_enough_and_names_the_missing_one() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let holders = [
        ("reader", fleet.new_key(Some("acme"), &["jobs:read"]).await.1),
        ("writer", fleet.new_key(Some("acme"), &["jobs:write"]).await.1),
        ("tenant's admin", fleet.new_key(Some("acme"), &["admin"]).await.1),
        ("operator", fleet.new_key(None, &["ops"]).await.1),
        ("autoscaler", fleet.new_key(None, &["scale"]).await.1),
        ("admin", fleet.new_key(None, &["admin"]).await.1),
    ];
    let (mut allowed, mut refused) = (0, 0);
    for row in &api::table() {
        let Need::OneOf(scopes) = row.need else { continue };
        for (holder, key) in &holders {
            let answer = call(&fleet, Some(key), row).await;
            let (route, text) = (format!("{holder}: {} {}", row.method, row.path), answer.text());
            if may(holder, scopes) {
                allowed += 1;
                let is_problem = answer.header("content-type") == Some("application/problem+json");
                let code =
                    if is_problem { answer.json()["code"].to_string() } else { String::new() };
                assert!(code != "\"missing_scope\"" && answer.status != 401, "{route}: {text}");
                assert!(!answer.status.is_server_error(), "{route}: {text}");
                assert!(answer.status != 405 && code != "\"no_such_route\"", "{route}: {text}");
            } else if is_page(row) {
                let is_of_jobs = *scopes == [Scope::JobsRead];
                assert!(
                    !is_of_jobs || *holder == "autoscaler",
                    "{route}: everybody else may see it"
                );
                assert_eq!(answer.status, 403, "{route}");
            } else {
                refused += 1;
                let said = answer.problem(403, "missing_scope");
                assert!(scopes.iter().all(|scope| said.contains(scope.name())), "{route}: {said}");
            }
        }
    }
    assert!(allowed > 100 && refused > 60, "{allowed}, {refused}");
}

#[tokio::test]
async fn an_open_api_asks_nobody() {
    let fleet = Fleet::start().await;
    for row in &api::table() {
        let answer = call(&fleet, None, row).await;
        let at = format!("{} {}", row.method, row.path);
        assert!(![401, 403].contains(&answer.status.as_u16()) || row.path.contains("sign"), "{at}");
    }
    let who = fleet.get("/v1/whoami").await.ok();
    assert_eq!((&who["auth"], &who["actor"]), (&json!("open"), &json!({ "kind": "open" })));
    assert_eq!(who["tenant"], "default");
    // A key that is sent all the same is not looked at.
    fleet.get_by("hunter2", "/v1/jobs").await.ok();
    // It is about its own tenant and no other.
    let request =
        fleet.request(reqwest::Method::GET, "/v1/jobs").header("panofleet-tenant", "acme");
    Answer::of(request.send().await.unwrap()).await.problem(403, "wrong_tenant");
}
