//! Connections: bounded in number and in patience, and ended in order.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::HttpConfig;
use super::{ApiState, router};

/// Bytes of headers, and what is read ahead of a body.
const READ_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Wait after the system refused a connection, usually for want of file descriptors.
const ACCEPT_TROUBLE_WAIT: Duration = Duration::from_millis(100);

/// Serves the API on `listener` until `shutdown`, then lets open requests end within `http.drain`.
///
/// HTTP/1.1; TLS is the job of what stands in front.
pub async fn serve(listener: TcpListener, state: ApiState, shutdown: CancellationToken) {
    let http = state.config.http.clone();
    let connections = Connections::new(http, router(state, shutdown.clone()));
    connections.run(listener, shutdown).await;
}

struct Connections {
    http: HttpConfig,
    router: Router,
    graceful: GracefulShutdown,
    open: JoinSet<()>,
    places: Arc<Semaphore>,
}

impl Connections {
    fn new(http: HttpConfig, router: Router) -> Self {
        let places = Arc::new(Semaphore::new(http.connections_max as usize));
        Self { http, router, graceful: GracefulShutdown::new(), open: JoinSet::new(), places }
    }

    async fn run(mut self, listener: TcpListener, shutdown: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &self.places) => accepted,
                Some(_) = self.open.join_next() => continue,
                () = shutdown.cancelled() => break,
            };
            let (stream, place) = accepted;
            let connection = self.connection(stream);
            self.open.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection broke off");
                }
                drop(place);
            });
        }
        drop(listener);
        if tokio::time::timeout(self.http.drain.0, self.graceful.shutdown()).await.is_err() {
            tracing::warn!(left = self.open.len(), "requests did not end in time and are dropped");
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = hyper::Result<()>> + Send + use<> {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.http.header_timeout.0)
            .max_buf_size(READ_BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router.clone()));
        self.graceful.watch(connection)
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, tokio::sync::OwnedSemaphorePermit) {
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
