//! Every answer that a test gets is held to the API's document: what a route says it answers, it answers.

use std::sync::LazyLock;

use jsonschema::Validator;
use panofleet_producer::api;
use serde_json::{Value, json};

use crate::harness::Fleet;

/// What a path may answer with success.
struct Told {
    path: &'static str,
    answers: Vec<(String, Validator)>,
}

static TOLD: LazyLock<Vec<Told>> = LazyLock::new(|| {
    let paths = api::document()["paths"].as_object().unwrap();
    paths.iter().map(|(path, methods)| Told { path, answers: answers(methods) }).collect()
});

fn answers(methods: &Value) -> Vec<(String, Validator)> {
    let mut found = Vec::new();
    for (method, operation) in methods.as_object().unwrap() {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let schema = &answer["content"]["application/json"]["schema"];
            if !schema.is_null() {
                let components = &api::document()["components"];
                let root = json!({ "allOf": [schema], "components": components });
                let validator = jsonschema::validator_for(&root).unwrap();
                found.push((format!("{method} {status}"), validator));
            }
        }
    }
    found
}

/// How many parts of a path are the template's own words; `None` if it is another path.
fn fits(template: &str, path: &str) -> Option<usize> {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let same = template.len() == path.len();
    let pairs = || template.iter().zip(&path);
    let all = pairs().all(|(template, part)| template.starts_with('{') || template == part);
    (same && all).then(|| pairs().filter(|(template, part)| template == part).count())
}

/// Checks a JSON answer of success: one of the path's methods has to say that it answers such.
pub(crate) fn check(path: &str, body: &[u8]) {
    let told = TOLD.iter().filter_map(|told| Some((fits(told.path, path)?, told)));
    let Some((_, told)) = told.max_by_key(|(own, _)| *own) else { return };
    let value: Value = serde_json::from_slice(body).unwrap();
    let wrong: Vec<String> = (told.answers.iter())
        .filter_map(|(of, validator)| {
            let errors: Vec<_> =
                validator.iter_errors(&value).map(|error| error.to_string()).collect();
            (!errors.is_empty()).then(|| format!("{of}: {}", errors.join("; ")))
        })
        .collect();
    assert!(
        wrong.len() < told.answers.len(),
        "{path} answers other than it says: {wrong:#?}\n{value:#}"
    );
}

#[tokio::test]
async fn the_document_is_served_to_anybody_and_so_is_its_page() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let document = fleet.by(None, (reqwest::Method::GET, "/v1/openapi.json"), None).await.ok();
    assert_eq!(&document, api::document());
    assert_eq!(document["openapi"], "3.1.0");
    let page = fleet.by(None, (reqwest::Method::GET, "/api"), None).await.text();
    for words in ["/v1/jobs/{id}/cancel", "id=\"JobView\"", "scope jobs:write", "failed_within"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn an_answer_of_another_kind_is_noticed() {
    check("/v1/counts", br#"{ "states": { "queued": 1 }, "total": 1 }"#);
    let other = std::panic::catch_unwind(|| check("/v1/counts", br#"{ "states": 7, "total": 1 }"#));
    assert!(other.is_err());
}
