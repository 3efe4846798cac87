//! Sources that are being uploaded.

use panofleet_job_schema::Tenant;
use sqlx::PgPool;
use uuid::Uuid;

use crate::row::{corrupt, integer, time};
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
    if inserted.rows_affected() == 0 {
        return Err(JobsDbError::Conflict(format!("upload {}", upload.id)));
    }
    Ok(())
}

pub(super) async fn get(pool: &PgPool, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
    let row: Option<(String, String, String, i64, i64)> =
        sqlx::query_as("SELECT tenant, bucket, key, bytes, created_at FROM uploads WHERE id = $1")
            .bind(id)
            .fetch_optional(pool)
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
