//! HTTP/1.1 connections: bounded in number and in patience, and ended in order. TLS is the job of what stands in
//! front.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use panofleet_job_schema::Span;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Bytes of headers, and what is read ahead of a body.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Wait after the system refused a connection, usually for want of file descriptors.
const ACCEPT_TROUBLE_WAIT: Duration = Duration::from_millis(100);

/// What clients may hold on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections that are open at once; more wait to be accepted.
    pub connections_max: u32,
    /// Longest time for the headers of a request to arrive, counted from the end of the one before; it closes
    /// idle connections too.
    pub header_timeout: Span,
    /// How long open requests may go on after shutdown has begun.
    pub drain: Span,
}

/// Serves `service` on `listener` until `shutdown`, then lets open requests end within `limits.drain`.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let places = Arc::new(Semaphore::new(limits.connections_max as usize));
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            Some(_) = open.join_next() => continue,
            () = shutdown.cancelled() => break,
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout.0)
            .max_buf_size(READ_BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service.clone());
        let connection = graceful.watch(connection);
        open.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection broke off");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain.0, graceful.shutdown()).await.is_err() {
        tracing::warn!(left = open.len(), "requests did not end in time and are dropped");
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "connection without TCP_NODELAY");
                }
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_TROUBLE_WAIT).await;
            }
        }
    }
}
