//! `/metrics`, `/healthz` and `/readyz`: for a role that has no other HTTP server.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use panofleet_job_schema::Span;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::http::{ConnectionLimits, serve as serve_http};
use crate::metrics;
use crate::readiness::{Checked, Readiness};

/// A scraper, an orchestrator and a few people at once.
const LIMITS: ConnectionLimits = ConnectionLimits {
    connections_max: 32,
    header_timeout: Span::from_secs(30),
    drain: Span::from_secs(1),
};

/// What `/readyz` says.
#[derive(Debug, Serialize)]
struct Ready {
    ready: bool,
    checks: Vec<Checked>,
}

/// Serves on `listener` until `shutdown`.
///
/// | path | answer |
/// |---|---|
/// | `/metrics` | Prometheus's text format |
/// | `/healthz` | 200 as long as the process answers |
/// | `/readyz` | 200 if every part of `readiness` answers, else 503; JSON that names what does not work |
pub async fn serve(listener: TcpListener, readiness: Readiness, shutdown: CancellationToken) {
    let readiness = Arc::new(readiness);
    let ending = shutdown.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (readiness, ending) = (Arc::clone(&readiness), ending.clone());
        async move { Ok::<_, Infallible>(answer(&request, &readiness, &ending).await) }
    });
    serve_http(listener, service, LIMITS, shutdown).await;
}

async fn answer(
    request: &Request<Incoming>,
    readiness: &Readiness,
    ending: &CancellationToken,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = json(StatusCode::METHOD_NOT_ALLOWED, &"only GET and HEAD");
        let allowed = header::HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(header::ALLOW, allowed);
        return refused;
    }
    match request.uri().path() {
        "/metrics" => respond(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render()),
        "/healthz" => json(StatusCode::OK, &serde_json::json!({ "status": "alive" })),
        "/readyz" => {
            let checks = readiness.look().await;
            let ready = checks.iter().all(|check| check.ok) && !ending.is_cancelled();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            json(status, &Ready { ready, checks })
        }
        _ => json(StatusCode::NOT_FOUND, &"there are /metrics, /healthz and /readyz"),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_string(body).expect("it has only string keys");
    respond(status, "application/json", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
