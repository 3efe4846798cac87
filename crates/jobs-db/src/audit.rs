//! What people and their programs have changed.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Actor, JobsDbError};

/// The audit log: rows that are written when something is tried, and once more when it is known what came of it.
#[async_trait]
pub trait AuditDb {
    /// Keeps an entry.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is one with its id.
    async fn put_audit(&self, entry: &AuditEntry) -> Result<(), JobsDbError>;

    /// Puts an entry in the place of the one with its id: its tenant, its subject and what came of it may differ.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn end_audit(&self, entry: &AuditEntry) -> Result<(), JobsDbError>;

    /// Entries that match, newest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn audit(&self, filter: &AuditFilter, limit: u32)
    -> Result<Vec<AuditEntry>, JobsDbError>;

    /// Forgets entries from before a time, and says how many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_audit(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError>;
}

/// What somebody did, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its identity, a UUID version 7: entries are in the order of time.
    pub id: Uuid,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Whose things it was about; none if it was about the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// What: `job.cancel`.
    pub action: String,
    /// To what: a job's id, a worker's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `done`, or the code of the refusal. `begun` of what broke off: it may have been done.
    pub outcome: String,
    /// The HTTP status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `X-Request-Id` that came with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The trace that the request belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// Which entries. Everything that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this tenant's things.
    pub tenant: Option<Tenant>,
    /// Of this key.
    pub key: Option<Uuid>,
    /// Of whom people call so, among those who sign in.
    pub person: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// About this.
    pub subject: Option<String>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before this entry: the last one of the page before.
    pub before: Option<Uuid>,
}

impl AuditEntry {
    /// The key that did it, if it was one.
    pub(crate) const fn key(&self) -> Option<Uuid> {
        match &self.actor {
            Actor::Key { id, .. } => Some(*id),
            Actor::Open | Actor::AdminKey | Actor::Person { .. } => None,
        }
    }

    /// What people call the person who did it, if it was one.
    pub(crate) fn person(&self) -> Option<String> {
        match &self.actor {
            Actor::Person { name, .. } => Some(plain(name)),
            Actor::Open | Actor::AdminKey | Actor::Key { .. } => None,
        }
    }
}

impl AuditFilter {
    /// The person, as rows have them.
    pub(crate) fn plain_person(&self) -> Option<String> {
        self.person.as_deref().map(plain)
    }
}

/// Without what databases do not keep in a text.
fn plain(name: &str) -> String {
    name.replace('\0', "")
}
