//! Sources that clients upload.

use panofleet_job_schema::{Tenant, Timestamp};
use uuid::Uuid;

use crate::JobsDbError;
use crate::row::{corrupt, time};

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
    /// Its SHA-256, if it was announced.
    pub sha256: Option<[u8; 32]>,
    /// How it comes in parts; if there is none, it comes in one request.
    pub parts: Option<UploadParts>,
}

/// An upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadParts {
    /// What the store calls it.
    pub store_upload: String,
    /// Size of every part but the last.
    pub part_bytes: u64,
}

/// `id`, `tenant`, `bucket`, `key`, `bytes`, `created_at`, `sha256`, `store_upload`, `part_bytes`.
pub(crate) type UploadColumns<Id> =
    (Id, String, String, String, i64, i64, Option<Vec<u8>>, Option<String>, Option<i64>);

/// An upload of a row; `id` is the row's.
pub(crate) fn upload<Id>(id: Uuid, columns: UploadColumns<Id>) -> Result<Upload, JobsDbError> {
    let (_, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes) = columns;
    let name = || format!("upload {id}");
    let size = |bytes: i64| u64::try_from(bytes).map_err(|error| corrupt(name(), error));
    let sha256 = sha256
        .map(|sum| <[u8; 32]>::try_from(sum.as_slice()).map_err(|error| corrupt(name(), error)));
    let parts = store_upload.zip(part_bytes).map(|(store_upload, part_bytes)| {
        Ok::<_, JobsDbError>(UploadParts { store_upload, part_bytes: size(part_bytes)? })
    });
    Ok(Upload {
        id,
        tenant: Tenant::new(tenant).map_err(|error| corrupt(name(), error))?,
        bucket,
        key,
        bytes: size(bytes)?,
        created_at: time(created_at),
        sha256: sha256.transpose()?,
        parts: parts.transpose()?,
    })
}
