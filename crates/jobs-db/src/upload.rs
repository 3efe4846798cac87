//! Sources that clients upload.

use panofleet_job_schema::{Tenant, Timestamp};
use uuid::Uuid;

/// A source that is being uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What `upload:<id>` names.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Tenant,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The size that was announced.
    pub bytes: u64,
    /// When it was begun.
    pub created_at: Timestamp,
}
