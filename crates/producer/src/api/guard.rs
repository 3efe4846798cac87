//! What surrounds every request: time limits, security headers, log lines, and answers where no route is.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::cors::Welcome;
use super::error::ApiError;
use crate::metrics;

/// What answers of the API may do in a browser: nothing. Pages say more for themselves.
const CSP_NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// Bounds the time from the headers of a request to the beginning of its answer.
pub(super) async fn within_time(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    let limit = api.config.http.request_timeout;
    match tokio::time::timeout(limit.0, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => {
            let detail =
                format!("no answer within {limit}: send the body faster, or try again later");
            let status = StatusCode::SERVICE_UNAVAILABLE;
            ApiError::refused(status, "timed_out", detail).into_response()
        }
    }
}

/// Refuses what a page of another site makes a browser send. Programs do not send the header.
pub(super) async fn same_site_only(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    let foreign = matches!(site, Some(b"cross-site" | b"same-site"));
    let welcome = request.extensions().get::<Welcome>().is_some();
    if foreign && !welcome && !request.method().is_safe() {
        let detail = "a page of another site sent this request; send it from your own program, or have an operator \
                      name the page's origin in api.http.cors_origins";
        return ApiError::refused(StatusCode::FORBIDDEN, "cross_site", detail).into_response();
    }
    next.run(request).await
}

/// Adds the headers that every answer has, unless its handler has said otherwise.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    add(headers, header::CONTENT_SECURITY_POLICY, CSP_NOTHING);
    add(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(headers, header::REFERRER_POLICY, "same-origin");
    add(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    add(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    add(headers, header::CACHE_CONTROL, "no-store");
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// One line a request, at the level that its end deserves.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let (status, route) = (response.status().as_u16(), route.as_deref().unwrap_or("none"));
    let took = begun.elapsed();
    metrics::answered(method.as_str(), route, status, took);
    let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%method, route, status, elapsed_ms, "request answered");
    response
}

/// The answer of a handler that panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::Internal(format!("a handler panicked: {said}")).into_response()
}

/// No such path: 404.
pub(super) async fn no_such_route(uri: Uri) -> ApiError {
    let detail = format!("there is nothing at {}; the API is under /v1", uri.path());
    ApiError::absent("no_such_route", detail)
}

/// Not this method: 405. axum adds `Allow`.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let detail = format!("{} does not take {method}; see the Allow header", uri.path());
    ApiError::refused(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", detail)
}
