//! Uploads in parts: where one stands, the addresses of its parts, and its completion. What is there, the store says: the
//! database does not hear of a part that a client puts.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use panofleet_job_schema::Timestamp;
use panofleet_job_schema::source::Source;
use panofleet_jobs_db::Upload;
use panofleet_objects::ObjectsError;
use panofleet_objects::client::{PARTS_MAX, PartHead, PartsUpload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Cut, sum};
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Params, Segments, bad_parameter};
use crate::uploaded::parts_of;

/// Addresses that one request may ask for.
const ADDRESSES_MAX: usize = 100;
/// Missing parts that a refusal names.
const NAMED_MAX: usize = 5;

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadStatus {
    /// The upload.
    pub id: Uuid,
    /// What a job names as its source once the upload is complete.
    pub source: Source,
    /// Exact size of the file.
    pub bytes: u64,
    /// What its SHA-256 has to be, hexadecimal, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// Whether it can be used.
    pub state: UploadState,
    /// Its parts, if it is sent in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsStatus>,
}

/// Whether an upload can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Something is still to be sent, or the parts are to be completed.
    Open,
    /// The file is there: jobs may name it.
    Complete,
    /// What was sent was removed.
    Gone,
}

/// The parts of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartsStatus {
    /// Size of every part but the last, which has the rest.
    pub bytes: u64,
    /// Number of parts.
    pub count: u32,
    /// The parts that the store has, by number, at most 1000; none once the upload is complete.
    pub there: Vec<PartView>,
    /// What to pass as `after` for those behind them; `null` on the last page.
    pub next: Option<u32>,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartView {
    /// Its number.
    pub number: u32,
    /// Its size.
    pub bytes: u64,
    /// The store's tag of it.
    pub etag: String,
}

/// Which page of the parts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartsQuery {
    /// Parts behind this number.
    #[schemars(range(max = 10000))]
    after: Option<u32>,
}

/// Which parts are to be sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartsRequest {
    /// Their numbers, 1 to 100 of them.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    numbers: BTreeSet<u32>,
}

/// Where parts are put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartAddresses {
    /// By number.
    pub parts: Vec<PartAddress>,
    /// When the addresses stop working; new ones can be asked for.
    pub expires_at: Timestamp,
}

/// Where a part is put. A part may be put again: the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartAddress {
    /// Its number.
    pub number: u32,
    /// Exact size of the body.
    pub bytes: u64,
    /// `PUT`.
    pub method: String,
    /// Where to put it. Whoever has the address can.
    pub url: String,
    /// Headers that the request must have.
    pub headers: BTreeMap<String, String>,
}

/// Says where an upload stands.
pub(crate) async fn show(
    api: Granted,
    Segments(id): Segments<String>,
    Params(query): Params<PartsQuery>,
) -> Result<Json<UploadStatus>, ApiError> {
    let after = query.after.unwrap_or(0);
    if after > PARTS_MAX {
        return Err(bad_parameter(format!("after is {after}; it must be at most {PARTS_MAX}")));
    }
    let upload = api.upload(&id).await?;
    api.standing(&upload, after).await.map(Json)
}

/// Signs addresses for parts.
pub(crate) async fn addresses(
    api: Granted,
    Segments(id): Segments<String>,
    JsonBody(request): JsonBody<PartsRequest>,
) -> Result<Json<PartAddresses>, ApiError> {
    let upload = api.upload(&id).await?;
    let (Some(address), Some(parts)) = (parts_of(&upload), &upload.parts) else {
        let detail = format!(
            "upload {id} is sent in one request, to the address that it got; begin one with \"parts\": true"
        );
        return Err(ApiError::conflict("upload_not_in_parts", detail));
    };
    let asked = request.numbers.len();
    if !(1..=ADDRESSES_MAX).contains(&asked) {
        let detail = format!("`numbers` has {asked} numbers; it must have 1 to {ADDRESSES_MAX}");
        return Err(ApiError::unfit("does_not_fit", detail));
    }
    let (cut, expires) = (Cut::of(&upload, parts), api.config.uploads.expires.0);
    let expires_at = api.db.now().await? + expires;
    let mut signed = Vec::with_capacity(asked);
    for number in request.numbers {
        let bytes = cut.bytes_of(number, upload.bytes).ok_or_else(|| {
            let detail = format!("`numbers`: {number} is no part; they are 1 to {}", cut.count);
            ApiError::unfit("does_not_fit", detail)
        })?;
        let put = api.objects.presign_part(&address, (number, bytes), expires).await?;
        let headers = put.headers.into_iter().collect();
        signed.push(PartAddress { number, bytes, method: put.method, url: put.url, headers });
    }
    Ok(Json(PartAddresses { parts: signed, expires_at }))
}

/// Makes one file of the parts. An upload that is complete stays as it is.
pub(crate) async fn complete(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<UploadStatus>, ApiError> {
    let upload = api.upload(&id).await?;
    if let (Some(address), Some(parts)) = (parts_of(&upload), &upload.parts)
        && let Some(there) = api.all_parts(&address).await?
    {
        check(&upload, Cut::of(&upload, parts), &there)?;
        match api.objects.complete_parts(&address, &there).await {
            // Somebody else was faster: what stands there says the rest.
            Ok(()) | Err(ObjectsError::NotFound { .. }) => {}
            Err(ObjectsError::Refused { code, .. }) if code == "InvalidPart" => {
                let detail = format!("a part of upload {id} was sent anew meanwhile: try again");
                return Err(ApiError::conflict("upload_part_differs", detail));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let status = api.standing(&upload, 0).await?;
    match status.state {
        UploadState::Complete => Ok(Json(status)),
        UploadState::Open => Err(unfinished(&upload)),
        UploadState::Gone => Err(gone(&upload)),
    }
}

/// All parts are there, each of its size.
fn check(upload: &Upload, cut: Cut, there: &[PartHead]) -> Result<(), ApiError> {
    let id = upload.id;
    let wrong = |part: &&PartHead| cut.bytes_of(part.number, upload.bytes) != Some(part.bytes);
    if let Some(part) = there.iter().find(wrong) {
        let detail = format!(
            "part {} of upload {id} has {} bytes; send it again, to an address of POST /v1/uploads/{id}/parts",
            part.number, part.bytes
        );
        return Err(ApiError::conflict("upload_part_differs", detail));
    }
    let numbers: BTreeSet<u32> = there.iter().map(|part| part.number).collect();
    let missing = || (1..=cut.count).filter(|number| !numbers.contains(number));
    let count = missing().count();
    if count == 0 {
        return Ok(());
    }
    let named: Vec<String> = missing().take(NAMED_MAX).map(|number| number.to_string()).collect();
    let named = named.join(", ");
    let more = if count > NAMED_MAX { ", …" } else { "" };
    let detail = format!(
        "{count} of {} parts of upload {id} are missing ({named}{more}): PUT them to addresses of POST \
         /v1/uploads/{id}/parts; GET /v1/uploads/{id} says which are there",
        cut.count
    );
    Err(ApiError::conflict("upload_not_finished", detail))
}

/// A job names what is not there yet.
pub(crate) fn unfinished(upload: &Upload) -> ApiError {
    let id = upload.id;
    let what = if upload.parts.is_some() {
        format!(
            "PUT its parts to addresses of POST /v1/uploads/{id}/parts, POST /v1/uploads/{id}/complete"
        )
    } else {
        "PUT the file to the address that it got".to_owned()
    };
    let detail = format!("upload {id} is not finished: {what}, then submit");
    ApiError::conflict("upload_not_finished", detail)
}

fn gone(upload: &Upload) -> ApiError {
    let detail = format!(
        "what was sent of upload {} was removed; begin a new one with POST /v1/uploads",
        upload.id
    );
    ApiError::conflict("upload_gone", detail)
}

impl UploadStatus {
    pub(super) fn of(upload: &Upload, state: UploadState) -> Self {
        let parts = upload.parts.as_ref().map(|parts| {
            let Cut { bytes, count } = Cut::of(upload, parts);
            PartsStatus { bytes, count, there: Vec::new(), next: None }
        });
        Self {
            id: upload.id,
            source: Source::Upload(upload.id),
            bytes: upload.bytes,
            sha256: sum(upload),
            created_at: upload.created_at,
            state,
            parts,
        }
    }
}

impl Granted {
    /// Where an upload stands, with its parts behind a number.
    async fn standing(&self, upload: &Upload, after: u32) -> Result<UploadStatus, ApiError> {
        if let Some(address) = parts_of(upload) {
            match self.objects.list_parts(&address, after).await {
                Ok(page) => {
                    let mut status = UploadStatus::of(upload, UploadState::Open);
                    if let Some(parts) = &mut status.parts {
                        parts.there = page.parts.into_iter().map(PartView::from).collect();
                        parts.next = page.next;
                    }
                    return Ok(status);
                }
                Err(ObjectsError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let there = match self.objects.head(&upload.bucket, &upload.key).await {
            Ok(head) => head.bytes == upload.bytes,
            Err(ObjectsError::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        let state = match (there, &upload.parts) {
            (true, _) => UploadState::Complete,
            (false, None) => UploadState::Open,
            (false, Some(_)) => UploadState::Gone,
        };
        Ok(UploadStatus::of(upload, state))
    }

    /// All parts that the store has; none if it knows no such upload any more.
    async fn all_parts(
        &self,
        address: &PartsUpload<'_>,
    ) -> Result<Option<Vec<PartHead>>, ApiError> {
        let (mut parts, mut after) = (Vec::new(), Some(0));
        while let Some(number) = after.filter(|number| *number < PARTS_MAX) {
            let page = match self.objects.list_parts(address, number).await {
                Ok(page) => page,
                Err(ObjectsError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            parts.extend(page.parts);
            after = page.next.filter(|next| *next > number);
        }
        Ok(Some(parts))
    }
}

impl From<PartHead> for PartView {
    fn from(PartHead { number, bytes, etag }: PartHead) -> Self {
        Self { number, bytes, etag }
    }
}
