//! `GET /v1/openapi.json`: the API, told by its own table of routes (OpenAPI 3.1).
//!
//! What a route takes and answers is read off its handler's types, so it cannot say anything else than the code does.

use std::sync::LazyLock;

use axum::Json;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::auth::Need;
use super::error::Problem;
use super::routes::{Row, Told, table};

/// Where the document keeps schemas that have names.
const COMPONENTS: &str = "/components/schemas";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&table()));

/// The document.
pub(super) async fn openapi() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

/// The document (OpenAPI 3.1).
pub fn shared() -> &'static Value {
    &DOCUMENT
}

fn document(rows: &[Row]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = COMPONENTS.into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for row in rows {
        if let Some(told) = &row.told {
            let path = row.path.replace("{*", "{");
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            methods[row.method.as_str().to_lowercase()] = operation(row, told, &mut generator);
        }
    }
    let refused = json!({
        "description": "Refused: `code` is for programs, `detail` says what to do (RFC 9457).",
        "content": { "application/problem+json": { "schema": problem } },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Panofleet",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Panoramas and 360° video, made into what viewers open.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": { "Refused": refused },
            "parameters": {
                "Tenant": {
                    "name": "Panofleet-Tenant",
                    "in": "header",
                    "description": "Whose jobs it is about, where the key is for all tenants.",
                    "schema": generator.subschema_for::<panofleet_job_schema::Tenant>(),
                },
            },
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key: `panofleet keys create`." },
            },
        },
    })
}

fn operation(row: &Row, told: &Told, generator: &mut SchemaGenerator) -> Value {
    let shape = &told.shape;
    let mut parameters = path_parameters(row.path);
    parameters
        .extend(shape.query.into_iter().flat_map(|query| query_parameters(&query(generator))));
    if row.need != Need::Nothing {
        parameters.push(json!({ "$ref": "#/components/parameters/Tenant" }));
    }
    let mut answer = json!({ "description": "Done." });
    if let Some(schema) = shape.answer {
        answer["content"] = json!({ "application/json": { "schema": schema(generator) } });
    } else if let Some(media_type) = shape.media_type {
        answer["content"] = json!({ media_type: {} });
    }
    let mut operation = json!({
        "operationId": operation_id(row),
        "summary": told.summary,
        "tags": [row.path.split('/').nth(2).unwrap_or_default()],
        "parameters": parameters,
        "responses": {
            shape.status.unwrap_or("2XX"): answer,
            "default": { "$ref": "#/components/responses/Refused" },
        },
        "security": security(row.need),
    });
    if let Some(body) = shape.body {
        operation["requestBody"] = json!({
            "required": !shape.may_be_empty,
            "content": { "application/json": { "schema": body(generator) } },
        });
    }
    operation
}

/// `get_v1_jobs_id`.
fn operation_id(row: &Row) -> String {
    let words = row.path.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{}_{}", row.method.as_str().to_lowercase(), words.join("_"))
}

/// Nobody, or whoever has a key with one of these scopes. Bearer schemes have no scopes of their own; 3.1 lets them name
/// what they need.
fn security(need: Need) -> Value {
    match need {
        Need::Nothing => json!([]),
        Need::AnyKey => json!([{ "key": [] }]),
        Need::OneOf(scopes) => {
            scopes.iter().map(|scope| json!({ "key": [scope.name()] })).collect()
        }
    }
}

fn path_parameters(path: &str) -> Vec<Value> {
    let variable = |part: &str| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        let name = name.trim_start_matches('*');
        Some(json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
        }))
    };
    path.split('/').filter_map(variable).collect()
}

/// The properties of an object, each a parameter.
fn query_parameters(object: &Schema) -> Vec<Value> {
    let Some(Value::Object(properties)) = object.get("properties").cloned() else {
        return Vec::new();
    };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({
            "name": name, "in": "query", "description": description.unwrap_or_default(),
            "schema": schema,
        })
    };
    properties.into_iter().map(parameter).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every value in the document, with the values inside it.
    fn walk<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
        visit(value);
        match value {
            Value::Object(fields) => fields.values().for_each(|value| walk(value, visit)),
            Value::Array(items) => items.iter().for_each(|value| walk(value, visit)),
            _ => {}
        }
    }

    #[test]
    fn every_route_of_the_api_is_told_and_every_reference_leads_somewhere() {
        let document = shared();
        let mut ids = BTreeSet::new();
        for row in table().iter().filter(|row| row.path.starts_with("/v1/")) {
            let path = row.path.replace("{*", "{");
            let told = &document["paths"][&path][row.method.as_str().to_lowercase()];
            let summary = told["summary"].as_str().unwrap_or_else(|| panic!("{path} is not told"));
            assert!(!summary.is_empty() && !summary.ends_with('.'), "{path}: {summary}");
            assert!(ids.insert(told["operationId"].as_str().unwrap()), "{path}: {told}");
            let answers = &told["responses"];
            let said = ["200", "201", "202", "2XX"].iter().any(|status| {
                answers[status]["content"].as_object().is_some_and(|content| !content.is_empty())
            });
            assert!(said, "{path}: what it answers is not told: {answers}");
            for variable in path.split('/').filter(|part| part.starts_with('{')) {
                let name = variable.trim_matches(['{', '}']);
                let named = |parameter: &Value| parameter["name"] == name;
                assert!(told["parameters"].as_array().unwrap().iter().any(named), "{path}");
            }
        }
        walk(document, &mut |value| {
            if let Some(Value::String(reference)) = value.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
        });
    }

    #[test]
    fn a_route_says_what_it_takes_and_who_may_call_it() {
        let paths = &shared()["paths"];
        let submit = &paths["/v1/jobs"]["post"];
        let body = &submit["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body, &json!({ "$ref": "#/components/schemas/JobSpec" }));
        assert_eq!(submit["security"], json!([{ "key": ["jobs:write"] }]));
        // Read off the handler: what it takes, and what it makes.
        let hook = &paths["/v1/webhooks"]["post"];
        let json = |of: &Value| of["content"]["application/json"]["schema"]["$ref"].clone();
        assert_eq!(json(&hook["requestBody"]), "#/components/schemas/NewWebhook");
        assert_eq!(json(&hook["responses"]["201"]), "#/components/schemas/MadeWebhook");
        let list = paths["/v1/jobs"]["get"]["parameters"].as_array().unwrap();
        let state = list.iter().find(|parameter| parameter["name"] == "state").unwrap();
        assert_eq!(
            (&state["in"], &state["description"]),
            (&json!("query"), &json!("States, with commas between them."))
        );
        assert_eq!(paths["/healthz"]["get"]["security"], json!([]));
    }
}
