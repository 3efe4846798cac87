//! `/tenant`: whose jobs the pages show to somebody who may see all tenants', until they choose again or sign out.
//!
//! The choice is a cookie: it gives nothing that its bearer may not see anyway.

use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use panofleet_job_schema::Tenant;
use serde::Deserialize;

use super::html::{Page, PageError, Text};
use super::language::say;
use crate::api::auth::gate::go_to;
use crate::api::auth::granted::Granted;
use crate::api::auth::identity::remember_tenant;
use crate::api::error::ApiError;

/// Tenants that are offered, those with most to do first.
const OFFERED: u32 = 50;

/// The form.
pub(super) async fn ask(api: Granted) -> Result<Page, PageError> {
    let title = say("Tenant", "租户").to_owned();
    let main = match &api.principal().tenant {
        Some(own) => {
            let told = say!("You see the jobs of tenant {}.", "您看到的是租户 {} 的任务。", own);
            format!("<h1>{title}</h1>\n<p>{told}</p>")
        }
        None => form(&api, &title).await?,
    };
    Ok(Page { title, main, has_form: true, ..Page::of(&api) })
}

async fn form(api: &Granted, title: &str) -> Result<String, PageError> {
    let busiest = api.db.busiest_tenants(OFFERED).await.map_err(ApiError::from)?;
    let option = |tenant: &Tenant| format!("<option value=\"{tenant}\"></option>");
    let options: String = busiest.iter().map(|load| option(&load.tenant)).collect();
    let chosen = api.whose().map(Tenant::as_str).unwrap_or_default();
    let all = say("Show all tenants'", "显示所有租户");
    Ok(format!(
        "<h1>{title}</h1>\n<form class=\"sign-in\" method=\"post\" action=\"/tenant\">\n\
         <label>{whose} <input name=\"tenant\" value=\"{}\" list=\"tenants\" required autofocus></label>\n\
         <datalist id=\"tenants\">{options}</datalist>\n<button>{show}</button>\n</form>\n\
         <form method=\"post\" action=\"/tenant\"><input type=\"hidden\" name=\"tenant\" value=\"\">\
         <button>{all}</button></form>",
        Text(chosen),
        whose = say("Whose jobs", "查看哪个租户的任务"),
        show = say("Show", "显示"),
    ))
}

/// What the form sends; no tenant for all of them.
#[derive(Deserialize)]
pub(super) struct Given {
    tenant: String,
}

/// Remembers a choice.
pub(super) async fn choose(
    api: Granted,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, PageError> {
    let refused = |detail: String| ApiError::refused(StatusCode::BAD_REQUEST, "bad_form", detail);
    let Form(Given { tenant }) =
        given.map_err(|_unreadable| refused("fill in the form".to_owned()))?;
    let tenant = Some(tenant.trim()).filter(|tenant| !tenant.is_empty()).map(Tenant::new);
    let tenant = tenant.transpose().map_err(|error| refused(error.to_string()))?;
    if let Some(tenant) = &tenant {
        api.principal().whose(Some(tenant.as_str()), &api.config.tenant).map_err(ApiError::from)?;
    }
    let mut response = go_to("/");
    let cookie = remember_tenant(tenant.as_ref(), api.is_https());
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response.into_response())
}
