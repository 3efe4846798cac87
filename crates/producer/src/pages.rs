//! The pages that people open.
use std::sync::Arc;

use axum::Router;

use crate::api::Api;

pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new()
}
