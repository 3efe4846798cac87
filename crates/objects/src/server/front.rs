//! What stands before the S3 protocol: cross-origin rules, and requests that it would take but we do not.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use percent_encoding::percent_decode_str;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpResponse, S3Error, s3_error};

use super::ServerConfig;
use super::folder::Folder;
use super::operations::Operations;

/// Methods that pages may use.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE");
/// Headers of an answer that pages may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("ETag, Content-Length, Content-Range, Accept-Ranges, Last-Modified");
/// Seconds that a browser may remember the answer to a preflight.
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("3600");

/// The service of one connection.
#[derive(Clone)]
pub(super) struct Front {
    s3: S3Service,
    cors: bool,
}

impl Front {
    pub(super) fn new(folder: Arc<Folder>, config: &ServerConfig) -> Self {
        let mut builder = S3ServiceBuilder::new(Operations::new(folder));
        // With authentication set, requests without a signature are refused.
        builder.set_auth(SimpleAuth::from_single(&config.access_key, config.secret_key.expose()));
        Self { s3: builder.build(), cors: config.cors }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let cors = self.cors && request.headers().contains_key(header::ORIGIN);
        if cors && request.method() == Method::OPTIONS {
            let answer = preflight(request.headers());
            return Box::pin(async move { Ok(answer) });
        }
        if let Some(refusal) = refusal(&request) {
            let answer = refusal.to_http_response().map_err(|error| HttpError::new(error.into()));
            return Box::pin(async move { answer });
        }
        let answer = Service::call(&self.s3, request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if cors {
                let headers = answer.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
            Ok(answer)
        })
    }
}

/// Requests that are not let through. Form uploads are read into memory before they are authorised;
/// version 2 signatures cover too little of a request.
fn refusal(request: &Request<Incoming>) -> Option<S3Error> {
    let starts = |name, text: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with(text))
    };
    if request.method() == Method::POST && starts(header::CONTENT_TYPE, "multipart/") {
        return Some(s3_error!(
            NotImplemented,
            "form uploads are not supported; use a presigned PUT"
        ));
    }
    let query = request.uri().query().unwrap_or_default();
    let mut names = query.split('&').filter_map(|pair| pair.split('=').next());
    let signed_v2 = names.any(|name| percent_decode_str(name).eq(*b"Signature"));
    if signed_v2 || starts(header::AUTHORIZATION, "aws ") {
        return Some(s3_error!(AccessDenied, "only signature version 4 is accepted"));
    }
    None
}

fn preflight(asked: &HeaderMap) -> HttpResponse {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    answer
}
