//! Scripts and styles, all of them in the binary.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::api::error::ApiError;
use crate::api::extract::Segments;

/// A file of the binary.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    /// Of its contents, with quotes.
    etag: &'static str,
    body: &'static [u8],
}

/// What the pages themselves load.
static PAGE_FILES: &[Asset] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// What `./dev viewer` built; empty if it had not when this program was compiled.
static VIEWER_FILES: &[Asset] = include!(concat!(env!("OUT_DIR"), "/viewer_files.rs"));

/// How to get the viewers into the binary.
pub(super) const NO_VIEWER: &str = "This program was built without the viewers. Run ./dev viewer (it needs \
    Node 20 and fetches them from npm), build again, and restart.";

/// Whether the viewers are in the binary.
pub(super) fn has_viewer() -> bool {
    !VIEWER_FILES.is_empty()
}

/// A file that the pages load.
pub(super) async fn page_file(
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = PAGE_FILES.iter().find(|asset| asset.name == name);
    found.map(|asset| asset.answer(&headers)).ok_or_else(|| no_such_file(&name))
}

/// A file of the viewers, or their licences.
pub(super) async fn viewer_file(
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !has_viewer() {
        return Err(ApiError::absent("no_viewer", NO_VIEWER));
    }
    let found = VIEWER_FILES.iter().find(|asset| asset.name == name);
    found.map(|asset| asset.answer(&headers)).ok_or_else(|| no_such_file(&name))
}

fn no_such_file(name: &str) -> ApiError {
    ApiError::absent("no_such_file", format!("this program has no file `{name}`"))
}

impl Asset {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get(header::IF_NONE_MATCH);
        let mut response = if known.is_some_and(|tag| tag.as_bytes() == self.etag.as_bytes()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.body.into_response()
        };
        response.headers_mut().extend([
            (header::CONTENT_TYPE, HeaderValue::from_static(self.content_type())),
            (header::ETAG, HeaderValue::from_static(self.etag)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ]);
        response
    }

    fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}
