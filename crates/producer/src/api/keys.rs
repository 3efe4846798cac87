//! `/v1/keys…`: who may use the API. `GET /v1/whoami`: who asks, and what they may do.
//!
//! The secret of a key is in the answer that makes it, and nowhere else.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use panofleet_job_schema::{Region, Span, Tenant, Timestamp, limits};
use panofleet_jobs_db::{Actor, ApiKey, JobsDbError, Scope, StoredKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::auth::granted::Granted;
use super::auth::token::Token;
use super::auth::{Auth, Principal, check_scopes};
use super::error::ApiError;
use super::extract::{JsonBody, Params, Segments};
use super::paging::{cut, page_size};
use super::shape::Created;
use super::submit::unknown_region;

/// Keys of a page, unless the request says less or more.
const PAGE_KEYS: u32 = 50;
/// Most keys of a page.
const PAGE_KEYS_MAX: u32 = 200;
/// How long a key that is rotated stays good.
const OVERLAP: Span = Span::from_secs(24 * 3600);
/// The longest that it may be asked to.
const OVERLAP_MAX: Duration = Duration::from_secs(90 * 24 * 3600);

/// A key that is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// Whose jobs it is about. Without one: of a tenant's admin, the same; of others, all tenants'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
    /// The regions that its jobs may run in; all if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Region>,
    /// From when on it is of no use; never if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How a key is to be rotated.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old key stays good; 24 h if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Span>,
}

/// Whether a key is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody revoked it.
    Revoked,
}

/// A key as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKey,
    /// Whether it is of use.
    pub state: KeyState,
    /// When it was last used, give or take a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// A key that was just made, with its secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MadeKey {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
    /// What its holder sends: `Authorization: Bearer …`. It is shown this once.
    pub secret: String,
}

/// Keys.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyList {
    /// Newest first.
    pub keys: Vec<KeyView>,
    /// What `before` gets for the next page; none on the last.
    pub next: Option<Uuid>,
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhoView {
    /// Whether the API asks for keys.
    pub auth: Auth,
    /// Who.
    pub actor: Actor,
    /// Whose jobs it is about; all tenants' if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// What is allowed, with what goes with it.
    pub scopes: Vec<Scope>,
    /// The regions that jobs may run in; all if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Region>,
    /// From when on the key is of no use, or a person's session over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// The `next` of the page before.
    before: Option<Uuid>,
    /// Keys of a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// Who asks.
pub(super) async fn whoami(api: Granted) -> Json<WhoView> {
    let Principal { actor, regions, expires_at, .. } = api.principal().clone();
    Json(WhoView {
        auth: api.config.auth,
        actor,
        tenant: api.whose().cloned(),
        scopes: Scope::ALL.into_iter().filter(|scope| api.has(*scope)).collect(),
        regions,
        expires_at,
    })
}

/// A page of keys, newest first.
pub(super) async fn list(
    api: Granted,
    Params(ListParams { before, limit }): Params<ListParams>,
) -> Result<Json<KeyList>, ApiError> {
    let limit = page_size(limit, PAGE_KEYS, PAGE_KEYS_MAX)?;
    let mut found = api.db.keys(api.administered(), before, limit + 1).await?;
    let next = cut(&mut found, limit).map(|found| found.key.id);
    let now = api.db.now().await?;
    Ok(Json(KeyList { keys: found.into_iter().map(|row| KeyView::of(row, now)).collect(), next }))
}

/// One key.
pub(super) async fn show(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<KeyView>, ApiError> {
    let found = api.key(&id).await?;
    Ok(Json(KeyView::of(found, api.db.now().await?)))
}

/// Makes a key: 201, and its secret this once.
pub(super) async fn create(
    api: Granted,
    JsonBody(new): JsonBody<NewKey>,
) -> Result<Created<MadeKey>, ApiError> {
    let (token, now) = (Token::random(), api.db.now().await?);
    api.note_subject(token.id);
    let NewKey { name, tenant, scopes, regions, expires_at } = new;
    let key = ApiKey {
        id: token.id,
        name,
        tenant: tenant.or_else(|| api.principal().tenant.clone()),
        scopes,
        regions,
        created_at: now,
        created_by: api.principal().actor.clone(),
        expires_at,
        revoked_at: None,
        rotated_to: None,
    };
    check(&key, now)?;
    if let Some(unknown) = key.regions.iter().find(|name| !api.config.regions.contains_key(*name)) {
        return Err(unknown_region(&api.config, unknown));
    }
    api.principal().check_grant(&key)?;
    key.tenant.iter().for_each(|tenant| api.note_tenant(tenant));
    api.db.put_key(&key, &token.hash()).await?;
    tracing::info!(key = %key.id, name = key.name, "API key made by request");
    Ok(made(key, &token, now))
}

fn made(key: ApiKey, token: &Token, now: Timestamp) -> Created<MadeKey> {
    let location = format!("/v1/keys/{}", key.id);
    let key = KeyView { state: KeyState::of(&key, now), key, last_used_at: None };
    Created { location, made: MadeKey { key, secret: token.text().expose().to_owned() } }
}

/// Checks what makes no sense, whoever asks.
fn check(key: &ApiKey, now: Timestamp) -> Result<(), ApiError> {
    let unfit = |detail: String| Err(ApiError::unfit("bad_key", detail));
    let most = limits::KEY_NAME_BYTES_MAX;
    if !(1..=most).contains(&key.name.len()) || key.name.chars().any(char::is_control) {
        return unfit(format!("name must have 1 to {most} bytes and no control characters"));
    }
    match check_scopes(key.tenant.as_ref(), &key.scopes) {
        Err(why) => unfit(why),
        Ok(()) if key.expires_at.is_some_and(|at| at <= now) => {
            unfit("expires_at is over already".to_owned())
        }
        Ok(()) => Ok(()),
    }
}

/// Revokes a key; one that is revoked stays as it is.
pub(super) async fn revoke(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<KeyView>, ApiError> {
    let found = api.key(&id).await?;
    let now = api.db.now().await?;
    if found.key.revoked_at.is_some() {
        return Ok(Json(KeyView::of(found, now)));
    }
    Ok(Json(KeyView::of(api.revoke(found, now).await?, now)))
}

/// Makes a key that takes the place of another, with the same rights, for as long as that one was for: 201. The old one
/// stays good for the overlap.
pub(super) async fn rotate(
    api: Granted,
    Segments(id): Segments<String>,
    JsonBody(Rotation { overlap }): JsonBody<Rotation>,
) -> Result<Created<MadeKey>, ApiError> {
    let overlap = overlap.unwrap_or(OVERLAP);
    if overlap.0 > OVERLAP_MAX {
        let detail = format!("overlap is {overlap}; it may be up to {}", Span(OVERLAP_MAX));
        return Err(ApiError::unfit("bad_key", detail));
    }
    let found = api.key(&id).await?;
    let (old, now, token) = (found.key, api.db.now().await?, Token::random());
    api.principal().check_grant(&old)?;
    let conflict = |detail: String| Err(ApiError::conflict("key_not_active", detail));
    if KeyState::of(&old, now) != KeyState::Active {
        return conflict(format!("key {} is of no use any more; make a new one", old.id));
    }
    if let Some(next) = old.rotated_to {
        return conflict(format!("key {} has a successor already: {next}", old.id));
    }
    let life = old.expires_at.map(|at| at.since(old.created_at));
    let successor = ApiKey {
        id: token.id,
        created_at: now,
        created_by: api.principal().actor.clone(),
        expires_at: life.map(|life| now + life),
        ..old.clone()
    };
    let end = old.expires_at.map_or(now + overlap.0, |at| at.min(now + overlap.0));
    let old = ApiKey { expires_at: Some(end), rotated_to: Some(token.id), ..old };
    if !api.db.rotate_key((&old, found.version), (&successor, &token.hash())).await? {
        return Err(changed(&old));
    }
    api.identities.forget_key(old.id);
    tracing::info!(key = %old.id, successor = %token.id, "API key rotated by request");
    Ok(made(successor, &token, now))
}

fn changed(key: &ApiKey) -> ApiError {
    JobsDbError::Conflict(format!("API key {}", key.id)).into()
}

impl Granted {
    /// A key, if it may be shown.
    async fn key(&self, id: &str) -> Result<StoredKey, ApiError> {
        let absent = || {
            let detail = format!("there is no API key `{id}`; GET /v1/keys lists them");
            ApiError::absent("key_not_found", detail)
        };
        let known: Uuid = id.parse().map_err(|_unreadable| absent())?;
        let sees =
            |tenant: Option<&Tenant>| self.administered().is_none_or(|own| tenant == Some(own));
        let found = self.db.key(known).await?.filter(|found| sees(found.key.tenant.as_ref()));
        let found = found.ok_or_else(absent)?;
        found.key.tenant.iter().for_each(|tenant| self.note_tenant(tenant));
        Ok(found)
    }

    /// Makes a key be of no use from now on.
    pub(super) async fn revoke(
        &self,
        mut found: StoredKey,
        now: Timestamp,
    ) -> Result<StoredKey, ApiError> {
        found.key.revoked_at = Some(now);
        if !self.db.write_key(&found.key, found.version).await? {
            return Err(changed(&found.key));
        }
        self.identities.forget_key(found.key.id);
        tracing::info!(key = %found.key.id, name = found.key.name, "API key revoked by request");
        Ok(found)
    }
}

impl KeyState {
    fn of(key: &ApiKey, now: Timestamp) -> Self {
        match (key.revoked_at, key.expires_at) {
            (Some(_), _) => Self::Revoked,
            (None, Some(at)) if at <= now => Self::Expired,
            (None, _) => Self::Active,
        }
    }
}

impl KeyView {
    fn of(stored: StoredKey, now: Timestamp) -> Self {
        let StoredKey { key, last_used_at, .. } = stored;
        Self { state: KeyState::of(&key, now), key, last_used_at }
    }
}
