//! Uploads of files, in parts above a threshold.

use std::path::Path;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::{ObjectStore, address};
use crate::error::ObjectsError;
use crate::metrics::Operation;

/// Files from this size are uploaded in parts.
const MULTIPART_FROM_BYTES: u64 = 16 * 1024 * 1024;
/// Size of a part, unless the file would have too many of them.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// Parts that S3 accepts for one object.
const PARTS_MAX: u64 = 10_000;
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
        let object = address(bucket, key);
        let mark = Uuid::new_v4().to_string();
        let begin = || async {
            let request = self.client.create_multipart_upload().bucket(bucket).key(key);
            let sent = request
                .content_type(options.content_type)
                .set_cache_control(options.cache_control.map(str::to_owned))
                .metadata(UPLOAD_MARK, &mark)
                .send()
                .await;
            sent.map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        let begun = self.tries(Operation::Begin, 0).repeat(&object, begin).await?;
        let id = begun
            .upload_id
            .ok_or_else(|| ObjectsError::unavailable(&object, "the store gave no upload id"))?;
        Ok(Upload { bucket, key, object, id, mark, bytes })
    }

    async fn send_and_complete(
        &self,
        upload: &Upload<'_>,
        path: &Path,
    ) -> Result<(), ObjectsError> {
        let part_bytes = part_bytes(upload.bytes);
        let parts = stream::iter(0..upload.bytes.div_ceil(part_bytes))
            .map(|index| self.send_part(upload, path, index, part_bytes))
            .buffered(PARTS_AT_ONCE)
            .try_collect()
            .await?;
        self.complete(upload, parts).await
    }

    async fn send_part(
        &self,
        upload: &Upload<'_>,
        path: &Path,
        index: u64,
        part_bytes: u64,
    ) -> Result<CompletedPart, ObjectsError> {
        let offset = index * part_bytes;
        let bytes = part_bytes.min(upload.bytes - offset);
        let number = i32::try_from(index + 1).expect("part_bytes keeps the parts below PARTS_MAX");
        let put = || async {
            let body = file_part(path, offset, bytes).await?;
            let request = self.client.upload_part().bucket(upload.bucket).key(upload.key);
            let sent = request.upload_id(&upload.id).part_number(number).body(body).send().await;
            sent.map_err(|error| ObjectsError::from_sdk(&upload.object, &error))
        };
        let sent = self.tries(Operation::UploadPart, bytes).repeat(&upload.object, put).await?;
        // The parts' checksums are left out: some stores accept them with the part, but not here.
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    async fn complete(
        &self,
        upload: &Upload<'_>,
        parts: Vec<CompletedPart>,
    ) -> Result<(), ObjectsError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = || async {
            let request = self.client.complete_multipart_upload().bucket(upload.bucket);
            let request = request.key(upload.key).upload_id(&upload.id);
            let sent = request.multipart_upload(parts.clone()).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&upload.object, &error))
        };
        // The store may have to copy the parts together before it answers.
        match self.tries(Operation::Complete, upload.bytes).repeat(&upload.object, complete).await {
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
        let request = self.client.abort_multipart_upload().bucket(upload.bucket).key(upload.key);
        let abort = async {
            let sent = request.upload_id(&upload.id).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&upload.object, &error))
        };
        if let Err(error) = self.tries(Operation::Abort, 0).once(&upload.object, abort).await {
            tracing::warn!(object = upload.object, %error, "left an incomplete upload behind");
        }
    }
}

/// The size of the parts of a file: 8 MiB, or more MiB where that makes too many parts.
const fn part_bytes(file_bytes: u64) -> u64 {
    let least = file_bytes.div_ceil(PARTS_MAX).next_multiple_of(1024 * 1024);
    if least > PART_BYTES { least } else { PART_BYTES }
}

async fn file_part(path: &Path, offset: u64, bytes: u64) -> Result<ByteStream, ObjectsError> {
    let body = ByteStream::read_from().path(path).offset(offset).length(Length::Exact(bytes));
    body.build().await.map_err(|error| ObjectsError::LocalFile {
        action: "read",
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_has_too_many_parts() {
        for file_bytes in [1, PART_BYTES, 80 * 1024 * 1024 * 1024, 5 * 1024_u64.pow(4)] {
            let part = part_bytes(file_bytes);
            assert!(part >= PART_BYTES && file_bytes.div_ceil(part) <= PARTS_MAX, "{file_bytes}");
        }
    }
}
