//! A proxy that does to HTTP what bad networks and odd stores do.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::servers::Store;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// The store carries it out; the answer is lost.
    DropAnswer,
    /// The request is lost: the connection breaks before the store sees it.
    DropRequest,
    /// The answer breaks off after that many bytes of its body.
    CutAnswer(usize),
    /// The store never sees it; this status and code come back.
    Answer(u16, &'static str),
}

/// A running proxy. Requests of a method take the faults for it in turn; after the last, they pass.
pub(crate) struct Proxy {
    store: Store,
    seen: Arc<Mutex<Vec<(Method, Fault)>>>,
    _server: JoinSet<()>,
}

struct Script {
    upstream: String,
    faults: Mutex<VecDeque<(Method, Fault)>>,
    seen: Arc<Mutex<Vec<(Method, Fault)>>>,
}

impl Proxy {
    pub(crate) async fn before(
        store: &Store,
        faults: impl IntoIterator<Item = (Method, Fault)>,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Script {
            upstream: store.endpoint.strip_prefix("http://").unwrap().to_owned(),
            faults: Mutex::new(faults.into_iter().collect()),
            seen: Arc::clone(&seen),
        });
        let (endpoint, server) = http_server(move |request| {
            let script = Arc::clone(&script);
            async move { script.play(request).await }
        })
        .await;
        Self { store: store.behind(&endpoint), seen, _server: server }
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// How the requests of a method went, in order.
    pub(crate) fn seen(&self, method: &Method) -> Vec<Fault> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(found, _)| found == method).map(|(_, fault)| *fault).collect()
    }
}

impl Script {
    fn next(&self, method: &Method) -> Fault {
        let mut faults = self.faults.lock().unwrap();
        let at = faults.iter().position(|(wanted, _)| wanted == method);
        let fault = at.and_then(|at| faults.remove(at)).map_or(Fault::Pass, |(_, fault)| fault);
        self.seen.lock().unwrap().push((method.clone(), fault));
        fault
    }

    async fn play(&self, request: Request<Incoming>) -> io::Result<Response<Cut>> {
        let fault = self.next(request.method());
        let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
        match fault {
            Fault::DropRequest => Err(broken()),
            Fault::Answer(status, code) => {
                // Read first: an answer before the end of the body breaks the connection.
                request.into_body().collect().await.map_err(io::Error::other)?;
                let answer = Response::builder().status(status).header("content-type", "text/xml");
                let xml = format!("<Error><Code>{code}</Code><Message>made up</Message></Error>");
                Ok(answer.body(Cut::whole(Bytes::from(xml))).unwrap())
            }
            Fault::DropAnswer => {
                self.forward(request).await?;
                Err(broken())
            }
            Fault::Pass => Ok(self.forward(request).await?.map(Cut::whole)),
            Fault::CutAnswer(after) => {
                let answer = self.forward(request).await?;
                Ok(answer.map(|body| Cut { body, cut: Some(after), flushed: false }))
            }
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> io::Result<Response<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let stream = TcpStream::connect(&self.upstream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let request = Request::from_parts(parts, Full::new(body));
        let (parts, body) =
            sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

/// A body that may break off.
pub(crate) struct Cut {
    body: Bytes,
    cut: Option<usize>,
    flushed: bool,
}

impl Cut {
    pub(crate) const fn whole(body: Bytes) -> Self {
        Self { body, cut: None, flushed: false }
    }
}

impl Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let left = self.cut.unwrap_or(self.body.len()).min(self.body.len());
        if left > 0 {
            let piece = self.body.split_to(left);
            self.cut = self.cut.map(|_| 0);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let cut = !self.body.is_empty();
        if cut && !std::mem::replace(&mut self.flushed, true) {
            // What was given so far has to leave before the connection breaks.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(cut.then(|| Err(io::Error::from(io::ErrorKind::ConnectionReset))))
    }
}

/// Serves `answer` on a port of its own until the set is dropped. An error breaks the connection.
pub(crate) async fn http_server<A, F>(answer: A) -> (String, JoinSet<()>)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<Response<Cut>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _peer) = listener.accept().await.unwrap();
            let service = service_fn(answer.clone());
            connections.spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (endpoint, server)
}

/// How a store gets conditional puts wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It takes every put for granted.
    Ignored,
    /// It looks first and writes later, so that puts at the same time all find nothing.
    CheckedTooEarly,
}

/// A store in memory that is wrong about conditions, as some are.
pub(crate) async fn store_without_conditions(wrong: Wrong) -> (String, JoinSet<()>) {
    let objects: Arc<Mutex<HashMap<String, Bytes>>> = Arc::default();
    let company = Arc::new(Barrier::new(2));
    let answer = move |request: Request<Incoming>| {
        let (objects, company) = (Arc::clone(&objects), Arc::clone(&company));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let path = parts.uri.path().to_owned();
            let found = objects.lock().unwrap().get(&path).cloned();
            let (status, body) = match parts.method {
                Method::PUT if wrong == Wrong::CheckedTooEarly && found.is_some() => {
                    (StatusCode::PRECONDITION_FAILED, Bytes::new())
                }
                Method::PUT => {
                    // A put on its own goes on in the end; one of several is never on its own.
                    let moment = Duration::from_millis(50);
                    drop(tokio::time::timeout(moment, company.wait()).await);
                    objects.lock().unwrap().insert(path, body);
                    (StatusCode::OK, Bytes::new())
                }
                Method::DELETE => {
                    objects.lock().unwrap().remove(&path);
                    (StatusCode::NO_CONTENT, Bytes::new())
                }
                _ => found
                    .map_or((StatusCode::NOT_FOUND, Bytes::new()), |body| (StatusCode::OK, body)),
            };
            Ok(Response::builder().status(status).body(Cut::whole(body)).unwrap())
        }
    };
    http_server(answer).await
}
