//! Uploads in parts: begun, looked at, completed, aborted. Who sends the parts may be somebody else, with presigned URLs.

use std::time::Duration;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::presign::{content_length, describe, lifetime};
use super::{ObjectStore, PresignedRequest, PutOptions, address, length};
use crate::error::ObjectsError;
use crate::metrics::Operation;

/// Parts of one upload; S3's own limit.
pub const PARTS_MAX: u32 = 10_000;
/// Bytes of every part but the last; S3's own limit.
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// Bytes of one part, and of an object that is put in one request; S3's own limit.
pub const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// An upload in parts that is under way.
#[derive(Clone, Copy, Debug)]
pub struct PartsUpload<'a> {
    /// The bucket of the object that it becomes.
    pub bucket: &'a str,
    /// Its key.
    pub key: &'a str,
    /// What the store calls the upload.
    pub id: &'a str,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// From 1.
    pub number: u32,
    /// Size.
    pub bytes: u64,
    /// Entity tag, with its quotes.
    pub etag: String,
}

/// Some of the parts that the store has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartPage {
    /// By number.
    pub parts: Vec<PartHead>,
    /// The number behind which the next page begins; `None` on the last.
    pub next: Option<u32>,
}

impl PartsUpload<'_> {
    fn object(&self) -> String {
        address(self.bucket, self.key)
    }
}

impl ObjectStore {
    /// Begins an upload in parts, and gives what the store calls it. It stays until it is completed or aborted.
    ///
    /// # Errors
    /// [`ObjectsError::Unavailable`], [`ObjectsError::Refused`].
    pub async fn begin_parts(
        &self,
        bucket: &str,
        key: &str,
        options: &PutOptions<'_>,
    ) -> Result<String, ObjectsError> {
        self.begin_marked(bucket, key, options, None).await
    }

    /// As [`ObjectStore::begin_parts`], with a piece of user metadata.
    pub(super) async fn begin_marked(
        &self,
        bucket: &str,
        key: &str,
        options: &PutOptions<'_>,
        mark: Option<(&str, &str)>,
    ) -> Result<String, ObjectsError> {
        let object = address(bucket, key);
        let begin = || async {
            let request = self.client.create_multipart_upload().bucket(bucket).key(key);
            let request = request
                .content_type(options.content_type)
                .set_cache_control(options.cache_control.map(str::to_owned));
            let request = mark
                .into_iter()
                .fold(request, |request, (name, value)| request.metadata(name, value));
            request.send().await.map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        let begun = self.tries(Operation::Begin, 0).repeat(&object, begin).await?;
        begun
            .upload_id
            .ok_or_else(|| ObjectsError::unavailable(&object, "the store gave no upload id"))
    }

    /// The parts behind the number `after` that the store has, at most 1000 of them.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`] if there is no such upload (any more), [`ObjectsError::Unavailable`],
    /// [`ObjectsError::Refused`].
    pub async fn list_parts(
        &self,
        upload: &PartsUpload<'_>,
        after: u32,
    ) -> Result<PartPage, ObjectsError> {
        let object = upload.object();
        let list = || async {
            let request = self.client.list_parts().bucket(upload.bucket).key(upload.key);
            let request = request.upload_id(upload.id).part_number_marker(after.to_string());
            request.send().await.map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        let found = self.tries(Operation::ListParts, 0).repeat(&object, list).await?;
        let more = found.is_truncated == Some(true);
        let parts = found.parts.unwrap_or_default().into_iter().filter_map(|part| {
            let number = u32::try_from(part.part_number?).ok()?;
            let etag = part.e_tag.unwrap_or_default();
            Some(PartHead { number, bytes: length(part.size), etag })
        });
        let parts: Vec<PartHead> = parts.collect();
        let next = parts.last().map(|last| last.number).filter(|_| more);
        Ok(PartPage { parts, next })
    }

    /// Makes the object of the parts, which are all that it is to have, by number.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`] if there is no such upload; a try before this one may have completed it, which some stores
    /// take once more.
    /// [`ObjectsError::Refused`] if a part is not there, or is another; [`ObjectsError::Unavailable`].
    pub async fn complete_parts(
        &self,
        upload: &PartsUpload<'_>,
        parts: &[PartHead],
    ) -> Result<(), ObjectsError> {
        let object = upload.object();
        // Their checksums are left out: some stores accept them with the part, but not here.
        let completed = parts.iter().map(|part| {
            let number = i32::try_from(part.number).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(&part.etag).build()
        });
        let completed =
            CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
        let complete = || async {
            let request = self.client.complete_multipart_upload().bucket(upload.bucket);
            let request = request.key(upload.key).upload_id(upload.id);
            let sent = request.multipart_upload(completed.clone()).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        // The store may have to copy the parts together before it answers.
        let bytes = parts.iter().map(|part| part.bytes).sum();
        self.tries(Operation::Complete, bytes).repeat(&object, complete).await
    }

    /// Gives an upload and its parts up; it need not be there.
    ///
    /// # Errors
    /// [`ObjectsError::Unavailable`], [`ObjectsError::Refused`].
    pub async fn abort_parts(&self, upload: &PartsUpload<'_>) -> Result<(), ObjectsError> {
        let object = upload.object();
        let abort = || self.send_abort(upload);
        match self.tries(Operation::Abort, 0).repeat(&object, abort).await {
            Err(ObjectsError::NotFound { .. }) => Ok(()),
            settled => settled,
        }
    }

    /// One try of an abort.
    pub(super) async fn send_abort(&self, upload: &PartsUpload<'_>) -> Result<(), ObjectsError> {
        let request = self.client.abort_multipart_upload().bucket(upload.bucket).key(upload.key);
        let sent = request.upload_id(upload.id).send().await;
        sent.map(drop).map_err(|error| ObjectsError::from_sdk(&upload.object(), &error))
    }

    /// A URL under which a part of exactly `bytes` bytes can be put, as often as somebody likes: the last one counts.
    ///
    /// # Errors
    /// [`ObjectsError::Refused`] if `expires` is longer than a week.
    pub async fn presign_part(
        &self,
        upload: &PartsUpload<'_>,
        (number, bytes): (u32, u64),
        expires: Duration,
    ) -> Result<PresignedRequest, ObjectsError> {
        let object = upload.object();
        let until = lifetime(&object, expires)?;
        let request = self.public.upload_part().bucket(upload.bucket).key(upload.key);
        let request = request
            .upload_id(upload.id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(content_length(&object, bytes)?);
        let signed = request.presigned(until).await;
        signed
            .map(|signed| describe(&signed))
            .map_err(|error| ObjectsError::from_sdk(&object, &error))
    }
}

/// The size of the parts of a file: `at_least`, or more MiB where that makes too many parts.
pub const fn part_bytes(file_bytes: u64, at_least: u64) -> u64 {
    let least = file_bytes.div_ceil(PARTS_MAX as u64).next_multiple_of(1024 * 1024);
    if least > at_least { least } else { at_least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_has_too_many_parts() {
        for file_bytes in [1, PART_BYTES_MIN, 80 * 1024 * 1024 * 1024, 5 * 1024_u64.pow(4)] {
            let part = part_bytes(file_bytes, PART_BYTES_MIN);
            let parts = file_bytes.div_ceil(part);
            assert!(part >= PART_BYTES_MIN && parts <= u64::from(PARTS_MAX), "{file_bytes}");
        }
    }
}
