//! The pages that people open in a browser: `GET /`, `GET /view/{job}`, `GET /failures`, `GET /webhooks`, `GET /api`,
//! `GET /sign-in`.
//!
//! They are plain HTML that works without a script, but for the viewer itself, for keeping up with what is at work, and for
//! buttons: what a button does is a call of the API. Nothing is loaded from another host, and no script or style stands in the page.
//!
//! | you look for | file |
//! |---|---|
//! | the frame of a page, escaping | `html.rs` |
//! | signing in and out | `sign_in.rs`, at a provider of identities: `oidc.rs` |
//! | how things go; what is on fire | `overview.rs`, `alarms.rs` |
//! | recent jobs, and filters by name | `home.rs` |
//! | one job and its result | `view.rs`, `view/` |
//! | what failed, by why; running it again | `failures.rs` |
//! | what people ask about retries | `questions.rs` |
//! | queues, workers, pauses | `fleet.rs` |
//! | schedules; dead letters; who has changed what | `schedules.rs`, `dead_letters.rs`, `audit.rs` |
//! | webhooks and what they were told | `webhooks.rs` |
//! | the API for people who read | `reference.rs` |
//! | sizes, ages and states in words | `words.rs` |
//! | English and Chinese | `language.rs` |
//! | scripts, styles, the embedded viewers | `assets.rs`, `assets/` |

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use url::form_urlencoded;

use crate::api::Need;
use crate::api::auth::gate::go_to;
use crate::api::auth::oidc::BACK;
use crate::api::error::ApiError;
use crate::api::routes::{AUDIT, OPS, READ, Routes};

mod alarms;
mod asked;
mod assets;
mod audit;
mod dead_letters;
mod failures;
mod fleet;
mod home;
mod html;
pub(crate) mod language;
mod oidc;
mod overview;
mod questions;
mod reference;
mod schedules;
mod sign_in;
mod tenant;
mod view;
mod webhooks;
mod words;

/// Routes of the pages and of what they load.
pub(crate) fn routes() -> Routes {
    Routes::default()
        .page("/", READ, home::home)
        .page("/overview", READ, overview::overview)
        .page("/view/{id}", READ, view::view)
        .page("/failures", READ, failures::failures)
        .page("/failures/{fingerprint}", READ, failures::failure)
        .page("/questions", READ, questions::questions)
        .page("/questions/{name}", READ, questions::question)
        .page("/bulk/{id}", READ, failures::bulk)
        .page("/fleet", OPS, fleet::fleet)
        .page("/schedules", READ, schedules::schedules)
        .page("/dead-letters", OPS, dead_letters::dead_letters)
        .page("/audit", AUDIT, audit::audit)
        .page("/webhooks", READ, webhooks::webhooks)
        .page("/webhooks/{id}", READ, webhooks::webhook)
        .page("/api", Need::Nothing, reference::reference)
        .of_pages(Method::GET, ("/language/{code}", Need::Nothing), language::choose)
        .page("/tenant", READ, tenant::ask)
        .of_pages(Method::POST, ("/tenant", READ), tenant::choose)
        .page("/sign-out", Need::AnyKey, sign_in::ask)
        .of_pages(Method::GET, ("/sign-in", Need::Nothing), sign_in::form)
        .of_pages(Method::POST, ("/sign-in", Need::Nothing), sign_in::begin)
        .of_pages(Method::GET, ("/sign-in/oidc", Need::Nothing), oidc::begin)
        .of_pages(Method::GET, (BACK, Need::Nothing), oidc::back)
        .of_pages(Method::POST, ("/sign-out", Need::Nothing), sign_in::end)
        .of_pages(Method::GET, ("/pages/{file}", Need::Nothing), assets::page_file)
        .of_pages(Method::GET, ("/viewer/{file}", Need::Nothing), assets::viewer_file)
}

/// In the place of a page, for somebody who is not known: the form, and afterwards the page.
pub(crate) fn sign_in_first(error: ApiError, request: &Request) -> Response {
    let (status, ..) = error.public();
    if status != StatusCode::UNAUTHORIZED || request.method() != Method::GET {
        return refuse(error);
    }
    let page = request.uri().path_and_query().map_or("/", |page| page.as_str());
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", page).finish();
    go_to(&format!("/sign-in?{next}"))
}

/// In the place of a page, for somebody who may not see it.
pub(crate) fn refuse(error: ApiError) -> Response {
    html::PageError::from(error).into_response()
}
