//! `POST /v1/uploads`: an address that a source can be put to, straight into the object store.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use panofleet_job_schema::Timestamp;
use panofleet_job_schema::source::Source;
use panofleet_jobs_db::Upload;
use panofleet_objects::client::ExactBody;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::JsonBody;

/// Bytes of a media type.
const CONTENT_TYPE_BYTES_MAX: usize = 128;

/// What is to be uploaded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadRequest {
    /// Exact size of the file.
    bytes: u64,
    /// Its media type, for the store's own record; what the file is, its contents say.
    #[serde(default)]
    content_type: Option<String>,
}

/// How to upload a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadView {
    /// The upload.
    pub id: Uuid,
    /// What a job names as its source once the file is there.
    pub source: Source,
    /// `PUT`.
    pub method: String,
    /// Where to put it. Whoever has the address can.
    pub url: String,
    /// Headers that the request must have.
    pub headers: BTreeMap<String, String>,
    /// Exact size of the body.
    pub bytes: u64,
    /// When the address stops working.
    pub expires_at: Timestamp,
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
    let (id, now, bytes) = (Uuid::now_v7(), api.db.now().await?, request.bytes);
    let (bucket, key) = (region.bucket.clone(), format!("{}/uploads/{id}", api.tenant()));
    let expires = config.uploads.expires.0;
    let exact = ExactBody::of_bytes(bytes);
    let signed = api.objects.presign_put(&bucket, &key, exact, expires).await?;
    let upload = Upload { id, tenant: api.tenant().clone(), bucket, key, bytes, created_at: now };
    api.db.put_upload(&upload).await?;
    let mut headers: BTreeMap<String, String> = signed.headers.into_iter().collect();
    headers.extend(request.content_type.map(|kind| ("content-type".to_owned(), kind)));
    let view = UploadView {
        id,
        source: Source::Upload(id),
        method: signed.method,
        url: signed.url,
        headers,
        bytes,
        expires_at: now + expires,
    };
    Ok((StatusCode::CREATED, Json(view)))
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
