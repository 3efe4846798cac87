//! `/v1/uploads…`: sources go straight into the object store, with addresses that the API signs: in one request, or in
//! parts, which can be sent beside each other and gone on with after an interruption (`uploads/parts.rs`).

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use hex::FromHex as _;
use panofleet_job_schema::Timestamp;
use panofleet_job_schema::source::Source;
use panofleet_jobs_db::{Upload, UploadParts};
use panofleet_objects::client::{ExactBody, PresignedRequest, PutOptions, part_bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

use super::Api;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JsonBody, Segments};
use crate::uploaded::{self, parts_of};

pub(super) mod parts;

use parts::{UploadState, UploadStatus};

/// Bytes of a media type.
const CONTENT_TYPE_BYTES_MAX: usize = 128;
/// What the store says of a file whose media type nobody has said.
const ANY_BYTES: &str = "application/octet-stream";

/// What is to be uploaded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadRequest {
    /// Exact size of the file.
    bytes: u64,
    /// Its media type, for the store's own record; what the file is, its contents say.
    #[serde(default)]
    content_type: Option<String>,
    /// Its SHA-256, hexadecimal. A job whose source turns out to have another is rejected.
    #[serde(default, deserialize_with = "sha256")]
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    sha256: Option<[u8; 32]>,
    /// Whether to send it in parts, which can be gone on with after an interruption. What is too large for one request is
    /// sent in parts whatever this says.
    #[serde(default)]
    parts: bool,
}

fn sha256<'de, D: Deserializer<'de>>(value: D) -> Result<Option<[u8; 32]>, D::Error> {
    let Some(text) = Option::<String>::deserialize(value)? else { return Ok(None) };
    let read = <[u8; 32]>::from_hex(&text);
    read.map(Some).map_err(|_other| D::Error::custom("it must be 64 hexadecimal digits"))
}

/// How to upload a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadView {
    /// The upload.
    pub id: Uuid,
    /// What a job names as its source once the file is there.
    pub source: Source,
    /// Exact size of the file.
    pub bytes: u64,
    /// What its SHA-256 has to be, hexadecimal, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How it is sent.
    #[serde(flatten)]
    pub way: UploadWay,
}

/// How a file is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum UploadWay {
    /// In one request.
    Whole(WholePut),
    /// In parts: `POST /v1/uploads/{id}/parts` gives their addresses, `POST /v1/uploads/{id}/complete` makes one file of them.
    Parts {
        /// How it is cut.
        parts: Cut,
    },
}

/// The request that uploads a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholePut {
    /// `PUT`.
    pub method: String,
    /// Where to put it. Whoever has the address can.
    pub url: String,
    /// Headers that the request must have.
    pub headers: BTreeMap<String, String>,
    /// When the address stops working.
    pub expires_at: Timestamp,
}

/// How a file is cut into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cut {
    /// Size of every part but the last, which has the rest.
    pub bytes: u64,
    /// Number of parts. They are numbered from 1.
    pub count: u32,
}

impl Cut {
    fn of(upload: &Upload, parts: &UploadParts) -> Self {
        let count = upload.bytes.div_ceil(parts.part_bytes.max(1));
        Self { bytes: parts.part_bytes, count: u32::try_from(count).unwrap_or(u32::MAX) }
    }

    /// The size of a part of a file of `file_bytes`; none if there is no part of this number.
    pub fn bytes_of(self, number: u32, file_bytes: u64) -> Option<u64> {
        let before = u64::from(number.checked_sub(1)?) * self.bytes;
        (number <= self.count).then(|| file_bytes.saturating_sub(before).min(self.bytes))
    }
}

/// Begins an upload: 201.
pub(super) async fn begin(
    api: Granted,
    JsonBody(request): JsonBody<UploadRequest>,
) -> Result<(StatusCode, Json<UploadView>), ApiError> {
    check(&api, &request)?;
    let config = &api.config;
    let Some(region) = config.regions.get(&config.default_region) else {
        return Err(ApiError::Internal("api.default_region is not under api.regions".to_owned()));
    };
    api.principal().check_regions([&config.default_region])?;
    api.admit_upload(request.bytes).await?;
    let (id, now) = (Uuid::now_v7(), api.db.now().await?);
    let mut upload = Upload {
        id,
        tenant: api.tenant().clone(),
        bucket: region.bucket.clone(),
        key: format!("{}/uploads/{id}", api.tenant()),
        bytes: request.bytes,
        created_at: now,
        sha256: request.sha256,
        parts: None,
    };
    let way = if request.parts || upload.bytes > config.uploads.parts_above {
        UploadWay::Parts { parts: api.begin_parts(&mut upload, request.content_type).await? }
    } else {
        UploadWay::Whole(api.sign_whole(&upload, request.content_type).await?)
    };
    if let Err(error) = api.db.put_upload(&upload).await {
        // Without a row nobody could go on with it.
        if let Some(address) = parts_of(&upload)
            && let Err(error) = api.objects.abort_parts(&address).await
        {
            tracing::warn!(upload = %id, %error, "left an upload in parts behind");
        }
        return Err(error.into());
    }
    let source = Source::Upload(id);
    let view = UploadView { id, source, bytes: upload.bytes, sha256: sum(&upload), way };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Removes an upload that no job has named, and what was sent of it.
pub(super) async fn remove(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<UploadStatus>, ApiError> {
    let upload = api.upload(&id).await?;
    let now = api.db.now().await?;
    // Who has the address of an upload in one request can put the file until then: it is looked after once more.
    let until = if upload.parts.is_some() {
        now
    } else {
        now.max(upload.created_at + api.config.uploads.expires.0)
    };
    if !api.db.retire_unused_upload(upload.id, until).await? {
        let detail = format!(
            "a job has named upload {id} as its source: it goes when no job can need it any more"
        );
        return Err(ApiError::conflict("upload_in_use", detail));
    }
    uploaded::remove(&api.objects, &upload).await?;
    if until <= now {
        api.db.remove_upload(upload.id).await?;
    }
    tracing::info!(upload = %upload.id, "upload removed by request");
    Ok(Json(UploadStatus::of(&upload, UploadState::Gone)))
}

impl Granted {
    /// An upload, if it may be shown.
    async fn upload(&self, id: &str) -> Result<Upload, ApiError> {
        let absent = || {
            let detail = format!("there is no upload `{id}`; POST /v1/uploads begins one");
            ApiError::absent("upload_not_found", detail)
        };
        let known: Uuid = id.parse().map_err(|_unreadable| absent())?;
        let found = self.db.upload(known).await?;
        let found = found.filter(|found| self.sees(&found.tenant)).ok_or_else(absent)?;
        self.note_tenant(&found.tenant);
        Ok(found)
    }

    async fn begin_parts(
        &self,
        upload: &mut Upload,
        content_type: Option<String>,
    ) -> Result<Cut, ApiError> {
        let options = PutOptions::of_type(content_type.as_deref().unwrap_or(ANY_BYTES));
        let store_upload = self.objects.begin_parts(&upload.bucket, &upload.key, &options).await?;
        let part_bytes = part_bytes(upload.bytes, self.config.uploads.part_bytes);
        let parts = UploadParts { store_upload, part_bytes };
        let cut = Cut::of(upload, &parts);
        upload.parts = Some(parts);
        Ok(cut)
    }

    async fn sign_whole(
        &self,
        upload: &Upload,
        content_type: Option<String>,
    ) -> Result<WholePut, ApiError> {
        let expires = self.config.uploads.expires.0;
        let exact = ExactBody { bytes: upload.bytes, sha256: upload.sha256 };
        let signed = self.objects.presign_put(&upload.bucket, &upload.key, exact, expires).await?;
        let PresignedRequest { method, url, headers } = signed;
        let mut headers: BTreeMap<String, String> = headers.into_iter().collect();
        headers.extend(content_type.map(|kind| ("content-type".to_owned(), kind)));
        Ok(WholePut { method, url, headers, expires_at: upload.created_at + expires })
    }
}

fn sum(upload: &Upload) -> Option<String> {
    upload.sha256.map(hex::encode)
}

fn check(api: &Api, request: &UploadRequest) -> Result<(), ApiError> {
    let (bytes, bytes_max) = (request.bytes, api.config.uploads.bytes_max);
    if !(1..=bytes_max).contains(&bytes) {
        let detail = format!("`bytes` is {bytes}; it must be 1 to {bytes_max}");
        return Err(ApiError::unfit("does_not_fit", detail));
    }
    match &request.content_type {
        Some(kind)
            if kind.len() > CONTENT_TYPE_BYTES_MAX || HeaderValue::from_str(kind).is_err() =>
        {
            let detail = format!(
                "`content_type` must be a media type of at most {CONTENT_TYPE_BYTES_MAX} bytes, such as image/jpeg"
            );
            Err(ApiError::unfit("does_not_fit", detail))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_has_the_rest() {
        let cut = Cut { bytes: 10, count: 3 };
        let sizes = [0, 1, 2, 3, 4].map(|number| cut.bytes_of(number, 25));
        assert_eq!(sizes, [None, Some(10), Some(10), Some(5), None]);
        assert_eq!(cut.bytes_of(3, 30), Some(10));
    }
}
