//! The settings of webhooks.

use panofleet_job_schema::Span;
use panofleet_service::egress::Network;
use serde::{Deserialize, Serialize};

/// How webhooks are told.
///
/// ```toml
/// networks = ["10.1.0.0/16"]     # receivers inside
/// timeout = "15s"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// Private networks that receivers may lie in all the same, such as `10.1.0.0/16`. An address in one of them, written
    /// as an address, may also have any port and plain http. Default: none.
    pub networks: Vec<Network>,
    /// Longest time that a receiver may take for its answer. Default 15 s.
    pub timeout: Span,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self { networks: Vec::new(), timeout: Span::from_secs(15) }
    }
}
