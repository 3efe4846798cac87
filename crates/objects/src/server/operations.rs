//! The S3 operations, in terms of the folder. What is not here is answered with `NotImplemented`.

use std::ops::Range;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, ChecksumMode, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, EncodingType,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ListPartsInput, ListPartsOutput, Metadata, Object, Part, PutObjectInput, PutObjectOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::conditions::{WriteCondition, check_read};
use super::digest::Claims;
use super::folder::{Folder, blocking};
use super::list::{self, Cursor, Item, Query};
use super::object_file::ClientHeaders;
use super::staging::{Incoming, content_length};
use super::{body, uploads};

/// Keys of a page, unless a client asks for fewer.
const PAGE_KEYS_MAX: i32 = 1000;
/// Parts of a page, unless a client asks for fewer.
const PAGE_PARTS_MAX: i32 = 1000;
/// Keys that one request may delete.
const DELETES_MAX: usize = 1000;

/// The operations over one folder.
pub(super) struct Operations {
    folder: Arc<Folder>,
}

impl Operations {
    pub(super) const fn new(folder: Arc<Folder>) -> Self {
        Self { folder }
    }

    /// Works on the folder, off the async threads.
    async fn with_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let folder = Arc::clone(&self.folder);
        blocking(move || work(&folder)).await
    }
}

/// What a put and the beginning of an upload say about the object, in the same words of two types.
macro_rules! client_headers {
    ($input:ident) => {
        ClientHeaders {
            content_type: $input.content_type,
            cache_control: $input.cache_control,
            content_disposition: $input.content_disposition,
            content_encoding: $input.content_encoding,
            content_language: $input.content_language,
            metadata: $input.metadata.unwrap_or_default().into_iter().collect(),
        }
    };
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        let location = Some(format!("/{bucket}"));
        let make =
            move |folder: &Folder| folder.create_bucket(&bucket).map_err(S3Error::internal_error);
        if !self.with_folder(make).await? {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.with_folder(move |folder| folder.bucket(&request.input.bucket).map(drop)).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let list = |folder: &Folder| folder.buckets().map_err(S3Error::internal_error);
        let buckets = self.with_folder(list).await?.into_iter().map(|(name, made)| Bucket {
            name: Some(name),
            creation_date: Some(made.into()),
            ..Bucket::default()
        });
        let buckets = Some(buckets.collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, ..ListBucketsOutput::default() }))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let content_length = content_length(&request.headers);
        let claims = Claims::of(&request.headers, request.trailing_headers);
        let input = request.input;
        let (bucket, key) = (input.bucket, input.key);
        let condition = WriteCondition::of(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let incoming =
            Incoming { body: input.body, content_length, claims, headers: client_headers!(input) };
        let known = bucket.clone();
        self.with_folder(move |folder| folder.bucket(&known).map(drop)).await?;
        let staged = incoming.receive(self.folder.staging()).await?;
        let etag = staged.meta.etag.clone();
        self.with_folder(move |folder| folder.publish(&bucket, &key, staged, &condition)).await?;
        let e_tag = Some(ETag::Strong(etag));
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let (bucket, key) = (input.bucket, input.key);
        let found = self.with_folder(move |folder| folder.object(&bucket, &key)).await?;
        let meta = found.meta;
        check_read(&meta.etag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let range = match &input.range {
            None => 0..meta.bytes,
            Some(range) => {
                range.check(meta.bytes).map_err(|error| s3_error!(error, InvalidRange))?
            }
        };
        let wants_checksums = input.range.is_none()
            && input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
        let mut sums = if wants_checksums { meta.checksums } else { Default::default() };
        let content_range = input.range.map(|_| content_range(&range, meta.bytes));
        let body = body::stream(found.file, &range).map_err(S3Error::internal_error)?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            cache_control: meta.headers.cache_control,
            checksum_crc32: sums.remove("crc32"),
            checksum_crc32c: sums.remove("crc32c"),
            checksum_crc64nvme: sums.remove("crc64nvme"),
            checksum_sha1: sums.remove("sha1"),
            checksum_sha256: sums.remove("sha256"),
            content_disposition: meta.headers.content_disposition,
            content_encoding: meta.headers.content_encoding,
            content_language: meta.headers.content_language,
            content_length: Some(signed(range.end - range.start)),
            content_range,
            content_type: meta.headers.content_type,
            e_tag: Some(ETag::Strong(meta.etag)),
            last_modified: Some(found.modified.into()),
            metadata: client_metadata(meta.headers.metadata),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let (bucket, key) = (input.bucket, input.key);
        let found = self.with_folder(move |folder| folder.object(&bucket, &key)).await?;
        let meta = found.meta;
        check_read(&meta.etag, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: meta.headers.cache_control,
            content_disposition: meta.headers.content_disposition,
            content_encoding: meta.headers.content_encoding,
            content_language: meta.headers.content_language,
            content_length: Some(signed(meta.bytes)),
            content_type: meta.headers.content_type,
            e_tag: Some(ETag::Strong(meta.etag)),
            last_modified: Some(found.modified.into()),
            metadata: client_metadata(meta.headers.metadata),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (request.input.bucket, request.input.key);
        self.with_folder(move |folder| folder.delete(&bucket, &key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let (bucket, delete) = (request.input.bucket, request.input.delete);
        if delete.objects.len() > DELETES_MAX {
            return Err(s3_error!(
                MalformedXML,
                "at most {DELETES_MAX} keys can be deleted at once"
            ));
        }
        let quiet = delete.quiet.unwrap_or(false);
        let work = move |folder: &Folder| {
            let mut deleted = Vec::new();
            for object in delete.objects {
                folder.delete(&bucket, &object.key)?;
                deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
            }
            Ok(deleted)
        };
        let deleted = self.with_folder(work).await?;
        let deleted = (!quiet).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let cursor = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Cursor::of_token(token)
                .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not ours"))?,
            (None, Some(key)) => Cursor::Key(key.clone()),
            (None, None) => Cursor::Start,
        };
        let max_keys = input.max_keys.unwrap_or(PAGE_KEYS_MAX).clamp(0, PAGE_KEYS_MAX);
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
            cursor,
            items_max: usize::try_from(max_keys).expect("clamped to 0 and above"),
        };
        let bucket = input.bucket.clone();
        let work = move |folder: &Folder| {
            list::list(&folder.bucket(&bucket)?, query).map_err(S3Error::internal_error)
        };
        let page = self.with_folder(work).await?;
        Ok(S3Response::new(listing(input, max_keys, page)))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let headers = client_headers!(input);
        let begin = move |folder: &Folder| uploads::begin(folder, bucket, key, headers);
        let id = self.with_folder(begin).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let content_length = content_length(&request.headers);
        let claims = Claims::of(&request.headers, request.trailing_headers);
        let input = request.input;
        let number = uploads::check_part_number(input.part_number)?;
        let (bucket, key, id) = (input.bucket, input.key, input.upload_id);
        let find = move |folder: &Folder| uploads::find(folder, &bucket, &key, &id);
        let upload = self.with_folder(find).await?;
        let incoming = Incoming {
            body: input.body,
            content_length,
            claims,
            headers: ClientHeaders::default(),
        };
        let staged = incoming.receive(self.folder.staging()).await?;
        let e_tag = Some(ETag::Strong(staged.meta.etag.clone()));
        blocking(move || upload.put_part(number, staged)).await?;
        Ok(S3Response::new(UploadPartOutput { e_tag, ..UploadPartOutput::default() }))
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        let after = input.part_number_marker.unwrap_or(0).max(0);
        let most = input.max_parts.unwrap_or(PAGE_PARTS_MAX).clamp(1, PAGE_PARTS_MAX);
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
        let list = move |folder: &Folder| {
            let most = usize::try_from(most).expect("clamped to 1 and above");
            uploads::find(folder, &bucket, &key, &id)?.list(after, most)
        };
        let (found, more) = self.with_folder(list).await?;
        let last = found.last().map(|part| part.number);
        let parts = found.into_iter().map(|part| Part {
            part_number: Some(part.number),
            size: Some(signed(part.meta.bytes)),
            e_tag: Some(ETag::Strong(part.meta.etag)),
            last_modified: Some(part.modified.into()),
            ..Part::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(after),
            next_part_number_marker: last.filter(|_| more),
            max_parts: Some(most),
            is_truncated: Some(more),
            parts: Some(parts.collect()),
            ..ListPartsOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id);
        let condition = WriteCondition::of(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let complete = move |folder: &Folder| {
            uploads::find(folder, &bucket, &key, &id)?.complete(folder, &parts, &condition)
        };
        let etag = self.with_folder(complete).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        let abort = move |folder: &Folder| {
            uploads::find(folder, &input.bucket, &input.key, &input.upload_id)?.remove()
        };
        self.with_folder(abort).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

fn listing(input: ListObjectsV2Input, max_keys: i32, page: list::Page) -> ListObjectsV2Output {
    // XML cannot hold every key; clients that know so ask for this.
    let encoded =
        input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
    let shown = |text: String| {
        if encoded { utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string() } else { text }
    };
    let key_count = i32::try_from(page.items.len()).ok();
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for item in page.items {
        match item {
            Item::Object { key, bytes, etag, modified } => contents.push(Object {
                key: Some(shown(key)),
                size: Some(signed(bytes)),
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(modified.into()),
                ..Object::default()
            }),
            Item::CommonPrefix(prefix) => {
                common_prefixes.push(CommonPrefix { prefix: Some(shown(prefix)) });
            }
        }
    }
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(shown(input.prefix.unwrap_or_default())),
        delimiter: input.delimiter.map(shown),
        start_after: input.start_after.map(shown),
        encoding_type: input.encoding_type,
        continuation_token: input.continuation_token,
        max_keys: Some(max_keys),
        key_count,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.and_then(|cursor| cursor.token()),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        ..ListObjectsV2Output::default()
    }
}

fn content_range(range: &Range<u64>, bytes: u64) -> String {
    format!("bytes {}-{}/{bytes}", range.start, range.end - 1)
}

fn client_metadata(metadata: std::collections::BTreeMap<String, String>) -> Option<Metadata> {
    (!metadata.is_empty()).then(|| metadata.into_iter().collect())
}

/// Sizes in S3 are signed; no file is longer than 2⁶³.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
