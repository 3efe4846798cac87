//! The pages that people open in a browser: `GET /`, `GET /view/{job}`, `GET /failures`.
//!
//! They are plain HTML that works without a script, but for the viewer itself, for keeping up with what is at work, and for
//! buttons: what a button does is a call of the API. Nothing is loaded from another host, and no script or style stands in the page.
//!
//! | you look for | file |
//! |---|---|
//! | the frame of a page, escaping | `html.rs` |
//! | recent jobs | `home.rs` |
//! | one job and its result | `view.rs`, `view/` |
//! | what failed, by why; running it again | `failures.rs` |
//! | sizes and ages in words | `words.rs` |
//! | scripts, styles, the embedded viewers | `assets.rs`, `assets/` |

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::api::Api;

mod assets;
mod failures;
mod home;
mod html;
mod view;
mod words;

/// Routes of the pages and of what they load.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(home::home))
        .route("/view/{id}", get(view::view))
        .route("/failures", get(failures::failures))
        .route("/failures/{fingerprint}", get(failures::failure))
        .route("/bulk/{id}", get(failures::bulk))
        .route("/pages/{file}", get(assets::page_file))
        .route("/viewer/{file}", get(assets::viewer_file))
}
