//! Pages of other origins: those that the configuration names may use the API from a browser, with a key of their own and
//! never with the session of somebody who is signed in here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Url;

use super::Api;

/// Origins that may be named.
pub(super) const ORIGINS_MAX: usize = 64;
/// Methods that pages may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Headers that pages may send.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, last-event-id, panofleet-tenant, range, traceparent",
);
/// Headers of an answer that pages may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "content-range, etag, location, ratelimit, ratelimit-policy, retry-after",
);
/// Seconds that a browser may remember the answer to a preflight.
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("3600");

/// A request of a page that may use the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Welcome;

/// Whether this is an origin as browsers write it: `https://app.example.com`.
pub(super) fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

/// Answers what browsers ask before they let a page of a named origin use the API, and lets the page read the answers.
pub(super) async fn cors(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    let origins = &api.config.http.cors_origins;
    if origins.is_empty() {
        return next.run(request).await;
    }
    let path = request.uri().path();
    let for_programs = path.starts_with("/v1/") || path.starts_with("/o/");
    let origin = request.headers().get(header::ORIGIN).cloned();
    let origin = origin.filter(|origin| {
        for_programs && origins.iter().any(|known| known.as_bytes() == origin.as_bytes())
    });
    let Some(origin) = origin else {
        let mut response = next.run(request).await;
        vary(response.headers_mut());
        return response;
    };
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if request.method() == Method::OPTIONS && asks {
        preflight()
    } else {
        request.headers_mut().remove(header::COOKIE);
        request.extensions_mut().insert(Welcome);
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    vary(headers);
    response
}

/// What a cache has for one origin is not for another.
fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for (text, expected) in [
            ("https://app.example.com", true),
            ("http://127.0.0.1:8080", true),
            ("https://app.example.com/", false),
            ("https://app.example.com:443", false),
            ("https://App.example.com", false),
            ("app.example.com", false),
            ("file:///a", false),
            ("null", false),
            ("*", false),
        ] {
            assert_eq!(is_origin(text), expected, "{text}");
        }
    }
}
