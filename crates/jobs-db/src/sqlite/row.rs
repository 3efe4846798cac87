//! Between SQLite's rows and types.

use panofleet_job_schema::JobId;

use crate::row::{corrupt, from_doc, to_doc};
use crate::{JobsDbError, Versioned};

/// The columns of `jobs` that make a [`Versioned`].
pub(super) type JobRow = (Vec<u8>, i64, String);

pub(super) fn versioned((id, version, doc): JobRow) -> Result<Versioned, JobsDbError> {
    let name = || format!("job {}", hex(&id));
    let version = u64::try_from(version).map_err(|error| corrupt(name(), error))?;
    Ok(Versioned { job: from_doc(&doc, name)?, version })
}

pub(super) fn job_id(bytes: &[u8]) -> Result<JobId, JobsDbError> {
    uuid::Uuid::from_slice(bytes).map(JobId).map_err(|error| corrupt("a job's id", error))
}

/// The ids as a JSON array of hexadecimal texts, for `SELECT unhex(value) FROM json_each(?)`: one bound value,
/// however many ids there are.
pub(super) fn id_list(ids: impl IntoIterator<Item = JobId>) -> String {
    let texts: Vec<String> = ids.into_iter().map(|id| id.0.simple().to_string()).collect();
    to_doc(&texts)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
