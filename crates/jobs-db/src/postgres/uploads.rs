//! Sources that are being uploaded.

use panofleet_job_schema::Tenant;
use sqlx::PgPool;
use uuid::Uuid;

use crate::row::{corrupt, integer, is_new};
use crate::upload::{UploadColumns, upload};
use crate::{JobsDbError, Upload};

pub(super) async fn put(pool: &PgPool, upload: &Upload) -> Result<(), JobsDbError> {
    let parts = upload.parts.as_ref();
    let inserted = sqlx::query(
        "INSERT INTO uploads
             (id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(upload.id)
    .bind(upload.tenant.as_str())
    .bind(&upload.bucket)
    .bind(&upload.key)
    .bind(integer(upload.bytes))
    .bind(upload.created_at.as_millis())
    .bind(upload.sha256.as_ref().map(<[u8; 32]>::as_slice))
    .bind(parts.map(|parts| &parts.store_upload))
    .bind(parts.map(|parts| integer(parts.part_bytes)))
    .execute(pool)
    .await?;
    is_new(inserted.rows_affected(), || format!("upload {}", upload.id))
}

pub(super) async fn get(pool: &PgPool, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes FROM uploads
         WHERE id = $1 AND retired_at IS NULL",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    row.map(of_row).transpose()
}

pub(super) async fn bytes(pool: &PgPool, tenant: &Tenant) -> Result<u64, JobsDbError> {
    let bytes: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(bytes), 0)::bigint FROM uploads WHERE tenant = $1 AND retired_at IS NULL",
    )
    .bind(tenant.as_str())
    .fetch_one(pool)
    .await?;
    u64::try_from(bytes).map_err(|error| corrupt("a sum of bytes", error))
}

pub(super) type Columns = UploadColumns<Uuid>;

pub(super) fn of_row(columns: Columns) -> Result<Upload, JobsDbError> {
    upload(columns.0, columns)
}
