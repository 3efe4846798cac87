//! `fleet.noop`: nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shared;
use crate::operation_doc::{OperationDoc, ParameterDoc, ParameterKind};

/// Reads nothing and makes nothing: a worker takes the job, waits, and reports success. It shows that a queue is
/// served and that results come back, and what the way costs.
///
/// It runs in the worker, without a child. A job of it has no manifest: the first `Succeeded` that is applied is its
/// result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetNoop {
    /// How long it runs, in milliseconds, 0 to 600,000.
    pub run_ms: u32,
}

impl FleetNoop {
    /// How long it runs.
    pub const fn run_time(&self) -> Duration {
        Duration::from_millis(self.run_ms as u64)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_integer("run_ms", self.run_ms, 0, 600_000)
    }
}

pub(crate) const DOC: OperationDoc = OperationDoc {
    name: "fleet.noop",
    summary: "does nothing, with `none` as the source: shows that workers take jobs and that results come back",
    writes: "nothing; it is its job's only output",
    parameters: &[ParameterDoc {
        name: "run_ms",
        kind: ParameterKind::Integer { min: 0, max: 600_000 },
        default: "0",
        summary: "how long it runs",
    }],
    example: r#"{"op": "fleet.noop", "run_ms": 500}"#,
};
