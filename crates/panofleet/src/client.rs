//! The HTTP API, from the client's side.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::StreamExt as _;
use panofleet_job_schema::manifest::Manifest;
use panofleet_job_schema::{JobId, JobSpec, OutputName, Rerun, Secret, Span, Tenant};
use panofleet_jobs_db::{HistoryEntry, Pause, PauseTarget, Schedule};
use panofleet_producer::api::{
    BulkCount, BulkRequest, BulkView, DrainView, FailureList, JobChange, JobView, LetterList,
    LetterView, PresetList, ScaleView, WorkerView,
};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

mod deletions;
pub(crate) mod events;
mod keys;
pub(crate) mod lines;
mod questions;
pub(crate) mod uploads;
mod views;
mod webhooks;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer that does not wait for anything itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that one file of a result may take.
const FILE_TIMEOUT: Duration = Duration::from_secs(3600);
/// Longest time that many jobs may take to be accepted.
const LINES_TIMEOUT: Duration = Duration::from_secs(120);

/// A client of one service.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
}

/// Who the client is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials {
    /// An API key.
    pub(crate) key: Option<Secret>,
    /// Whose things it is about, if the key is for all tenants.
    pub(crate) tenant: Option<Tenant>,
}

/// A page of jobs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobPage {
    /// The jobs, newest first.
    pub(crate) jobs: Vec<JobView>,
    /// What to pass as `before` for the next page.
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// What the service says when it refuses (RFC 9457).
#[derive(Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    code: String,
}

impl Client {
    pub(crate) fn new(url: &str, credentials: Credentials) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("the API's address `{url}` must begin with http:// or https://");
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("panofleet/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("the HTTP client cannot start")?;
        Ok(Self { http, url, credentials })
    }

    /// The same client, for no tenant in particular.
    pub(crate) fn without_tenant(self) -> Self {
        Self { credentials: Credentials { tenant: None, ..self.credentials }, ..self }
    }

    /// The service's address, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A link of the service as a full address.
    pub(crate) fn link(&self, link: &str) -> String {
        if link.starts_with('/') { format!("{}{link}", self.url) } else { link.to_owned() }
    }

    pub(crate) async fn ready(&self) -> Result<()> {
        let answer = self.send(self.request(Method::GET, "/readyz")).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        let reasons = answer.text().await.unwrap_or_default();
        Err(anyhow!("{reasons}"))
    }

    pub(crate) async fn submit(&self, spec: &JobSpec) -> Result<JobView> {
        self.ask(self.request(Method::POST, "/v1/jobs").json(spec)).await
    }

    pub(crate) async fn job(&self, id: JobId) -> Result<JobView> {
        self.ask(self.request(Method::GET, &format!("/v1/jobs/{id}"))).await
    }

    /// The job as soon as it differs from `version` or has ended, or after `seconds`.
    pub(crate) async fn wait(
        &self,
        id: JobId,
        version: Option<u64>,
        seconds: u64,
    ) -> Result<JobView> {
        let mut path = format!("/v1/jobs/{id}/wait?seconds={seconds}");
        if let Some(version) = version {
            path.push_str(&format!("&version={version}"));
        }
        let longest = ANSWER_TIMEOUT + Duration::from_secs(seconds);
        self.ask(self.request(Method::GET, &path).timeout(longest)).await
    }

    pub(crate) async fn jobs(&self, query: &[(&str, String)]) -> Result<JobPage> {
        self.ask(self.request(Method::GET, "/v1/jobs").query(query)).await
    }

    pub(crate) async fn history(&self, id: JobId) -> Result<Vec<HistoryEntry>> {
        #[derive(Deserialize)]
        struct Answer {
            entries: Vec<HistoryEntry>,
        }
        let request = self.request(Method::GET, &format!("/v1/jobs/{id}/history"));
        Ok(self.ask::<Answer>(request).await?.entries)
    }

    /// Writes a file of a result to `path`, and gives its SHA-256. `moved` hears of each piece.
    pub(crate) async fn file(
        &self,
        id: JobId,
        (output, file): (&OutputName, &str),
        path: &Path,
        moved: impl Fn(u64),
    ) -> Result<String> {
        // Of this, the path is taken, with its escapes.
        let mut url = reqwest::Url::parse("http://any")?;
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.extend(["o", &id.to_string(), output.as_str()]).extend(file.split('/'));
        }
        let answer = self.send(self.request(Method::GET, url.path()).timeout(FILE_TIMEOUT)).await?;
        let answer = answer.error_for_status().with_context(|| format!("cannot get {file}"))?;
        let shown = path.display();
        let mut to =
            tokio::fs::File::create(path).await.with_context(|| format!("cannot write {shown}"))?;
        let mut digest = Sha256::new();
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.with_context(|| format!("{file} broke off"))?;
            to.write_all(&piece).await.with_context(|| format!("cannot write {shown}"))?;
            digest.update(&piece);
            moved(piece.len() as u64);
        }
        to.flush().await.with_context(|| format!("cannot write {shown}"))?;
        Ok(hex::encode(digest.finalize()))
    }

    pub(crate) async fn manifest(&self, id: JobId) -> Result<Manifest> {
        self.ask(self.request(Method::GET, &format!("/v1/jobs/{id}/manifest"))).await
    }

    pub(crate) async fn cancel(&self, id: JobId) -> Result<JobView> {
        self.ask(self.request(Method::POST, &format!("/v1/jobs/{id}/cancel"))).await
    }

    pub(crate) async fn release(&self, id: JobId) -> Result<JobView> {
        self.ask(self.request(Method::POST, &format!("/v1/jobs/{id}/release"))).await
    }

    pub(crate) async fn change(&self, id: JobId, change: &JobChange) -> Result<JobView> {
        self.ask(self.request(Method::PATCH, &format!("/v1/jobs/{id}")).json(change)).await
    }

    pub(crate) async fn retry(&self, id: JobId, changes: &Rerun) -> Result<JobView> {
        self.ask(self.request(Method::POST, &format!("/v1/jobs/{id}/retry")).json(changes)).await
    }

    pub(crate) async fn presets(&self) -> Result<PresetList> {
        self.ask(self.request(Method::GET, "/v1/presets")).await
    }

    pub(crate) async fn failures(&self, query: &[(&str, String)]) -> Result<FailureList> {
        self.ask(self.request(Method::GET, "/v1/failures").query(query)).await
    }

    /// A dry run.
    pub(crate) async fn count_bulk(&self, request: &BulkRequest) -> Result<BulkCount> {
        self.ask(self.request(Method::POST, "/v1/bulk").json(request)).await
    }

    pub(crate) async fn begin_bulk(&self, request: &BulkRequest) -> Result<BulkView> {
        self.ask(self.request(Method::POST, "/v1/bulk").json(request)).await
    }

    pub(crate) async fn bulk(&self, id: Uuid) -> Result<BulkView> {
        self.ask(self.request(Method::GET, &format!("/v1/bulk/{id}"))).await
    }

    pub(crate) async fn pauses(&self) -> Result<Vec<Pause>> {
        #[derive(Deserialize)]
        struct Answer {
            pauses: Vec<Pause>,
        }
        Ok(self.ask::<Answer>(self.request(Method::GET, "/v1/pauses")).await?.pauses)
    }

    pub(crate) async fn pause(&self, target: &PauseTarget, reason: &str) -> Result<Pause> {
        let request = self.request(Method::PUT, &pause_path(target));
        self.ask(request.json(&json!({ "reason": reason }))).await
    }

    pub(crate) async fn resume(&self, target: &PauseTarget) -> Result<Pause> {
        self.ask(self.request(Method::DELETE, &pause_path(target))).await
    }

    pub(crate) async fn workers(&self) -> Result<Vec<WorkerView>> {
        #[derive(Deserialize)]
        struct Answer {
            workers: Vec<WorkerView>,
        }
        Ok(self.ask::<Answer>(self.request(Method::GET, "/v1/workers")).await?.workers)
    }

    pub(crate) async fn scale(&self, query: &[(&str, String)]) -> Result<Vec<ScaleView>> {
        #[derive(Deserialize)]
        struct Answer {
            queues: Vec<ScaleView>,
        }
        let request = self.request(Method::GET, "/v1/scale").query(query);
        Ok(self.ask::<Answer>(request).await?.queues)
    }

    pub(crate) async fn drain(
        &self,
        worker: &str,
        reason: &str,
        grace: Option<Span>,
    ) -> Result<DrainView> {
        let request = self.request(Method::PUT, &format!("/v1/workers/{worker}/drain"));
        self.ask(request.json(&json!({ "reason": reason, "grace": grace }))).await
    }

    pub(crate) async fn undrain(&self, worker: &str) -> Result<DrainView> {
        self.ask(self.request(Method::DELETE, &format!("/v1/workers/{worker}/drain"))).await
    }

    /// Up to `limit` letters before `before`.
    pub(crate) async fn dead_letters(
        &self,
        (limit, before): (u32, Option<u64>),
    ) -> Result<LetterList> {
        let mut query = vec![("limit", u64::from(limit))];
        query.extend(before.map(|before| ("before", before)));
        self.ask(self.request(Method::GET, "/v1/dead-letters").query(&query)).await
    }

    pub(crate) async fn dead_letter(&self, id: u64) -> Result<LetterView> {
        self.ask(self.request(Method::GET, &format!("/v1/dead-letters/{id}"))).await
    }

    pub(crate) async fn replay_dead_letter(&self, id: u64) -> Result<LetterView> {
        self.ask(self.request(Method::POST, &format!("/v1/dead-letters/{id}/replay"))).await
    }

    pub(crate) async fn schedules(&self) -> Result<Vec<Schedule>> {
        #[derive(Deserialize)]
        struct Answer {
            schedules: Vec<Schedule>,
        }
        Ok(self.ask::<Answer>(self.request(Method::GET, "/v1/schedules")).await?.schedules)
    }

    pub(crate) async fn add_schedule(
        &self,
        name: &str,
        body: &serde_json::Value,
    ) -> Result<Schedule> {
        self.ask(self.request(Method::PUT, &format!("/v1/schedules/{name}")).json(body)).await
    }

    pub(crate) async fn remove_schedule(&self, name: &str) -> Result<Schedule> {
        self.ask(self.request(Method::DELETE, &format!("/v1/schedules/{name}"))).await
    }

    /// `pause` or `resume`.
    pub(crate) async fn change_schedule(&self, name: &str, change: &str) -> Result<Schedule> {
        self.ask(self.request(Method::POST, &format!("/v1/schedules/{name}/{change}"))).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method, url).timeout(ANSWER_TIMEOUT);
        let Credentials { key, tenant } = &self.credentials;
        if let Some(key) = key
            && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", key.expose()))
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(tenant) = tenant {
            request = request.header("panofleet-tenant", tenant.as_str());
        }
        request
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.with_context(|| {
            format!(
                "no answer from {}; is the service running (`panofleet up`), and is --api right?",
                self.url
            )
        })
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        decode(self.send(request).await?).await
    }

    /// An answer that goes on and on.
    async fn stream(&self, request: RequestBuilder) -> Result<Response> {
        let answer = self.send(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.context("the answer broke off")?;
        Err(refusal(status, &body))
    }
}

/// What an answer says, or why it does not.
async fn decode<T: DeserializeOwned>(answer: Response) -> Result<T> {
    let status = answer.status();
    let body = answer.bytes().await.context("the answer broke off")?;
    if status.is_success() {
        return serde_json::from_slice(&body).context(
            "the service gave an answer that this program does not know; are both of one version?",
        );
    }
    Err(refusal(status, &body))
}

/// What a service means that refuses.
fn refusal(status: StatusCode, body: &[u8]) -> anyhow::Error {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if status == StatusCode::UNAUTHORIZED => {
            anyhow!(
                "{} ({}, 401); set PANOFLEET_API_KEY, give --key-file FILE, or set client.key in the configuration",
                problem.detail,
                problem.code
            )
        }
        Ok(problem) if !problem.detail.is_empty() => {
            anyhow!("{} ({}, {})", problem.detail, problem.code, status.as_u16())
        }
        Ok(problem) => anyhow!("{} ({}, {})", problem.title, problem.code, status.as_u16()),
        Err(_) => anyhow!("the service answered {status}"),
    }
}

/// Names need no escapes in a path.
fn pause_path(target: &PauseTarget) -> String {
    format!("/v1/pauses/{}/{}", target.kind(), target.name())
}
