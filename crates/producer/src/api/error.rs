//! Every refusal of the API, as `application/problem+json` (RFC 9457).
//!
//! A refusal has a stable `code` for programs and a `detail` for people that says what to do. What went wrong
//! inside is logged here, once, and never shown.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use panofleet_job_schema::JobId;
use panofleet_jobs_db::JobsDbError;
use panofleet_objects::ObjectsError;
use schemars::JsonSchema;
use serde::Serialize;

use super::quota::{RateState, seconds};

/// What the API says when it does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The request is at fault, or the state of what it asks about.
    #[error("{code}: {detail}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Stable, `snake_case`.
        code: &'static str,
        /// What is wrong and what to do.
        detail: Cow<'static, str>,
    },
    /// There is no such job, or it is somebody else's.
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    /// The job database did not do what it should.
    #[error(transparent)]
    Db(#[from] JobsDbError),
    /// The object store did not do what it should.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// A tenant has asked for more than it may.
    #[error("{code}: {detail}")]
    TooMany {
        /// Stable, `snake_case`.
        code: &'static str,
        /// What is too much and when to come again.
        detail: String,
        /// When to come again.
        retry_after: Duration,
        /// How the tenant's rate stands, if that is what it was.
        rate: Option<RateState>,
    },
    /// A bug.
    #[error("{0}")]
    Internal(String),
}

/// What programs go by, in the extensions of a refusal's response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

/// The body of a refusal.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// `urn:panofleet:problem:<code>`.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The status.
    pub(crate) status: u16,
    /// What programs go by.
    code: &'static str,
    /// What people read.
    detail: String,
}

impl ApiError {
    /// The request does not fit: 422.
    pub(crate) fn unfit(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// It is not there: 404.
    pub(crate) fn absent(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code, detail)
    }

    /// Not as things stand: 409.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::CONFLICT, code, detail)
    }

    /// Any other refusal.
    pub(crate) fn refused(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Refused { status, code, detail: detail.into() }
    }

    /// What the client gets to know.
    pub(crate) fn public(&self) -> (StatusCode, &'static str, Cow<'static, str>) {
        const LATER: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        const BUG: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
        match self {
            Self::Refused { status, code, detail } => (*status, code, detail.clone()),
            Self::TooMany { code, detail, .. } => {
                (StatusCode::TOO_MANY_REQUESTS, code, detail.clone().into())
            }
            Self::NoSuchJob(id) => {
                let detail = format!("there is no job {id}; GET /v1/jobs lists those there are");
                (StatusCode::NOT_FOUND, "job_not_found", detail.into())
            }
            Self::Db(JobsDbError::Conflict(_)) => {
                let detail = "the job is changing faster than it can be written; try again";
                (LATER, "busy", detail.into())
            }
            Self::Db(JobsDbError::Unavailable(_)) => {
                let detail = "the job database does not answer; try again, with an idempotency_key \
                              where a job is submitted: it may have been accepted";
                (LATER, "database_unavailable", detail.into())
            }
            Self::Objects(error) if error.is_transient() => {
                (LATER, "store_unavailable", "the object store does not answer; try again".into())
            }
            Self::Db(JobsDbError::Refused(_) | JobsDbError::Corrupt(_))
            | Self::Objects(_)
            | Self::Internal(_) => {
                let detail = "this is our fault and has been logged; tell the operator when it was";
                (BUG, "internal", detail.into())
            }
        }
    }

    /// What the client reads.
    pub(crate) fn problem(&self) -> Problem {
        let (status, code, detail) = self.public();
        Problem {
            kind: format!("urn:panofleet:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Refused"),
            status: status.as_u16(),
            code,
            detail: detail.into_owned(),
        }
    }

    /// Says what went wrong inside.
    pub(crate) fn log(&self) {
        let (status, code, _) = self.public();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "request failed");
        } else if status.is_server_error() {
            tracing::warn!(code, error = %self, "request cannot be answered now");
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, _) = self.public();
        self.log();
        let problem = self.problem();
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if let Self::TooMany { retry_after, rate, .. } = &self {
            headers.insert(header::RETRY_AFTER, seconds(*retry_after).max(1).into());
            rate.iter().for_each(|state| state.write(headers));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge(code)));
        }
        response.extensions_mut().insert(Code(code));
        response
    }
}

/// What `WWW-Authenticate` asks for (RFC 6750 §3): of those who sent a key that is of no use, another one.
fn challenge(code: &str) -> &'static str {
    match code {
        "key_missing" => "Bearer realm=\"panofleet\"",
        _ => "Bearer realm=\"panofleet\", error=\"invalid_token\"",
    }
}
