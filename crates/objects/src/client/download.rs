//! Reading objects: whole into memory, streamed, or into a file with resume.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::pin::Pin;

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};

use super::{Backoff, ObjectStore, address, length};
use crate::error::ObjectsError;
use crate::metrics::Operation;

/// Bytes that are gathered before they go to the file.
const WRITE_BYTES: usize = 256 * 1024;

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From an offset to the end.
    From(u64),
    /// From the first to the last offset, both included.
    Between(u64, u64),
    /// That many bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// As the `Range` header says it.
    fn header(self) -> String {
        match self {
            Self::From(first) => format!("bytes={first}-"),
            Self::Between(first, last) => format!("bytes={first}-{last}"),
            Self::Last(bytes) => format!("bytes=-{bytes}"),
        }
    }
}

/// An object, or a range of it, that is being read.
#[derive(Debug)]
pub struct ObjectReader {
    /// Bytes that the body has.
    pub bytes: u64,
    /// The `Content-Range` of a partial answer: `bytes 0-9/100`.
    pub content_range: Option<String>,
    /// Entity tag, with its quotes.
    pub etag: Option<String>,
    /// Media type.
    pub content_type: Option<String>,
    /// What caches may do.
    pub cache_control: Option<String>,
    object: String,
    body: ByteStream,
}

impl ObjectReader {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`ObjectsError::Unavailable`] if the connection breaks before `bytes` bytes came.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectsError> {
        let piece = self.body.try_next().await;
        piece.map_err(|error| broken(&self.object, &error))
    }

    /// The body as a stream, for an HTTP answer.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ObjectsError>> + Send + 'static {
        let Self { mut body, object, .. } = self;
        futures_util::stream::poll_fn(move |context| {
            let piece = Pin::new(&mut body).poll_next(context);
            piece.map(|next| next.map(|piece| piece.map_err(|error| broken(&object, &error))))
        })
    }
}

/// Where a download goes.
#[derive(Clone, Copy, Debug)]
pub struct DownloadTo<'a> {
    /// The file; what is there is replaced.
    pub path: &'a Path,
    /// The largest object that is taken.
    pub bytes_max: u64,
}

/// A finished download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Size.
    pub bytes: u64,
    /// SHA-256 of what was written, hexadecimal.
    pub sha256: String,
    /// Media type.
    pub content_type: Option<String>,
}

/// A download under way.
struct Download<'a> {
    to: DownloadTo<'a>,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    etag: Option<String>,
    content_type: Option<String>,
}

impl ObjectStore {
    /// Begins to read an object or a range of it.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`], [`ObjectsError::RangeNotSatisfiable`], [`ObjectsError::Unavailable`],
    /// [`ObjectsError::Refused`].
    pub async fn open(
        &self,
        bucket: &str,
        key: &str,
        range: Option<ByteRange>,
    ) -> Result<ObjectReader, ObjectsError> {
        let object = address(bucket, key);
        self.tries(Operation::Get, 0)
            .repeat(&object, || self.open_once(bucket, key, range, None))
            .await
    }

    async fn open_once(
        &self,
        bucket: &str,
        key: &str,
        range: Option<ByteRange>,
        etag: Option<&str>,
    ) -> Result<ObjectReader, ObjectsError> {
        let object = address(bucket, key);
        let request = self.client.get_object().bucket(bucket).key(key);
        let request = request.set_range(range.map(ByteRange::header));
        let sent = request.set_if_match(etag.map(str::to_owned)).send().await;
        let found = sent.map_err(|error| ObjectsError::from_sdk(&object, &error))?;
        Ok(ObjectReader {
            bytes: length(found.content_length),
            content_range: found.content_range,
            etag: found.e_tag,
            content_type: found.content_type,
            cache_control: found.cache_control,
            object,
            body: found.body,
        })
    }

    /// Reads an object of at most `bytes_max` bytes into memory.
    ///
    /// # Errors
    /// [`ObjectsError::TooLarge`], [`ObjectsError::NotFound`], [`ObjectsError::Unavailable`] after the
    /// last try, [`ObjectsError::Refused`].
    pub async fn get_bytes(
        &self,
        bucket: &str,
        key: &str,
        bytes_max: u64,
    ) -> Result<Bytes, ObjectsError> {
        let object = address(bucket, key);
        let read = || async {
            let reader = self.open_once(bucket, key, None, None).await?;
            read_whole(reader, bytes_max).await
        };
        self.tries(Operation::Get, bytes_max).repeat(&object, read).await
    }

    /// Reads an object into a file. A connection that breaks is resumed where it broke; a download
    /// fails after `attempts_max` tries in a row without a byte (or when patience is over). An object
    /// that changes meanwhile is read anew. `progress` gets the bytes so far (from zero again when the
    /// object changed) and the size.
    ///
    /// # Errors
    /// [`ObjectsError::TooLarge`], [`ObjectsError::NotFound`], [`ObjectsError::LocalFile`],
    /// [`ObjectsError::Changed`] if it keeps changing, [`ObjectsError::Unavailable`],
    /// [`ObjectsError::Refused`].
    pub async fn get_to_file(
        &self,
        bucket: &str,
        key: &str,
        to: DownloadTo<'_>,
        mut progress: impl FnMut(u64, Option<u64>) + Send,
    ) -> Result<Downloaded, ObjectsError> {
        let mut download = Download::begin(to).await?;
        let mut backoff = Backoff::new();
        let object = address(bucket, key);
        let tries = self.tries(Operation::Get, 0);
        let mut fruitless = tries.begin();
        let mut changes = 0;
        loop {
            let before = download.bytes;
            let error = match self.resume(bucket, key, &mut download, &mut progress).await {
                Ok(()) => return download.finish().await,
                Err(error) => error,
            };
            let is_enough = match error {
                ObjectsError::Unavailable { .. } if download.bytes > before => {
                    (fruitless, backoff) = (tries.begin(), Backoff::new());
                    false
                }
                ObjectsError::Unavailable { .. } => fruitless.count(&object),
                ObjectsError::Changed { .. } => {
                    changes += 1;
                    download = Download::begin(to).await?;
                    changes >= self.config.attempts_max
                }
                error => return Err(error),
            };
            if is_enough {
                return Err(error);
            }
            tracing::debug!(bucket, key, bytes = download.bytes, %error, "resuming a download");
            Operation::Get.repeated();
            backoff.wait().await;
        }
    }

    /// Reads on from where the download stands to the end of the object.
    async fn resume(
        &self,
        bucket: &str,
        key: &str,
        download: &mut Download<'_>,
        progress: &mut (impl FnMut(u64, Option<u64>) + Send),
    ) -> Result<(), ObjectsError> {
        let range = (download.bytes > 0).then_some(ByteRange::From(download.bytes));
        let object = address(bucket, key);
        let open = self.open_once(bucket, key, range, download.etag.as_deref());
        let mut reader = match self.tries(Operation::Get, 0).once(&object, open).await {
            // Everything was there already, but the end of the last answer was not seen.
            Err(ObjectsError::RangeNotSatisfiable { .. }) if range.is_some() => return Ok(()),
            opened => opened?,
        };
        if range.is_some() && reader.content_range.is_none() {
            // The store does not do ranges: from the beginning again.
            *download = Download::begin(download.to).await?;
        }
        let total = download.bytes + reader.bytes;
        if total > download.to.bytes_max {
            return Err(too_large(&reader.object, download.to.bytes_max));
        }
        download.etag.clone_from(&reader.etag);
        download.content_type.clone_from(&reader.content_type);
        while let Some(piece) = reader.next().await? {
            download.write(&reader.object, &piece).await?;
            progress(download.bytes, Some(total));
        }
        if download.bytes < total {
            return Err(ObjectsError::unavailable(&reader.object, "the body ended early"));
        }
        Ok(())
    }
}

impl<'a> Download<'a> {
    async fn begin(to: DownloadTo<'a>) -> Result<Self, ObjectsError> {
        let file = File::create(to.path).await.map_err(ObjectsError::local("write", to.path))?;
        let file = BufWriter::with_capacity(WRITE_BYTES, file);
        Ok(Self { to, file, hash: Sha256::new(), bytes: 0, etag: None, content_type: None })
    }

    async fn write(&mut self, object: &str, piece: &[u8]) -> Result<(), ObjectsError> {
        if self.bytes + piece.len() as u64 > self.to.bytes_max {
            return Err(too_large(object, self.to.bytes_max));
        }
        self.file.write_all(piece).await.map_err(ObjectsError::local("write", self.to.path))?;
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    async fn finish(mut self) -> Result<Downloaded, ObjectsError> {
        let end = async {
            self.file.flush().await?;
            self.file.stream_position().await
        };
        let written = end.await.map_err(ObjectsError::local("write", self.to.path))?;
        if written != self.bytes {
            let short = io::Error::other(format!("{written} of {} bytes written", self.bytes));
            return Err(ObjectsError::local("write", self.to.path)(short));
        }
        let sha256 = hex::encode(self.hash.finalize());
        Ok(Downloaded { bytes: self.bytes, sha256, content_type: self.content_type })
    }
}

async fn read_whole(mut reader: ObjectReader, bytes_max: u64) -> Result<Bytes, ObjectsError> {
    if reader.bytes > bytes_max {
        return Err(too_large(&reader.object, bytes_max));
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = reader.next().await? {
        if (whole.len() + piece.len()) as u64 > bytes_max {
            return Err(too_large(&reader.object, bytes_max));
        }
        whole.extend_from_slice(&piece);
    }
    if (whole.len() as u64) < reader.bytes {
        return Err(ObjectsError::unavailable(&reader.object, "the body ended early"));
    }
    Ok(whole.freeze())
}

fn too_large(object: &str, bytes_max: u64) -> ObjectsError {
    ObjectsError::TooLarge { object: object.to_owned(), bytes_max }
}

fn broken(object: &str, error: &(dyn std::error::Error + 'static)) -> ObjectsError {
    let mut reason = "the body broke off".to_owned();
    let mut cause = Some(error);
    while let Some(error) = cause {
        write!(reason, ": {error}").expect("writing to a string cannot fail");
        cause = error.source();
    }
    ObjectsError::unavailable(object, reason)
}
