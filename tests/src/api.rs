//! The HTTP API, from the side of a test: every answer is expected to be good.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use panofleet_job_schema::JobId;
use panofleet_job_schema::manifest::Manifest;
use panofleet_jobs_db::HistoryEntry;
use panofleet_producer::api::{JobView, UploadView, UploadWay};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// A client of a fleet's API.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    /// The address, without a slash at the end.
    pub url: String,
    /// The key that it comes with, if it has one.
    key: Option<String>,
}

impl Api {
    /// A client of the API at `url`.
    ///
    /// # Panics
    /// If the HTTP client cannot start.
    pub fn new(url: &str) -> Self {
        // Another test of this process may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder().timeout(Duration::from_secs(30)).build();
        Self { http: http.expect("an HTTP client"), url: url.to_owned(), key: None }
    }

    /// The same, for whoever has this key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self.clone() }
    }

    /// The same, for a fleet whose servers show a certificate that this CA (PEM) signed.
    ///
    /// # Panics
    /// If the file is no certificate.
    #[must_use]
    pub fn trusting(&self, ca_file: &Path) -> Self {
        let pem = std::fs::read(ca_file).expect("a CA");
        let ca = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let http = Client::builder().timeout(Duration::from_secs(30)).tls_certs_merge([ca]).build();
        Self { http: http.expect("an HTTP client"), ..self.clone() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value> {
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            bail!("{status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| body.clone())
    }

    /// Whether jobs are accepted.
    pub async fn is_ready(&self) -> bool {
        self.ask(self.request(Method::GET, "/readyz")).await.is_ok()
    }

    /// Uploads bytes and gives the source to submit.
    ///
    /// # Errors
    /// What the API or the store says.
    pub async fn upload(&self, bytes: Vec<u8>) -> Result<String> {
        let request =
            self.request(Method::POST, "/v1/uploads").json(&json!({ "bytes": bytes.len() }));
        let upload: UploadView = serde_json::from_value(self.ask(request).await?)?;
        let UploadWay::Whole(whole) = &upload.way else { bail!("upload: {upload:?}") };
        let mut put = self.http.put(&whole.url).body(bytes);
        for (name, value) in whole.headers.iter().filter(|(name, _)| *name != "host") {
            put = put.header(name, value);
        }
        let answer = put.send().await?;
        if !answer.status().is_success() {
            bail!("upload: {}", answer.text().await?);
        }
        Ok(upload.source.to_string())
    }

    /// Submits a job.
    ///
    /// # Errors
    /// What the API says.
    pub async fn submit(&self, job: &Value) -> Result<JobView> {
        Ok(serde_json::from_value(
            self.ask(self.request(Method::POST, "/v1/jobs").json(job)).await?,
        )?)
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// What the API says.
    pub async fn job(&self, id: JobId) -> Result<JobView> {
        Ok(serde_json::from_value(
            self.ask(self.request(Method::GET, &format!("/v1/jobs/{id}"))).await?,
        )?)
    }

    /// Cancels a job.
    ///
    /// # Errors
    /// What the API says.
    pub async fn cancel(&self, id: JobId) -> Result<JobView> {
        let request = self.request(Method::POST, &format!("/v1/jobs/{id}/cancel"));
        Ok(serde_json::from_value(self.ask(request).await?)?)
    }

    /// What happened to a job.
    ///
    /// # Errors
    /// What the API says.
    pub async fn history(&self, id: JobId) -> Result<Vec<HistoryEntry>> {
        let mut answer =
            self.ask(self.request(Method::GET, &format!("/v1/jobs/{id}/history"))).await?;
        Ok(serde_json::from_value(answer["entries"].take())?)
    }

    /// A job's manifest.
    ///
    /// # Errors
    /// What the API says.
    pub async fn manifest(&self, id: JobId) -> Result<Manifest> {
        let request = self.request(Method::GET, &format!("/v1/jobs/{id}/manifest"));
        Ok(serde_json::from_value(self.ask(request).await?)?)
    }

    /// What a path of the API says.
    ///
    /// # Errors
    /// What the API says.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.ask(self.request(Method::GET, path)).await
    }

    /// Puts JSON at a path of the API.
    ///
    /// # Errors
    /// What the API says.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(self.request(Method::PUT, path).json(body)).await
    }

    /// Posts JSON to a path of the API.
    ///
    /// # Errors
    /// What the API says.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    /// Changes what a path of the API names.
    ///
    /// # Errors
    /// What the API says.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(self.request(Method::PATCH, path).json(body)).await
    }

    /// Deletes what a path of the API names.
    ///
    /// # Errors
    /// What the API says.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.ask(self.request(Method::DELETE, path)).await
    }

    /// The bytes behind a link: a path of the API, or an address.
    ///
    /// # Errors
    /// What the API says.
    pub async fn bytes(&self, link: &str) -> Result<Vec<u8>> {
        let link =
            if link.starts_with("http") { link.to_owned() } else { format!("{}{link}", self.url) };
        let answer = self.http.get(link).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }
}
