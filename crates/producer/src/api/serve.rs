//! The API on a socket.

use hyper_util::service::TowerToHyperService;
use panofleet_service::http::{self, ConnectionLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::auth::uses;
use super::{Api, ApiState, router_of};

/// Serves the API on `listener` until `shutdown`, then lets open requests end within `http.drain`.
pub async fn serve(listener: TcpListener, state: ApiState, shutdown: CancellationToken) {
    let limits = ConnectionLimits {
        connections_max: state.config.http.connections_max,
        header_timeout: state.config.http.header_timeout,
        drain: state.config.http.drain,
    };
    let api = Api::new(state, shutdown.clone());
    let service = TowerToHyperService::new(router_of(&api));
    tokio::join!(
        http::serve(listener, service, limits, shutdown.clone()),
        uses::keep(&api, &shutdown)
    );
}
