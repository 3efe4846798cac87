//! Uploads of files, in parts above a threshold.

use std::path::Path;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, Length};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::parts::{PartHead, PartsUpload, part_bytes};
use super::{ObjectStore, address};
use crate::error::ObjectsError;
use crate::metrics::Operation;

/// Files from this size are uploaded in parts.
const MULTIPART_FROM_BYTES: u64 = 16 * 1024 * 1024;
/// Size of a part, unless the file would have too many of them.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Parts of one file that are on their way at once.
const PARTS_AT_ONCE: usize = 4;
/// User metadata that tells our own upload from another one to the same key.
const UPLOAD_MARK: &str = "panofleet-upload";

/// What is kept with an object.
#[derive(Clone, Copy, Debug)]
pub struct PutOptions<'a> {
    /// Media type.
    pub content_type: &'a str,
    /// What caches may do, such as `public, max-age=31536000, immutable`.
    pub cache_control: Option<&'a str>,
}

impl<'a> PutOptions<'a> {
    /// An object that says nothing to caches.
    pub const fn of_type(content_type: &'a str) -> Self {
        Self { content_type, cache_control: None }
    }

    pub(super) fn apply(&self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        request
            .content_type(self.content_type)
            .set_cache_control(self.cache_control.map(str::to_owned))
    }
}

/// A multipart upload under way.
struct Upload<'a> {
    bucket: &'a str,
    key: &'a str,
    object: String,
    id: String,
    mark: String,
    bytes: u64,
}

impl Upload<'_> {
    fn parts(&self) -> PartsUpload<'_> {
        PartsUpload { bucket: self.bucket, key: self.key, id: &self.id }
    }
}

impl ObjectStore {
    /// Puts a file, over what is there: streamed, in parts from 16 MiB, four at once. Each body carries
    /// a CRC-32 that the store checks. A multipart upload that fails is aborted; one whose future is
    /// dropped is left to the store's rule for incomplete uploads.
    ///
    /// # Errors
    /// [`ObjectsError::LocalFile`] if it cannot be read, [`ObjectsError::Unavailable`] after the last
    /// try of a part, [`ObjectsError::Refused`].
    pub async fn put_file(
        &self,
        bucket: &str,
        key: &str,
        path: &Path,
        options: &PutOptions<'_>,
    ) -> Result<(), ObjectsError> {
        let unreadable = ObjectsError::local("read", path);
        let bytes = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
        if bytes >= MULTIPART_FROM_BYTES {
            let upload = self.begin(bucket, key, bytes, options).await?;
            let settled = self.send_and_complete(&upload, path).await;
            if settled.is_err() {
                self.abort(&upload).await;
            }
            return settled;
        }
        let object = address(bucket, key);
        let put = || async {
            let body = file_part(path, 0, bytes).await?;
            let request = options.apply(self.client.put_object().bucket(bucket).key(key));
            let sent = request.body(body).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        self.tries(Operation::Put, bytes).repeat(&object, put).await
    }

    async fn begin<'a>(
        &self,
        bucket: &'a str,
        key: &'a str,
        bytes: u64,
        options: &PutOptions<'_>,
    ) -> Result<Upload<'a>, ObjectsError> {
        let mark = Uuid::new_v4().to_string();
        let marked = Some((UPLOAD_MARK, mark.as_str()));
        let id = self.begin_marked(bucket, key, options, marked).await?;
        Ok(Upload { bucket, key, object: address(bucket, key), id, mark, bytes })
    }

    async fn send_and_complete(
        &self,
        upload: &Upload<'_>,
        path: &Path,
    ) -> Result<(), ObjectsError> {
        let part_bytes = part_bytes(upload.bytes, PART_BYTES);
        let parts: Vec<PartHead> = stream::iter(0..upload.bytes.div_ceil(part_bytes))
            .map(|index| self.send_part(upload, path, index, part_bytes))
            .buffered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
        self.complete(upload, &parts).await
    }

    async fn send_part(
        &self,
        upload: &Upload<'_>,
        path: &Path,
        index: u64,
        part_bytes: u64,
    ) -> Result<PartHead, ObjectsError> {
        let offset = index * part_bytes;
        let bytes = part_bytes.min(upload.bytes - offset);
        let number = u32::try_from(index + 1).expect("part_bytes keeps the parts below PARTS_MAX");
        let put = || async {
            let body = file_part(path, offset, bytes).await?;
            let request = self.client.upload_part().bucket(upload.bucket).key(upload.key);
            let request = request.upload_id(&upload.id).part_number(number.cast_signed());
            let sent = request.body(body).send().await;
            sent.map_err(|error| ObjectsError::from_sdk(&upload.object, &error))
        };
        let sent = self.tries(Operation::UploadPart, bytes).repeat(&upload.object, put).await?;
        Ok(PartHead { number, bytes, etag: sent.e_tag.unwrap_or_default() })
    }

    async fn complete(&self, upload: &Upload<'_>, parts: &[PartHead]) -> Result<(), ObjectsError> {
        match self.complete_parts(&upload.parts(), parts).await {
            // A try before this one may have completed it, and its answer was lost.
            Err(ObjectsError::NotFound { object }) => {
                let found = self.head(upload.bucket, upload.key).await?;
                let ours = found.metadata.get(UPLOAD_MARK) == Some(&upload.mark);
                if ours { Ok(()) } else { Err(ObjectsError::NotFound { object }) }
            }
            settled => settled,
        }
    }

    async fn abort(&self, upload: &Upload<'_>) {
        let parts = upload.parts();
        let abort = self.send_abort(&parts);
        if let Err(error) = self.tries(Operation::Abort, 0).once(&upload.object, abort).await {
            tracing::warn!(object = upload.object, %error, "left an incomplete upload behind");
        }
    }
}

async fn file_part(path: &Path, offset: u64, bytes: u64) -> Result<ByteStream, ObjectsError> {
    let body = ByteStream::read_from().path(path).offset(offset).length(Length::Exact(bytes));
    body.build().await.map_err(|error| ObjectsError::LocalFile {
        action: "read",
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })
}
