//! API keys, and the sessions of people who have signed in: with a key, or at a provider that says who they are.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use panofleet_job_schema::{Region, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::JobsDbError;
use crate::row::{corrupt, from_doc, time, to_doc};

/// API keys: rows that say who may do what. No row holds a secret, only its hash.
#[async_trait]
pub trait KeysDb {
    /// Keeps a new key.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is one with its id.
    async fn put_key(&self, key: &ApiKey, secret: &SecretHash) -> Result<(), JobsDbError>;

    /// A key by its id, revoked and expired ones too.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn key(&self, id: Uuid) -> Result<Option<StoredKey>, JobsDbError>;

    /// Keys of a tenant, or all that there are; newest first, from the one before `before` on.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn keys(
        &self,
        tenant: Option<&Tenant>,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<StoredKey>, JobsDbError>;

    /// Changes a key that still has this version. Whether it was changed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn write_key(&self, key: &ApiKey, expected_version: u64) -> Result<bool, JobsDbError>;

    /// Keeps a key's successor and changes the key, which must still have this version, or does neither. Whether it did.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is a key with the successor's id.
    async fn rotate_key(
        &self,
        (key, expected_version): (&ApiKey, u64),
        (successor, secret): (&ApiKey, &SecretHash),
    ) -> Result<bool, JobsDbError>;

    /// Notes when keys were last used. A later time that is noted already stays.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn note_uses(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), JobsDbError>;

    /// Keeps a session.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is one with its id.
    async fn put_session(&self, session: &Session) -> Result<(), JobsDbError>;

    /// A session by the hash of its id, one that is over too.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn session(&self, id: &SecretHash) -> Result<Option<Session>, JobsDbError>;

    /// Ends a session; one that there is not has ended.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_session(&self, id: &SecretHash) -> Result<(), JobsDbError>;

    /// Forgets sessions that were over before a time, and says how many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_sessions(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError>;
}

/// SHA-256 of a secret of 256 random bits: nobody finds such a secret by trying, so it needs no salt and no slow hash.
pub type SecretHash = [u8; 32];

/// What a key is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Scope {
    /// To see jobs, their results, failures and schedules.
    #[serde(rename = "jobs:read")]
    JobsRead,
    /// To submit and change them.
    #[serde(rename = "jobs:write")]
    JobsWrite,
    /// To run the fleet: workers, pauses, dead letters.
    #[serde(rename = "ops")]
    Ops,
    /// To make and revoke keys.
    #[serde(rename = "admin")]
    Admin,
    /// To ask how many workers there should be, and nothing else: for autoscalers, whose secret lies in each region.
    #[serde(rename = "scale")]
    Scale,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] =
        [Self::JobsRead, Self::JobsWrite, Self::Ops, Self::Admin, Self::Scale];

    /// Its name: `jobs:read`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::Ops => "ops",
            Self::Admin => "admin",
            Self::Scale => "scale",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scope has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scope `{0}` is none of jobs:read, jobs:write, ops, admin, scale")]
pub struct BadScope(String);

impl FromStr for Scope {
    type Err = BadScope;
    fn from_str(text: &str) -> Result<Self, BadScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| BadScope(text.to_owned()))
    }
}

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Whoever reaches an API that asks nobody.
    Open,
    /// The key of the configuration.
    AdminKey,
    /// A key, by the name that it had then.
    Key {
        /// Which.
        id: Uuid,
        /// Its name.
        name: String,
    },
    /// Somebody who signed in at a provider of identities, by the name that they had there then.
    Person {
        /// The provider.
        issuer: String,
        /// Who, among those that the provider knows: it gives this to nobody else.
        subject: String,
        /// What people call them: an e-mail address or a name.
        name: String,
    },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::AdminKey => f.write_str("api.admin_key"),
            Self::Key { name, .. } | Self::Person { name, .. } => f.write_str(name),
        }
    }
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// Its identity, a UUID version 7: keys are in the order of time.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Whose jobs it is about; all tenants' if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
    /// The regions that its jobs may run in; all if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Region>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Actor,
    /// From when on it is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When somebody revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The key that takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_to: Option<Uuid>,
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The key.
    pub key: ApiKey,
    /// What its secret is compared with.
    pub secret: SecretHash,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
    /// Its version, from 1; each write adds 1.
    pub version: u64,
}

/// What a person who has signed in has in place of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The hash of its id, which is a secret.
    pub id: SecretHash,
    /// What it was begun with.
    pub of: SessionOf,
    /// The tenant that was chosen, by somebody who may see all.
    pub tenant: Option<Tenant>,
    /// From when on it is over.
    pub expires_at: Timestamp,
}

/// What a session was begun with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOf {
    /// A key: the session may do what the key may, and is good as long as that is.
    Key {
        /// Which; none if that was the key of the configuration.
        id: Option<Uuid>,
        /// The hash of its secret.
        secret: SecretHash,
    },
    /// The word of a provider of identities.
    Person(Person),
}

/// Somebody who signed in at a provider of identities, and what they were given for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The provider.
    pub issuer: String,
    /// Who, among those that it knows.
    pub subject: String,
    /// What people call them.
    pub name: String,
    /// Whose jobs it is about; all tenants' if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// What they may do.
    pub scopes: BTreeSet<Scope>,
    /// The regions that their jobs may run in; all if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Region>,
}

impl SessionOf {
    /// The columns `key`, `secret_sha256` and `person`.
    ///
    /// The row of a person names no key and has a hash that no secret is known to have: to a program of the version before,
    /// which does not read `person`, it is a session that is over.
    pub(crate) fn to_columns(&self) -> (Option<Uuid>, SecretHash, Option<String>) {
        match self {
            Self::Key { id, secret } => (*id, *secret, None),
            Self::Person(person) => (None, [0; 32], Some(to_doc(person))),
        }
    }
}

/// The columns of `api_keys`: `secret_sha256`, `last_used_at`, `version`, `doc`.
pub(crate) type KeyColumns = (Vec<u8>, Option<i64>, i64, String);

pub(crate) fn stored_key(columns: KeyColumns) -> Result<StoredKey, JobsDbError> {
    let (secret, last_used_at, version, doc) = columns;
    let key: ApiKey = from_doc(&doc, || "an API key".to_owned())?;
    let named = format!("API key {}", key.id);
    Ok(StoredKey {
        secret: hash(secret, &named)?,
        last_used_at: last_used_at.map(time),
        version: u64::try_from(version).map_err(|error| corrupt(&named, error))?,
        key,
    })
}

/// The columns of `sessions` but the first and the second: `secret_sha256`, `person`, `tenant`, `expires_at`.
pub(crate) type SessionColumns = (Vec<u8>, Option<String>, Option<String>, i64);

pub(crate) fn session(
    id: SecretHash,
    key: Option<Uuid>,
    (secret, person, tenant, expires_at): SessionColumns,
) -> Result<Session, JobsDbError> {
    let named = "a session";
    let tenant = tenant.map(Tenant::new).transpose().map_err(|error| corrupt(named, error))?;
    let of = match person {
        Some(doc) => SessionOf::Person(from_doc(&doc, || "a session's person".to_owned())?),
        None => SessionOf::Key { id: key, secret: hash(secret, named)? },
    };
    Ok(Session { id, of, tenant, expires_at: time(expires_at) })
}

fn hash(bytes: Vec<u8>, named: &str) -> Result<SecretHash, JobsDbError> {
    let wrong = |bytes: Vec<u8>| corrupt(named, format_args!("a hash of {} bytes", bytes.len()));
    bytes.try_into().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_one_name_everywhere() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        assert!("jobs".parse::<Scope>().unwrap_err().to_string().contains("jobs:write"));
    }

    /// Rows of earlier versions stay readable, and rows of persons say who it was.
    #[test]
    fn actors_are_written_as_they_ever_were() {
        let id = Uuid::from_u128(7);
        let named = |name: &str| name.to_owned();
        let person = Actor::Person {
            issuer: named("https://login.example"),
            subject: named("248289761001"),
            name: named("kim@example.com"),
        };
        for (actor, written) in [
            (Actor::Open, r#"{"kind":"open"}"#.to_owned()),
            (Actor::AdminKey, r#"{"kind":"admin_key"}"#.to_owned()),
            (
                Actor::Key { id, name: named("oncall") },
                format!(r#"{{"kind":"key","id":"{id}","name":"oncall"}}"#),
            ),
            (
                person,
                r#"{"kind":"person","issuer":"https://login.example","subject":"248289761001","name":"kim@example.com"}"#
                    .to_owned(),
            ),
        ] {
            assert_eq!(to_doc(&actor), written);
            assert_eq!(from_doc::<Actor>(&written, || "an actor".to_owned()).unwrap(), actor);
        }
    }
}
