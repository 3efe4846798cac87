//! `/sign-in` and `/sign-out`: a person gives an API key and has a session in its place. Or signs in elsewhere: `oidc.rs`.
//!
//! The session's cookie is an id that nobody can guess; scripts cannot read it, and other sites' pages do not send it. It lasts
//! for [`SESSION`], and no longer than its key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use panofleet_job_schema::Tenant;
use panofleet_jobs_db::{Session, SessionOf};
use serde::Deserialize;

use super::html::{Page, PageError, Text};
use super::language::say;
use super::oidc;
use crate::api::audit::{self, Asked};
use crate::api::auth::Auth;
use crate::api::auth::gate::{go_to, is_same_origin, local_path};
use crate::api::auth::granted::{Granted, Noted};
use crate::api::auth::identity::{
    SameSite, cookie_name, forget_tenant, new_session_id, set_cookie,
};
use crate::api::error::ApiError;
use crate::api::extract::Params;
use crate::api::{Api, auth::Principal};

/// Longest time that somebody is signed in.
const SESSION: Duration = Duration::from_secs(12 * 3600);

/// Where somebody wanted to go.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    pub(super) next: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Given {
    key: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    next: String,
}

/// The form.
pub(super) async fn form(
    State(api): State<Arc<Api>>,
    next: Result<Params<Next>, ApiError>,
) -> Response {
    let Params(Next { next }) = next.unwrap_or(Params(Next::default()));
    match api.config.auth {
        Auth::Open => go_to(local_path(&next)),
        Auth::Keys => page(&api, &next, None).into_response(),
    }
}

fn page(api: &Api, next: &str, refused: Option<&str>) -> Page {
    let refused = refused.map(|why| format!("<p class=\"failure\">{}</p>\n", Text(why)));
    let main = format!(
        "<h1>{sign_in}</h1>\n{refused}{elsewhere}<form class=\"sign-in\" method=\"post\" action=\"/sign-in\">\n\
         <label>{key} <input type=\"password\" name=\"key\" required autofocus \
         autocomplete=\"current-password\"></label>\n\
         <label>{tenant} <input name=\"tenant\" placeholder=\"{only}\"></label>\n\
         <input type=\"hidden\" name=\"next\" value=\"{next}\">\n<button>{sign_in}</button>\n</form>\n\
         <p class=\"quiet\">{made}: panofleet keys create</p>",
        sign_in = say("Sign in", "登录"),
        key = say("API key", "API 密钥"),
        tenant = say("Tenant", "租户"),
        only = say("only if the key is for all", "仅当密钥适用于所有租户时填写"),
        made = say("An admin makes keys", "密钥由管理员创建"),
        refused = refused.unwrap_or_default(),
        elsewhere = oidc::button(api, next),
        next = Text(local_path(next)),
    );
    Page { title: say("Sign in", "登录").to_owned(), main, has_form: true, ..Page::default() }
}

/// Begins a session, and goes on to where somebody wanted to go.
pub(super) async fn begin(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    given: Result<Form<Given>, FormRejection>,
) -> Response {
    let Ok(Form(Given { key, tenant, next })) = given else {
        let error = ApiError::refused(StatusCode::BAD_REQUEST, "bad_form", "fill in the form");
        return PageError::from(error).into_response();
    };
    if !is_same_origin(&headers) {
        let detail = "sign in on the page of this service";
        let error = ApiError::refused(StatusCode::FORBIDDEN, "cross_site", detail);
        return PageError::from(error).into_response();
    }
    match api.sign_in((key.trim(), tenant.trim()), &headers).await {
        Ok(cookie) => {
            let mut response = go_to(local_path(&next));
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response.headers_mut().append(header::SET_COOKIE, forget_tenant(api.is_https()));
            response
        }
        Err(error) => {
            let (status, code, detail) = error.public();
            tracing::info!(code, "sign-in refused");
            (status, page(&api, &next, Some(&detail))).into_response()
        }
    }
}

/// Asks whether somebody wants to go: a link that ends a session would be one that others can set.
pub(super) async fn ask(api: Granted) -> Page {
    let title = say("Sign out", "退出").to_owned();
    let main = format!(
        "<h1>{title}</h1>\n<form method=\"post\" action=\"/sign-out\"><button>{title}</button></form>"
    );
    Page { title, main, has_form: true, ..Page::of(&api) }
}

/// Ends the session; then that of the provider of identities, if the configuration says so.
pub(super) async fn end(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if !is_same_origin(&headers) {
        return Ok(go_to("/sign-in"));
    }
    let was_person = api.end_session(&headers).await?;
    let mut response = match oidc::sign_out(&api).await.filter(|_| was_person) {
        // A form may send a browser to pages of ours only: `form-action`.
        Some(there) => oidc::lead_on(say("Signed out", "已退出"), &there),
        None => go_to("/sign-in"),
    };
    for cookie in [cookie(&api, "", Duration::ZERO), forget_tenant(api.is_https())] {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

impl Api {
    /// Keeps a session of whoever has this key, and gives its cookie.
    async fn sign_in(
        &self,
        (key, tenant): (&str, &str),
        headers: &HeaderMap,
    ) -> Result<HeaderValue, ApiError> {
        let (principal, key, secret) = self.holder_of(key).await?;
        let tenant = Some(tenant).filter(|tenant| !tenant.is_empty());
        let tenant = principal.whose(tenant, &self.config.tenant)?;
        let (id, hash) = new_session_id();
        let expires_at = self.db.now().await? + SESSION;
        let of = SessionOf::Key { id: key, secret };
        let session = Session { id: hash, of, tenant: tenant.clone(), expires_at };
        self.db.put_session(&session).await?;
        // Without a row nobody hears of it.
        self.note_sign_in(&principal, tenant.as_ref(), headers).await?;
        Ok(cookie(self, id.expose(), SESSION))
    }

    pub(super) async fn note_sign_in(
        &self,
        principal: &Principal,
        tenant: Option<&Tenant>,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        let entry = audit::begun("session.begin", (principal, tenant), &Asked::new(&[], headers));
        let entry = audit::ended(entry, &Noted::default(), &go_to("/"));
        self.put_audit(entry).await.map(drop)
    }
}

/// The cookie of a session.
pub(super) fn cookie(api: &Api, id: &str, lasts: Duration) -> HeaderValue {
    let is_https = api.is_https();
    set_cookie((cookie_name(is_https), id), lasts, SameSite::Strict, is_https)
}
