//! The documentation of operations as data: `panofleet operations` prints it, and the JSON Schema is made of it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::retouch::REGION_DEG_MAX;
use crate::stitch::{DISTORTION_MAX, FOV_DEG_MAX, FOV_DEG_MIN, LENS_PX_MAX, TURN_DEG_MAX};

/// What `panofleet operations` prints about one operation.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct OperationDoc {
    /// `pano.tiles`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What it writes, file by file.
    pub writes: &'static str,
    /// Its parameters.
    pub parameters: &'static [ParameterDoc],
    /// A complete output, as JSON.
    pub example: &'static str,
}

/// One parameter of an operation.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct ParameterDoc {
    /// Its name, with the unit last.
    pub name: &'static str,
    /// Its type and interval.
    pub kind: ParameterKind,
    /// Its default as JSON; `null` where leaving it out means something of its own.
    pub default: &'static str,
    /// What it does.
    pub summary: &'static str,
}

/// The type and the interval of a parameter.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ParameterKind {
    /// A whole number in an interval, both ends allowed.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Whole numbers, each in an interval, both ends allowed.
    Integers {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// How many there may be.
        count_max: usize,
    },
    /// A number in an interval, both ends allowed.
    Number {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// One of a few words.
    Choice {
        /// The words.
        of: &'static [&'static str],
    },
    /// Some of a few words, at least one, each once.
    Choices {
        /// The words.
        of: &'static [&'static str],
    },
    /// `#rrggbb`.
    Color,
    /// `true` or `false`.
    Switch,
    /// A URL of a folder, without query.
    Url,
    /// Ellipses on the sphere.
    Regions {
        /// How many there may be.
        count_max: usize,
    },
    /// Lenses of a camera.
    Lenses {
        /// How many there may be.
        count_max: usize,
    },
}

/// The parameters of several tables, one after the other; `N` of them.
pub(crate) const fn parameters<const N: usize>(tables: &[&[ParameterDoc]]) -> [ParameterDoc; N] {
    let mut all = [tables[0][0]; N];
    let (mut filled, mut table) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[filled] = tables[table][row];
            (filled, row) = (filled + 1, row + 1);
        }
        table += 1;
    }
    assert!(filled == N, "N is the number of all parameters");
    all
}

impl OperationDoc {
    /// The JSON Schema (2020-12) of an output that asks for this operation.
    pub fn json_schema(&self) -> Value {
        let mut properties = serde_json::Map::new();
        properties.insert("op".into(), json!({ "const": self.name }));
        for parameter in self.parameters {
            properties.insert(parameter.name.into(), parameter.json_schema());
        }
        json!({
            "title": self.name,
            "description": self.summary,
            "type": "object",
            "properties": properties,
            "required": ["op"],
            "additionalProperties": false,
        })
    }
}

fn lens_schema() -> Value {
    let number = |min: f64, max: f64| json!({ "type": "number", "minimum": min, "maximum": max });
    json!({
        "type": "object",
        "properties": {
            "center_x_px": number(1.0, LENS_PX_MAX),
            "center_y_px": number(1.0, LENS_PX_MAX),
            "radius_px": number(1.0, LENS_PX_MAX),
            "fov_deg": number(FOV_DEG_MIN, FOV_DEG_MAX),
            "yaw_deg": number(-TURN_DEG_MAX, TURN_DEG_MAX),
            "pitch_deg": number(-TURN_DEG_MAX, TURN_DEG_MAX),
            "roll_deg": number(-180.0, 180.0),
            "k1": number(-DISTORTION_MAX, DISTORTION_MAX),
            "k2": number(-DISTORTION_MAX, DISTORTION_MAX),
            "k3": number(-DISTORTION_MAX, DISTORTION_MAX),
            "k4": number(-DISTORTION_MAX, DISTORTION_MAX),
        },
        "additionalProperties": false,
    })
}

impl ParameterDoc {
    fn json_schema(&self) -> Value {
        let mut schema = match self.kind {
            ParameterKind::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            ParameterKind::Integers { min, max, count_max } => json!({
                "type": "array",
                "items": { "type": "integer", "minimum": min, "maximum": max },
                "maxItems": count_max,
            }),
            ParameterKind::Number { min, max } => {
                json!({ "type": "number", "minimum": min, "maximum": max })
            }
            ParameterKind::Choice { of } => json!({ "enum": of }),
            ParameterKind::Choices { of } => json!({
                "type": "array",
                "items": { "enum": of },
                "minItems": 1,
                "uniqueItems": true,
            }),
            ParameterKind::Switch => json!({ "type": "boolean" }),
            ParameterKind::Url => {
                json!({ "type": "string", "format": "uri", "pattern": "^https?://[^/?#][^?#]*$" })
            }
            ParameterKind::Regions { count_max } => json!({
                "type": "array",
                "maxItems": count_max,
                "items": {
                    "type": "object",
                    "properties": {
                        "yaw_deg": { "type": "number", "minimum": -360, "maximum": 360 },
                        "pitch_deg": { "type": "number", "minimum": -90, "maximum": 90 },
                        "width_deg": { "type": "number", "minimum": 0.1, "maximum": REGION_DEG_MAX },
                        "height_deg": { "type": "number", "minimum": 0.1, "maximum": REGION_DEG_MAX },
                    },
                    "required": ["yaw_deg", "pitch_deg", "width_deg", "height_deg"],
                    "additionalProperties": false,
                },
            }),
            ParameterKind::Lenses { count_max } => {
                json!({ "type": "array", "maxItems": count_max, "items": lens_schema() })
            }
            ParameterKind::Color => json!({ "type": "string", "pattern": "^#[0-9a-f]{6}$" }),
        };
        let default: Value = serde_json::from_str(self.default).unwrap_or(Value::Null);
        if default.is_null() {
            // Who says null leaves it out.
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("description".into(), json!(self.summary));
            if !default.is_null() {
                fields.insert("default".into(), default);
            }
        }
        schema
    }
}
