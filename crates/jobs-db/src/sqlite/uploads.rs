//! Sources that are being uploaded.

use panofleet_job_schema::Tenant;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::file::SqliteFile;
use crate::row::{corrupt, integer, is_new, time};
use crate::{JobsDbError, Upload};

pub(super) async fn put(file: &SqliteFile, upload: &Upload) -> Result<(), JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO uploads (id, tenant, bucket, key, bytes, created_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(upload.id.as_bytes().as_slice())
    .bind(upload.tenant.as_str())
    .bind(&upload.bucket)
    .bind(&upload.key)
    .bind(integer(upload.bytes))
    .bind(upload.created_at.as_millis())
    .execute(&file.writer)
    .await?;
    is_new(inserted.rows_affected(), || format!("upload {}", upload.id))
}

pub(super) async fn get(readers: &SqlitePool, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
    let row: Option<UploadColumns> = sqlx::query_as(
        "SELECT id, tenant, bucket, key, bytes, created_at FROM uploads
         WHERE id = ? AND retired_at IS NULL",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_optional(readers)
    .await?;
    row.map(upload).transpose()
}

/// `id`, `tenant`, `bucket`, `key`, `bytes`, `created_at`.
pub(super) type UploadColumns = (Vec<u8>, String, String, String, i64, i64);

pub(super) fn upload(columns: UploadColumns) -> Result<Upload, JobsDbError> {
    let (id, tenant, bucket, key, bytes, created_at) = columns;
    let id = Uuid::from_slice(&id).map_err(|error| corrupt("an upload's id", error))?;
    Ok(Upload {
        id,
        tenant: Tenant::new(tenant).map_err(|error| corrupt(format_args!("upload {id}"), error))?,
        bucket,
        key,
        bytes: u64::try_from(bytes).map_err(|error| corrupt(format_args!("upload {id}"), error))?,
        created_at: time(created_at),
    })
}
