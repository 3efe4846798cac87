//! `/sign-in/oidc` and `/sign-in/oidc/back`: a person signs in at the provider of identities that the configuration names.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use panofleet_jobs_db::{Person, Session, SessionOf};
use url::form_urlencoded;

use super::html::{Page, Text};
use super::language::say;
use super::sign_in::{Next, cookie};
use crate::api::Api;
use crate::api::auth::gate::{go_to, local_path};
use crate::api::auth::identity::{forget_tenant, new_session_id};
use crate::api::auth::oidc::{Answer, Begun, Oidc, forget};
use crate::api::auth::{Auth, Principal};
use crate::api::error::ApiError;
use crate::api::extract::Params;

/// A link to the provider that looks like a button; nothing where people sign in with keys only.
pub(super) fn button(api: &Api, next: &str) -> String {
    let Some(oidc) = &api.oidc else { return String::new() };
    let (path, title) = (begin_at(local_path(next)), oidc.config.title());
    format!(
        "<p><a class=\"button\" href=\"{}\">{}</a></p>\n<p class=\"quiet\">{}</p>\n",
        Text(path),
        say!("Sign in with {}", "用 {} 登录", Text(title)),
        say("Or with a key:", "或使用密钥："),
    )
}

fn begin_at(next: &str) -> String {
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("/sign-in/oidc?{next}")
}

/// Sends a browser to the provider.
pub(super) async fn begin(
    State(api): State<Arc<Api>>,
    next: Result<Params<Next>, ApiError>,
) -> Response {
    let Params(Next { next }) = next.unwrap_or(Params(Next::default()));
    if api.config.auth == Auth::Open {
        return go_to(local_path(&next));
    }
    let begun = match oidc(&api) {
        Ok(oidc) => oidc.begin(&next, api.is_https()).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(Begun { to, cookie }) => {
            let mut response = go_to(&to);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => refused(error),
    }
}

/// Takes a browser back from the provider.
pub(super) async fn back(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    answer: Result<Params<Answer>, ApiError>,
) -> Response {
    let signed_in = match answer {
        Ok(Params(answer)) => api.sign_in_person(answer, &headers).await,
        Err(error) => Err(error),
    };
    match signed_in {
        Ok((session, next)) => go_on(&api, session, &next),
        Err(error) => refused(error),
    }
}

fn oidc(api: &Api) -> Result<&Oidc, ApiError> {
    api.oidc.as_ref().ok_or_else(|| {
        let detail = "this service has people sign in with keys: /sign-in";
        ApiError::absent("no_sign_in_service", detail)
    })
}

/// Where a browser goes to sign out at the provider; nowhere if the configuration does not say so, or the provider does not.
pub(super) async fn sign_out(api: &Api) -> Option<String> {
    api.oidc.as_ref()?.sign_out().await
}

/// A page of somebody who has signed in. A redirect would not do: it would still be the provider's page that led here, and a
/// browser sends `SameSite=Strict` cookies only to what a page of ours leads to.
fn go_on(api: &Api, session: HeaderValue, next: &str) -> Response {
    let mut response = lead_on(say("Signed in", "已登录"), next);
    for cookie in [session, forget(api.is_https()), forget_tenant(api.is_https())] {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A page that leads on by itself, to a path or a URL.
pub(super) fn lead_on(title: &str, next: &str) -> Response {
    let link = say("Go on", "继续");
    let main = format!("<h1>{title}</h1>\n<p><a href=\"{}\" autofocus>{link}</a></p>", Text(next));
    let page = Page { title: title.to_owned(), main, has_form: true, ..Page::default() };
    let mut response = page.into_response();
    let refresh = HeaderValue::try_from(format!("0; url={next}"));
    let refresh = refresh.expect("a path of ours or a URL has no other than visible letters");
    response.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
    response
}

/// In the place of a sign-in: why not, and the way back to where it begins.
fn refused(error: ApiError) -> Response {
    let (_, code, detail) = error.public();
    tracing::info!(code, "sign-in refused");
    let title = say("Not signed in", "未能登录").to_owned();
    let main = format!(
        "<h1>{title}</h1>\n<p class=\"failure\">{}</p>\n<p class=\"quiet\">{code}</p>\n\
         <p><a href=\"/sign-in\">{}</a></p>",
        Text(&detail),
        say("Sign in", "登录"),
    );
    let status = error.into_response().status();
    let page = Page { title, main, has_form: true, ..Page::default() };
    let mut response = (status, page).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
    }
    response
}

impl Api {
    /// Keeps a session of whoever the provider has sent back, and gives its cookie and the page that they wanted to see.
    async fn sign_in_person(
        &self,
        answer: Answer,
        headers: &HeaderMap,
    ) -> Result<(HeaderValue, String), ApiError> {
        let oidc = oidc(self)?;
        let (person, next) = oidc.end(answer, headers, self.is_https()).await?;
        let lasts = oidc.config.session.0;
        let expires_at = self.db.now().await? + lasts;
        let principal = Principal::of_person(&person, expires_at);
        let Person { tenant, .. } = &person;
        let tenant = tenant.clone();
        let (id, hash) = new_session_id();
        let session = Session { id: hash, of: SessionOf::Person(person), tenant, expires_at };
        self.db.put_session(&session).await?;
        // Without a row nobody hears of it.
        self.note_sign_in(&principal, session.tenant.as_ref(), headers).await?;
        Ok((cookie(self, id.expose(), lasts), next))
    }
}
