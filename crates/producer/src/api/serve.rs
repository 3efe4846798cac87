//! The API on a socket.

use hyper_util::service::TowerToHyperService;
use panofleet_service::http::{self, ConnectionLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{ApiState, router};

/// Serves the API on `listener` until `shutdown`, then lets open requests end within `http.drain`.
pub async fn serve(listener: TcpListener, state: ApiState, shutdown: CancellationToken) {
    let limits = ConnectionLimits {
        connections_max: state.config.http.connections_max,
        header_timeout: state.config.http.header_timeout,
        drain: state.config.http.drain,
    };
    let service = TowerToHyperService::new(router(state, shutdown.clone()));
    http::serve(listener, service, limits, shutdown).await;
}
