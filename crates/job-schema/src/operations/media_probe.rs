//! `media.probe`: what the source is.

use serde::{Deserialize, Serialize};

use crate::operation_doc::OperationDoc;

/// Writes what the probe found as `probe.json`; the manifest carries the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaProbe {}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "media.probe",
    summary: "says what the source is: container, size, colour, orientation, tracks, panorama metadata",
    writes: "probe.json",
    parameters: &[],
    example: r#"{"op": "media.probe"}"#,
};
