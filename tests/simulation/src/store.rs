//! The simulated object store: what stands behind the S3 client's connections.
//!
//! It speaks as much of S3 as the fleet uses with small objects: `PUT` with `If-None-Match: *`, `GET` with ranges, `HEAD`.

use std::collections::BTreeMap;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use panofleet_job_schema::{Secret, Span};
use panofleet_objects::{ObjectStore, ObjectsConfig};

use crate::link::Link;
use crate::mutant::Mutant;
use crate::world::Shared;

/// Every object, by `/<bucket>/<key>`.
#[derive(Debug, Default)]
pub(crate) struct StoreState {
    pub(crate) objects: BTreeMap<String, Bytes>,
}

/// A client of the simulated store, for one process.
pub(crate) fn object_store(link: Link) -> ObjectStore {
    let mut config = ObjectsConfig::new("https://store.simulated", "key", Secret::new("secret"));
    config.request_timeout = Span::from_secs(2);
    config.attempts_max = 4;
    ObjectStore::over(&config, SharedHttpClient::new(Connections(link)))
}

/// What is asked of the store.
#[derive(Clone, Debug)]
struct Ask {
    method: String,
    /// `/<bucket>/<key>`
    object: String,
    only_new: bool,
    /// The first byte of a range that goes to the end.
    from: usize,
    body: Bytes,
}

/// An answer: status, S3's code of a refusal, body, and how many bytes the object has from there on.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    code: &'static str,
    body: Bytes,
    whole_bytes: usize,
    from: usize,
}

impl Answer {
    const fn refusal(status: u16, code: &'static str) -> Self {
        Self { status, code, body: Bytes::new(), whole_bytes: 0, from: 0 }
    }

    const fn of(body: Bytes, whole_bytes: usize, from: usize) -> Self {
        let status = if from > 0 { 206 } else { 200 };
        Self { status, code: "", body, whole_bytes, from }
    }
}

/// Carries out a request.
fn serve(shared: &mut Shared, ask: &Ask) -> Answer {
    let Ask { method, object, only_new, from, body } = ask;
    match method.as_str() {
        "PUT" => put(shared, object, *only_new, body),
        "GET" | "HEAD" => {
            let found = shared.store.objects.get(object).cloned();
            let Some(found) = found else { return Answer::refusal(404, "NoSuchKey") };
            if *from > 0 && *from >= found.len() {
                return Answer::refusal(416, "InvalidRange");
            }
            let rest = found.slice(from..);
            if method == "HEAD" {
                return Answer::of(Bytes::new(), rest.len(), *from);
            }
            // A body that breaks off on its way.
            let Shared { faults, random, .. } = shared;
            let is_cut = rest.len() > 1 && faults.cuts_body(random);
            let sent = if is_cut { rest.slice(..rest.len() / 2) } else { rest.clone() };
            Answer::of(sent, rest.len(), *from)
        }
        _ => Answer::refusal(501, "NotImplemented"),
    }
}

fn put(shared: &mut Shared, object: &str, only_new: bool, body: &Bytes) -> Answer {
    let exists = shared.store.objects.contains_key(object);
    let Shared { faults, random, .. } = &mut *shared;
    if only_new && faults.collides(random) {
        return Answer::refusal(409, "ConditionalRequestConflict");
    }
    if only_new && exists && !shared.is_mutant(Mutant::ConditionsAreIgnored) {
        shared.note(format_args!("store: {object} exists"));
        return Answer::refusal(412, "PreconditionFailed");
    }
    let is_seal = only_new && body.starts_with(b"{\"kind\":\"seal\"");
    shared.note(format_args!(
        "store: {object} ← {} bytes{}",
        body.len(),
        if is_seal { ", a seal" } else { "" }
    ));
    if is_seal && shared.is_mutant(Mutant::SealsAreNotKept) {
        return Answer::of(Bytes::new(), 0, 0);
    }
    crate::checker::stored(shared, object, body);
    let lost = shared.is_mutant(Mutant::FilesAreNotKept) && object.ends_with("probe.json");
    if !(lost && shared.random.happens(2000)) {
        shared.store.objects.insert(object.to_owned(), body.clone());
    }
    Answer::of(Bytes::new(), 0, 0)
}

/// Connections of one process.
#[derive(Clone, Debug)]
struct Connections(Link);

impl HttpClient for Connections {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connections {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let link = self.0.clone();
        HttpConnectorFuture::new(async move {
            let ask = read(request).await?;
            let what = if ask.method == "PUT" { "put" } else { "get" };
            match link.call(what, move |shared| serve(shared, &ask)).await {
                Ok(answer) => write(answer),
                Err(no_answer) => Err(ConnectorError::timeout(no_answer.0.into())),
            }
        })
    }
}

async fn read(request: HttpRequest) -> Result<Ask, ConnectorError> {
    let other = |error: String| ConnectorError::other(error.into(), None);
    let header = |name: &str| request.headers().get(name).map(str::to_owned);
    let path = request.uri().split('?').next().unwrap_or_default();
    let object = path.strip_prefix("https://store.simulated").unwrap_or(path).to_owned();
    let range = header("range");
    let from = range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (method, only_new) = (request.method().to_owned(), header("if-none-match").is_some());
    if header("content-encoding").is_some() {
        return Err(other("the simulated store takes plain bodies only".to_owned()));
    }
    let body = ByteStream::new(request.into_body()).collect().await;
    let body = body.map_err(|error| other(error.to_string()))?.into_bytes();
    Ok(Ask { method, object, only_new, from: from.unwrap_or(0), body })
}

fn write(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let Answer { status, code, body, whole_bytes, from } = answer;
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let body = if code.is_empty() {
        body
    } else {
        Bytes::from(format!("<Error><Code>{code}</Code><Message>simulated</Message></Error>"))
    };
    let length = if code.is_empty() { whole_bytes } else { body.len() };
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    let headers = response.headers_mut();
    headers.insert("content-length", length.to_string());
    headers.insert("etag", "\"simulated\"");
    if from > 0 {
        headers.insert(
            "content-range",
            format!("bytes {from}-{}/{}", from + length - 1, from + length),
        );
    }
    Ok(response)
}
