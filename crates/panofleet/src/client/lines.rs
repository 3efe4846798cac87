//! Jobs that are written already, one a line.

use anyhow::{Context as _, Result};
use panofleet_job_schema::JobId;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Client, LINES_TIMEOUT};

/// What a line came to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// Which line of the request, from 1.
    pub(crate) line: u64,
    /// As if it had been a request of its own.
    pub(crate) status: u16,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<JobId>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<Value>,
}

impl Verdict {
    /// Why there is no job.
    pub(crate) fn why(&self) -> &str {
        let detail = self.problem.as_ref().and_then(|problem| problem["detail"].as_str());
        detail.unwrap_or("the service does not say why")
    }
}

impl Client {
    /// Submits jobs that are written already, one a line. Lines that are empty have no verdict.
    pub(crate) async fn submit_lines(&self, lines: String) -> Result<Vec<Verdict>> {
        let request = self.request(Method::POST, "/v1/jobs").timeout(LINES_TIMEOUT);
        let request = request.header(CONTENT_TYPE, "application/x-ndjson").body(lines);
        let answer = self.stream(request).await?.text().await.context("the answer broke off")?;
        answer.lines().map(|line| serde_json::from_str(line).context("a verdict")).collect()
    }
}
