//! The pages that people open in a browser: `GET /` and `GET /view/{job}`.
//!
//! They are plain HTML that works without a script, but for the viewer itself and for keeping up with a job
//! at work. Nothing is loaded from another host, and no script or style stands in the page.
//!
//! | you look for | file |
//! |---|---|
//! | the frame of a page, escaping | `html.rs` |
//! | recent jobs | `home.rs` |
//! | one job and its result | `view.rs`, `view/` |
//! | sizes and ages in words | `words.rs` |
//! | scripts, styles, the embedded viewers | `assets.rs`, `assets/` |

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::api::Api;

mod assets;
mod home;
mod html;
mod view;
mod words;

/// Routes of the pages and of what they load.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(home::home))
        .route("/view/{id}", get(view::view))
        .route("/pages/{file}", get(assets::page_file))
        .route("/viewer/{file}", get(assets::viewer_file))
}
