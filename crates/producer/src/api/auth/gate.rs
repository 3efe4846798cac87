//! Every request passes here: who sent it, whether they may, and what the audit log says of it.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use panofleet_job_schema::Tenant;

use super::granted::{Access, Note};
use super::identity::Identity;
use super::{Need, Principal};
use crate::api::Api;
use crate::api::audit::{self, Asked};
use crate::api::error::ApiError;
use crate::api::routes::{Kind, Row, Table};
use crate::pages;
use crate::pages::language::{LANGUAGE, Language};

/// The header that says whose things a request is about, from those whose key is for all tenants.
pub(crate) const TENANT_HEADER: &str = "panofleet-tenant";

/// What the gate works with.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) api: Arc<Api>,
    pub(crate) table: Arc<Table>,
}

/// Lets a request through to its handler, or says why not.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    LANGUAGE.scope(language, pass_in_language(gate, request, next)).await
}

async fn pass_in_language(gate: Gate, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    // Where there is no row there is no handler: no such path, or not this method.
    let row = path.and_then(|path| gate.table.row(path, request.method()));
    match row {
        None => next.run(request).await,
        Some(row) if row.need == Need::Nothing => next.run(request).await,
        Some(row) => gate.pass(row, request, next).await,
    }
}

impl Gate {
    async fn pass(&self, row: &Row, request: Request, next: Next) -> Response {
        let identity = match self.api.identify(request.headers()).await {
            Ok(identity) => identity,
            Err(error) if row.kind == Kind::Page => return pages::sign_in_first(error, &request),
            Err(error) => return error.into_response(),
        };
        let asked = request.headers().get(TENANT_HEADER).map(HeaderValue::to_str);
        let asked = asked.map(|given| given.unwrap_or("?").to_owned());
        let may = may(row, &identity, request.method(), request.headers());
        let whose = may.and_then(|()| {
            let tenant = identity.tenant.as_ref().map(Tenant::as_str);
            let asked = asked.as_deref().or(tenant);
            Ok(identity.principal.whose(asked, &self.api.config.tenant)?)
        });
        let tenant = match whose {
            Ok(tenant) => tenant,
            Err(error) => return self.refuse(row, &identity.principal, request, error).await,
        };
        let access = Access { principal: identity.principal, tenant, note: Arc::default() };
        match row.audit {
            Some(action) => self.audited(action, access, request, next).await,
            None => run(access, request, next).await,
        }
    }

    /// What somebody with a key tried and may not is in the audit log too.
    async fn refuse(
        &self,
        row: &Row,
        principal: &Principal,
        request: Request,
        error: ApiError,
    ) -> Response {
        if row.kind == Kind::Page {
            return pages::refuse(error);
        }
        let response = error.into_response();
        if let Some(action) = row.audit {
            let (asked, _) = asked(request).await;
            let entry = audit::begun(action, (principal, principal.tenant.as_ref()), &asked);
            let entry = audit::ended(entry, &Note::default().read(), &response);
            if let Err(error) = self.api.put_audit(entry).await {
                return error.into_response();
            }
        }
        response
    }

    /// Notes what is tried before it is tried: if it breaks off, the log says that it was begun.
    async fn audited(
        &self,
        action: &'static str,
        access: Access,
        request: Request,
        next: Next,
    ) -> Response {
        let (asked, request) = asked(request).await;
        let entry = audit::begun(action, (&access.principal, access.tenant.as_ref()), &asked);
        let entry = match self.api.put_audit(entry).await {
            Ok(entry) => entry,
            Err(error) => return error.into_response(),
        };
        let note = Arc::clone(&access.note);
        let response = run(access, request, next).await;
        self.api.end_audit(audit::ended(entry, &note.read(), &response)).await;
        response
    }
}

async fn run(access: Access, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(access);
    next.run(request).await
}

/// What the audit log keeps of a request.
async fn asked(request: Request) -> (Asked, Request) {
    let (mut parts, body) = request.into_parts();
    let segments = RawPathParams::from_request_parts(&mut parts, &()).await;
    let segments: Vec<String> = segments
        .iter()
        .flat_map(|segments| segments.iter().map(|(_, value)| value.to_owned()))
        .collect();
    let asked = Asked::new(&segments, &parts.headers);
    (asked, Request::from_parts(parts, body))
}

fn may(
    row: &Row,
    identity: &Identity,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    identity.principal.check(row.need)?;
    if identity.by_cookie && !method.is_safe() && !is_same_origin(headers) {
        let detail = "a browser must say that a page of this service sent this request";
        return Err(ApiError::refused(StatusCode::FORBIDDEN, "cross_site", detail));
    }
    Ok(())
}

/// Whether a page of this service sent a request: a browser says so itself, or names the page's origin.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
    match (origin, text(header::HOST.as_str())) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// To where somebody may be sent after they have signed in: a page of this service.
pub(crate) fn local_path(next: &str) -> &str {
    let local = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if local { next } else { "/" }
}

/// Sends a browser to another page of this service.
pub(crate) fn go_to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_this_service_says_so() {
        let headers = |given: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (name.parse().unwrap(), HeaderValue::from_static(value))
            };
            given.iter().map(pair).collect::<HeaderMap>()
        };
        let host = ("host", "fleet.example:8360");
        for (given, same) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "none")], false),
            (
                &[("sec-fetch-site", "same-site"), ("origin", "http://fleet.example:8360"), host],
                false,
            ),
            (&[("origin", "http://fleet.example:8360"), host], true),
            (&[("origin", "https://other.example"), host], false),
            (&[("origin", "null"), host], false),
            (&[host], false),
        ] {
            assert_eq!(is_same_origin(&headers(given)), same, "{given:?}");
        }
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (next, expected) in [
            ("/view/1?yaw=3", "/view/1?yaw=3"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nb", "/"),
            ("", "/"),
        ] {
            assert_eq!(local_path(next), expected, "{next}");
        }
    }
}
