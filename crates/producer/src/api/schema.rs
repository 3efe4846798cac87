//! `GET /v1/operations`, `/v1/presets` and `/v1/schema/job`: what may be asked for, for people and for validators.

use axum::Json;
use panofleet_job_schema::operation::{Operation, OperationDoc};
use panofleet_job_schema::preset::{Preset, Presets};
use panofleet_job_schema::schemas;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::auth::granted::Granted;

/// The operations that there are.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Operations {
    operations: &'static [OperationDoc],
}

/// Every operation with its parameters.
pub(super) async fn operations() -> Json<Operations> {
    Json(Operations { operations: Operation::docs() })
}

/// The presets that there are.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct PresetList {
    /// By name.
    pub presets: Presets,
}

/// Every preset with its outputs.
pub(super) async fn presets(api: Granted) -> Json<PresetList> {
    Json(PresetList { presets: Preset::all(&api.config.presets) })
}

/// The JSON Schema (2020-12) of what `POST /v1/jobs` takes.
pub(super) async fn job() -> Json<Value> {
    let mut schema = schemas::job();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    Json(schema)
}
