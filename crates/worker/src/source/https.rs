//! Sources from public addresses.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use panofleet_job_schema::Failure;
use panofleet_service::egress::{Guard, Network, NotPublic, plain, shown};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LOCATION, RANGE,
};
use reqwest::{Client, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use url::Url;

use super::{Fetched, too_large};
use crate::error::WorkerError;
use crate::store::scratch_failure;

/// A body that gives nothing for this long is cut. The whole download is bounded by the attempt's timeout.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Redirects that one request follows.
const REDIRECTS_MAX: u32 = 5;
/// Tries in a row that may bring no byte.
const FRUITLESS_MAX: u32 = 4;
/// The wait after the first of them; it doubles.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// A client for `https://` sources, behind the [`Guard`].
#[derive(Debug)]
pub(crate) struct HttpsClient {
    client: Client,
    guard: Guard,
}

/// Why a pass over the body ended before its end.
enum Broke {
    /// Another try will not help, or not now.
    Failed(Failure),
    /// The connection was cut, or the server is not up to it: go on from here.
    Cut(String),
    /// The file is not the one that the first part is of: begin anew.
    Changed,
}

impl From<Failure> for Broke {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl HttpsClient {
    /// A client that reaches the public internet, and `networks`.
    ///
    /// # Errors
    /// [`WorkerError::Https`] if TLS cannot be set up.
    pub(crate) fn new(networks: Vec<Network>) -> Result<Self, WorkerError> {
        let guard = Guard::new(networks);
        let client = guard
            .client()
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| WorkerError::Https(error.to_string()))?;
        Ok(Self { client, guard })
    }

    /// Downloads to `path`; a connection that is cut is taken up where it was.
    ///
    /// # Errors
    /// `Rejected` with what to do if the source is at fault, `Transient` if it may pass.
    pub(super) async fn fetch(
        &self,
        url: &str,
        path: &Path,
        bytes_max: u64,
        moved: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<Fetched, Failure> {
        let bad_url = |error| {
            Failure::rejected(
                "source_address_refused",
                format!("the source's address cannot be read: {error}"),
            )
        };
        let url = Url::parse(url).map_err(bad_url)?;
        let mut partial = Partial::create(path, bytes_max).await?;
        let (mut fruitless, mut backoff) = (0, BACKOFF_FIRST);
        loop {
            let before = partial.bytes;
            let reason = match self.pass(&url, &mut partial, moved).await {
                Ok(()) => return partial.finish().await,
                Err(Broke::Failed(failure)) => return Err(failure),
                Err(Broke::Cut(reason)) => reason,
                Err(Broke::Changed) => {
                    partial.etag = None;
                    "it changed meanwhile".to_owned()
                }
            };
            if partial.bytes > before {
                (fruitless, backoff) = (0, BACKOFF_FIRST);
            }
            fruitless += 1;
            if fruitless == FRUITLESS_MAX {
                let message = format!("the source {} cannot be read now: {reason}", shown(&url));
                return Err(Failure::transient("source_unavailable", message));
            }
            tracing::debug!(
                bytes = partial.bytes,
                reason,
                "the download of a source was cut; going on"
            );
            tokio::time::sleep(backoff).await;
            backoff *= 2;
        }
    }

    /// Reads from where the download stands to the end of the body.
    async fn pass(
        &self,
        url: &Url,
        partial: &mut Partial,
        moved: &mut (dyn FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), Broke> {
        let mut response = self.open(url, partial.resumption()).await?;
        let total = match content_range(&response) {
            None => {
                partial.restart().await?;
                response.content_length()
            }
            Some((from, total)) if from == partial.bytes => total,
            Some(_) => return Err(Broke::Changed),
        };
        partial.etag = strong_etag(response.headers());
        if total.is_some_and(|total| total > partial.bytes_max) {
            return Err(too_large(&shown(url), partial.bytes_max).into());
        }
        loop {
            match response.chunk().await {
                Ok(None) if total.is_some_and(|total| partial.bytes < total) => {
                    return Err(Broke::Cut("it gave less than the whole".to_owned()));
                }
                Ok(None) => return Ok(()),
                Ok(Some(piece)) => {
                    if partial.bytes + piece.len() as u64 > partial.bytes_max {
                        return Err(too_large(&shown(url), partial.bytes_max).into());
                    }
                    partial.write(&piece).await?;
                    moved(partial.bytes, total);
                }
                Err(error) => return Err(Broke::Cut(plain(error))),
            }
        }
    }

    /// Asks for the source, through redirects, each judged like the first address.
    async fn open(
        &self,
        url: &Url,
        resumption: Option<(u64, HeaderValue)>,
    ) -> Result<Response, Broke> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            self.guard.check(&at).map_err(|why| {
                let message =
                    format!("the source {} {why}; give a public https address", shown(&at));
                Failure::rejected("source_address_refused", message)
            })?;
            let mut request = self.client.get(at.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some((from, etag)) = &resumption {
                request = request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, etag);
            }
            let response = request.send().await.map_err(|error| not_reached(&at, error))?;
            let Some(next) = redirection(&response, &at) else {
                return judged(&at, response);
            };
            at = next?;
        }
        let message =
            format!("the source {} redirects more than {REDIRECTS_MAX} times", shown(url));
        Err(Failure::rejected("source_redirects", message).into())
    }
}

/// The address that a response sends to, if it does.
fn redirection(response: &Response, from: &Url) -> Option<Result<Url, Failure>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = response.headers().get(LOCATION)?.to_str().map_err(|error| error.to_string());
    let to = to.and_then(|to| from.join(to).map_err(|error| error.to_string()));
    Some(to.map_err(|error| {
        let message =
            format!("the source {} redirects to what is no address: {error}", shown(from));
        Failure::rejected("source_redirects", message)
    }))
}

/// A response with a body to read, or what its status means.
fn judged(at: &Url, response: Response) -> Result<Response, Broke> {
    let (status, shown) = (response.status(), shown(at));
    let rejected = |code, advice: &str| {
        let message = format!("the source {shown} answered {status}; {advice}");
        Err(Failure::rejected(code, message).into())
    };
    match status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            rejected("source_not_found", "check the address")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => rejected(
            "source_forbidden",
            "give an address that needs no login, such as a presigned one that is still valid",
        ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY => {
            Err(Broke::Cut(format!("it answered {status}")))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Err(Broke::Changed),
        _ if status.is_server_error() => Err(Broke::Cut(format!("it answered {status}"))),
        _ => rejected("source_refused", "give an address that answers 200 to a plain GET"),
    }
}

fn not_reached(at: &Url, error: reqwest::Error) -> Broke {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(NotPublic(host)) = error.downcast_ref() {
            let message =
                format!("the source {} is refused: {host} has no public address", shown(at));
            return Failure::rejected("source_address_refused", message).into();
        }
        cause = error.source();
    }
    Broke::Cut(plain(error))
}

/// Where a partial response begins, and the size of the whole if it says so (RFC 9110 §14.4). `None` for a whole
/// response; a partial one that does not say where it begins is taken for one from elsewhere.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return None;
    }
    let parts = || {
        let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let from = range.split_once('-')?.0.parse().ok()?;
        Some((from, total.parse().ok()))
    };
    Some(parts().unwrap_or((u64::MAX, None)))
}

/// The entity tag, if it promises the same bytes (RFC 9110 §8.8.1).
fn strong_etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")).cloned()
}

/// A download under way.
struct Partial {
    file: File,
    hash: Sha256,
    bytes: u64,
    bytes_max: u64,
    etag: Option<HeaderValue>,
}

impl Partial {
    async fn create(path: &Path, bytes_max: u64) -> Result<Self, Failure> {
        let file = File::create(path).await.map_err(|error| scratch_failure(&error))?;
        Ok(Self { file, hash: Sha256::new(), bytes: 0, bytes_max, etag: None })
    }

    /// Where to go on, if what is there can be told from another version.
    fn resumption(&self) -> Option<(u64, HeaderValue)> {
        let etag = self.etag.clone().filter(|_| self.bytes > 0)?;
        Some((self.bytes, etag))
    }

    async fn restart(&mut self) -> Result<(), Failure> {
        if self.bytes > 0 {
            let rewound = async {
                self.file.set_len(0).await?;
                self.file.rewind().await
            };
            rewound.await.map_err(|error| scratch_failure(&error))?;
        }
        (self.hash, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }

    async fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.file.write_all(piece).await.map_err(|error| scratch_failure(&error))?;
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    async fn finish(mut self) -> Result<Fetched, Failure> {
        self.file.flush().await.map_err(|error| scratch_failure(&error))?;
        Ok(Fetched { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) })
    }
}
