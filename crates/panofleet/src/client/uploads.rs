//! Uploads, from the client's side: what the API says of them, and sending bytes to the addresses that it signs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow};
use futures_util::stream;
use panofleet_producer::api::{PartAddress, PartAddresses, UploadStatus, UploadView};
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use uuid::Uuid;

use super::{Client, decode};

/// Bytes of one piece of a body.
const PIECE_BYTES: usize = 256 * 1024;
/// A body that makes no progress for this long is given up.
const STALL: Duration = Duration::from_secs(120);
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Longest wait for the store to make one file of the parts.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(1800);
/// Bytes of a refusal that are shown.
const SHOWN_BYTES: usize = 400;

/// Why something was not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// It may work when it is tried again.
    Later(Error),
    /// It will not.
    Never(Error),
}

/// A piece of a file on its way to an address.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Where the piece begins.
    pub(crate) offset: u64,
    /// Its size.
    pub(crate) bytes: u64,
    /// Counts the bytes that are on their way, this piece's among them; what was in vain is taken off again.
    pub(crate) moved: &'a Arc<AtomicU64>,
}

/// Bytes on their way: of one try, and of all that goes on beside it.
#[derive(Clone, Debug)]
struct Count {
    own: Arc<AtomicU64>,
    all: Arc<AtomicU64>,
}

impl Client {
    /// Begins an upload.
    pub(crate) async fn begin_upload(&self, asked: &Value) -> Result<UploadView> {
        self.ask(self.request(Method::POST, "/v1/uploads").json(asked)).await
    }

    /// Where an upload stands, with the parts behind `after`; none if there is no such upload.
    pub(crate) async fn upload(&self, id: Uuid, after: u32) -> Result<Option<UploadStatus>> {
        let path = format!("/v1/uploads/{id}?after={after}");
        let answer = self.send(self.request(Method::GET, &path)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        decode(answer).await.map(Some)
    }

    /// Where to put a part.
    pub(crate) async fn part_address(&self, id: Uuid, number: u32) -> Result<PartAddress, Unsent> {
        let path = format!("/v1/uploads/{id}/parts");
        let request = self.request(Method::POST, &path).json(&json!({ "numbers": [number] }));
        let found: PartAddresses = self.ask_later(request).await?;
        let found = found.parts.into_iter().next();
        found.ok_or_else(|| Unsent::Never(anyhow!("the service gave no address for part {number}")))
    }

    /// Makes one file of the parts.
    pub(crate) async fn complete_upload(&self, id: Uuid) -> Result<UploadStatus, Unsent> {
        let request = self.request(Method::POST, &format!("/v1/uploads/{id}/complete"));
        self.ask_later(request.timeout(COMPLETION_TIMEOUT)).await
    }

    /// Asks; an error says whether to ask again.
    async fn ask_later<T: serde::de::DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Unsent> {
        let answer = self.send(request).await.map_err(Unsent::Later)?;
        let later = is_later(answer.status());
        let sorted = |error| if later { Unsent::Later(error) } else { Unsent::Never(error) };
        decode(answer).await.map_err(sorted)
    }

    /// Puts a piece of a file to an address that the API gave.
    pub(crate) async fn put_piece<'a>(
        &self,
        (method, url): (&str, &str),
        headers: impl IntoIterator<Item = (&'a String, &'a String)>,
        piece: &Piece<'_>,
    ) -> Result<(), Unsent> {
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|error| Unsent::Never(error.into()))?;
        let count = Count { own: Arc::default(), all: Arc::clone(piece.moved) };
        let sent = self.put_counted((method, url), headers, piece, &count).await;
        if sent.is_err() {
            let in_vain = count.own.load(Ordering::Relaxed);
            count.all.fetch_sub(in_vain, Ordering::Relaxed);
        }
        sent
    }

    async fn put_counted<'a>(
        &self,
        (method, url): (Method, &str),
        headers: impl IntoIterator<Item = (&'a String, &'a String)>,
        piece: &Piece<'_>,
        count: &Count,
    ) -> Result<(), Unsent> {
        let body = body(piece, count.clone()).await.map_err(Unsent::Never)?;
        let mut request =
            self.http.request(method, url).header("content-length", piece.bytes).body(body);
        for (name, value) in headers {
            if !name.eq_ignore_ascii_case("content-length") && !name.eq_ignore_ascii_case("host") {
                request = request.header(name, value);
            }
        }
        let answer = tokio::select! {
            answer = request.send() => answer,
            () = stalled(&count.own) => {
                let waited = STALL.as_secs();
                return Err(Unsent::Later(anyhow!("no byte was taken within {waited} s")));
            }
        };
        let answer = answer.context("the object store does not take it").map_err(Unsent::Later)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut said = answer.text().await.unwrap_or_default();
        said.truncate(said.floor_char_boundary(SHOWN_BYTES));
        let error = anyhow!("the object store refuses it ({status}): {said}");
        // Of an address that has expired, too; another one may be good.
        let later = is_later(status) || status == StatusCode::FORBIDDEN;
        Err(if later { Unsent::Later(error) } else { Unsent::Never(error) })
    }
}

fn is_later(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// Returns when nothing has moved for [`STALL`].
async fn stalled(moved: &AtomicU64) {
    let (mut last, mut silent) = (moved.load(Ordering::Relaxed), Duration::ZERO);
    while silent < STALL {
        tokio::time::sleep(LOOK).await;
        let now = moved.load(Ordering::Relaxed);
        silent = if now == last { silent + LOOK } else { Duration::ZERO };
        last = now;
    }
}

async fn body(piece: &Piece<'_>, count: Count) -> Result<Body> {
    let shown = piece.path.display();
    let opened = async {
        let mut file = File::open(piece.path).await?;
        file.seek(io::SeekFrom::Start(piece.offset)).await?;
        Ok::<_, io::Error>(file)
    };
    let file = opened.await.with_context(|| format!("cannot read {shown}"))?;
    let pieces = stream::try_unfold((file, piece.bytes), move |(mut file, left)| {
        let count = count.clone();
        async move {
            let mut next = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES)];
            let read = file.read(&mut next).await?;
            next.truncate(read);
            count.own.fetch_add(read as u64, Ordering::Relaxed);
            count.all.fetch_add(read as u64, Ordering::Relaxed);
            Ok::<_, io::Error>((read > 0).then_some((next, (file, left - read as u64))))
        }
    });
    Ok(Body::wrap_stream(pieces))
}
