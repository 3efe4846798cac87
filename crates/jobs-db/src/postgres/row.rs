//! Between PostgreSQL's rows and types.

use panofleet_job_schema::JobId;
use uuid::Uuid;

use crate::row::{corrupt, from_doc};
use crate::{JobsDbError, Versioned};

/// The columns of `jobs` that make a [`Versioned`].
pub(super) type JobRow = (Uuid, i64, String);

pub(super) fn versioned((id, version, doc): JobRow) -> Result<Versioned, JobsDbError> {
    let name = || format!("job {id}");
    let version = u64::try_from(version).map_err(|error| corrupt(name(), error))?;
    Ok(Versioned { job: from_doc(&doc, name)?, version })
}

/// The ids as one bound value, for `= ANY($1)`.
pub(super) fn id_list(ids: impl IntoIterator<Item = JobId>) -> Vec<Uuid> {
    ids.into_iter().map(|id| id.0).collect()
}
