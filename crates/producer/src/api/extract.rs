//! Extractors whose refusals are problems that name the field.

use std::borrow::Cow;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use bytes::Bytes;
use panofleet_job_schema::{JobId, limits};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        check_is_json(request.headers())?;
        let body = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        parse(&body).map(Self)
    }
}

/// A JSON body, or what its type is by default where there is no body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaybeJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = check_is_json(request.headers());
        let body = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        is_json.and_then(|()| parse(&body)).map(Self)
    }
}

/// Browsers send this type to another site only after asking it, so it also keeps forged requests out.
fn check_is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if has_type(headers, "application/json") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "send the body as JSON, with `Content-Type: application/json`";
    Err(ApiError::refused(status, "not_json", detail))
}

/// Whether the body is of this media type, whatever its parameters.
pub(crate) fn has_type(headers: &HeaderMap, media_type: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|text| text.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(media_type))
}

fn unread(error: &BytesRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body is larger than {} bytes", limits::JOB_BODY_BYTES_MAX);
        return ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail);
    }
    let detail = "the body broke off; send the request again";
    ApiError::refused(StatusCode::BAD_REQUEST, "body_incomplete", detail)
}

/// Reads a JSON object; what is wrong with it is said by the field's name.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would take a list of the fields' values, too.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::unfit("does_not_fit", "the body must be a JSON object, `{…}`"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        if inner.is_data() {
            let at = if path == "." { String::new() } else { format!("`{path}`: ") };
            return ApiError::unfit("does_not_fit", format!("{at}{}", without_position(inner)));
        }
        ApiError::refused(StatusCode::BAD_REQUEST, "malformed_json", format!("not JSON: {inner}"))
    })?;
    reader.end().map_err(|error| {
        ApiError::refused(StatusCode::BAD_REQUEST, "malformed_json", format!("not JSON: {error}"))
    })?;
    Ok(value)
}

/// The path says more than ` at line 1 column 80`.
fn without_position(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    said.strip_suffix(&position).map(str::to_owned).unwrap_or(said)
}

/// The parameters of the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parameters(&parts.uri).map(Self)
    }
}

/// The parameters of a query.
pub(crate) fn parameters<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    Query::try_from_uri(uri).map(|Query(params)| params).map_err(|error| {
        let said = error.body_text();
        let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(&said);
        bad_parameter(said.to_owned())
    })
}

/// A parameter of the query that cannot be used: 400.
pub(crate) fn bad_parameter(detail: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::refused(StatusCode::BAD_REQUEST, "bad_parameter", detail)
}

/// The variable parts of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segments = Path::<T>::from_request_parts(parts, state).await;
        segments.map(|Path(segments)| Self(segments)).map_err(|_unreadable| {
            let detail = "the path has an escape that is not UTF-8";
            ApiError::refused(StatusCode::BAD_REQUEST, "bad_path", detail)
        })
    }
}

/// The job that the path names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobPath(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Segments(text) = Segments::<String>::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|_unreadable| bad_job_id())
    }
}

/// What the path has in the place of a job's id is none.
pub(crate) fn bad_job_id() -> ApiError {
    ApiError::absent("job_not_found", "a job's id is a UUID; GET /v1/jobs lists the jobs")
}
