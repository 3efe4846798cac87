//! The provider: what it says of itself and its keys, kept for a while, and requests to it.
//!
//! A provider that hangs, floods or fails costs those who sign in by it a few seconds and nobody else anything: one request asks
//! at a time while others wait for its answer, a failure is the answer to all for [`FAILED_FOR`], and every request has limits.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::{
    AsyncHttpClient, DiscoveryError, HttpRequest, HttpResponse, IssuerUrl,
    ProviderMetadataWithLogout,
};
use panofleet_service::egress;
use tokio::sync::Mutex;
use url::Url;

use super::config::{OidcConfig, is_this_machine};

/// Longest time for an answer of the provider.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer; keys and tokens are a few KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long what it says of itself, and its keys, are good.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// Shortest time between two looks for keys that are not known.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long nobody asks again after a failure.
const FAILED_FOR: Duration = Duration::from_secs(3);

/// The provider, as this process knows it.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    is_plain: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    http: Option<Http>,
    metadata: Option<(Arc<ProviderMetadataWithLogout>, Instant)>,
    failed: Option<(Away, Instant)>,
    looked_at: Option<Instant>,
}

/// The provider does not say what it should, or nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Away(pub(super) String);

impl Provider {
    pub(super) fn new(config: &OidcConfig) -> Self {
        let known = Mutex::default();
        Self { issuer: config.issuer.clone(), is_plain: config.is_plain(), known }
    }

    /// What it says of itself, with its keys, and how to reach it.
    pub(super) async fn metadata(&self) -> Result<(Arc<ProviderMetadataWithLogout>, Http), Away> {
        let mut known = self.known.lock().await;
        let http = self.http(&mut known)?;
        let metadata = match &known.metadata {
            Some((metadata, at)) if at.elapsed() < GOOD_FOR => Arc::clone(metadata),
            Some(_) | None => self.ask(&mut known, &http).await?,
        };
        Ok((metadata, http))
    }

    /// The same once more, because a key is not among those that were `seen`.
    pub(super) async fn look_again(
        &self,
        seen: &Arc<ProviderMetadataWithLogout>,
    ) -> Result<Arc<ProviderMetadataWithLogout>, Away> {
        let mut known = self.known.lock().await;
        match &known.metadata {
            Some((metadata, _)) if !Arc::ptr_eq(metadata, seen) => return Ok(Arc::clone(metadata)),
            Some(_) | None => {}
        }
        if known.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(Arc::clone(seen));
        }
        known.looked_at = Some(Instant::now());
        let http = self.http(&mut known)?;
        self.ask(&mut known, &http).await
    }

    fn http(&self, known: &mut Known) -> Result<Http, Away> {
        if let Some(http) = &known.http {
            return Ok(http.clone());
        }
        let client = egress::to_named_hosts().timeout(TIMEOUT);
        // A proxy would look for the provider on a machine of its own.
        let client = if self.is_plain { client.no_proxy() } else { client };
        let client = client.build().map_err(|error| Away(egress::plain(error)))?;
        let http = Http { client, is_plain: self.is_plain };
        known.http = Some(http.clone());
        Ok(http)
    }

    async fn ask(
        &self,
        known: &mut Known,
        http: &Http,
    ) -> Result<Arc<ProviderMetadataWithLogout>, Away> {
        if let Some((away, at)) = &known.failed
            && at.elapsed() < FAILED_FOR
        {
            return Err(away.clone());
        }
        let issuer =
            IssuerUrl::new(self.issuer.clone()).map_err(|error| Away(error.to_string()))?;
        let asked = ProviderMetadataWithLogout::discover_async(issuer, http).await;
        let asked = asked.map_err(|error| Away(why(error)));
        match asked.and_then(|metadata| self.check(metadata)) {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.metadata = Some((Arc::clone(&metadata), Instant::now()));
                known.failed = None;
                Ok(metadata)
            }
            Err(away) => {
                tracing::warn!(issuer = self.issuer, error = %away, "sign-in: the provider cannot be asked");
                known.failed = Some((away.clone(), Instant::now()));
                Err(away)
            }
        }
    }

    /// Nobody is sent to sign in where others can read it.
    fn check(
        &self,
        metadata: ProviderMetadataWithLogout,
    ) -> Result<ProviderMetadataWithLogout, Away> {
        let to = metadata.authorization_endpoint().url();
        if metadata.token_endpoint().is_none() {
            return Err(Away("it names no token_endpoint".to_owned()));
        }
        if !goes(to, self.is_plain) {
            return Err(Away(format!(
                "its authorization_endpoint {} is no https",
                egress::shown(to)
            )));
        }
        let sign_out = metadata.additional_metadata().end_session_endpoint.as_ref();
        if let Some(there) =
            sign_out.map(|there| there.url()).filter(|url| !goes(url, self.is_plain))
        {
            let shown = egress::shown(there);
            return Err(Away(format!("its end_session_endpoint {shown} is no https")));
        }
        Ok(metadata)
    }
}

/// Whether something may be sent to an address: by https, or on this machine if the provider is there.
fn goes(url: &Url, is_plain: bool) -> bool {
    url.scheme() == "https" || (is_plain && url.scheme() == "http" && is_this_machine(url))
}

/// What went wrong, without what the provider sent.
fn why(error: DiscoveryError<HttpError>) -> String {
    match error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(status, _, why) => format!("it answers {status}: {why}"),
        other => other.to_string(),
    }
}

/// Requests to the provider: to https only, with an end, and with answers of a size. Redirects are not followed.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    is_plain: bool,
}

/// A request that has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// It was not sent.
    #[error("{0} is no https")]
    NoHttps(String),
    /// It is no request, or its answer none.
    #[error("not HTTP: {0}")]
    Malformed(String),
    /// Nobody has answered.
    #[error("{0}")]
    Io(String),
    /// Somebody has answered too much.
    #[error("its answer is larger than {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Http {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let io = |error| HttpError::Io(egress::plain(error));
        let request = reqwest::Request::try_from(request)
            .map_err(|error| HttpError::Malformed(egress::plain(error)))?;
        if !goes(request.url(), self.is_plain) {
            return Err(HttpError::NoHttps(egress::shown(request.url())));
        }
        let mut response = self.client.execute(request).await.map_err(io)?;
        let mut answer = HttpResponse::new(Vec::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        while let Some(chunk) = response.chunk().await.map_err(io)? {
            if answer.body().len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(HttpError::TooLarge);
            }
            answer.body_mut().extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_by_https_or_stay_on_this_machine() {
        for (url, plain, goes_there) in [
            ("https://login.example.com/token", false, true),
            ("http://login.example.com/token", false, false),
            ("http://login.example.com/token", true, false),
            ("http://127.0.0.1:8080/token", true, true),
            ("http://localhost/token", true, true),
            ("http://127.0.0.1:8080/token", false, false),
            ("file:///etc/passwd", true, false),
        ] {
            assert_eq!(goes(&Url::parse(url).unwrap(), plain), goes_there, "{url} {plain}");
        }
    }
}
