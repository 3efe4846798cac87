//! `GET /v1/operations`, `/v1/presets` and `/v1/schema/job`: what may be asked for, for people and for validators.

use axum::Json;
use panofleet_job_schema::limits;
use panofleet_job_schema::operation::{Operation, OperationDoc};
use panofleet_job_schema::preset::{Preset, Presets};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::auth::granted::Granted;

/// The operations that there are.
#[derive(Debug, Serialize)]
pub(super) struct Operations {
    operations: &'static [OperationDoc],
}

/// Every operation with its parameters.
pub(super) async fn operations() -> Json<Operations> {
    Json(Operations { operations: Operation::docs() })
}

/// The presets that there are.
#[derive(Debug, Serialize, Deserialize)]
pub struct PresetList {
    /// By name.
    pub presets: Presets,
}

/// Every preset with its outputs.
pub(super) async fn presets(api: Granted) -> Json<PresetList> {
    Json(PresetList { presets: Preset::all(&api.config.presets) })
}

/// The JSON Schema of what `POST /v1/jobs` takes.
pub(super) async fn job() -> Json<Value> {
    Json(job_schema())
}

/// JSON Schema 2020-12. What needs more than a schema to be seen, [`panofleet_job_schema::JobSpec::check`]
/// refuses.
fn job_schema() -> Value {
    let outputs: Vec<Value> = Operation::docs().iter().map(OperationDoc::json_schema).collect();
    let name = format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", limits::OUTPUT_NAME_BYTES_MAX - 1);
    let region = format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", limits::NAME_BYTES_MAX - 1);
    let span = |what: &str| json!({ "type": "string", "description": what, "examples": ["90s", "10m", "24h"] });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Panofleet job, version 1",
        "type": "object",
        "required": ["source"],
        "anyOf": [{ "required": ["outputs"] }, { "required": ["preset"] }],
        "additionalProperties": false,
        "properties": {
            "source": {
                "description": "where the input lies",
                "type": "string",
                "pattern": "^(https://.+|s3://[^/]+/.+|upload:.+|none)$",
                "maxLength": limits::SOURCE_BYTES_MAX,
            },
            "outputs": {
                "description": "what to make of it, by your own names",
                "type": "object",
                "minProperties": 1,
                "maxProperties": limits::OUTPUTS_MAX,
                "propertyNames": { "pattern": name },
                "additionalProperties": { "oneOf": outputs },
            },
            "preset": {
                "description": "a named set of outputs beside those: GET /v1/presets",
                "type": "string",
                "pattern": region,
            },
            "region": {
                "description": "where to run; without it, where the source lies",
                "type": "string",
                "pattern": region,
            },
            "regions": regions(&region),
            "any_region": {
                "description": "in place of regions: all that there are, the one where the source lies first",
                "type": "boolean",
                "default": false,
            },
            "hop_after": span("how long it waits in a region before it goes on to the next; without it, 5 min"),
            "priority": {
                "description": "which band of the queue it waits in",
                "enum": ["high", "normal", "low"],
                "default": "normal",
            },
            "start_at": {
                "description": "when it may start at the earliest, at most 30 days ahead; its deadline counts from then",
                "type": "string",
                "format": "date-time",
            },
            "timeout": span("longest run of one attempt; without it, the lane's default"),
            "deadline": span("longest time until the job is finished, all attempts together"),
            "max_attempts": {
                "description": "failed attempts before the job is dead",
                "type": "integer",
                "minimum": 1,
                "maximum": limits::ATTEMPTS_MAX,
            },
            "idempotency_key": {
                "description": "a second submit with the same key is the same job",
                "type": "string",
                "minLength": 1,
                "maxLength": limits::IDEMPOTENCY_KEY_BYTES_MAX,
            },
            "labels": labels(),
        },
    })
}

fn regions(name: &str) -> Value {
    json!({
        "description": "in place of region: those that it may run in, the preferred one first",
        "type": "array",
        "items": { "type": "string", "pattern": name },
        "uniqueItems": true,
        "maxItems": limits::REGIONS_MAX,
    })
}

fn labels() -> Value {
    json!({
        "description": "your own words, to find jobs by",
        "type": "object",
        "maxProperties": limits::LABELS_MAX,
        "propertyNames": { "minLength": 1, "maxLength": limits::LABEL_KEY_BYTES_MAX },
        "additionalProperties": {
            "type": "string", "minLength": 1, "maxLength": limits::LABEL_VALUE_BYTES_MAX,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use panofleet_job_schema::JobSpec;

    use super::*;

    /// Each property is a field of the code, and each field a property, but for what is not built yet.
    #[test]
    fn the_schema_has_the_fields_of_the_code() {
        let full = json!({
            "source": "s3://b/k", "outputs": { "p": { "op": "media.probe" } }, "region": "here",
            "regions": ["here", "there"], "any_region": true, "hop_after": "5m",
            "start_at": "2026-12-24T18:00:00Z", "timeout": "1m", "deadline": "1h",
            "max_attempts": 1, "idempotency_key": "k", "preset": "pano-share",
            "labels": { "a": "b" },
        });
        let spec: JobSpec = serde_json::from_value(full).unwrap();
        let written = serde_json::to_value(&spec).unwrap();
        let keys =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&job_schema()["properties"]), keys(&written));
    }
}
