//! JSON Schemas (2020-12) of what is written in words of its own, and of a job as a client submits it.
//!
//! The others are derived from their types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::ids::{OutputName, PresetName, Region, Tenant, WorkerId};
use crate::limits;
use crate::operation::Operation;
use crate::operation_doc::OperationDoc;
use crate::source::Source;
use crate::spec::JobSpec;
use crate::time::{Span, Timestamp};

/// Types whose schema stands where they are used.
macro_rules! written {
    ($($name:ident: $schema:expr;)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                of_value($schema)
            }
        }
    )*};
}

written! {
    Timestamp: json!({ "type": "string", "format": "date-time" });
    Span: span(None);
    Source: json!({
        "type": "string",
        "pattern": "^(https://.+|s3://[^/]+/.+|upload:.+|file:.+|none)$",
    });
    Region: name(limits::NAME_BYTES_MAX);
    Tenant: name(limits::NAME_BYTES_MAX);
    WorkerId: name(limits::NAME_BYTES_MAX);
    OutputName: name(limits::OUTPUT_NAME_BYTES_MAX);
    PresetName: name(limits::NAME_BYTES_MAX);
}

/// An operation as it is kept: with every parameter, those that are unset as null.
impl JsonSchema for Operation {
    fn schema_name() -> Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Self::docs().iter().map(|doc| doc.name).collect();
        of_value(json!({
            "description": "an output; GET /v1/operations describes the parameters of each operation",
            "type": "object",
            "properties": { "op": { "enum": names } },
            "required": ["op"],
        }))
    }
}

impl JsonSchema for JobSpec {
    fn schema_name() -> Cow<'static, str> {
        "JobSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        of_value(job())
    }
}

fn of_value(value: Value) -> Schema {
    Schema::try_from(value).expect("an object is a schema")
}

fn name(bytes_max: usize) -> Value {
    json!({ "type": "string", "pattern": name_pattern(bytes_max) })
}

fn name_pattern(bytes_max: usize) -> String {
    format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", bytes_max - 1)
}

fn span(what: Option<&str>) -> Value {
    let mut schema = json!({ "type": "string", "examples": ["90s", "10m", "24h"] });
    if let Some(what) = what {
        schema["description"] = what.into();
    }
    schema
}

/// What `POST /v1/jobs` takes. What needs more than a schema to be seen, [`JobSpec::check`] refuses.
pub fn job() -> Value {
    let outputs: Vec<Value> = Operation::docs().iter().map(OperationDoc::json_schema).collect();
    let name = name_pattern(limits::OUTPUT_NAME_BYTES_MAX);
    let region = name_pattern(limits::NAME_BYTES_MAX);
    let span = |what| span(Some(what));
    json!({
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
            "source_sha256": source_sha256(),
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

fn source_sha256() -> Value {
    json!({
        "description": "what the SHA-256 of the source has to be; another file is rejected",
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
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

    use super::*;

    /// Each property is a field of the code, and each field a property.
    #[test]
    fn the_schema_has_the_fields_of_the_code() {
        let full = json!({
            "source": "s3://b/k", "source_sha256": "0".repeat(64), "outputs": { "p": { "op": "media.probe" } }, "region": "here",
            "regions": ["here", "there"], "any_region": true, "hop_after": "5m",
            "start_at": "2026-12-24T18:00:00Z", "timeout": "1m", "deadline": "1h",
            "max_attempts": 1, "idempotency_key": "k", "preset": "pano-share",
            "labels": { "a": "b" },
        });
        let spec: JobSpec = serde_json::from_value(full).unwrap();
        let written = serde_json::to_value(&spec).unwrap();
        let keys =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&job()["properties"]), keys(&written));
    }
}
