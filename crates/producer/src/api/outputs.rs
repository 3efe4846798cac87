//! Results: the manifest, and the files that it lists. Nothing else of the store can be reached.

mod range;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt as _;
use panofleet_job_schema::manifest::{FileRecord, Manifest};
use panofleet_job_schema::{Generation, Job, JobId};
use panofleet_objects::client::ByteRange;

use self::range::{Part, asked_part};
use super::Api;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JobPath, Segments, bad_job_id};
use super::manifests::Resolved;

/// Files under a generation never change.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What not everybody may see, no cache keeps that others share.
const FOREVER_PRIVATE: &str = "private, max-age=31536000, immutable";
/// Without a generation, a retry of the job changes them.
const ASK_AGAIN: &str = "no-cache";
/// Files come from a sandbox that read a stranger's file: a browser must not run them.
const CSP_FILE: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// The manifest of the present generation.
pub(super) async fn manifest(
    api: Granted,
    JobPath(id): JobPath,
) -> Result<Json<Manifest>, ApiError> {
    let job = api.job(id).await?.job;
    let found = api.manifest(&job, job.generation).await?.ok_or_else(|| no_result(&job))?;
    Ok(Json(found.manifest.clone()))
}

fn no_result(job: &Job) -> ApiError {
    let (id, state) = (job.id, job.state.name());
    let detail = if job.state.is_terminal() {
        format!("job {id} has ended as {state}, without a result; GET /v1/jobs/{id} says why")
    } else {
        format!("job {id} is {state}; its result is there once it has succeeded")
    };
    ApiError::absent("no_result", detail)
}

/// A file of an output: `/o/<job>.<generation>/<output>/<path>`, or of the present generation without it.
pub(super) async fn file(
    api: Granted,
    method: Method,
    headers: HeaderMap,
    Segments((job, output, path)): Segments<(String, String, String)>,
) -> Result<Response, ApiError> {
    let (id, generation) = parse_job(&job).ok_or_else(bad_job_id)?;
    let job = api.job(id).await?.job;
    let found = api.manifest(&job, generation.unwrap_or(job.generation)).await?;
    let resolved = found.ok_or_else(|| no_result(&job))?;
    let Some((record, file)) = resolved.file(&output, &path) else {
        return Err(no_such_file(&resolved, &output, &path));
    };
    let cache_control = match (generation, api.is_open()) {
        (None, _) => ASK_AGAIN,
        (Some(_), true) => FOREVER,
        (Some(_), false) => FOREVER_PRIVATE,
    };
    let entity = Entity { etag: format!("\"{}\"", file.sha256), cache_control, file };
    if entity.is_known(&headers) {
        return Ok(entity.headers(StatusCode::NOT_MODIFIED, Response::default()));
    }
    let part = asked_part(&headers, file.bytes, &entity.etag)?;
    let key = format!("{}/{}", record.prefix, file.path);
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        stream(&api, &job.bucket, &key, part).await?
    };
    Ok(entity.answer(part, body))
}

/// `<job>` or `<job>.<generation>`.
fn parse_job(text: &str) -> Option<(JobId, Option<Generation>)> {
    match text.split_once('.') {
        Some((job, generation)) => {
            Some((job.parse().ok()?, Some(Generation(generation.parse().ok()?))))
        }
        None => Some((text.parse().ok()?, None)),
    }
}

fn no_such_file(resolved: &Resolved, output: &str, path: &str) -> ApiError {
    let outputs = &resolved.manifest.outputs;
    if outputs.keys().any(|name| name.as_str() == output) {
        let detail =
            format!("output `{output}` has no file `{path}`; the manifest lists its files");
        return ApiError::absent("no_such_file", detail);
    }
    let names: Vec<&str> = outputs.keys().map(|name| name.as_str()).collect();
    let detail = format!("there is no output `{output}`; there are: {}", names.join(", "));
    ApiError::absent("no_such_output", detail)
}

/// The bytes of a file, as the store gives them.
async fn stream(api: &Api, bucket: &str, key: &str, part: Part) -> Result<Body, ApiError> {
    let range = part.range.map(|(first, last)| ByteRange::Between(first, last));
    let reader = api.objects.open(bucket, key, range).await?;
    if reader.bytes != part.bytes() {
        let (there, expected) = (reader.bytes, part.bytes());
        let said = format!("{key} gives {there} bytes where its manifest says {expected}");
        return Err(ApiError::Internal(said));
    }
    let key = key.to_owned();
    let broken =
        move |error: &_| tracing::warn!(key, %error, "a file broke off on its way to a client");
    Ok(Body::from_stream(reader.into_stream().inspect_err(broken)))
}

/// What an answer says about a file.
struct Entity<'a> {
    etag: String,
    cache_control: &'static str,
    file: &'a FileRecord,
}

impl Entity<'_> {
    /// Whether the client has the file already (RFC 9110 §13.1.2).
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(header::IF_NONE_MATCH).iter();
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
            |tag| {
                let tag = tag.trim();
                tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag
            },
        )
    }

    fn answer(&self, part: Part, body: Body) -> Response {
        let status =
            if part.range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut response = self.headers(status, body.into_response());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.bytes()));
        if let Some((first, last)) = part.range {
            let range = format!("bytes {first}-{last}/{}", part.whole_bytes);
            headers.extend([(header::CONTENT_RANGE, ascii(&range))]);
        }
        response
    }

    fn headers(&self, status: StatusCode, mut response: Response) -> Response {
        *response.status_mut() = status;
        response.headers_mut().extend([
            (header::CONTENT_TYPE, ascii(&self.file.content_type)),
            (header::ETAG, ascii(&self.etag)),
            (header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control)),
            (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_FILE)),
        ]);
        response
    }
}

/// A header's value; a manifest that names something unprintable gets the plainest type there is.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}
