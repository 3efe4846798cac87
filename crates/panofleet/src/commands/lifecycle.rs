//! `panofleet lifecycle`: what the object store itself should remove, as a net for what nobody sweeps.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use panofleet_job_schema::limits;
use panofleet_producer::dispatcher::{Keep, RetentionConfig};
use serde_json::{Value, json};

use super::Shared;
use crate::terminal::say;

/// Days after which an upload in parts that nobody went on with is dropped.
const INCOMPLETE_DAYS: u64 = 8;
/// Days that the net leaves the dispatcher to remove things itself.
const SLACK_DAYS: u64 = 8;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Print an S3 lifecycle configuration that fits the retention
#[derive(Debug, Args)]
#[command(
    after_help = "Give it to the store: panofleet lifecycle >lifecycle.json; aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration file://lifecycle.json"
)]
pub(crate) struct Lifecycle {}

impl Lifecycle {
    pub(crate) fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let rules = rules(&shared.load()?.config.retention);
        say(serde_json::to_string_pretty(&json!({ "Rules": rules }))?);
        Ok(ExitCode::SUCCESS)
    }
}

fn rules(retention: &RetentionConfig) -> Vec<Value> {
    let mut rules = vec![json!({
        "ID": "panofleet-incomplete-uploads",
        "Status": "Enabled",
        "Filter": { "Prefix": "" },
        "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": INCOMPLETE_DAYS },
    })];
    // Outputs that are kept for ever lie among what should go, and no prefix tells them apart.
    if let Keep::For(span) = retention.longest() {
        let life = Duration::from_secs(limits::START_AHEAD_S_MAX + limits::DEADLINE_S.end());
        let days = (span.0 + life).as_secs().div_ceil(DAY.as_secs()) + SLACK_DAYS;
        rules.push(json!({
            "ID": "panofleet-older-than-any-retention",
            "Status": "Enabled",
            "Filter": { "Prefix": "" },
            "Expiration": { "Days": days },
        }));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_ever_never_expires() {
        let forever = RetentionConfig::default();
        assert_eq!(rules(&forever).len(), 1);
        let finite = RetentionConfig { succeeded: "90d".parse().unwrap(), ..forever };
        let rules = rules(&finite);
        // 90 d of retention after at most 30 d of waiting and 14 d of work, and room.
        assert_eq!(rules[1]["Expiration"]["Days"], 90 + 30 + 14 + SLACK_DAYS);
    }
}
