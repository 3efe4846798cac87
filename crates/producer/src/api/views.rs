//! `GET /v1/views`, `PUT` and `DELETE /v1/views/{name}`: filters that somebody wants to look through again.

use axum::Json;
use panofleet_jobs_db::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::auth::granted::Granted;
use super::bulk::BulkFilter;
use super::error::ApiError;
use super::extract::{JsonBody, Segments};

/// Views of a tenant at most.
const VIEWS_MAX: u32 = 100;
/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 64;

/// A filter that is to be saved.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewView {
    /// Which jobs. Times that are spans count from when the view is used.
    pub filter: BulkFilter,
}

/// A tenant's views, or everybody's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ViewList {
    /// By tenant and name.
    pub views: Vec<View>,
}

/// Every view, by name.
pub(super) async fn list(api: Granted) -> Result<Json<ViewList>, ApiError> {
    Ok(Json(ViewList { views: api.db.views(api.whose()).await? }))
}

/// Saves a view, in place of one of its name.
pub(super) async fn save(
    api: Granted,
    Segments(name): Segments<String>,
    JsonBody(NewView { filter }): JsonBody<NewView>,
) -> Result<Json<View>, ApiError> {
    let is_readable = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !is_readable || name.chars().count() > NAME_CHARS_MAX {
        let detail = format!("a view's name has 1 to {NAME_CHARS_MAX} characters that can be read");
        return Err(ApiError::unfit("does_not_fit", detail));
    }
    let kept = kept(&filter);
    if kept.is_empty() {
        return Err(ApiError::unfit("does_not_fit", "the filter is empty: all jobs need no view"));
    }
    // What could not be looked for is refused now.
    filter.of(&api, api.own_jobs()).await?;
    api.note_tenant(api.tenant());
    let view = View {
        tenant: api.tenant().clone(),
        name,
        filter: kept,
        saved_at: api.db.now().await?,
        saved_by: api.principal().actor.clone(),
    };
    if !api.db.put_view(&view, VIEWS_MAX).await? {
        let detail = format!("there are {VIEWS_MAX} views already; remove some");
        return Err(ApiError::conflict("too_many_views", detail));
    }
    Ok(Json(view))
}

/// Removes a view, and says what it was.
pub(super) async fn remove(
    api: Granted,
    Segments(name): Segments<String>,
) -> Result<Json<View>, ApiError> {
    let tenant = api.tenant();
    api.note_tenant(tenant);
    let views = api.db.views(Some(tenant)).await?;
    let found = views.into_iter().find(|view| view.name == name);
    match found {
        Some(view) if api.db.remove_view(tenant, &name).await? => Ok(Json(view)),
        _ => {
            let detail = format!("there is no view `{name}`; GET /v1/views lists them");
            Err(ApiError::absent("view_not_found", detail))
        }
    }
}

fn kept(filter: &BulkFilter) -> Map<String, Value> {
    match serde_json::to_value(filter) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// A kept filter as the parameters of a list.
pub fn query_of(view: &View) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            texts.join(",")
        }
        other => other.to_string(),
    };
    let pair = |(name, value): (&String, &Value)| {
        let name = if name == "states" { "state" } else { name };
        (name.to_owned(), text(value))
    };
    view.filter.iter().map(pair).collect()
}
