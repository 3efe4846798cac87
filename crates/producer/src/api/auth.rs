//! Who may do what. What stands in this file decides, and touches nothing.
//!
//! | you look for | file |
//! |---|---|
//! | the text of a key, its hash | `auth/token.rs` |
//! | who a request comes from | `auth/identity.rs`, what was read lately: `auth/recent.rs` |
//! | every request passes here | `auth/gate.rs` |
//! | the API as whoever asks may use it | `auth/granted.rs` |
//! | people who sign in at a provider of identities | `auth/oidc.rs` |
//! | when keys were last used | `auth/uses.rs` |
//! | which scope a route needs | `routes.rs` |

use std::collections::BTreeSet;

use axum::http::StatusCode;
use panofleet_job_schema::{Region, Tenant, Timestamp};
use panofleet_jobs_db::{Actor, ApiKey, Person, Scope, SecretHash, StoredKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;

pub(crate) mod gate;
pub(crate) mod granted;
pub(crate) mod identity;
pub(crate) mod oidc;
mod recent;
pub(crate) mod token;
pub(crate) mod uses;

/// Whom the API asks who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Nobody: whoever reaches it may do everything.
    #[default]
    Open,
    /// Everybody: each request carries an API key.
    Keys,
}

/// What a route asks of whoever calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing about anybody.
    Nothing,
    /// Any key.
    AnyKey,
    /// A key with one of these scopes.
    OneOf(&'static [Scope]),
}

/// Whoever sent a request, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Who.
    pub(crate) actor: Actor,
    /// Whose jobs they are about; all tenants' if there is none.
    pub(crate) tenant: Option<Tenant>,
    /// What they hold.
    pub(crate) scopes: BTreeSet<Scope>,
    /// Where their jobs may run; everywhere if there are none.
    pub(crate) regions: BTreeSet<Region>,
    /// From when on they are nobody.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// None of these scopes is held.
    Scope(&'static [Scope]),
    /// Another tenant's.
    Tenant(String),
    /// The regions do not include this one.
    Region(Region),
    /// A key would be able to do more than whoever makes it.
    MoreThanOwn(String),
}

/// Why a key is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// There is no such key, or its secret is another.
    Unknown,
    /// Its time is over.
    Expired(Timestamp),
    /// Somebody revoked it.
    Revoked(Timestamp),
}

impl Principal {
    /// Whoever reaches an API that asks nobody.
    pub(crate) fn open() -> Self {
        Self::of_everything(Actor::Open)
    }

    /// Whoever has the key of the configuration.
    pub(crate) fn admin_key() -> Self {
        Self::of_everything(Actor::AdminKey)
    }

    fn of_everything(actor: Actor) -> Self {
        let scopes = Scope::ALL.into_iter().collect();
        Self { actor, tenant: None, scopes, regions: BTreeSet::new(), expires_at: None }
    }

    /// Whoever holds a key.
    pub(crate) fn of_key(key: &ApiKey) -> Self {
        Self {
            actor: Actor::Key { id: key.id, name: key.name.clone() },
            tenant: key.tenant.clone(),
            scopes: key.scopes.clone(),
            regions: key.regions.clone(),
            expires_at: key.expires_at,
        }
    }

    /// Somebody who has signed in at the provider of the configuration, until then.
    pub(crate) fn of_person(person: &Person, until: Timestamp) -> Self {
        let Person { issuer, subject, name, tenant, scopes, regions } = person.clone();
        let actor = Actor::Person { issuer, subject, name };
        Self { actor, tenant, scopes, regions, expires_at: Some(until) }
    }

    /// Whether what they hold includes a scope: to see jobs goes with everything but `scale`, and an admin may do what the
    /// admin's keys could, which for one tenant's is not to run the fleet.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        let holds = |scope| self.scopes.contains(&scope);
        match scope {
            Scope::JobsRead => self.scopes.iter().any(|scope| *scope != Scope::Scale),
            Scope::JobsWrite => holds(Scope::JobsWrite) || holds(Scope::Admin),
            Scope::Ops => self.tenant.is_none() && (holds(Scope::Ops) || holds(Scope::Admin)),
            Scope::Admin => holds(Scope::Admin),
            Scope::Scale => self.tenant.is_none() && (holds(Scope::Scale) || self.has(Scope::Ops)),
        }
    }

    /// Whether they may call what needs this.
    pub(crate) fn check(&self, need: Need) -> Result<(), Denied> {
        match need {
            Need::Nothing | Need::AnyKey => Ok(()),
            Need::OneOf(scopes) if scopes.iter().any(|scope| self.has(*scope)) => Ok(()),
            Need::OneOf(scopes) => Err(Denied::Scope(scopes)),
        }
    }

    /// Whose things a request is about that names this tenant, or none: one tenant's, or all.
    ///
    /// An API that asks nobody is about the tenant of its configuration and no other.
    pub(crate) fn whose(
        &self,
        asked: Option<&str>,
        configured: &Tenant,
    ) -> Result<Option<Tenant>, Denied> {
        let own = match self.actor {
            Actor::Open => Some(configured),
            Actor::AdminKey | Actor::Key { .. } | Actor::Person { .. } => self.tenant.as_ref(),
        };
        match (own, asked) {
            (Some(own), Some(asked)) if own.as_str() != asked => {
                Err(Denied::Tenant(asked.to_owned()))
            }
            (Some(own), _) => Ok(Some(own.clone())),
            (None, Some(asked)) => match Tenant::new(asked) {
                Ok(tenant) => Ok(Some(tenant)),
                Err(_no_name) => Err(Denied::Tenant(asked.to_owned())),
            },
            (None, None) => Ok(None),
        }
    }

    /// Whether a job of theirs may run in these regions.
    pub(crate) fn check_regions<'a>(
        &self,
        regions: impl IntoIterator<Item = &'a Region>,
    ) -> Result<(), Denied> {
        check_regions(&self.regions, regions)
    }

    /// Whether they may make a key like this one: nobody gives more than they have.
    pub(crate) fn check_grant(&self, key: &ApiKey) -> Result<(), Denied> {
        let more = |what: String| Err(Denied::MoreThanOwn(what));
        if self.tenant.is_some() && self.tenant != key.tenant {
            return more(match &key.tenant {
                Some(tenant) => format!("it would be tenant `{tenant}`'s"),
                None => "it would be about all tenants".to_owned(),
            });
        }
        if let Some(scope) = key.scopes.iter().find(|scope| !self.has(**scope)) {
            return more(format!("it would have the scope {scope}"));
        }
        let all = key.regions.is_empty() && !self.regions.is_empty();
        let other =
            key.regions.difference(&self.regions).next().filter(|_| !self.regions.is_empty());
        match (all, other) {
            (true, _) => more("it would be good for all regions".to_owned()),
            (_, Some(region)) => more(format!("it would be good for region `{region}`")),
            (false, None) => Ok(()),
        }
    }
}

/// Whether all of these regions are allowed; if none is named, all are.
pub(crate) fn check_regions<'a>(
    allowed: &BTreeSet<Region>,
    regions: impl IntoIterator<Item = &'a Region>,
) -> Result<(), Denied> {
    let refused =
        regions.into_iter().find(|region| !allowed.is_empty() && !allowed.contains(*region));
    refused.map_or(Ok(()), |region| Err(Denied::Region(region.clone())))
}

/// Whether somebody can be given these scopes, for one tenant or for all; why not.
pub(crate) fn check_scopes(
    tenant: Option<&Tenant>,
    scopes: &BTreeSet<Scope>,
) -> Result<(), String> {
    let of_fleet = [Scope::Ops, Scope::Scale].into_iter().find(|scope| scopes.contains(scope));
    match (tenant, of_fleet) {
        _ if scopes.is_empty() => Err("scopes must name at least one scope".to_owned()),
        (Some(tenant), Some(scope)) => {
            Err(format!("the scope {scope} is about the fleet and cannot be tenant `{tenant}`'s"))
        }
        (None, None) if !scopes.contains(&Scope::Admin) => {
            let detail = "name the tenant: only ops, scale or admin are about all tenants";
            Err(detail.to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether a key is good at a time, in the hands of somebody with this secret. Why a key has lapsed is told to those
/// who have its secret only.
pub(crate) fn check_key(
    stored: &StoredKey,
    secret: &SecretHash,
    now: Timestamp,
) -> Result<(), Lapse> {
    if !token::equal(&stored.secret, secret) {
        return Err(Lapse::Unknown);
    }
    match (stored.key.revoked_at, stored.key.expires_at) {
        (Some(at), _) => Err(Lapse::Revoked(at)),
        (None, Some(at)) if at <= now => Err(Lapse::Expired(at)),
        (None, _) => Ok(()),
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let (code, detail) = match denied {
            Denied::Scope(scopes) => {
                let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
                let names = names.join(" or ");
                let detail =
                    format!("this needs the scope {names}; GET /v1/whoami says which you have");
                ("missing_scope", detail)
            }
            Denied::Tenant(asked) => {
                let detail = format!(
                    "you may not ask about tenant `{asked}`; GET /v1/whoami says about whose jobs you may"
                );
                ("wrong_tenant", detail)
            }
            Denied::Region(region) => {
                let detail = format!(
                    "your jobs may not run in region `{region}`; GET /v1/whoami says where they may"
                );
                ("wrong_region", detail)
            }
            Denied::MoreThanOwn(what) => {
                let detail = format!("nobody makes a key that can do more than they can: {what}");
                ("more_than_own", detail)
            }
        };
        Self::refused(StatusCode::FORBIDDEN, code, detail)
    }
}

impl From<Lapse> for ApiError {
    fn from(lapse: Lapse) -> Self {
        let (code, detail) = match lapse {
            Lapse::Unknown => ("key_unknown", "there is no such API key".to_owned()),
            Lapse::Expired(at) => ("key_expired", format!("the API key has expired at {at}")),
            Lapse::Revoked(at) => ("key_revoked", format!("the API key was revoked at {at}")),
        };
        let detail = format!("{detail}; ask an admin for another one");
        Self::refused(StatusCode::UNAUTHORIZED, code, detail)
    }
}

#[cfg(test)]
mod tests;
