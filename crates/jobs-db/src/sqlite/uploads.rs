//! Sources that are being uploaded.

use panofleet_job_schema::Tenant;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::file::SqliteFile;
use crate::row::{corrupt, integer, time};
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
    if inserted.rows_affected() == 0 {
        return Err(JobsDbError::Conflict(format!("upload {}", upload.id)));
    }
    Ok(())
}

pub(super) async fn get(readers: &SqlitePool, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
    let row: Option<(String, String, String, i64, i64)> =
        sqlx::query_as("SELECT tenant, bucket, key, bytes, created_at FROM uploads WHERE id = ?")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(readers)
            .await?;
    let Some((tenant, bucket, key, bytes, created_at)) = row else { return Ok(None) };
    Ok(Some(Upload {
        id,
        tenant: Tenant::new(tenant).map_err(|error| corrupt(format_args!("upload {id}"), error))?,
        bucket,
        key,
        bytes: u64::try_from(bytes).map_err(|error| corrupt(format_args!("upload {id}"), error))?,
        created_at: time(created_at),
    }))
}
