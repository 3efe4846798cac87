//! Sources that are being uploaded.

use panofleet_job_schema::Tenant;
use sqlx::PgPool;
use uuid::Uuid;

use crate::row::{corrupt, integer, is_new, time};
use crate::{JobsDbError, Upload};

pub(super) async fn put(pool: &PgPool, upload: &Upload) -> Result<(), JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO uploads (id, tenant, bucket, key, bytes, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(upload.id)
    .bind(upload.tenant.as_str())
    .bind(&upload.bucket)
    .bind(&upload.key)
    .bind(integer(upload.bytes))
    .bind(upload.created_at.as_millis())
    .execute(pool)
    .await?;
    is_new(inserted.rows_affected(), || format!("upload {}", upload.id))
}

pub(super) async fn get(pool: &PgPool, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
    let row: Option<UploadColumns> = sqlx::query_as(
        "SELECT id, tenant, bucket, key, bytes, created_at FROM uploads
         WHERE id = $1 AND retired_at IS NULL",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    row.map(upload).transpose()
}

/// `id`, `tenant`, `bucket`, `key`, `bytes`, `created_at`.
pub(super) type UploadColumns = (Uuid, String, String, String, i64, i64);

pub(super) fn upload(columns: UploadColumns) -> Result<Upload, JobsDbError> {
    let (id, tenant, bucket, key, bytes, created_at) = columns;
    Ok(Upload {
        id,
        tenant: Tenant::new(tenant).map_err(|error| corrupt(format_args!("upload {id}"), error))?,
        bucket,
        key,
        bytes: u64::try_from(bytes).map_err(|error| corrupt(format_args!("upload {id}"), error))?,
        created_at: time(created_at),
    })
}
