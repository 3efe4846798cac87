//! Views: filters that somebody wants to look through again, by name.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::JobsDbError;
use crate::key::Actor;
use crate::row::from_doc;

/// Views of tenants: each has a name of its own.
#[async_trait]
pub trait ViewsDb {
    /// Keeps a view, in place of one of its name. Whether it did: not if the tenant has `most` others already.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn put_view(&self, view: &View, most: u32) -> Result<bool, JobsDbError>;

    /// A tenant's views, or all that there are; by name.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn views(&self, tenant: Option<&Tenant>) -> Result<Vec<View>, JobsDbError>;

    /// Removes a view. Whether there was one.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_view(&self, tenant: &Tenant, name: &str) -> Result<bool, JobsDbError>;
}

/// A filter with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct View {
    /// Whose.
    pub tenant: Tenant,
    /// What people call it.
    pub name: String,
    /// Which jobs, as a bulk action takes it. It is kept as it was given: times that are spans count from when it is used.
    pub filter: Map<String, Value>,
    /// When it was saved.
    pub saved_at: Timestamp,
    /// Who did.
    pub saved_by: Actor,
}

pub(crate) fn view_of(doc: &str) -> Result<View, JobsDbError> {
    from_doc(doc, || "a view".to_owned())
}
