//! Who a request comes from: by an API key, or by the session of somebody who has signed in.
//!
//! What is read of a key or a session is good for `api.key_cache`: so long may one be of use after it was revoked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use panofleet_job_schema::{Secret, Tenant, Timestamp};
use panofleet_jobs_db::{Person, SecretHash, Session, SessionOf, StoredKey};
use uuid::Uuid;

use super::recent::Recent;
use super::token::{self, Token};
use super::{Auth, Lapse, Principal, check_key};
use crate::api::error::ApiError;
use crate::api::{Api, ApiConfig};

/// The cookie of a session.
const COOKIE: &str = "panofleet_session";
/// The same where every page comes by https: no other name of the domain can set it.
const COOKIE_HTTPS: &str = "__Host-panofleet_session";

/// What this process knows of keys and sessions.
#[derive(Debug)]
pub(crate) struct Identities {
    keys: Recent<Uuid, Known>,
    sessions: Recent<SecretHash, Session>,
    /// The hash of the key of the configuration.
    admin_key: Option<SecretHash>,
}

/// A key, and the database's time when it was read.
#[derive(Clone, Debug)]
struct Known {
    stored: Arc<StoredKey>,
    principal: Arc<Principal>,
    read_at: Timestamp,
    /// This process's clock at that time, or a moment later: no key expires early.
    clock: Instant,
}

/// The cookie of whose jobs somebody has chosen to see who may see all tenants'.
const TENANT_COOKIE: &str = "panofleet_tenant";
/// The same where every page comes by https.
const TENANT_COOKIE_HTTPS: &str = "__Host-panofleet_tenant";
/// What it says of somebody who wants to see all.
const ALL_TENANTS: &str = "*";
/// How long a choice is remembered.
const TENANT_REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Who sent a request, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(super) principal: Arc<Principal>,
    /// The tenant that was chosen when the session began, or later.
    pub(super) tenant: Option<Tenant>,
    /// Whether a browser sent it of itself.
    pub(super) by_cookie: bool,
}

impl Identities {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let good_for = config.key_cache.0;
        let admin_key = config.admin_key.as_ref().map(|key| token::hash(key.expose().as_bytes()));
        Self { keys: Recent::new(good_for), sessions: Recent::new(good_for), admin_key }
    }

    /// A key has changed: this process asks again.
    pub(crate) fn forget_key(&self, id: Uuid) {
        self.keys.forget(&id);
    }
}

impl Api {
    /// Whoever sent a request with these headers.
    pub(super) async fn identify(&self, headers: &HeaderMap) -> Result<Identity, ApiError> {
        if self.config.auth == Auth::Open {
            let principal = Arc::new(Principal::open());
            return Ok(Identity { principal, tenant: None, by_cookie: false });
        }
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let key = given.to_str().ok().and_then(bearer).ok_or(Lapse::Unknown)?;
            let (principal, ..) = self.holder_of(key).await?;
            return Ok(Identity { principal, tenant: None, by_cookie: false });
        }
        let Some(id) = session_id(headers, self.is_https()) else { return Err(key_missing()) };
        let (principal, tenant) = self.holder_of_session(&id).await?;
        let tenant = match cookie(headers, tenant_cookie_name(self.is_https())) {
            Some(chosen) if principal.tenant.is_none() => Tenant::new(chosen).ok(),
            Some(_) | None => tenant,
        };
        Ok(Identity { principal, tenant, by_cookie: true })
    }

    /// Whoever has this key, with what a session of theirs keeps of it.
    pub(crate) async fn holder_of(
        &self,
        key: &str,
    ) -> Result<(Arc<Principal>, Option<Uuid>, SecretHash), ApiError> {
        let of_text = token::hash(key.as_bytes());
        if self.identities.admin_key.is_some_and(|admin| token::equal(&admin, &of_text)) {
            return Ok((Arc::new(Principal::admin_key()), None, of_text));
        }
        let given = Token::parse(key).ok_or(Lapse::Unknown)?;
        let secret = given.hash();
        Ok((self.holder(given.id, &secret).await?, Some(given.id), secret))
    }

    async fn holder(&self, id: Uuid, secret: &SecretHash) -> Result<Arc<Principal>, ApiError> {
        let known = match self.identities.keys.get(&id) {
            Some((known, _)) => known,
            None => self.read_key(id).await?,
        };
        let now = known.read_at + known.clock.elapsed();
        check_key(&known.stored, secret, now)?;
        self.uses.saw(id, now);
        Ok(known.principal)
    }

    async fn read_key(&self, id: Uuid) -> Result<Known, ApiError> {
        let since = Instant::now();
        let stored = self.db.key(id).await?.ok_or(Lapse::Unknown)?;
        let read_at = self.db.now().await?;
        let principal = Arc::new(Principal::of_key(&stored.key));
        let (stored, clock) = (Arc::new(stored), Instant::now());
        let known = Known { stored, principal, read_at, clock };
        self.identities.keys.keep(id, known.clone(), since);
        Ok(known)
    }

    /// Whoever has begun this session, if what they did it with is still good.
    async fn holder_of_session(
        &self,
        id: &str,
    ) -> Result<(Arc<Principal>, Option<Tenant>), ApiError> {
        let id = token::hash(id.as_bytes());
        let session = match self.identities.sessions.get(&id) {
            Some((session, _)) => session,
            None => {
                let since = Instant::now();
                let found = self.db.session(&id).await?.ok_or_else(session_over)?;
                if found.expires_at <= self.db.now().await? {
                    return Err(session_over());
                }
                self.identities.sessions.keep(id, found.clone(), since);
                found
            }
        };
        let Session { of, tenant, expires_at, .. } = session;
        let principal = match (of, self.identities.admin_key) {
            (SessionOf::Key { id: Some(key), secret }, _) => self.holder(key, &secret).await?,
            (SessionOf::Key { id: None, secret }, Some(admin)) if token::equal(&admin, &secret) => {
                Arc::new(Principal::admin_key())
            }
            (SessionOf::Person(person), _) if self.trusts(&person) => {
                Arc::new(Principal::of_person(&person, expires_at))
            }
            (SessionOf::Key { id: None, .. } | SessionOf::Person(_), _) => {
                return Err(session_over());
            }
        };
        Ok((principal, tenant))
    }

    /// Whether people still sign in where this one did.
    fn trusts(&self, person: &Person) -> bool {
        self.oidc.as_ref().is_some_and(|oidc| oidc.config.issuer == person.issuer)
    }

    /// Ends the session that these headers carry, if there is one. Whether it was that of somebody who signed in at the
    /// provider.
    pub(crate) async fn end_session(&self, headers: &HeaderMap) -> Result<bool, ApiError> {
        let Some(id) = session_id(headers, self.is_https()) else { return Ok(false) };
        let id = token::hash(id.as_bytes());
        let session = self.db.session(&id).await?;
        self.identities.sessions.forget(&id);
        self.db.remove_session(&id).await?;
        Ok(session.is_some_and(|session| matches!(session.of, SessionOf::Person(_))))
    }

    /// Whether browsers reach the pages by https.
    pub(crate) fn is_https(&self) -> bool {
        self.config.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }
}

/// The name of the session's cookie.
pub(crate) const fn cookie_name(is_https: bool) -> &'static str {
    if is_https { COOKIE_HTTPS } else { COOKIE }
}

/// A new id of a session, and what is kept of it.
pub(crate) fn new_session_id() -> (Secret, SecretHash) {
    let id = hex::encode(rand::random::<[u8; 32]>());
    let hash = token::hash(id.as_bytes());
    (Secret::new(id), hash)
}

/// The token of `Bearer …` (RFC 6750 §2.1).
fn bearer(given: &str) -> Option<&str> {
    let (scheme, token) = given.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session_id(headers: &HeaderMap, is_https: bool) -> Option<String> {
    cookie(headers, cookie_name(is_https))
}

/// Which pages have a browser send a cookie along.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SameSite {
    /// Those of this service.
    Strict,
    /// Those, and a link of any other.
    Lax,
}

/// Has a browser keep a cookie, which no script can read. Its value is of letters that a cookie may have.
pub(crate) fn set_cookie(
    (name, value): (&str, &str),
    lasts: Duration,
    same_site: SameSite,
    is_https: bool,
) -> HeaderValue {
    let (lasts_s, secure) = (lasts.as_secs(), if is_https { "; Secure" } else { "" });
    let cookie = format!(
        "{name}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite={same_site:?}{secure}"
    );
    HeaderValue::try_from(cookie).expect("digits, base64 and words of ours")
}

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|one| one.split_once('='));
    pairs.find(|(given, _)| given.trim() == name).map(|(_, id)| id.trim().to_owned())
}

const fn tenant_cookie_name(is_https: bool) -> &'static str {
    if is_https { TENANT_COOKIE_HTTPS } else { TENANT_COOKIE }
}

/// Has a browser show a tenant's jobs from now on, or all.
pub(crate) fn remember_tenant(tenant: Option<&Tenant>, is_https: bool) -> HeaderValue {
    let chosen = tenant.map_or(ALL_TENANTS, Tenant::as_str);
    set_cookie(
        (tenant_cookie_name(is_https), chosen),
        TENANT_REMEMBERED,
        SameSite::Strict,
        is_https,
    )
}

/// Whoever signs in next has not chosen.
pub(crate) fn forget_tenant(is_https: bool) -> HeaderValue {
    set_cookie((tenant_cookie_name(is_https), ""), Duration::ZERO, SameSite::Strict, is_https)
}

fn key_missing() -> ApiError {
    let detail = "this API asks who you are: send an API key, as `Authorization: Bearer KEY`";
    ApiError::refused(StatusCode::UNAUTHORIZED, "key_missing", detail)
}

fn session_over() -> ApiError {
    ApiError::refused(StatusCode::UNAUTHORIZED, "session_over", "sign in again: /sign-in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_named_in_any_case() {
        for (given, expected) in [
            ("Bearer pf_1", Some("pf_1")),
            ("bearer  pf_1 ", Some("pf_1")),
            ("Basic pf_1", None),
            ("pf_1", None),
            ("", None),
        ] {
            assert_eq!(bearer(given), expected, "{given}");
        }
    }

    #[test]
    fn a_session_is_found_among_cookies() {
        let of = |cookies: &[&'static str], is_https| {
            let cookies =
                cookies.iter().map(|text| (header::COOKIE, HeaderValue::from_static(text)));
            session_id(&cookies.collect(), is_https)
        };
        let (plain, https) = ("a=1; panofleet_session=xyz", "__Host-panofleet_session=abc; b");
        assert_eq!(of(&[plain], false).as_deref(), Some("xyz"));
        assert_eq!(of(&["a=1", https], true).as_deref(), Some("abc"));
        assert_eq!(of(&[plain], true), None, "a neighbour of the domain could have set it");
        assert_eq!(of(&["panofleet_session"], false), None);
    }
}
