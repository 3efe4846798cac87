//! Bodies on their way in: received into a temporary file, checked, and flushed before they are
//! published.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tempfile::TempPath;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::digest::{Claims, Digest};
use super::folder::blocking;
use super::object_file::{ClientHeaders, ObjectMeta};

/// Longest silence in the middle of a body.
const BODY_IDLE: Duration = Duration::from_secs(60);
/// Bytes of one put or part: what S3 allows.
const BODY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Bytes that are gathered before they go to the file.
const WRITE_BYTES: usize = 256 * 1024;

/// A body that a client sends.
pub(super) struct Incoming {
    pub(super) body: Option<StreamingBlob>,
    /// What the client says its length is.
    pub(super) content_length: Option<u64>,
    pub(super) claims: Claims,
    pub(super) headers: ClientHeaders,
}

/// A finished object file that nobody sees yet. Dropping it deletes it.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) path: TempPath,
    pub(super) meta: ObjectMeta,
}

/// The length of a body by its request's headers. A body in signed chunks states it apart, since its
/// `Content-Length`, if any, counts the signatures too.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    let stated = headers.get("x-amz-decoded-content-length");
    let length = stated.or_else(|| headers.get(CONTENT_LENGTH))?;
    length.to_str().ok()?.parse().ok()
}

impl Incoming {
    /// Receives the body into `staging`; on the disk when it returns.
    ///
    /// # Errors
    /// `MissingContentLength`, `EntityTooLarge`, `IncompleteBody` (cut off, or not of its length or
    /// signed hash), `BadDigest`, `RequestTimeout`.
    pub(super) async fn receive(self, staging: PathBuf) -> S3Result<Staged> {
        let Self { body, content_length, claims, headers } = self;
        let announced = content_length.ok_or_else(|| s3_error!(MissingContentLength))?;
        if announced > BODY_BYTES_MAX {
            return Err(s3_error!(EntityTooLarge));
        }
        let make = move || tempfile::Builder::new().tempfile_in(staging);
        let made = blocking(move || make().map_err(S3Error::internal_error)).await?;
        let (file, path) = made.into_parts();
        let mut file = BufWriter::with_capacity(WRITE_BYTES, tokio::fs::File::from_std(file));
        let mut digest = Digest::new(&claims);
        let mut bytes = 0;
        let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        while let Some(piece) = next(&mut body).await? {
            bytes += piece.len() as u64;
            if bytes > announced {
                return Err(s3_error!(IncompleteBody, "the body is longer than it should be"));
            }
            digest.update(&piece);
            file.write_all(&piece).await.map_err(S3Error::internal_error)?;
        }
        if bytes < announced {
            return Err(s3_error!(IncompleteBody, "the body is shorter than it should be"));
        }
        let (etag, checksums) = digest.finish(claims)?;
        let meta = ObjectMeta { bytes, etag, headers, checksums };
        let end = async {
            file.write_all(&meta.trailer()?).await?;
            file.flush().await?;
            file.get_ref().sync_all().await
        };
        end.await.map_err(S3Error::internal_error)?;
        Ok(Staged { path, meta })
    }
}

async fn next(body: &mut StreamingBlob) -> S3Result<Option<bytes::Bytes>> {
    let piece = tokio::time::timeout(BODY_IDLE, body.next()).await;
    let piece = piece.map_err(|elapsed| s3_error!(elapsed, RequestTimeout))?;
    // The stream also checks the hash that the request is signed with.
    piece.transpose().map_err(|cause| S3Error::with_source(S3ErrorCode::IncompleteBody, cause))
}
